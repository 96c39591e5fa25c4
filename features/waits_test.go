package features_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

// unknown counts what took nothing back, of all logs.
func unknown(e *features.Engine) (n int64) {
	for _, l := range e.Stats().Logs {
		n += l.RetractUnknown
	}
	return n
}

// What waits for its original when a snapshot is written waits on behind it, and is
// found, or counted when the lateness is over, whichever group its entity is of.
func TestS16WhatWaitsGoesOnBehindASnapshot(t *testing.T) {
	const cards = 400 // in most of the groups
	bothWays(t, retracting(taken), func(r *run) {
		for i := range cards {
			r.pay("0s", fmt.Sprintf(`"card":"c%d","undo":"of %d"`, i, i))
		}
		p := &photo{admission: r.engine.BeginSnapshot().Append(nil)}
		for g := range p.groups {
			p.groups[g] = r.engine.AppendGroup(nil, g)
		}
		refused := r.engine.EndSnapshot(nil)
		r.engine.DropTouches()
		other := features.NewEngine(r.plan, features.Options{Seed: [16]byte{7}, Few: 1})
		back := features.NewRestore(other, r.plan.LogIDs())
		for g := range p.groups {
			checked, err := back.Check(g, p.groups[g])
			if err != nil {
				t.Fatal(err)
			}
			back.Attach(checked, nil)
		}
		if err := back.Admission(bytes.NewReader(p.admission), refused, nil, nil); err != nil {
			t.Fatal(err)
		}
		other.EndReplay()

		r.engine = other
		for i := range cards / 4 {
			r.record("pay", 1, "1s", fmt.Sprintf(`"id":"of %d","card":"c%d"`, i, i))
		}
		r.pay("1m", `"card":"x"`)
		if n := unknown(other); n != 0 {
			t.Errorf("%d are unknown before the lateness is over", n)
		}
		r.pay("1m1ms", `"card":"x"`)
		if n := unknown(other); n != cards*3/4 {
			t.Errorf("%d are unknown, want %d", n, cards*3/4)
		}
	})
}

// Each event counts what has waited in vain of some groups, whether anyone asks or not:
// nothing piles up.
func TestS16WhatHasWaitedIsForgottenAsEventsCome(t *testing.T) {
	r := newRun(t, retracting(taken))
	for i := range 400 {
		r.pay("0s", fmt.Sprintf(`"card":"c%d","undo":"of %d"`, i, i))
	}
	if n := r.engine.Waiting(); n != 400 {
		t.Fatalf("%d wait, want 400", n)
	}
	for range features.NumGroups {
		r.pay("2m", `"card":"x"`)
	}
	if n := r.engine.Waiting(); n != 0 {
		t.Errorf("%d wait still", n)
	}
}
