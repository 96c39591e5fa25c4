package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// places are the inputs of the output's records, as source:partition:offset.
func places(records []*record.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, r.Provenance.Place)
	}
	return out
}

func TestTheBatchMergesItsPartitionsByRunningMaximum(t *testing.T) {
	w := newWorld(t)
	w.broker.append(transactions, 0, clock0, txn("a0", "c1", 10, "1.00"))
	w.broker.append(transactions, 0, clock0, txn("a1", "c1", 40, "1.00"))
	w.broker.append(transactions, 0, clock0, txn("a2", "c1", 20, "1.00")) // out of order: its stream stands at 40
	w.broker.append(transactions, 1, clock0, txn("b0", "c1", 10, "1.00")) // a tie goes to the lower partition
	w.broker.append(transactions, 1, clock0, txn("b1", "c1", 30, "1.00"))
	w.broker.append(logins, 0, clock0, login("l0", "c1", 40)) // a tie goes to the earlier source
	w.runToEnd(nil)
	got := w.decoded()
	want := []string{"transactions:0:0", "transactions:1:0", "transactions:1:1", "transactions:0:1", "transactions:0:2", "logins:0:0"}
	if !reflect.DeepEqual(places(got), want) {
		t.Errorf("order %v, want %v", places(got), want)
	}
	for i, r := range got {
		if p := r.Provenance; p.Batch != 1 || p.Owner != 1 || p.Seq != uint32(i) {
			t.Errorf("record %d: %+v", i, p)
		}
	}
}

func TestS05MergedInputsKeepTheOrderOfDelivery(t *testing.T) {
	w := newWorld(t)
	w.broker.append(transactions, 0, clock0, txn("a0", "c1", 50, "1.00"))
	w.broker.append(transactions, 1, clock0, txn("b0", "c1", 10, "1.00"))
	w.runToEnd(func(c *Config) { c.Merged = true })
	if got := places(w.decoded()); !reflect.DeepEqual(got, []string{"transactions:0:0", "transactions:1:0"}) {
		t.Errorf("order %v", got)
	}
}

func TestRefusedRecordsTakeNoSeq(t *testing.T) {
	w := newWorld(t)
	w.broker.append(transactions, 0, clock0, txn("a", "c1", 1, "1.00"))
	w.broker.append(transactions, 0, clock0, `not json`)
	w.broker.append(transactions, 0, clock0, txn("a", "c1", 1, "1.00")) // a duplicate
	w.broker.append(transactions, 0, clock0, txn("b", "c1", 2, "1.00"))
	w.runToEnd(nil)
	got := w.decoded()
	if len(got) != 2 || got[0].Provenance.Seq != 0 || got[1].Provenance.Seq != 1 {
		t.Errorf("got %v", places(got))
	}
	if !reflect.DeepEqual(w.reasons(), map[string]int{"decode": 1}) {
		t.Errorf("dead letters %v", w.reasons())
	}
}

// I14: the same log in the same batches gives the same canonical bytes, however
// it is polled and by however many readers.
func TestSameBatchesSameBytes(t *testing.T) {
	canonical := func(perPoll, workers int) []string {
		w := newWorld(t)
		for i := range 3000 {
			card := fmt.Sprintf("card-%04d-0000", i%37)
			if i%3 == 0 {
				w.broker.append(logins, 0, clock0, login(fmt.Sprint("l", i), card, i%500))
			} else {
				w.broker.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i%2900), card, i%700, "12.34"))
			}
		}
		w.broker.ends = true
		c := w.broker.consumer()
		c.perPoll = perPoll
		w.broker.assign(c)
		// Batches by count alone, and a batch takes all partitions alike only
		// if polls do: one poll is one batch here.
		r := w.runner(c, func(cfg *Config) { cfg.Limits = Limits{BatchRecords: 5000, Workers: workers}; cfg.Merged = false })
		if err := r.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, rec := range w.output.all() {
			out = append(out, string(record.Canonical(rec.Value)))
		}
		return out
	}
	want := canonical(0, 1)
	if len(want) < 2500 {
		t.Fatalf("only %d records", len(want))
	}
	for _, v := range []struct{ perPoll, workers int }{{0, 4}, {7, 1}, {600, 3}} {
		if got := canonical(v.perPoll, v.workers); !reflect.DeepEqual(got, want) {
			t.Errorf("polls of %d, %d readers: other bytes", v.perPoll, v.workers)
		}
	}
}

// Every commit comes after the acknowledgement of everything of its batch, and
// nothing of the next batch leaves before it.
func TestCommitComesAfterEveryAcknowledgement(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		w.broker.append(transactions, 1, clock0, `not json`)
	}
	w.runToEnd(func(c *Config) { c.Limits.BatchRecords = 5 })
	commits, seen := 0, map[string]bool{}
	for _, line := range w.broker.journal.all() {
		kind, _, _ := strings.Cut(line, " ")
		if kind != "commit" {
			seen[kind] = true
			continue
		}
		commits++
		if !seen["rows"] && !seen["output"] && !seen["dead"] {
			t.Errorf("commit %d of nothing", commits)
		}
		clear(seen)
	}
	if commits != 4 || len(seen) > 0 {
		t.Errorf("%d commits, left over %v, journal %v", commits, seen, w.broker.journal.all())
	}
}

func TestNothingIsCommittedWhileASinkIsSilent(t *testing.T) {
	for _, sink := range []string{"rows", "output", "dead"} {
		t.Run(sink, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				release := make(chan struct{})
				switch sink {
				case "rows":
					w.store.writeFault = func([]sinks.VersionedRow) error { <-release; return nil }
				case "output":
					w.output.fault = func([]sinks.Record) error { <-release; return nil }
				case "dead":
					w.dead.fault = func([]sinks.Record) error { <-release; return nil }
				}
				w.broker.append(transactions, 0, clock0, txn("t", "c1", 1, "1.00"))
				w.broker.append(transactions, 0, clock0, `not json`)
				c := w.broker.consumer()
				w.broker.assign(c)
				r := w.runner(c, nil)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- r.Run(ctx) }()
				pass(5 * time.Minute) // the bubble's clock: no real time passes
				if n := len(w.broker.commits); n != 0 {
					t.Errorf("%d commits while the sink is silent", n)
				}
				if live, why := r.Health().Live(); !live {
					t.Errorf("a silent sink is no reason to be restarted: %s", why)
				}
				close(release)
				synctest.Wait()
				if n := len(w.broker.commits); n != 1 {
					t.Errorf("%d commits after the acknowledgement, want 1", n)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestPassingFailuresAreTriedAgainAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var down atomic.Bool
		down.Store(true)
		w.store.writeFault = func([]sinks.VersionedRow) error {
			if down.Load() {
				return errors.New("LOADING the dataset")
			}
			return nil
		}
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, func(c *Config) { c.Metrics, c.Limits.StoreWait = w.metrics, time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		if ready, why := r.Health().Ready(); !ready {
			t.Fatalf("not ready: %s", why)
		}
		w.broker.append(transactions, 0, clock0, txn("t1", "c1", 1, "1.00"))
		pass(time.Minute)
		if ready, why := r.Health().Ready(); ready || !strings.Contains(why, "LOADING") {
			t.Errorf("ready %v: %s", ready, why)
		}
		if n := strings.Count(w.logs.String(), "tried again"); n > 7 {
			t.Errorf("%d lines about one failure in a minute", n)
		}
		if got := w.counter("freshet_online_write_errors_total", "fake"); got < 10 {
			t.Errorf("%v failures counted", got)
		}
		if len(w.broker.commits) != 0 {
			t.Error("committed although the rows are not stored")
		}
		down.Store(false)
		w.broker.append(transactions, 0, clock0, txn("t2", "c1", 2, "1.00"))
		pass(5 * time.Second)
		if ready, why := r.Health().Ready(); !ready {
			t.Errorf("not ready after the store came back: %s", why)
		}
		if got := len(w.output.all()); got != 2 {
			t.Errorf("%d records, want 2: each once", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestFatalFailuresEndTheRun(t *testing.T) {
	w := newWorld(t)
	w.output.fault = func([]sinks.Record) error { return &sinks.Fatal{Err: errors.New("TOPIC_AUTHORIZATION_FAILED")} }
	w.broker.append(transactions, 0, clock0, txn("t", "c1", 1, "1.00"))
	c := w.broker.consumer()
	w.broker.assign(c)
	err := w.runner(c, nil).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "append to the output log: TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("got %v", err)
	}
	if !c.closed || len(w.broker.commits) != 0 {
		t.Errorf("closed %v, commits %d", c.closed, len(w.broker.commits))
	}

	c = w.broker.consumer()
	c.pollErr = errors.New("kafka unreachable since noon")
	if err := w.runner(c, nil).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("got %v", err)
	}
}

func TestTooLargeRecordsBecomeDeadLettersWithoutFeatures(t *testing.T) {
	w := newWorld(t)
	w.output.fault = func(records []sinks.Record) error {
		var large sinks.TooLarge
		for i, rec := range records {
			if strings.Contains(string(rec.Value), "transactions:0:1\"") {
				large.Indexes = append(large.Indexes, i)
			}
		}
		if len(large.Indexes) > 0 {
			return &large
		}
		return nil
	}
	for i := range 3 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
	}
	w.runToEnd(func(c *Config) { c.Metrics = w.metrics })
	got := w.decoded()
	if !reflect.DeepEqual(places(got), []string{"transactions:0:0", "transactions:0:2"}) {
		t.Errorf("output %v", places(got))
	}
	if got[1].Features["card_velocity.txn_count_1h"] != 3.0 {
		t.Errorf("the refused record's event stays applied, count %v", got[1].Features)
	}
	if !reflect.DeepEqual(w.reasons(), map[string]int{"too_large": 1}) {
		t.Errorf("dead letters %v", w.reasons())
	}
	if v := string(w.dead.all()[0].Value); strings.Contains(v, "txn_count") {
		t.Errorf("a dead letter with features: %s", v)
	}
	if n := w.counter("freshet_dlq_records_total", "too_large", "transactions"); n != 1 {
		t.Errorf("counted %v times", n)
	}
}

func TestS19CoverageBeginsWithTheLastPartitionsFirstRecord(t *testing.T) {
	assigned := func(p int32, start, end int64) sources.Assigned {
		return sources.Assigned{PartitionID: sources.PartitionID{Partition: p}, Start: start, End: end, Committed: -1}
	}
	first := func(o *ownership, p int32, at int64) { o.parts[sources.PartitionID{Partition: p}].first = at }

	o, _ := newOwnership([]sources.Assigned{assigned(0, 0, 10), assigned(1, 0, 0)}, 1)
	if c := o.coverage(0); !c.FromStart {
		t.Errorf("read from offset 0 everywhere, got %+v", c)
	}
	o, _ = newOwnership([]sources.Assigned{assigned(0, 0, 10), assigned(1, 5, 10), assigned(2, 7, 9), assigned(3, 4, 4)}, 1)
	first(o, 0, 50)
	first(o, 1, 100)
	if c := o.coverage(0); c.FromStart || c.Since != 1<<63-1 {
		t.Errorf("partition 2 has not begun: nothing is covered, got %+v", c)
	}
	first(o, 2, 200)
	if c := o.coverage(0); c.Since != 200 {
		t.Errorf("since the last partition's first record, got %+v", c)
	}
	first(o, 3, 900)
	if c := o.coverage(0); c.Since != 200 {
		t.Errorf("a partition whose records had expired changes nothing, got %+v", c)
	}
}

func TestPanicInApplyEndsTheRunAndNamesThePlace(t *testing.T) {
	w := newWorld(t)
	w.broker.append(transactions, 1, clock0, txn("t", "4242424242424242", 1, "1.00"))
	c := w.broker.consumer()
	w.broker.assign(c)
	r := w.runner(c, nil)
	r.newEngine = func([16]byte) engine { return brokenEngine{features.NewEngine(w.plan, features.Options{})} }
	err := r.Run(t.Context())
	var p *PanicError
	if !errors.As(err, &p) || p.Place != "transactions:1:0" || len(p.Stack) == 0 {
		t.Fatalf("got %v", err)
	}
	if w.broker.partitions[sources.PartitionID{Partition: 1}].committed > 0 || len(w.output.all()) != 0 {
		t.Error("something left after a panic")
	}
	if s := w.logs.String(); !strings.Contains(s, "transactions:1:0") || strings.Contains(s, "4242424242424242") {
		t.Errorf("log %s", s)
	}
}

// brokenEngine panics while it changes its state.
type brokenEngine struct{ engine }

func (brokenEngine) Apply(*eventEvent, *features.Vector) { panic("features: 4242424242424242") }
