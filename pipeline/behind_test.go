package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
)

// outage runs an instance through a store that goes away and, if it is to, comes
// back; it gives the records that were committed.
func outage(t *testing.T, w *world, heals bool, more ...func(*Config)) []sinks.Record {
	var away atomic.Bool
	w.store.writeFault = func([]sinks.VersionedRow) error {
		if away.Load() {
			return errors.New("connection refused")
		}
		return nil
	}
	x := &transaction{}
	c := w.broker.consumer()
	w.broker.assign(c)
	r := w.runner(c, func(cfg *Config) {
		cfg.Consumer, cfg.Output, cfg.DeadLetters, cfg.Metrics = paired{c, x}, x, x, w.metrics
		for _, change := range more {
			change(cfg)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	send := func(from, to int) {
		for i := from; i < to; i++ {
			w.broker.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i%7), i, "1.00"))
			pass(200 * time.Millisecond)
		}
	}
	send(0, 20)
	pass(time.Second)
	alive := len(w.store.alive)
	away.Store(true)
	send(20, 120) // 20 s
	if heals {
		if n := w.counter("freshet_online_missing_rows"); n != 8 {
			t.Errorf("%v rows are missing, want those of 7 cards and a merchant", n)
		}
		if ready, why := r.Health().Ready(); ready {
			t.Errorf("ready: %s", why)
		}
		if got := len(w.store.alive); got > alive+3 {
			t.Errorf("alive was written %d times while rows were missing", got-alive)
		}
		away.Store(false)
		pass(5 * time.Second)
		if ready, why := r.Health().Ready(); !ready {
			t.Errorf("not ready: %s", why)
		}
		send(120, 125)
	}
	pass(time.Second)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return x.kept
}

func behindOf(records []sinks.Record) (n int) {
	for _, rec := range records {
		for _, h := range rec.Headers {
			if h.Key == record.HeaderOnline && string(h.Value) == record.OnlineBehind {
				n++
			}
		}
	}
	return n
}

// Reliability row 33: the stream goes on without a store that is away, its
// records say so, and when it is back nothing is missing.
func TestTheStreamGoesOnWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kept := outage(t, w, true)
		if len(kept) != 125 {
			t.Fatalf("%d records committed, want 125", len(kept))
		}
		if n := behindOf(kept); n < 95 || n > 105 {
			t.Errorf("%d records say that rows are behind, want those of the outage, 100", n)
		}
		for i, rec := range kept[:20] {
			if behindOf([]sinks.Record{rec}) != 0 {
				t.Errorf("record %d left before the outage and says behind", i)
			}
		}
		calm := newWorld(t)
		for i := range 125 {
			calm.broker.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i%7), i, "1.00"))
		}
		calm.runToEnd(nil)
		mustEqualRows(t, w, calm)
	})
}

// What is missing when an instance ends is written by the next one, although
// no event touches it.
func TestTheNextOwnerWritesWhatIsMissing(t *testing.T) {
	t.Run("from the log", func(t *testing.T) { nextOwnerWrites(t, func(*Config) {}, false) })
	// Which rows are missing is in no checkpoint; the state of all entities is, and
	// nothing else may be left.
	t.Run("from a checkpoint", func(t *testing.T) { nextOwnerWrites(t, newFolder().kept(time.Hour), true) })
}

func nextOwnerWrites(t *testing.T, change func(*Config), forget bool) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		outage(t, w, false, change)
		for _, p := range w.broker.partitions {
			if forget { // retention
				p.start, p.records = p.start+int64(len(p.records)), nil
			}
		}
		w.store.writeFault = nil
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, change)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		pass(3 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		calm := newWorld(t)
		for i := range 120 {
			calm.broker.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i%7), i, "1.00"))
		}
		calm.runToEnd(nil)
		if got, want := w.store.contents(), calm.store.contents(); !reflect.DeepEqual(got, want) {
			t.Errorf("the store has %v\nwant %v", got, want)
		}
		if w.store.stale != 0 {
			t.Errorf("%d rows were older than what stood there", w.store.stale)
		}
	})
}

// mustEqualRows compares the rows of cards and merchants that events touched
// after the outage by all, and the others by their having been written since.
func mustEqualRows(t *testing.T, w, calm *world) {
	t.Helper()
	for key, want := range calm.store.rows {
		got, ok := w.store.rows[key]
		switch {
		case !ok:
			t.Errorf("%s is missing", key)
		case got.AsOf < want.AsOf:
			t.Errorf("%s is as of %d, its newest event is at %d", key, got.AsOf, want.AsOf)
		}
	}
}

// A store that takes rows, however slowly, is not away: only one that takes none
// for StoreWait is, or one that a step would wait for longer than a transaction
// can.
func TestASlowStoreIsNotAway(t *testing.T) {
	for _, c := range []struct {
		name   string
		perRow time.Duration
		stays  bool
	}{{"slow", 600 * time.Microsecond, true}, {"hopeless", 1800 * time.Microsecond, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var longest time.Duration
				w.store.writeFault = func(rows []sinks.VersionedRow) error {
					d := time.Duration(len(rows)) * c.perRow
					longest = max(longest, d)
					lasts(min(d, DefaultStoreWait+time.Second))
					if d > DefaultStoreWait {
						return context.DeadlineExceeded
					}
					return nil
				}
				consumer, x := w.broker.consumer(), &transaction{}
				w.broker.assign(consumer)
				r := w.runner(consumer, func(cfg *Config) {
					cfg.Consumer, cfg.Output, cfg.DeadLetters, cfg.Metrics = paired{consumer, x}, x, x, w.metrics
					cfg.Limits.BatchRecords = 20_000
				})
				for i := range 5000 { // one step, so they are there before it is polled
					w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i), i/10, "1.00"))
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- r.Run(ctx) }()
				pass(20 * time.Second)
				cancel()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if outages := w.counter("freshet_online_outages_total", "fake"); (outages == 0) != c.stays {
					t.Errorf("%v outages; the longest write took %s", outages, longest)
				}
				if len(x.kept) != 5000 {
					t.Errorf("%d records are committed", len(x.kept))
				}
			})
		})
	}
}

// I5: a row that was missing is as of the newest event of all. The next event of
// its entity may be from before that, and must not look older than what stands
// there: a store that compares versions would keep a row without it.
func TestARowThatWasMissingGivesWayToTheNextEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var away atomic.Bool
		w.store.writeFault = func([]sinks.VersionedRow) error {
			if away.Load() {
				return errors.New("connection refused")
			}
			return nil
		}
		send := func(b *broker, id, card string, second int) {
			b.append(transactions, 0, clock0, txn(id, card, second, "1.00"))
		}
		x := &transaction{}
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, func(cfg *Config) { cfg.Consumer, cfg.Output, cfg.DeadLetters = paired{c, x}, x, x })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		send(w.broker, "t0", "c1", 40)
		pass(time.Second)
		away.Store(true)
		send(w.broker, "t1", "c1", 50)
		send(w.broker, "t2", "another", 60)
		pass(4 * time.Second)
		away.Store(false)
		pass(4 * time.Second)
		if ready, why := r.Health().Ready(); !ready {
			t.Fatalf("not ready: %s", why)
		}
		send(w.broker, "t3", "c1", 55)
		pass(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		calm := newWorld(t)
		send(calm.broker, "t0", "c1", 40)
		send(calm.broker, "t1", "c1", 50)
		send(calm.broker, "t3", "c1", 55)
		calm.runToEnd(nil)
		const row = "card_velocity@1/c1"
		if got, want := w.store.contents()[row], calm.store.contents()[row]; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// Design 6: a replica that has taken over may hold an old sign of life, which says
// nothing of rows that it has lost: the writer comes at once, however long nobody
// answered. Looks that wait for their answer in vain take a small part of the time.
func TestAStoreThatIsBackIsFoundAtOnce(t *testing.T) {
	for _, c := range []struct {
		name          string
		away, answers time.Duration
		within        time.Duration
	}{
		{"refused for a moment", 700 * time.Millisecond, 0, 110 * time.Millisecond},
		{"refused for longer than it is waited for", 5 * time.Second, 0, 110 * time.Millisecond},
		{"silent", 20 * time.Second, healWait, healShare*healWait + 50*time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var away atomic.Bool
				var tries int
				var found time.Time
				w.store.writeFault = func([]sinks.VersionedRow) error {
					if away.Load() {
						tries++
						lasts(c.answers)
						return errors.New("no answer")
					}
					if found.IsZero() {
						found = time.Now()
					}
					return nil
				}
				x, consumer := &transaction{}, w.broker.consumer()
				w.broker.assign(consumer)
				r := w.runner(consumer, func(cfg *Config) { cfg.Consumer, cfg.Output, cfg.DeadLetters = paired{consumer, x}, x, x })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- r.Run(ctx) }()
				w.broker.append(transactions, 0, clock0, txn("t0", "c1", 1, "1.00"))
				pass(time.Second)
				away.Store(true)
				w.broker.append(transactions, 0, clock0, txn("t1", "c1", 2, "1.00"))
				pass(c.away)
				away.Store(false)
				back := time.Now()
				found = time.Time{}
				pass(5 * time.Second)
				if took := found.Sub(back); found.IsZero() || took > c.within {
					t.Errorf("the writer came after %v (%v), want within %v", took, found, c.within)
				}
				if most := int(c.away/healLeast) + 2; tries > most || c.answers > 0 && time.Duration(tries)*c.answers > c.away/healShare+DefaultStoreWait {
					t.Errorf("%d tries of %v each in %v", tries, c.answers, c.away)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
