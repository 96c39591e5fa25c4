package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// counting counts what is asked to be applied, and what is.
type counting struct {
	engine
	asked, applied atomic.Int32
}

func (c *counting) Admit(ev *event.Event) *event.Rejection {
	c.asked.Add(1)
	return c.engine.Admit(ev)
}

func (c *counting) Apply(ev *event.Event, v *features.Vector) {
	c.engine.Apply(ev, v)
	c.applied.Add(1)
}

// busy runs an instance whose first step takes the store 100 ms, does what is to
// be done meanwhile, and ends the instance. It gives the seq of the rows of each
// step.
func (w *world) busy(c sources.Consumer, meanwhile func(applied func() int32)) (seqs []uint32) {
	w.t.Helper()
	e := &counting{engine: features.NewEngine(w.plan, features.Options{})}
	w.store.writeFault = func(rows []sinks.VersionedRow) error {
		seqs = append(seqs, rows[0].Version.Seq)
		if len(seqs) == 1 {
			lasts(100 * time.Millisecond)
		}
		return nil
	}
	r := w.runner(c, func(cfg *Config) { cfg.Limits.CommitInterval = time.Second })
	r.newEngine = func([16]byte) engine { return e }
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	pass(2 * time.Second)
	w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
	pass(10 * time.Millisecond)
	meanwhile(e.applied.Load)
	pass(time.Second)
	cancel()
	if err := <-done; err != nil {
		w.t.Fatalf("%v\n%s", err, w.logs)
	}
	if asked, applied := e.asked.Load(), e.applied.Load(); asked != applied {
		w.t.Errorf("of %d events %d are applied: some are asked for twice", asked, applied)
	}
	return seqs
}

// What comes while a step leaves is applied meanwhile, and is one step all the
// same: its rows are as after its last record, and each record leaves once, under
// a number of its own.
func TestAStepIsAppliedWhileTheOneBeforeLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.broker.consumer()
		w.broker.assign(c)
		const looks, each = 4, 5
		w.output.fault = func(records []sinks.Record) error {
			if len(records) > 1 { // the second step's: one of its first look is refused
				return &sinks.TooLarge{Indexes: []int{1}}
			}
			return nil
		}
		seqs := w.busy(c, func(applied func() int32) {
			for look := range looks {
				for i := range each {
					n := 1 + look*each + i
					w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", n), "c1", n, "1.00"))
				}
				pass(10 * time.Millisecond)
				if got, want := applied(), int32(1+(look+1)*each); got != want {
					t.Errorf("%d events are applied while the step leaves, %d have come", got, want)
				}
			}
		})
		if want := []uint32{0, looks*each - 1}; !reflect.DeepEqual(seqs, want) {
			t.Errorf("the rows of the steps are as after %v, want %v", seqs, want)
		}
		want := map[string]uint32{"transactions:0:0": 0} // a batch of its own
		for n := range looks * each {
			want[fmt.Sprint("transactions:0:", 1+n)] = uint32(n)
		}
		delete(want, "transactions:0:2")
		got := map[string]uint32{}
		for _, rec := range w.decoded() {
			got[rec.Provenance.Place] = rec.Provenance.Seq
		}
		if !reflect.DeepEqual(got, want) || len(w.output.all()) != len(want) {
			t.Errorf("%d records, by place %v, want %v", len(w.output.all()), got, want)
		}
		if dead := w.dead.all(); len(dead) != 1 || !reflect.DeepEqual(w.reasons(), map[string]int{"too_large": 1}) {
			t.Errorf("%d dead letters: %v", len(dead), w.reasons())
		}
	})
}

// halved brings the first partition alone, once it is told to.
type halved struct {
	*fakeConsumer
	half atomic.Bool
}

func (h *halved) Poll(ctx context.Context, most int) (sources.Poll, error) {
	second := sources.PartitionID{Source: transactions, Partition: 1}
	if h.half.Swap(false) {
		h.Pause(second)
	} else {
		h.Resume()
	}
	return h.fakeConsumer.Poll(ctx, most)
}

// A poll that found records in the client's memory is followed by another at once:
// what both bring was appended together, and is merged.
func TestPollsOfOneLookAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := &halved{fakeConsumer: w.broker.consumer()}
		w.broker.assign(c.fakeConsumer)
		w.busy(c, func(applied func() int32) {
			w.broker.append(transactions, 1, clock0, txn("t1", "c1", 1, "1.00"))
			pass(lookPace / 2) // it was read at once, and the loop rests
			c.half.Store(true)
			w.broker.append(transactions, 0, clock0, txn("t2", "c1", 40, "1.00"))
			w.broker.append(transactions, 1, clock0, txn("t3", "c1", 10, "1.00"))
			pass(10 * time.Millisecond)
			if applied() != 4 {
				t.Errorf("%d of 4 are applied while the step leaves", applied())
			}
		})
		want := []string{"transactions:0:0", "transactions:1:0", "transactions:1:1", "transactions:0:1"}
		if got := places(w.decoded()); !reflect.DeepEqual(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}
