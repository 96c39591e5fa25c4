package pipeline

import (
	"bytes"
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

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// member is one instance of a run.
type member struct {
	consumer follower
	runner   *Runner
	cancel   context.CancelFunc
	done     chan error
	collect  func()
	disk     *folder
}

// join starts an instance that can read along.
func (w *world) join(change func(*Config)) *member {
	w.t.Helper()
	c := w.broker.follower()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{consumer: c, runner: w.runner(c, change), cancel: cancel, done: make(chan error, 1)}
	go func() { m.done <- m.runner.Run(ctx) }()
	return m
}

func (m *member) drain(t *testing.T) {
	t.Helper()
	m.cancel()
	if err := <-m.done; err != nil {
		t.Error(err)
	}
}

// digest is everything that an engine can be asked, as text.
func digest(e engine) string {
	var lines []string
	var all features.Every
	type row struct {
		view *spec.View
		key  string
		at   int64
	}
	var rows []row
	for e.TouchMore(&all, 1000, noTime) {
	}
	e.Rows(func(r *features.Row) { rows = append(rows, row{r.Layout.View, strings.Clone(r.Key), r.AsOf}) })
	for _, r := range rows {
		for _, later := range []time.Duration{0, 30 * time.Second, 10 * time.Minute, time.Hour, 23 * time.Hour, 40 * 24 * time.Hour} {
			var read features.Row
			e.Read(r.view, r.key, r.at+later.Milliseconds(), &read)
			lines = append(lines, fmt.Sprint(r.view.Name, r.key, later, r.at, read.Values, read.Statuses))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Design 6: a standby that has caught up has the owner's state, and has
// written nothing.
func TestAStandbyHasTheOwnersState(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.fill(300, seed)
			disk := newFolder()
			active := w.join(disk.kept(50 * time.Millisecond))
			w.broker.assign(active.consumer.fakeConsumer)
			pass(time.Second)
			rows, copied := 0, newFolder()
			if seed%2 == 1 { // another machine has the owner's checkpoint
				for names := []string(nil); len(names) == 0; names, _ = checkpoint.New(disk, 3, checkpoint.Key{}).Manifests() {
					pass(100 * time.Millisecond)
				}
				copied.files = disk.copy()
			}
			standby := w.join(func(c *Config) {
				c.Store = &countingStore{c.Store, &rows}
				copied.kept(time.Hour)(c)
			})
			standby.consumer.bring(1 + int(seed))
			pass(5 * time.Second)
			w.fill(100, seed+100)
			pass(5 * time.Second)
			if ready, why := standby.runner.Health().Ready(); !ready || !strings.HasPrefix(why, "standby: caught up") {
				t.Errorf("the standby: ready %v, %s", ready, why)
			}
			if from := strings.Contains(w.logs.String(), "the state is that of a checkpoint"); from != (seed%2 == 1) {
				t.Errorf("seed %d: from a checkpoint: %v", seed, from)
			}
			produced := len(w.output.all())
			active.drain(t)
			standby.drain(t)
			if rows != 0 || len(w.output.all()) != produced {
				t.Errorf("the standby wrote %d rows and %d records", rows, len(w.output.all())-produced)
			}
			if a, b := digest(active.runner.engine), digest(standby.runner.engine); a != b || len(a) < 1000 {
				t.Errorf("seed %d: the states differ, %d and %d bytes", seed, len(a), len(b))
			}
		})
	}
}

// copy is what is there now.
func (f *folder) copy() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string][]byte{}
	for name, text := range f.files {
		files[name] = bytes.Clone(text)
	}
	return files
}

// countingStore counts what one instance writes.
type countingStore struct {
	sinks.OnlineStore
	rows *int
}

func (s *countingStore) Write(ctx context.Context, rows []sinks.VersionedRow) error {
	*s.rows += len(rows)
	return s.OnlineStore.Write(ctx, rows)
}

func (s *countingStore) TakeOver(ctx context.Context, w sinks.Writer) (uint32, uint32, error) {
	*s.rows++
	return s.OnlineStore.TakeOver(ctx, w)
}

// What is not committed still owes its output: a standby keeps it and applies
// it when it is the owner.
func TestAStandbyAppliesNothingThatIsNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		active := w.join(func(c *Config) { c.Limits.CommitInterval = time.Hour }) // the first batch closes at once
		w.broker.assign(active.consumer.fakeConsumer)
		w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
		pass(time.Second)
		standby := w.join(nil)
		for i := 1; i < 50; i++ {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		}
		pass(time.Second)
		own := standby.runner.own
		if p := own.parts[sources.PartitionID{}]; !own.following || p.applied != 1 || standby.runner.own.waiting != 49 {
			t.Fatalf("applied up to %d, %d kept; committed is 1", p.applied, standby.runner.own.waiting)
		}
		if n := len(w.output.all()); n != 50 {
			t.Fatalf("%d records of the owner so far", n)
		}
		w.broker.assign(standby.consumer.fakeConsumer) // the owner has died: its batch is void, at least once shows it
		pass(time.Second)
		if standby.consumer.begun != 2 || !strings.Contains(w.logs.String(), `"warm":true`) {
			t.Errorf("begun %d times; log %s", standby.consumer.begun, w.logs)
		}
		standby.drain(t)
		active.drain(t)
		records := w.decoded()
		if len(records) != 50+49 {
			t.Fatalf("%d records, want 50 of the first owner and 49 of the second", len(records))
		}
		for i, r := range records[50:] {
			if r.Features["card_velocity.txn_count_1h"] != float64(i+2) || r.Provenance.Owner != 2 || r.Provenance.Batch < 2 {
				t.Errorf("record %d: %+v %v", i+1, r.Provenance, r.Features["card_velocity.txn_count_1h"])
			}
		}
	})
}

// A chain of kills, drains and quick exchanges: each input has exactly one
// committed output, and the store and the values are those of an undisturbed
// run.
func TestHandOversChangeNothing(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			calm, rough := newWorld(t), newWorld(t)
			calm.fill(400, seed)
			calm.runToEnd(nil)
			outputs := rough.flap(seed)
			if got, want := rough.store.contents(), calm.store.contents(); !reflect.DeepEqual(got, want) {
				t.Errorf("seed %d: the store differs", seed)
			}
			if rough.store.stale != 0 {
				t.Errorf("seed %d: %d rows were older than what stood there", seed, rough.store.stale)
			}
			want := map[string]bool{}
			for _, rec := range append(calm.output.all(), calm.dead.all()...) {
				want[placeOfRecord(t, rec)] = true
			}
			for _, rec := range outputs {
				place := placeOfRecord(t, rec)
				if !want[place] {
					t.Errorf("seed %d: %s is there twice, or should not be", seed, place)
				}
				delete(want, place)
			}
			if len(want) > 0 {
				t.Errorf("seed %d: %d are missing", seed, len(want))
			}
		})
	}
}

// flap lets the ownership go round among instances ten times, while the
// records of a filled world come in. The result is what was committed. Each of
// the two machines keeps its checkpoints, of every other seed.
func (w *world) flap(seed uint64) []sinks.Record {
	rng := rand.New(rand.NewPCG(seed, 31))
	feed := newWorld(w.t)
	feed.fill(400, seed)
	var kept []sinks.Record
	start := func(disk *folder) *member {
		x := &transaction{}
		m := w.join(func(c *Config) {
			if seed%2 == 1 {
				disk.kept(50 * time.Millisecond)(c)
			}
			c.Consumer, c.Output, c.DeadLetters = pairedFollower{c.Consumer.(follower), x}, x, x
			c.Limits.BatchRecords = 20 + rng.IntN(60)
		})
		m.collect, m.disk = func() { kept = append(kept, x.kept...) }, disk
		m.consumer.bring(1 + rng.IntN(20))
		return m
	}
	w.store.fenced = true
	active, standby := start(newFolder()), start(newFolder())
	revive := func() { // the store may have told a zombie before the broker could: it is started again
		select {
		case err := <-standby.done:
			if !errors.Is(err, sinks.ErrLost) {
				w.t.Error(err)
			}
			standby.collect()
			standby = start(standby.disk)
		default:
		}
	}
	w.broker.assign(active.consumer.fakeConsumer)
	for turn := range 11 {
		for range 40 {
			for id, p := range feed.broker.partitions {
				if n := min(len(p.records), rng.IntN(3)); n > 0 {
					for _, rec := range p.records[:n] {
						w.broker.append(id.Source, id.Partition, rec.Time, string(rec.Value))
					}
					p.records = p.records[n:]
				}
			}
			pass(time.Duration(rng.IntN(8)) * time.Millisecond)
		}
		if turn == 10 {
			for id, p := range feed.broker.partitions {
				for _, rec := range p.records {
					w.broker.append(id.Source, id.Partition, rec.Time, string(rec.Value))
				}
			}
			break
		}
		revive()
		switch rng.IntN(3) {
		case 0: // drained
			active.drain(w.t)
			active.collect()
			w.broker.assign(standby.consumer.fakeConsumer)
			active = start(active.disk)
		case 1: // dead
			w.broker.assign(standby.consumer.fakeConsumer)
			w.broker.fail(active.consumer.fakeConsumer, errCrash)
			<-active.done
			active.cancel()
			active.collect()
			active = start(active.disk)
		case 2: // frozen or cut off: it learns later that it has lost everything
			w.broker.assign(standby.consumer.fakeConsumer)
		}
		active, standby = standby, active
	}
	pass(time.Minute)
	revive()
	for _, m := range []*member{active, standby} {
		m.drain(w.t)
		m.collect()
	}
	return kept
}

// fail makes the next poll of an instance fail.
func (b *broker) fail(c *fakeConsumer, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.pollErr = err
	b.change()
}

// pairedFollower is a follower whose commit ends the transaction.
type pairedFollower struct {
	follower
	x *transaction
}

func (p pairedFollower) Commit(ctx context.Context, positions []sources.Position, meta string) error {
	return paired{p.fakeConsumer, p.x}.Commit(ctx, positions, meta)
}

// placeOfRecord is the input of a record or a dead letter.
func placeOfRecord(t *testing.T, rec sinks.Record) string {
	t.Helper()
	var at [3]string
	for _, h := range rec.Headers {
		switch h.Key {
		case record.HeaderSource:
			at[0] = string(h.Value)
		case record.HeaderPartition:
			at[1] = string(h.Value)
		case record.HeaderOffset:
			at[2] = string(h.Value)
		}
	}
	if at[0] != "" {
		return "dead " + strings.Join(at[:], ":")
	}
	r, err := record.Decode(rec.Value)
	if err != nil {
		t.Fatalf("%v: %s", err, rec.Value)
	}
	return r.Provenance.Place
}

// Poll ends what an earlier ownership has left open, as a take-over does.
func (p pairedFollower) Poll(ctx context.Context, most int) (sources.Poll, error) {
	poll, err := p.follower.Poll(ctx, most)
	if poll.Owned != nil {
		p.x.Abort(ctx)
	}
	return poll, err
}

// Positions that were set back by hand would have the new owner send again what
// the standby has applied: it forgets, and begins anew.
func TestAStandbyWhoseOwnersOffsetsGoBackBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		active, standby := w.join(nil), w.join(func(c *Config) { c.Metrics = w.metrics })
		w.broker.assign(active.consumer.fakeConsumer)
		for i := range 10 {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		}
		pass(time.Second)
		active.drain(t)
		w.broker.reset(sources.PartitionID{}, 4)
		w.broker.assign(w.broker.consumer()) // someone else is the owner
		pass(time.Second)
		if n := w.counter("freshet_standby_restarts_total"); n != 1 {
			t.Errorf("it began anew %v times", n)
		}
		if p := standby.runner.own.parts[sources.PartitionID{}]; p.applied != 4 {
			t.Errorf("applied up to %d, committed is 4", p.applied)
		}
		before := len(w.output.all())
		w.broker.assign(standby.consumer.fakeConsumer)
		pass(time.Second)
		standby.drain(t)
		after := w.decoded()[before:]
		if len(after) != 6 || after[0].Features["card_velocity.txn_count_1h"] != 5.0 {
			t.Errorf("%d records after it, the first with %v", len(after), after[0].Features)
		}
	})
}

// reset sets a committed position by hand.
func (b *broker) reset(id sources.PartitionID, to int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.partitions[id].committed = to
	b.commits = append(b.commits, commitEntry{})
	b.change()
}

// Records that were removed before a standby has read them are missing in its
// state for good: the take-over builds it anew from what is retained.
func TestAStandbyThatLostRecordsToRetentionBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		active, standby := w.join(nil), w.join(nil)
		standby.consumer.silent = true
		w.broker.assign(active.consumer.fakeConsumer)
		for i := range 10 {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		}
		pass(time.Second + standbyGrace)
		if ready, why := standby.runner.Health().Ready(); ready || !strings.HasPrefix(why, "standby: applies") {
			t.Errorf("it has read nothing: ready %v, %s", ready, why)
		}
		active.drain(t)
		w.broker.retain(sources.PartitionID{}, 6)
		standby.consumer.silent = false
		w.broker.assign(standby.consumer.fakeConsumer)
		w.broker.append(transactions, 0, clock0, txn("t10", "c1", 10, "1.00"))
		pass(time.Second)
		standby.drain(t)
		last := w.decoded()[10]
		if last.Features["card_velocity.txn_count_1h"] != 5.0 || last.Statuses["card_velocity.txn_count_1h"] != "WARMING" {
			t.Errorf("%v %v", last.Features, last.Statuses)
		}
		if !strings.Contains(w.logs.String(), `"warm":false`) || !strings.Contains(w.logs.String(), "begins anew") {
			t.Errorf("log %s", w.logs)
		}
	})
}

// retain removes what is below an offset.
func (b *broker) retain(id sources.PartitionID, from int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.partitions[id]
	p.start, p.records = from, p.records[from-p.start:]
}

// What an owner that is far behind has not committed yet does not fill a
// standby's memory, and holds back no other partition.
func TestAStandbyKeepsABoundedNumberOfRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := sources.PartitionID{}
		for i := range 1000 {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
			w.broker.append(transactions, 1, clock0, txn(fmt.Sprint("u", i), "c2", i, "1.00"))
		}
		w.broker.reset(id, 10)
		w.broker.reset(sources.PartitionID{Source: transactions, Partition: 1}, 1000)
		standby := w.join(func(c *Config) { c.Limits.ReadAhead = 30_000 })
		standby.consumer.bring(5)
		w.broker.assign(w.broker.consumer())
		at := func() (applied, other int64) {
			pass(time.Second)
			parts := standby.runner.own.parts
			return parts[id].applied, parts[sources.PartitionID{Source: transactions, Partition: 1}].applied
		}
		if applied, other := at(); applied != 10 || other != 1000 {
			t.Errorf("applied %d of 10, and %d of 1000", applied, other)
		}
		for _, to := range []int64{15, 300, 1000} {
			if n := standby.runner.own.waiting; n < 20 || n > 50 {
				t.Errorf("%d records are kept", n)
			}
			w.broker.reset(id, to)
			if applied, _ := at(); applied != to {
				t.Errorf("applied %d of %d", applied, to)
			}
		}
		if ready, why := standby.runner.Health().Ready(); !ready {
			t.Error(why)
		}
		standby.drain(t)
	})
}

// A panic of a standby ends it, and leaves no mark: it owns no offsets.
func TestAStandbyThatPanicsCommitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		active := w.join(nil)
		w.broker.assign(active.consumer.fakeConsumer)
		w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
		pass(time.Second)
		standby := w.join(nil)
		standby.runner.newEngine = func([16]byte) engine { return &panicking{engine: features.NewEngine(w.plan, features.Options{})} }
		commits := len(w.broker.commits)
		var panicked *PanicError
		if err := <-standby.done; !errors.As(err, &panicked) {
			t.Errorf("ended with %v", err)
		}
		if len(w.broker.commits) != commits {
			t.Error("it has committed")
		}
		active.drain(t)
	})
}

type panicking struct{ engine }

func (p *panicking) Apply(*eventEvent, *features.Vector) { panic("a bug") }
