package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// folder is a folder of checkpoints in memory.
type folder struct {
	mu    sync.Mutex
	files map[string][]byte
	full  bool
}

func newFolder() *folder { return &folder{files: map[string][]byte{}} }

type openFile struct {
	folder *folder
	name   string
}

func (f *folder) Create(name string) (checkpoint.Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[name] = nil
	return openFile{f, name}, nil
}

func (o openFile) Write(p []byte) (int, error) {
	o.folder.mu.Lock()
	defer o.folder.mu.Unlock()
	if o.folder.full {
		return 0, errors.New("no space left on device")
	}
	o.folder.files[o.name] = append(o.folder.files[o.name], p...)
	return len(p), nil
}

func (openFile) Sync() error  { return nil }
func (openFile) Close() error { return nil }

func (f *folder) ReadFile(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(b), nil
}

func (f *folder) Open(name string) (io.ReadCloser, error) {
	b, err := f.ReadFile(name)
	return io.NopCloser(bytes.NewReader(b)), err
}

func (f *folder) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[to] = f.files[from]
	delete(f.files, from)
	return nil
}

func (f *folder) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, name)
	return nil
}

func (f *folder) List() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.files {
		names = append(names, name)
	}
	return names, nil
}

func (*folder) SyncDir() error { return nil }

// kept is a Config with checkpoints in a folder.
func (f *folder) kept(every time.Duration) func(*Config) {
	return func(c *Config) {
		c.Checkpoints = Checkpoints{Store: checkpoint.New(f, 3, checkpoint.Key{}), Interval: every, Build: "test"}
	}
}

// manifest is the newest one.
func (f *folder) manifest(t *testing.T) *checkpoint.Manifest {
	t.Helper()
	s := checkpoint.New(f, 3, checkpoint.Key{})
	names, _ := s.Manifests()
	if len(names) == 0 {
		t.Fatal("no checkpoint was written")
	}
	m, err := s.Verify(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// spoil damages the newest manifest, or a file of it.
func (f *folder) spoil(rng *rand.Rand) {
	s := checkpoint.New(f, 3, checkpoint.Key{})
	names, _ := s.Manifests()
	if len(names) < 2 {
		return
	}
	name := names[0]
	if m, err := s.Manifest(name); err == nil && rng.IntN(2) == 0 {
		name = m.Groups[rng.IntN(len(m.Groups))].Name
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if b := f.files[name]; len(b) > 0 {
		b[rng.IntN(len(b))] ^= 4
	}
}

// runFrom runs one instance that can begin elsewhere until the inputs have
// ended.
func (w *world) runFrom(change func(*Config)) (*Runner, error) {
	w.broker.ends = true
	c := w.broker.follower()
	c.perPoll = w.perPoll
	w.broker.assign(c.fakeConsumer)
	r := w.runner(c, change)
	if w.slice > 0 {
		r.saving.slice = w.slice
	}
	return r, r.Run(context.Background())
}

func (w *world) mustRunFrom(change func(*Config)) *Runner {
	w.t.Helper()
	r, err := w.runFrom(change)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.logs)
	}
	return r
}

// Design 6: crashes with checkpoints, some of them spoilt, end in the state and
// in the rows of a run that was never interrupted, and each input leaves once.
func TestCrashesWithCheckpointsChangeNothing(t *testing.T) {
	began, tries := 0, 0
	for seed := range uint64(12) {
		calm, rough := newWorld(t), newWorld(t)
		calm.fill(400, seed)
		rough.fill(400, seed)
		want := digest(calm.runToEnd(nil).engine)
		rng := rand.New(rand.NewPCG(seed, 5))
		f := newFolder()
		var got string
		for try := 0; ; try++ {
			tries++
			left := 3 + rng.IntN(8)
			rough.output.fault = nil
			if try < 12 {
				rough.output.fault = func([]sinks.Record) error {
					if left--; left < 0 {
						return errCrash
					}
					return nil
				}
			}
			rough.perPoll = rng.IntN(15)
			rough.slice = []int{0, 0, 200, 3000}[rng.IntN(4)] // groups of many batches
			r, err := rough.runFrom(func(c *Config) {
				f.kept([]time.Duration{1, 1, 1, time.Millisecond}[rng.IntN(4)])(c)
				c.Limits.BatchRecords = 5 + rng.IntN(40)
			})
			if strings.Contains(rough.logs.String(), "the state is that of a checkpoint") {
				began++
			}
			rough.logs.buf.Reset()
			if err == nil {
				got = digest(r.engine)
				break
			}
			if !strings.Contains(err.Error(), "crash") {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if rng.IntN(3) == 0 {
				f.spoil(rng)
			}
		}
		if got != want {
			t.Fatalf("seed %d: the state differs:\n%s\nwant\n%s", seed, got, want)
		}
		if got, want := rough.store.contents(), calm.store.contents(); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: the store differs:\n%v\nwant\n%v", seed, got, want)
		}
		if rough.store.stale != 0 {
			t.Errorf("seed %d: %d rows were older than what stood there", seed, rough.store.stale)
		}
		rough.checkWitness(seed, len(calm.output.all()))
	}
	t.Logf("%d of %d starts began with a checkpoint", began, tries)
	if began < tries/3 {
		t.Error("the test tests little")
	}
}

// A drain ends with a checkpoint of everything: the next start reads nothing
// again, and needs nothing of the log. It has drawn another seed, as a process
// without entity_key_secret does, and hashes under that of the checkpoint.
func TestADrainEndsWithACheckpointOfEverything(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(200, 1)
	state := digest(w.mustRunFrom(f.kept(time.Hour)).engine)
	m := f.manifest(t)
	for i, s := range m.Sources {
		for p, part := range s.Partitions {
			id := sources.PartitionID{Source: i, Partition: int32(p)}
			if part.Begin != part.End || part.End != w.broker.partitions[id].committed {
				t.Errorf("source %d, partition %d: %+v, and %d is committed", i, p, part, w.broker.partitions[id].committed)
			}
		}
	}
	for _, p := range w.broker.partitions { // retention
		p.start, p.records = p.start+int64(len(p.records)), nil
	}
	r := w.mustRunFrom(func(c *Config) {
		f.kept(time.Hour)(c)
		c.Seed = [16]byte{2}
	})
	if got := digest(r.engine); got != state {
		t.Errorf("the state differs:\n%s\nwant\n%s", got, state)
	}
	if r.own.done != 0 {
		t.Errorf("%d records were read again", r.own.done)
	}
}

// refusal runs once more and gives the error.
func (w *world) refusal(change func(*Config)) string {
	w.t.Helper()
	_, err := w.runFrom(change)
	if err == nil {
		w.t.Fatal("it went on")
	}
	return err.Error()
}

// Reliability 22 to 25: what does not fit a checkpoint ends the run, and the
// error names what is missing and the way out.
func TestWhatDoesNotFitACheckpointIsRefused(t *testing.T) {
	first := sources.PartitionID{Source: transactions}
	for name, c := range map[string]struct {
		change func(*world)
		says   []string
	}{
		"retention gap": {func(w *world) {
			p := w.broker.partitions[first]
			n := p.committed - p.start - 1
			p.start, p.records = p.start+n+3, nil
			p.committed = p.start
		}, []string{"partition 0", "log begins at", "records between were removed", "--accept-gap", "INCOMPLETE", "state_dir"}},
		"topic made anew":  {func(w *world) { w.broker.topic = "another" }, []string{"made anew", "new group", "state_dir"}},
		"other cluster":    {func(w *world) { w.broker.cluster = "another" }, []string{"cluster", "kafka.brokers"}},
		"partition added":  {func(w *world) { w.broker.grow(sources.PartitionID{Source: transactions, Partition: 2}) }, []string{"3 partitions", "had 2", "--accept-gap"}},
		"partition gone":   {func(w *world) { delete(w.broker.partitions, sources.PartitionID{Source: transactions, Partition: 1}) }, []string{"1 partitions", "had 2"}},
		"offsets moved on": {func(w *world) { w.broker.set(first, 3) }, []string{"would never have an output", "--to-offset", "3 records"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), newFolder()
			w.fill(100, 3)
			w.mustRunFrom(f.kept(time.Hour))
			before, owner := len(w.output.all()), w.store.owner
			c.change(w)
			got := w.refusal(f.kept(time.Hour))
			if w.store.owner != owner {
				t.Error("it has drawn a number in the online store: an owner that serves would be shut out")
			}
			for _, s := range c.says {
				if !strings.Contains(got, s) {
					t.Errorf("it does not say %q: %s", s, got)
				}
			}
			if len(w.output.all()) != before {
				t.Error("it has written something")
			}
		})
	}
}

// Reliability 25: offsets that someone has set back, or lost, repeat nothing
// that the checkpoint knows to be done.
func TestOffsetsSetBackRepeatNothing(t *testing.T) {
	for name, meta := range map[string]bool{"by a tool": false, "to an older commit of ours": true} {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), newFolder()
			w.fill(100, 3)
			state := digest(w.mustRunFrom(f.kept(time.Hour)).engine)
			before := len(w.output.all())
			skipped := int64(0)
			for _, p := range w.broker.partitions {
				skipped += p.committed - 2
				p.committed = 2
				if !meta {
					p.meta = ""
				}
			}
			r := w.mustRunFrom(func(c *Config) { f.kept(time.Hour)(c); c.Metrics = w.metrics })
			if n := len(w.output.all()); n != before {
				t.Errorf("%d records left again", n-before)
			}
			if got := digest(r.engine); got != state {
				t.Error("the state differs")
			}
			if n := w.counter("freshet_offsets_reset_records"); n != float64(skipped) || !strings.Contains(w.logs.String(), "set back") {
				t.Errorf("%v counted, want %d", n, skipped)
			}
		})
	}
}

// The same where the checkpoint is not of one moment: what lies between its
// first cut and its last is replayed, and not emitted.
func TestOffsetsSetBackIntoACheckpointRepeatNothing(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(300, 3)
	left := 12
	w.output.fault = func([]sinks.Record) error {
		if left--; left < 0 {
			return errCrash
		}
		return nil
	}
	if _, err := w.runFrom(func(c *Config) { f.kept(1)(c); c.Limits.BatchRecords = 10 }); err == nil {
		t.Fatal("it has not crashed")
	}
	w.output.fault = nil
	m, before := f.manifest(t), len(w.output.all())
	between := int64(0)
	for id, p := range w.broker.partitions {
		part := m.Sources[id.Source].Partitions[id.Partition]
		between += part.End - part.Begin
		p.committed, p.meta = part.Begin, ""
	}
	if between == 0 {
		t.Fatal("the checkpoint is of one moment")
	}
	w.mustRunFrom(f.kept(time.Hour))
	for _, r := range w.decoded()[before:] {
		for s, src := range m.Sources {
			for p, part := range src.Partitions {
				for o := range part.End {
					if r.Provenance.Place == fmt.Sprintf("%s:%d:%d", src.Name, p, o) {
						t.Errorf("%s has left again (source %d)", r.Provenance.Place, s)
					}
				}
			}
		}
	}
}

// Reliability 24: with --accept-gap it goes on behind the gap.
func TestAnAcceptedGapGoesOn(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(100, 3)
	w.mustRunFrom(f.kept(time.Hour))
	p := w.broker.partitions[sources.PartitionID{Source: transactions}]
	p.start, p.records = p.start+int64(len(p.records))+10, nil
	p.committed = p.start
	w.broker.append(transactions, 0, clock0, txn("behind the gap", "card-0001", 400, "1.00"))
	before := len(w.output.all())
	w.mustRunFrom(func(c *Config) { f.kept(time.Hour)(c); c.Checkpoints.AcceptGap = true })
	if n := len(w.output.all()) - before; n != 1 {
		t.Fatalf("%d records left, want 1", n)
	}
	for restart := range 2 { // the checkpoint remembers it
		got := w.decoded()
		last := got[len(got)-1]
		if s := last.Statuses["card_velocity.txn_count_1h"]; s != "INCOMPLETE" || last.Features["card_velocity.txn_count_1h"] == nil {
			t.Errorf("after %d restarts: %v, status %s", restart, last.Features["card_velocity.txn_count_1h"], s)
		}
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("later", restart), "card-0001", 410, "1.00"))
		w.mustRunFrom(f.kept(time.Hour))
	}
}

// Reliability 8 and 9: a disk that fails costs checkpoints, not the stream, and
// the next one is written when it is well again.
func TestADiskThatFailsCostsCheckpointsOnly(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(100, 3)
	w.mustRunFrom(f.kept(time.Hour))
	was := f.manifest(t)
	w.fill(100, 4)
	f.full = true
	w.mustRunFrom(func(c *Config) { f.kept(1)(c); c.Limits.BatchRecords = 10; c.Metrics = w.metrics })
	if m := f.manifest(t); m.Cycle != was.Cycle {
		t.Errorf("cycle %d on a full disk", m.Cycle)
	}
	if n := w.counter("freshet_checkpoint_failures_total", "write"); n == 0 || !strings.Contains(w.logs.String(), "could not be written") {
		t.Errorf("%v failures are counted", n)
	}
	f.full = false
	state := digest(w.mustRunFrom(f.kept(time.Hour)).engine)
	w.fill(20, 5)
	w.mustRunFrom(f.kept(time.Hour))
	if m := f.manifest(t); m.Cycle <= was.Cycle {
		t.Errorf("cycle %d is still the newest", m.Cycle)
	}
	_ = state
}

// Nothing of a batch that is not committed is in a checkpoint.
func TestACheckpointHoldsWhatIsCommittedOnly(t *testing.T) {
	for seed := range uint64(10) {
		w, f := newWorld(t), newFolder()
		w.fill(200, seed)
		n := 0
		w.broker.ends = true
		c := w.broker.follower()
		c.commitDo = func() error {
			if n++; n > 3 {
				return errCrash
			}
			return nil
		}
		w.broker.assign(c.fakeConsumer)
		_ = w.runner(c, func(c *Config) { f.kept(1)(c); c.Limits.BatchRecords = 20 }).Run(context.Background())
		names, _ := checkpoint.New(f, 3, checkpoint.Key{}).Manifests()
		for _, name := range names {
			m, err := checkpoint.New(f, 3, checkpoint.Key{}).Manifest(name)
			if err != nil {
				t.Fatal(err)
			}
			for s, cuts := range m.Sources {
				for p, part := range cuts.Partitions {
					if committed := max(0, w.broker.partitions[sources.PartitionID{Source: s, Partition: int32(p)}].committed); part.End > committed {
						t.Errorf("seed %d: the checkpoint has %d of source %d, partition %d, and %d is committed", seed, part.End, s, p, committed)
					}
				}
			}
		}
	}
}

// A standby begins with the owner's checkpoint.
func TestAStandbyBeginsWithACheckpoint(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(200, 1)
	w.mustRunFrom(f.kept(time.Hour))
	w.broker.ends = false
	c := w.broker.consumer()
	w.broker.assign(c) // someone else
	done := make(chan struct{})
	m := w.join(f.kept(time.Hour))
	go func() {
		defer close(done)
		for !strings.Contains(w.logs.String(), "follows it") {
			<-time.After(time.Millisecond)
		}
	}()
	<-done
	m.drain(t)
	if !strings.Contains(w.logs.String(), "the state is that of a checkpoint") {
		t.Error(w.logs)
	}
}

func (b *broker) grow(id sources.PartitionID) { b.partitions[id] = &fakePartition{committed: -1} }

// set moves an offset by n, as a tool does, over records that came meanwhile.
func (b *broker) set(id sources.PartitionID, n int) {
	for i := range n {
		b.append(id.Source, id.Partition, clock0, txn(fmt.Sprint("unseen", i), "c1", 500, "1.00"))
	}
	p := b.partitions[id]
	p.committed, p.meta = p.committed+int64(n), ""
}
