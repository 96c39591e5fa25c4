package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// eventEvent is event.Event: tests that replace the engine name it.
type eventEvent = event.Event

var errCrash = &sinks.Fatal{Err: errors.New("crash")}

// fill puts n records into every partition: cards, duplicates, disorder.
func (w *world) fill(n int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	for i := range n {
		card := fmt.Sprintf("card-%04d", rng.IntN(9))
		at := i*3 - rng.IntN(40)
		id := fmt.Sprint("t", i)
		if rng.IntN(20) == 0 {
			id = fmt.Sprint("t", max(0, i-1))
		}
		w.broker.append(transactions, int32(rng.IntN(2)), clock0, txn(id, card, at, fmt.Sprintf("%d.%02d", rng.IntN(90), rng.IntN(100))))
		if rng.IntN(3) == 0 {
			w.broker.append(logins, 0, clock0, login(fmt.Sprint("l", i), card, at))
		}
	}
}

// Design 6: after any number of crashes the store converges to what an
// uninterrupted run writes, each input has left exactly once per try, and of a
// batch tried twice the later owner counts.
func TestCrashesChangeNothing(t *testing.T) {
	for seed := range uint64(20) {
		calm, rough := newWorld(t), newWorld(t)
		calm.fill(400, seed)
		rough.fill(400, seed)
		calm.runToEnd(nil)
		rough.crashOften(seed)
		if got, want := rough.store.contents(), calm.store.contents(); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: the store differs:\n%v\nwant\n%v", seed, got, want)
		}
		if rough.store.stale != 0 {
			t.Errorf("seed %d: %d rows were older than what stood there", seed, rough.store.stale)
		}
		rough.checkWitness(seed, len(calm.output.all()))
	}
}

// crashOften lets instances die at every kind of point until one reaches the
// end.
func (w *world) crashOften(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 99))
	w.broker.ends = true
	for try := 0; ; try++ {
		c := w.broker.consumer()
		c.perPoll = 1 + rng.IntN(50)
		w.broker.assign(c)
		w.store.writeFault, w.output.fault = nil, nil
		left := rng.IntN(6)
		due := func() error {
			if left--; left < 0 {
				return errCrash
			}
			return nil
		}
		if try < 12 {
			switch rng.IntN(4) {
			case 0:
				w.store.writeFault = func([]sinks.VersionedRow) error { return due() }
			case 1:
				w.output.fault = func([]sinks.Record) error { return due() }
			case 2:
				c.commitDo = due // everything has left, nothing is committed
			case 3: // a crash in the middle of a write
				w.output.fault = func(records []sinks.Record) error {
					if due() != nil {
						w.output.mu.Lock()
						w.output.records = append(w.output.records, copies(records[:len(records)/2])...)
						w.output.mu.Unlock()
						return errCrash
					}
					return nil
				}
			}
		}
		err := w.runner(c, func(c *Config) { c.Limits.BatchRecords = 20 + rng.IntN(60) }).Run(context.Background())
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "crash") || try > 100 {
			w.t.Fatal(err)
		}
	}
}

func copies(records []sinks.Record) []sinks.Record {
	out := make([]sinks.Record, len(records))
	for i, r := range records {
		r.Value = []byte(string(r.Value))
		out[i] = r
	}
	return out
}

// checkWitness reads the output as its own order witness.
func (w *world) checkWitness(seed uint64, inputs int) {
	w.t.Helper()
	last := map[uint64]uint32{} // batch: its latest owner
	for _, r := range w.decoded() {
		last[r.Provenance.Batch] = max(last[r.Provenance.Batch], r.Provenance.Owner)
	}
	seen, twice := map[string]bool{}, 0
	for _, r := range w.decoded() {
		if r.Provenance.Owner != last[r.Provenance.Batch] {
			twice++
			continue
		}
		if seen[r.Provenance.Place] {
			w.t.Errorf("seed %d: %s left twice in batches that count", seed, r.Provenance.Place)
		}
		seen[r.Provenance.Place] = true
	}
	if len(seen) != inputs {
		w.t.Errorf("seed %d: %d inputs left, want %d (%d in tries that do not count)", seed, len(seen), inputs, twice)
	}
}

func TestARestartRebuildsSilentlyAndContinuesTheNumbers(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
	}
	w.broker.append(logins, 0, clock0, login("l", "a card that rests", 5))
	w.runToEnd(func(c *Config) { c.Limits.BatchRecords = 4 })
	rows := len(w.broker.journal.all())
	batches := len(w.broker.commits) // two, or three where commit_interval has cut one short
	w.broker.append(transactions, 0, clock0, txn("t6", "c1", 6, "1.00"))
	w.runToEnd(func(c *Config) { c.Metrics = w.metrics })

	got := w.decoded()
	if len(got) != 8 {
		t.Fatalf("%d records, want 8: the rebuild is silent", len(got))
	}
	last := got[7]
	if last.Features["card_velocity.txn_count_1h"] != 7.0 || last.Provenance.Batch != uint64(batches+1) || last.Provenance.Owner != 2 || last.Provenance.Seq != 0 {
		t.Errorf("got %+v %v", last.Provenance, last.Features)
	}
	commit := fmt.Sprintf("commit v1 batch=%d owner=2 incarnation=1", batches+1)
	if after := w.broker.journal.all()[rows:]; !reflect.DeepEqual(after[len(after)-1], commit) || len(after) != 3 {
		t.Errorf("journal after the restart: %v", after)
	}
	if !slices.Contains(w.broker.journal.all()[rows:], "rows 2") {
		t.Errorf("the live event touches a card and a merchant, no other row is written: %v", w.broker.journal.all()[rows:])
	}
	for i, c := range w.broker.commits {
		if first := i == 0 || i == batches; first != (len(c.positions) == 3) {
			t.Errorf("commit %d has %d positions: an owner's first one names every partition", i, len(c.positions))
		}
	}
	if n := w.counter("freshet_restore_progress_ratio"); n != 1 {
		t.Errorf("restore progress %v", n)
	}
	if n := w.counter("freshet_source_records_total", "transactions", "payments.transactions.v1"); n != 1 {
		t.Errorf("%v records counted, want the live one only", n)
	}
}

func TestWithoutAStoreTheOwnerComesFromTheMetadata(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		w.runToEnd(func(c *Config) { c.Store = nil })
	}
	for i, r := range w.decoded() {
		if r.Provenance.Owner != uint32(i+1) || r.Provenance.Batch != uint64(i+1) {
			t.Errorf("run %d: %+v", i, r.Provenance)
		}
	}
}

func TestForeignOffsetsRaiseTheIncarnation(t *testing.T) {
	w := newWorld(t)
	w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
	w.runToEnd(nil)
	for _, p := range w.broker.partitions {
		p.meta = "" // as a tool that resets offsets leaves it
	}
	w.broker.append(transactions, 0, clock0, txn("t1", "c1", 1, "1.00"))
	w.runToEnd(nil)
	if w.store.inc != 2 || w.store.stale != 0 || !strings.Contains(w.logs.String(), "not written by Freshet") {
		t.Errorf("incarnation %d, stale rows %d", w.store.inc, w.store.stale)
	}
}

// A live record must see everything that was applied before it: no partition
// goes live before all are rebuilt, however fast it is.
func TestNoPartitionGoesLiveBeforeAllAreRebuilt(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
	}
	w.broker.append(transactions, 1, clock0, txn("u", "c1", 0, "1.00"))
	w.runToEnd(nil)
	before := len(w.output.all())
	for i := range 5 { // partition 1 has little to rebuild and much that is new
		w.broker.append(transactions, 1, clock0, txn(fmt.Sprint("v", i), "c1", 60, "1.00"))
	}
	c := w.broker.consumer()
	c.perPoll = 3
	w.broker.assign(c)
	if err := w.runner(c, nil).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, r := range w.decoded()[before:] {
		if got := r.Features["card_velocity.txn_count_1h"]; got != float64(52+i) {
			t.Errorf("%s counts %v, want %d", r.Provenance.Place, got, 52+i)
		}
	}
	if len(w.decoded()) != before+5 {
		t.Errorf("%d live records, want 5", len(w.decoded())-before)
	}
}

// What lies below the committed offset may be no record at all: a marker of a
// transaction, a hole of compaction.
func TestARebuildEndsAtTheEndOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
		p := w.broker.partitions[sources.PartitionID{Source: transactions}]
		p.committed, p.meta = 2, metadata(5, 3, 1) // offset 1 was a marker
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		pass(3 * time.Second)
		if ready, why := r.Health().Ready(); !ready {
			t.Errorf("not ready: %s", why)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestPassedOffsetsAreCommittedWithTheNextBatch(t *testing.T) {
	w := newWorld(t)
	w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
	w.broker.ends = true
	c := w.broker.consumer()
	c.passed = []sources.Position{{PartitionID: sources.PartitionID{Source: transactions}, Next: 3}} // two markers behind it
	w.broker.assign(c)
	if err := w.runner(c, nil).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.broker.commits[0].positions[0].Next; got != 3 {
		t.Errorf("committed %d, want 3", got)
	}
}

// While it catches up a payment sees the logins that it would have seen live,
// although the topics are read one after the other.
// S5, design 6: what reads across sources see while they catch up is what they
// would have seen live, whatever the polls bring: here one source whole before
// the other.
func TestCatchingUpKeepsTheSourcesTogether(t *testing.T) {
	for _, perPoll := range []int{20, 0} {
		w := newWorld(t)
		for i := range 600 { // ten minutes
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
			w.broker.append(logins, 0, clock0, login(fmt.Sprint("l", i), "c1", i))
		}
		w.broker.ends = true
		c := w.broker.consumer()
		c.perPoll = perPoll
		w.broker.assign(c)
		r := w.runner(c, func(c *Config) {
			c.Limits.BatchRecords = 1000
			c.Clock = func() time.Time { return time.UnixMilli(clock0).Add(time.Hour) }
		})
		if err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, rec := range w.decoded() {
			if rec.Source != "transactions" {
				continue
			}
			got, _ := rec.Features["card_logins.login_count_1h"].(float64)
			live := float64(n + 1)
			if n++; got < live-70 || got > live+70 { // max_skew, and what is taken at once
				t.Fatalf("payment %d sees %v logins, live it would have seen %v", n, got, live)
			}
		}
		if n != 600 {
			t.Errorf("%d payments", n)
		}
	}
}

func TestMetadataReadsBack(t *testing.T) {
	b, o, i, ok := parseMetadata(metadata(1<<40, 7, 3))
	if !ok || b != 1<<40 || o != 7 || i != 3 {
		t.Errorf("got %d %d %d %v", b, o, i, ok)
	}
	for _, s := range []string{"", "v2 batch=1 owner=2 incarnation=3", "v1 batch=x", "v1 batch=1 owner=2"} {
		if _, _, _, ok := parseMetadata(s); ok {
			t.Errorf("%q is not ours", s)
		}
	}
}

func TestAliveIsTheStreamsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		wall := clock0 + 3600_000
		c := w.broker.consumer()
		c.perPoll = 1
		w.broker.assign(c)
		r := w.runner(c, func(cfg *Config) {
			cfg.Clock = func() time.Time { return time.UnixMilli(wall) }
			cfg.Limits.BatchRecords = 1
		})
		w.output.fault = func([]sinks.Record) error { lasts(2 * time.Second); return nil }
		for i := range 3 { // records of an hour ago: behind until the last one is read
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i*60, "1.00"))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		pass(20 * time.Second)
		for i := range 3 { // behind again: the clock stands until it has caught up
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("u", i), "c1", 180+i, "1.00"))
		}
		pass(20 * time.Second)
		w.store.mu.Lock()
		alive := w.store.alive
		w.store.mu.Unlock()
		if len(alive) < 5 || alive[0] > clock0+120_000 || alive[len(alive)-1] != wall {
			t.Errorf("alive %v: the event time of the lagging partition first, the wall clock at last", alive)
		}
		for i := 1; i < len(alive); i++ {
			if alive[i] < alive[i-1] {
				t.Errorf("alive went back: %v", alive)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRecordsOfTheOutputCarryTraceBandAndKey(t *testing.T) {
	w := newWorld(t)
	trace := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for i := range 3 {
		w.broker.appendRecord(sources.Record{Source: transactions, Time: clock0, Value: []byte(txn(fmt.Sprint("t", i), "c1", i, "1.00")),
			Headers: []sources.Header{{Key: "traceparent", Value: []byte(trace)}}})
	}
	w.runToEnd(nil)
	last := w.output.all()[2]
	headers := map[string]string{}
	for _, h := range last.Headers {
		headers[h.Key] = string(h.Value)
	}
	if headers["traceparent"] != trace || headers["freshet-band"] != "block" || headers["content-type"] != "application/json" ||
		headers["freshet-spec"] != record.SpecRef(w.plan.Spec()) {
		t.Errorf("headers %v", headers)
	}
	r := w.decoded()[2]
	if r.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || r.Scores[0].Band != "block" || r.Scores[0].Reasons[0].Code != "VELOCITY" {
		t.Errorf("got %+v", r)
	}
	if want := w.tokens.Hash("c1"); string(last.Key) != want || r.Entities["card"] != want || last.Topic != "payments.scored.v1" {
		t.Errorf("key %s, topic %s, want %s", last.Key, last.Topic, want)
	}
}
