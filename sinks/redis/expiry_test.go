package redis

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

// aging is a store on a server whose clock the test moves.
type aging struct {
	*Store
	server *miniredis.Miniredis
	age    time.Duration
	n      uint32
}

func newAging(t *testing.T) *aging {
	a := &aging{server: miniredis.RunT(t)}
	a.Store = openStore(t, options("redis://"+a.server.Addr()))
	a.rows.expires.clock = func() time.Duration { return a.age }
	return a
}

func (a *aging) pass(d time.Duration) {
	a.age += d
	a.server.FastForward(d)
}

// put writes a row of a view with a ttl, and gives how long it will be there.
func (a *aging) put(t *testing.T, ttl time.Duration, key string) time.Duration {
	t.Helper()
	layout := sinktest.Layout(&spec.View{Name: "v", Version: 1, Entity: &spec.Entity{Name: "e"}, TTL: ttl},
		sinktest.Column{Name: "n", Type: spec.Double})
	a.n++
	row := sinktest.MakeRow(layout, key, sinktest.At(1, a.n), event.OfDouble(float64(a.n)))
	if err := a.Write(context.Background(), []sinks.VersionedRow{row}); err != nil {
		t.Fatal(err)
	}
	return a.server.TTL(a.keys.row(layout.View, key))
}

// A row that is written often is told its time once in a while, and stays its
// ttl after each write all the same.
func TestAHotRowKeepsItsTTLWithoutBeingTold(t *testing.T) {
	a := newAging(t)
	const ttl = time.Hour
	if left := a.put(t, ttl, "k"); left != ttl+mostExtra {
		t.Errorf("a new row has %v", left)
	}
	a.pass(mostExtra - time.Millisecond)
	if left := a.put(t, ttl, "k"); left != ttl+time.Millisecond {
		t.Errorf("a moment later it has %v: was it told again?", left)
	}
	a.pass(time.Millisecond)
	if left := a.put(t, ttl, "k"); left != ttl+mostExtra {
		t.Errorf("when the moment is over it has %v", left)
	}
	if left := a.put(t, time.Second, "short"); left != 1100*time.Millisecond {
		t.Errorf("a row of 1 s has %v", left)
	}
}

// Whatever is written when, and deleted by others: a row is there for its ttl
// after its last write, and not much longer.
func TestARowNeverGoesEarlierThanItsTTL(t *testing.T) {
	a := newAging(t)
	r := rand.New(rand.NewPCG(1, 2))
	ttls := map[string]time.Duration{"a": 3 * time.Second, "b": 40 * time.Second, "c": 20 * time.Minute, "d": 40 * time.Second}
	names := []string{"a", "b", "c", "d"}
	view := &spec.View{Name: "v", Version: 1, Entity: &spec.Entity{Name: "e"}}
	for range 3000 {
		key := names[r.IntN(len(names))]
		switch r.IntN(20) {
		case 0:
			a.server.Del(a.keys.row(view, key))
		case 1:
			a.server.FlushAll() // the fence with it: it is a loss
		}
		left := a.put(t, ttls[key], key)
		if ttl := ttls[key]; left < ttl || left > ttl+ttl/10 || left > ttl+mostExtra {
			t.Fatalf("%s with a ttl of %v goes in %v", key, ttl, left)
		}
		if r.IntN(3) > 0 {
			a.pass(time.Duration(r.IntN(500)) * time.Millisecond)
		}
	}
}

// What a failed write has told is not known: the next one tells it again. So
// does the first one behind a loss, whose copy of a row may be an old one.
func TestTheTimeOfARowIsToldAgainWhereItMayBeLost(t *testing.T) {
	for name, hurt := range map[string]func(*aging){
		"failed": func(a *aging) {
			a.server.SetError("LOADING")
			layout := sinktest.Layout(&spec.View{Name: "v", Version: 1, Entity: &spec.Entity{Name: "e"}}, sinktest.Column{Name: "n", Type: spec.Double})
			if a.Write(context.Background(), []sinks.VersionedRow{sinktest.MakeRow(layout, "other", sinktest.At(1, 1), event.OfDouble(1))}) == nil {
				panic("a write to a server that refuses it went through")
			}
			a.server.SetError("")
		},
		"lost":      func(a *aging) { a.beats.losses++ },
		"take-over": func(a *aging) { _, _, _ = a.TakeOver(context.Background(), sinks.Writer{Views: nil}) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAging(t)
			a.put(t, time.Hour, "k")
			a.server.SetTTL(a.keys.row(&spec.View{Name: "v", Version: 1, Entity: &spec.Entity{Name: "e"}}, "k"), time.Second) // as an old copy has it
			hurt(a)
			if left := a.put(t, time.Hour, "k"); left < time.Hour {
				t.Errorf("goes in %v", left)
			}
		})
	}
}

// A cluster's script has the same rule.
func TestRowScriptTellsTheTimeOfANewRowOnly(t *testing.T) {
	server := miniredis.RunT(t)
	store := openStore(t, options("redis://"+server.Addr()))
	run := func(version, ttl string) time.Duration {
		t.Helper()
		if err := store.client.Eval(context.Background(), rowScript.source, []string{"row"}, version, ttl, 2, fieldVersion, version).Err(); err != nil {
			t.Fatal(err)
		}
		return server.TTL("row")
	}
	if left := run("1", "-60000"); left != time.Minute {
		t.Errorf("a new row goes in %v", left)
	}
	server.FastForward(20 * time.Second)
	if left := run("2", "-60000"); left != 40*time.Second {
		t.Errorf("a row that was there goes in %v", left)
	}
	if left := run("3", "60000"); left != time.Minute {
		t.Errorf("a row that is told goes in %v", left)
	}
	server.Del("row")
	if left := run("4", ""); left != 0 {
		t.Errorf("a row without a ttl goes in %v", left)
	}
}
