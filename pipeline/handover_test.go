package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.broker.consumer(), w.broker.consumer()
		w.broker.assign(a)
		first, second := w.runner(a, nil), w.runner(b, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- first.Run(ctx) }()
		go func() { done <- second.Run(ctx) }()
		w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
		pass(2 * time.Second)
		if ready, _ := first.Health().Ready(); !ready {
			t.Error("the owner is not ready")
		}
		if ready, why := second.Health().Ready(); !ready || !strings.HasPrefix(why, "standby") {
			t.Errorf("the standby: ready %v, %s", ready, why)
		}
		if started, why := second.Health().Startup(); !started || !strings.HasPrefix(why, "standby") {
			t.Errorf("the standby: started %v, %s", started, why)
		}
		w.broker.assign(b)
		w.broker.append(transactions, 0, clock0, txn("t1", "c1", 1, "1.00"))
		pass(2 * time.Second)
		if ready, why := first.Health().Ready(); !ready || !strings.HasPrefix(why, "standby") {
			t.Errorf("who was owner: ready %v, %s", ready, why)
		}
		if ready, why := second.Health().Ready(); !ready || !strings.HasPrefix(why, "active") {
			t.Errorf("who is owner: ready %v, %s", ready, why)
		}
		w.broker.assign(a) // and back
		w.broker.append(transactions, 0, clock0, txn("t2", "c1", 2, "1.00"))
		pass(2 * time.Second)
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for i, r := range w.decoded() {
			if r.Features["card_velocity.txn_count_1h"] != float64(i+1) || r.Provenance.Owner != uint32(i+1) || r.Provenance.Batch != uint64(i+1) {
				t.Errorf("record %d: %+v %v", i, r.Provenance, r.Features)
			}
		}
		if len(w.decoded()) != 3 {
			t.Errorf("%d records", len(w.decoded()))
		}
	})
}

// A zombie's commit is refused: what it applied is void, and it waits.
func TestARefusedCommitDropsTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.broker.consumer()
		w.broker.assign(c)
		refused := false
		c.commitDo = func() error {
			if !refused {
				refused = true
				return sources.ErrLost
			}
			return nil
		}
		r := w.runner(c, func(c *Config) { c.Metrics = w.metrics })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
		pass(2 * time.Second)
		if ready, _ := r.Health().Ready(); ready || r.engine != nil {
			t.Error("ready, or with a state, after a refused commit")
		}
		if n := w.counter("freshet_transactions_total", "lost"); n != 1 {
			t.Errorf("%v lost commits counted", n)
		}
		w.broker.assign(c)
		pass(2 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		got := w.decoded()
		if len(got) != 2 || got[1].Features["card_velocity.txn_count_1h"] != 1.0 || got[1].Provenance.Owner != 2 || got[1].Provenance.Batch != 1 {
			t.Errorf("the second try: %+v", got[len(got)-1])
		}
	})
}

// What kept an owner from being ready ends with its ownership: a broker that did
// not answer, a store that was away. The next one is ready until something fails.
func TestWhatBlockedAnOwnerBlocksNoNextOne(t *testing.T) {
	for name, breaks := range map[string]func(*world, *fakeConsumer){
		"a commit that failed before it was refused": func(_ *world, c *fakeConsumer) {
			tries := 0
			c.commitDo = func() error {
				tries++
				return errors.Join(errors.New("no answer"), map[int]error{3: sources.ErrLost}[tries])
			}
		},
		"a store that was away": func(w *world, _ *fakeConsumer) {
			w.store.writeFault = func([]sinks.VersionedRow) error { return errors.New("connection refused") }
		},
		"a sign of life that failed": func(w *world, _ *fakeConsumer) { w.store.aliveFault = errors.New("connection refused") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.broker.consumer()
				w.broker.assign(c)
				breaks(w, c)
				r := w.runner(c, nil)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- r.Run(ctx) }()
				w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
				pass(5 * time.Second)
				if ready, _ := r.Health().Ready(); ready {
					t.Error("ready although it is broken")
				}
				c.commitDo, w.store.writeFault, w.store.aliveFault = nil, nil, nil
				w.broker.assign(w.broker.consumer()) // someone else has it meanwhile, and writes all rows
				pass(time.Second)
				for _, p := range w.broker.partitions {
					p.meta = strings.ReplaceAll(p.meta, behindMark, "")
				}
				w.broker.assign(c)
				pass(2 * time.Second)
				if ready, why := r.Health().Ready(); !ready {
					t.Errorf("not ready: %s\n%s", why, w.logs)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.broker.consumer()
		w.broker.assign(c)
		w.output.fault = func([]sinks.Record) error { lasts(3 * time.Second); return nil } // a slow write is under way
		r := w.runner(c, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
		pass(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(w.broker.commits) != 1 || !c.closed {
			t.Errorf("%d commits, closed %v", len(w.broker.commits), c.closed)
		}
		// What was read and waits for its batch to close is finished too.
		w.output.fault = nil
		w.broker.assign(c)
		r = w.runner(c, func(cfg *Config) { cfg.Limits.CommitInterval = time.Hour })
		ctx, cancel = context.WithCancel(t.Context())
		go func() { done <- r.Run(ctx) }()
		w.broker.append(transactions, 0, clock0, txn("t1", "c1", 1, "1.00"))
		pass(time.Second) // the first batch closes at once
		w.broker.append(transactions, 0, clock0, txn("t2", "c1", 2, "1.00"))
		pass(time.Second)
		if len(w.broker.commits) != 2 {
			t.Errorf("%d commits, want 2: the third record's batch is open", len(w.broker.commits))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(w.broker.commits) != 3 || len(w.output.all()) != 3 {
			t.Errorf("%d commits, %d records, want 3", len(w.broker.commits), len(w.output.all()))
		}
		if live, why := r.Health().Live(); live {
			t.Errorf("live after the end: %s", why)
		}
	})
}

// SIGTERM while the store is gone: the process ends in time, with nothing
// committed and nothing lost.
func TestDrainEndsInTimeWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.writeFault = func([]sinks.VersionedRow) error { return errors.New("connection refused") }
		if took := w.drainOfOne(t, func(c *Config) { c.Limits.StoreWait = time.Hour }); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		if len(w.broker.commits) != 0 || !strings.Contains(w.logs.String(), "not committed") {
			t.Errorf("%d commits, log %s", len(w.broker.commits), w.logs)
		}
	})
}

// SIGTERM while a take-over waits for the store: there is nothing to finish.
func TestATakeOverThatWaitsEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.takeOverFault = func() error { return errors.New("connection refused") }
		if took := w.drainOfOne(t, nil); took > 0 || strings.Contains(w.logs.String(), "last batch") {
			t.Errorf("it took %s: %s", took, w.logs)
		}
	})
}

// drainOfOne tells an instance to stop that has had one record for a minute, and
// returns how long it took to end, without an error.
func (w *world) drainOfOne(t *testing.T, set func(*Config)) time.Duration {
	t.Helper()
	c := w.broker.consumer()
	w.broker.assign(c)
	r := w.runner(c, set)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
	pass(time.Minute)
	cancel()
	began := time.Now()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return time.Since(began)
}

// A zombie that wakes while its batch is leaving is told so by the output
// itself: it stops sending, though its steps are full and nothing is polled.
func TestAnOutputThatIsAnothersDropsTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.join(func(c *Config) { c.Limits.BatchRecords = 4 })
		w.broker.assign(m.consumer.fakeConsumer)
		asleep := make(chan struct{})
		w.output.fault = func([]sinks.Record) error {
			<-asleep
			return fmt.Errorf("%w: begin a transaction: %w", sinks.ErrAborted, sources.ErrLost)
		}
		for i := range 40 {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		}
		pass(time.Second)
		w.broker.assign(w.broker.consumer())
		close(asleep)
		pass(time.Second)
		if ready, why := m.runner.Health().Ready(); !ready || why != "standby: caught up with the owner" {
			t.Errorf("ready %v, %s", ready, why)
		}
		w.output.fault = nil
		m.drain(t)
		if n := len(w.output.all()); n != 0 {
			t.Errorf("%d records of a zombie", n)
		}
	})
}
