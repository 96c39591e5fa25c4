package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/sinks"
)

// forgetful is a store that knows when it has lost rows.
type forgetful struct {
	*store
	loss, whole atomic.Uint64
	proofs      []string // of take-overs
}

func (f *forgetful) TakeOver(ctx context.Context, w sinks.Writer) (uint32, uint32, error) {
	f.proofs = append(f.proofs, w.Proof)
	return f.store.TakeOver(ctx, w)
}

func (f *forgetful) Alive(ctx context.Context, ms int64) error {
	if _, lost := f.Lost(); lost {
		return sinks.ErrRowsLost
	}
	return f.store.Alive(ctx, ms)
}

func (f *forgetful) Lost() (uint64, bool) { n := f.loss.Load(); return n, n != f.whole.Load() }
func (f *forgetful) Whole(loss uint64)    { f.whole.Store(max(f.whole.Load(), loss)) }
func (f *forgetful) Proof() string        { return "proof-of-" + fmt.Sprint(len(f.proofs)) }

func (f *forgetful) wipe() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.rows)
	f.loss.Add(1)
}

// Reliability row 28: rows that the store has lost are written anew without any
// event, live ones go on meanwhile, and there is no sign of life until all are
// there. A loss on the way begins the walk again.
func TestWhatTheStoreLosesIsWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := &forgetful{store: w.store}
		const cards = 2500
		send := func(b *broker, from, to int) {
			for i := from; i < to; i++ {
				b.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i%cards), i/100, "1.00"))
			}
		}
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, func(cfg *Config) { cfg.Store, cfg.Metrics, cfg.Backend = f, w.metrics, "fake" })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		send(w.broker, 0, 2*cards)
		pass(3 * time.Second)
		slices, wiped := 0, len(w.store.alive)
		w.store.writeFault = func(rows []sinks.VersionedRow) error {
			slices++
			if slices == 2 {
				f.wipe() // and that slice is the only one it has
			}
			if _, lost := f.Lost(); lost && len(rows) > 2*healRows {
				t.Errorf("%d rows in one slice", len(rows))
			}
			if n := len(w.store.alive); slices > 1 && f.loss.Load() > f.whole.Load() && n > wiped+1 {
				t.Errorf("%d signs of life while rows were missing", n-wiped)
			}
			return nil
		}
		f.wipe()
		send(w.broker, 2*cards, 2*cards+20)
		pass(4 * time.Second)
		if _, lost := f.Lost(); lost || slices < 5 {
			t.Errorf("lost %t after %d writes", lost, slices)
		}
		if len(w.store.alive) <= wiped+1 {
			t.Error("no sign of life after the repair")
		}
		if ready, why := r.Health().Ready(); !ready {
			t.Errorf("not ready: %s", why)
		}
		if n := w.counter("freshet_online_losses_total", "fake"); n != 2 {
			t.Errorf("%v losses counted, want 2", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		calm := newWorld(t)
		send(calm.broker, 0, 2*cards+20)
		calm.runToEnd(nil)
		if got, want := w.store.contents(), calm.store.contents(); !reflect.DeepEqual(got, want) {
			t.Errorf("the store has %d rows, want %d", len(got), len(want))
		}
		if w.store.stale != 0 {
			t.Errorf("%d rows were older than what stood there", w.store.stale)
		}

		// The next owner is told what proves the rows.
		next := w.broker.consumer()
		w.broker.assign(next)
		r = w.runner(next, func(cfg *Config) { cfg.Store = f })
		ctx, cancel = context.WithCancel(t.Context())
		go func() { done <- r.Run(ctx) }()
		pass(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if want := []string{"", "proof-of-1"}; !reflect.DeepEqual(f.proofs, want) {
			t.Errorf("proofs %q, want %q", f.proofs, want)
		}
	})
}
