package features_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// A group that is written in parts, while its entities change, go and come, is the
// group as it was when it was begun; and no part is longer than was asked for, but
// for one entity.
func TestAGroupInPartsIsOfOneMoment(t *testing.T) {
	const most = 4 << 10
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 32))
		o := features.Options{Seed: [16]byte{7}, Few: int(seed % 3)}
		if seed%2 == 1 {
			o.MaxKeys = 304 * features.NumGroups // some are evicted while it is written
		}
		r := newRun(t, specOf(wordy))
		r.engine = features.NewEngine(r.plan, o)
		keys := neighbours(r, 400)
		at := 0
		pay := func(key string) {
			at += random.IntN(200)
			x := sent{text: fmt.Sprintf(`{"at":%d,"id":"i%d","card":%q,"user":"u","qty":%d,"ok":true,"mcc":"m%d"}`, start.UnixMilli()+int64(at), at, key, random.IntN(9), random.IntN(200))}
			x.event.RecordTime, x.event.Offset = event.NoTime, r.offsets[[2]int{}]
			r.offsets[[2]int{}]++
			r.give(r.engine, x, nil)
		}
		for range 1500 {
			pay(keys[random.IntN(300)])
		}
		r.engine.DropTouches()
		group, now := r.engine.Group(keys[0]), start.UnixMilli()+int64(at)
		whole := r.engine.AppendGroup(nil, group)
		r.engine.BeginGroup(group)
		for range 30 {
			pay(keys[random.IntN(len(keys))])
		}
		r.engine.DropTouches()
		var parts []byte
		n, last := 0, 0
		for more := true; more; n++ {
			parts, more = r.engine.AppendSome(parts, most)
			if added := len(parts) - last; added > 2*most { // with the last entity
				t.Fatalf("seed %d: a part of %d bytes", seed, added)
			}
			last = len(parts)
			for range random.IntN(4) {
				pay(keys[random.IntN(len(keys))])
			}
			r.engine.DropTouches()
		}
		if n < 20 {
			t.Fatalf("seed %d: %d bytes were written in %d parts", seed, len(whole), n)
		}
		if head := 16 + 8 + 12; !bytes.Equal(parts[head:head+16], whole[head:head+16]) {
			t.Fatalf("seed %d: what is known of those that are gone is of another moment", seed)
		}
		want, got := r.of(group, whole, o), r.of(group, parts, o)
		if a, b := want.Stats().Logs[0].Keys, got.Stats().Logs[0].Keys; a != b || want.Texts() != got.Texts() {
			t.Fatalf("seed %d: %d keys, want %d; %d texts, want %d", seed, b, a, got.Texts(), want.Texts())
		}
		var a, b features.Row
		for _, key := range keys {
			want.Read(r.plan.Reads()[0].View, key, now+1, &a)
			got.Read(r.plan.Reads()[0].View, key, now+1, &b)
			for j, c := range a.Layout.Columns {
				if !a.Values[j].Equal(b.Values[j]) || a.Statuses[j] != b.Statuses[j] {
					t.Fatalf("seed %d: %s of %s: %v %s, want %v %s", seed, c.Name(), key, b.Values[j], b.Statuses[j], a.Values[j], a.Statuses[j])
				}
			}
		}
	}
}

// What the key cap evicts of a group that is being written is written in its turn:
// of a large group thousands go at once, and nobody waits for them to be written.
// Then, or once the group is given up, nothing is left of them.
func TestWhatIsEvictedIsWrittenInItsTurn(t *testing.T) {
	const share = 320
	for _, end := range []string{"written", "given up", "begun again", "its rows first"} {
		r := newRun(t, specOf(wordy))
		o := features.Options{Seed: [16]byte{7}, MaxKeys: share * features.NumGroups}
		r.engine = features.NewEngine(r.plan, o)
		keys := neighbours(r, share+2)
		calm := features.NewEngine(r.plan, o)
		pay := func(i int) {
			x := sent{text: fmt.Sprintf(`{"at":%d,"id":"i%d","card":%q,"user":"u","qty":1,"ok":true,"mcc":"m%d"}`, start.UnixMilli()+int64(i), i, keys[i], i)}
			x.event.RecordTime, x.event.Offset = event.NoTime, int64(i)
			r.give(r.engine, x, nil)
			r.give(calm, x, nil)
		}
		for i := range share {
			pay(i)
		}
		if end != "its rows first" {
			r.engine.DropTouches()
		}
		group := r.engine.Group(keys[0])
		whole := r.engine.AppendGroup(nil, group)
		r.engine.BeginGroup(group)
		pay(share)
		stats, early := r.engine.Stats().Logs[0], r.engine.WrittenEarly()
		if want := int64(share - share/16 + 1); stats.Keys != want || early != 0 {
			t.Fatalf("%s: %d keys, want %d; %d bytes were written before their turn", end, stats.Keys, want, early)
		}
		switch end {
		case "written", "its rows first":
			var parts []byte
			for more := true; more; {
				parts, more = r.engine.AppendSome(parts, 4<<10)
			}
			if !bytes.Equal(parts, whole) {
				t.Errorf("%s: %d bytes are not the %d of before", end, len(parts), len(whole))
			}
		case "given up":
			r.engine.EndSnapshot(nil)
		case "begun again":
			r.engine.BeginGroup(group)
		}
		r.engine.DropTouches()
		calm.DropTouches()
		if a, b := r.engine.Slots(), calm.Slots(); a != b || r.engine.Texts() != calm.Texts() {
			t.Errorf("%s: %d states are held, want %d; %d texts, want %d", end, a, b, r.engine.Texts(), calm.Texts())
		}
	}
}

// of is an engine that has one group.
func (r *run) of(group int, raw []byte, o features.Options) *features.Engine {
	r.t.Helper()
	e := features.NewEngine(r.plan, o)
	back := features.NewRestore(e, r.plan.LogIDs())
	g, err := back.Check(group, raw)
	if err != nil {
		r.t.Fatal(err)
	}
	back.Attach(g, nil)
	return e
}
