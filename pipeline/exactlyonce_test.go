package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// transaction is a transactional output in memory, with its consumer's commit.
type transaction struct {
	mu       sync.Mutex
	open     []sinks.Record
	kept     []sinks.Record
	void     bool // an abort that the other end has not been told of
	aborts   int
	sizes    []int // steps of each committed batch
	produces int
	fault    func(what string) bool // whether it is aborted here
}

func (x *transaction) abortIf(what string) bool {
	if x.fault != nil && x.fault(what) {
		x.open, x.void, x.aborts = nil, true, x.aborts+1
		return true
	}
	return false
}

func (x *transaction) Produce(_ context.Context, records []sinks.Record) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.abortIf("before") {
		return fmt.Errorf("append: %w", sinks.ErrAborted)
	}
	x.void = false // the first after an abort begins the next
	x.open = append(x.open, copies(records)...)
	x.produces++
	if x.abortIf("after") {
		return fmt.Errorf("append: %w", sinks.ErrAborted)
	}
	return nil
}

func (x *transaction) Abort(context.Context) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open = nil
}

func (x *transaction) Forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.void = false
}

func (x *transaction) Close() error { return nil }

// paired is a consumer whose commit ends the transaction.
type paired struct {
	*fakeConsumer
	x *transaction
}

func (p paired) Commit(ctx context.Context, positions []sources.Position, meta string) error {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	if p.x.void || p.x.abortIf("commit") {
		return fmt.Errorf("commit: %w", sources.ErrAborted)
	}
	if err := p.fakeConsumer.Commit(ctx, positions, meta); err != nil {
		return err
	}
	p.x.kept = append(p.x.kept, p.x.open...)
	p.x.sizes, p.x.produces, p.x.open = append(p.x.sizes, p.x.produces), 0, nil
	return nil
}

// Design 6: after an abort the same is sent again, whole, whatever part of the
// batch had left; nothing of the state is taken back.
func TestAbortsChangeNothing(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			calm, rough := newWorld(t), newWorld(t)
			calm.fill(300, seed)
			rough.fill(300, seed)
			calm.runToEnd(nil)
			rng := rand.New(rand.NewPCG(seed, 5))
			x := &transaction{}
			x.fault = func(string) bool { return x.aborts < 40 && rng.IntN(4) == 0 }
			c := rough.broker.consumer()
			c.perPoll = 1 + rng.IntN(20)
			rough.broker.assign(c)
			r := rough.runner(c, func(cfg *Config) {
				cfg.Consumer, cfg.Output, cfg.DeadLetters = paired{c, x}, x, x
				cfg.Limits.BatchRecords = 20 + rng.IntN(60)
			})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- r.Run(ctx) }()
			pass(5 * time.Minute)
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if x.aborts == 0 || len(x.open) > 0 {
				t.Fatalf("%d aborts, %d records left open", x.aborts, len(x.open))
			}
			want := len(calm.output.all()) + len(calm.dead.all())
			if len(x.kept) != want {
				t.Errorf("seed %d: %d records committed, want %d", seed, len(x.kept), want)
			}
			seen := map[string]bool{}
			for _, rec := range x.kept {
				if key := string(rec.Value) + fmt.Sprint(rec.Headers); seen[key] {
					t.Errorf("seed %d: twice: %s", seed, rec.Value)
				} else {
					seen[key] = true
				}
			}
			if got, want := rough.store.contents(), calm.store.contents(); !reflect.DeepEqual(got, want) {
				t.Errorf("seed %d: the store differs", seed)
			}
		})
	}
}

// Rows leave while the batch is open, its records with the commit in one piece,
// and nothing of the next batch leaves before it has ended.
func TestABatchLeavesInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		x := &transaction{}
		c := w.broker.consumer()
		w.broker.assign(c)
		var order []string
		var mu sync.Mutex
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, what)
		}
		w.store.writeFault = func(rows []sinks.VersionedRow) error { note(fmt.Sprint(rows[0].Version.Batch)); return nil }
		slow := &slowCommit{paired{c, x}, note}
		r := w.runner(c, func(cfg *Config) {
			cfg.Consumer, cfg.Output, cfg.DeadLetters = slow, x, x
			cfg.Limits.CommitInterval = 100 * time.Millisecond
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		for i := range 100 {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
			pass(10 * time.Millisecond)
		}
		pass(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if slices.Max(x.sizes) != 1 {
			t.Errorf("appends of the batches: %v", x.sizes)
		}
		if steps := len(order) - len(x.sizes); steps < 5*len(x.sizes) {
			t.Errorf("%d steps of %d batches", steps, len(x.sizes))
		}
		batch := "1"
		for i, what := range order {
			if what == "commit" {
				batch = ""
				continue
			}
			if batch == "" {
				batch = what
			}
			if what != batch {
				t.Fatalf("rows of batch %s leave while %s is open: %v", what, batch, order[:i+1])
			}
		}
	})
}

// Many records do not wait for the commit: it would have them all to itself.
func TestManyRecordsDoNotWaitForTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		x := &transaction{}
		c := w.broker.consumer()
		w.broker.assign(c)
		for i := range 8 * sendAtOnce {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i/100, "1.00"))
		}
		c.perPoll = sendAtOnce / 2
		w.store.writeFault = func([]sinks.VersionedRow) error { lasts(time.Millisecond); return nil }
		r := w.runner(c, func(cfg *Config) {
			cfg.Consumer, cfg.Output, cfg.DeadLetters = paired{c, x}, x, x
			cfg.Limits.BatchRecords, cfg.Limits.CommitInterval = 2*sendAtOnce, time.Hour
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		pass(5 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(x.kept) != 8*sendAtOnce {
			t.Errorf("%d records are committed", len(x.kept))
		}
		if slices.Max(x.sizes) != 2 {
			t.Errorf("appends of the batches: %v, want those of %d records", x.sizes, sendAtOnce)
		}
	})
}

type slowCommit struct {
	paired
	note func(string)
}

func (s *slowCommit) Commit(ctx context.Context, positions []sources.Position, meta string) error {
	pass(30 * time.Millisecond)
	err := s.paired.Commit(ctx, positions, meta)
	s.note("commit")
	return err
}
