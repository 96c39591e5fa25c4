package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
)

// Reliability row 33: a store that is away at a take-over is waited for no longer
// than one that goes away later. Nothing is written before it has given a
// number, and then all is.
func TestATakeOverGoesOnWithoutTheStore(t *testing.T) {
	for _, drawn := range []uint32{1, 7} { // what the store has given away last
		t.Run(fmt.Sprint(drawn), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.store.fenced = true
				var away atomic.Bool
				w.store.takeOverFault = func() error {
					if away.Load() {
						return errors.New("connection refused")
					}
					return nil
				}
				var early atomic.Int64
				w.store.writeFault = func(rows []sinks.VersionedRow) error {
					if away.Load() || rows[0].Version.Owner != w.store.owner {
						early.Add(1)
					}
					return nil
				}
				send := func(from, to int) {
					for i := from; i < to; i++ {
						w.broker.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i%7), i, "1.00"))
						pass(50 * time.Millisecond)
					}
				}
				x := &transaction{}
				run := func(during func(*Runner)) {
					c := w.broker.consumer()
					w.broker.assign(c)
					r := w.runner(c, func(cfg *Config) { cfg.Consumer, cfg.Output, cfg.DeadLetters = paired{c, x}, x, x })
					ctx, cancel := context.WithCancel(t.Context())
					done := make(chan error)
					go func() { done <- r.Run(ctx) }()
					during(r)
					cancel()
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}
				run(func(*Runner) { send(0, 20); pass(time.Second) })
				away.Store(true)
				w.store.owner = drawn
				run(func(r *Runner) {
					send(20, 120) // 5 s
					pass(time.Second)
					if n := behindOf(x.kept); len(x.kept) != 120 || n != 100 {
						t.Errorf("%d records are committed while the store is away, want 120; %d say that rows are behind", len(x.kept), n)
					}
					if ready, _ := r.Health().Ready(); ready {
						t.Error("ready without the store")
					}
					alive := len(w.store.alive)
					away.Store(false)
					send(120, 160)
					pass(10 * time.Second)
					if ready, why := r.Health().Ready(); !ready || len(w.store.alive) == alive {
						t.Errorf("the store is back: ready %v, %s; %d signs of life", ready, why, len(w.store.alive)-alive)
					}
					send(160, 165)
				})
				if len(x.kept) != 165 || early.Load() != 0 {
					t.Errorf("%d records are committed, want 165; %d writes without a number", len(x.kept), early.Load())
				}
				if last := mustDecode(t, x.kept[164]).Provenance; last.Owner != drawn+1 || w.store.stale != 0 {
					t.Errorf("the last record is of owner %d, want %d; %d rows were older than what stood there", last.Owner, drawn+1, w.store.stale)
				}
				calm := newWorld(t)
				for i := range 165 {
					calm.broker.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i%7), i, "1.00"))
				}
				calm.runToEnd(nil)
				mustEqualRows(t, w, calm)
			})
		})
	}
}

// Two owners of one number could not be told apart by what they leave at least
// once, and a first run has none to go on from: they wait.
func TestATakeOverWaitsWhereItMust(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprint("first ", first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var away atomic.Bool
				w.store.takeOverFault = func() error {
					if away.Load() {
						return errors.New("connection refused")
					}
					return nil
				}
				w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
				run := func(change func(*Config, *fakeConsumer), during func()) {
					c := w.broker.consumer()
					w.broker.assign(c)
					r := w.runner(c, func(cfg *Config) { change(cfg, c) })
					ctx, cancel := context.WithCancel(t.Context())
					done := make(chan error)
					go func() { done <- r.Run(ctx) }()
					during()
					cancel()
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}
				asIs := func(*Config, *fakeConsumer) {}
				if !first {
					run(asIs, func() { pass(time.Second) })
					w.broker.append(transactions, 0, clock0, txn("t1", "c1", 1, "1.00"))
				} else {
					x := &transaction{}
					asIs = func(cfg *Config, c *fakeConsumer) { cfg.Consumer, cfg.Output, cfg.DeadLetters = paired{c, x}, x, x }
				}
				away.Store(true)
				before := len(w.broker.commits)
				run(asIs, func() {
					pass(time.Minute)
					if n := len(w.broker.commits) - before; n != 0 {
						t.Errorf("%d commits without a number", n)
					}
					away.Store(false)
					pass(time.Minute)
					if n := len(w.broker.commits) - before; n == 0 {
						t.Error("no commit although the store is back")
					}
				})
			})
		})
	}
}

func mustDecode(t *testing.T, rec sinks.Record) *record.Record {
	t.Helper()
	r, err := record.Decode(rec.Value)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
