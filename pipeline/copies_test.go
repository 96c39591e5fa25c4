package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/pipeline/checkpoint/bucket"
)

// copied is a Config with checkpoints in a folder, and copies of them in another
// place; hours is the time of day.
func (w *world) copied(f *folder, to string, hours int) func(*Config) {
	return func(c *Config) {
		f.kept(time.Hour)(c)
		b, err := bucket.Open(w.t.Context(), "file://"+to, 3)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = b.Close() })
		c.Checkpoints.Copies, c.Limits.BatchRecords = b, 7
		c.Clock = func() time.Time { return time.UnixMilli(clock0).Add(time.Duration(hours) * time.Hour) }
	}
}

// goesOn brings new records and runs a machine with a folder of its own until
// they are done; it ends with a checkpoint, which is copied.
func (w *world) goesOn(f *folder, to string, hours int) *Runner {
	w.t.Helper()
	for i := range 20 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprintf("at %d, %d", hours, i), "card-0001", 400+hours, "1.00"))
	}
	return w.mustRunFrom(w.copied(f, to, hours))
}

// Reliability 4.2: machines that take over from each other in turns, each with a
// folder of its own, copy to one place: the newest copy is always that of the last
// owner, and who comes back goes on from it and not from its own older folder.
func TestTheNewestCopyIsTheLastOwners(t *testing.T) {
	w, to := newWorld(t), t.TempDir()
	one, two := newFolder(), newFolder()
	w.fill(100, 3)
	w.mustRunFrom(w.copied(one, to, 0))
	w.goesOn(two, to, 1) // has an early copy
	for hour := 2; hour < 9; hour++ {
		w.goesOn(one, to, hour)
	}
	for hour, f := range []*folder{two, two, one, two, one, one, newFolder()} {
		state := digest(w.goesOn(f, to, 10+3*hour).engine)
		m := f.manifest(t)
		for id, p := range w.broker.partitions {
			if end := m.Sources[id.Source].Partitions[id.Partition].End; end != p.committed {
				t.Fatalf("turn %d: the newest checkpoint ends at %d of source %d, partition %d, and %d is committed", hour, end, id.Source, id.Partition, p.committed)
			}
		}
		if m.Cycle != m.Batch {
			t.Errorf("turn %d: the checkpoint behind batch %d has number %d: on another machine it would not compare", hour, m.Batch, m.Cycle)
		}
		fresh := newFolder()
		r := w.mustRunFrom(w.copied(fresh, to, 11+3*hour))
		if got := fresh.manifest(t); got.Batch < m.Batch {
			t.Errorf("turn %d: the newest copy is of batch %d, the newest checkpoint of %d", hour, got.Batch, m.Batch)
		}
		if digest(r.engine) != state {
			t.Errorf("turn %d: the state from the copy differs", hour)
		}
	}
	if n := strings.Count(w.logs.String(), `"records_to_replay":0`); n < 14 {
		t.Errorf("%d of 14 starts had nothing to replay: the others took an old checkpoint", n)
	}
}

// What is damaged in the folder may be whole among the copies.
func TestADamagedFolderGetsACopy(t *testing.T) {
	w, to, f := newWorld(t), t.TempDir(), newFolder()
	w.fill(100, 3)
	state := digest(w.mustRunFrom(w.copied(f, to, 0)).engine)
	for name, b := range f.files {
		b[len(b)/2] ^= 4
		f.files[name] = b
	}
	r := w.mustRunFrom(w.copied(f, to, 0))
	if digest(r.engine) != state || !strings.Contains(w.logs.String(), `"records_to_replay":0`) {
		t.Error(w.logs)
	}
}

// noCopies is an object store that is away.
type noCopies struct{}

func (noCopies) Fetch(context.Context, *checkpoint.Store, string, func(*checkpoint.Manifest) error) error {
	return errors.New("no answer")
}

func (noCopies) Copy(context.Context, *checkpoint.Store, *checkpoint.Manifest) error {
	return errors.New("no answer")
}

// Copies that cannot be had end a start that has nothing else, and no other.
func TestCopiesThatCannotBeHad(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(100, 3)
	state := digest(w.mustRunFrom(f.kept(time.Hour)).engine)
	config := func(f *folder) func(*Config) {
		return func(c *Config) {
			f.kept(time.Hour)(c)
			c.Checkpoints.Copies = noCopies{}
			c.Clock = func() time.Time { return time.UnixMilli(clock0).Add(9 * time.Hour) }
		}
	}
	r := w.mustRunFrom(config(f))
	if digest(r.engine) != state || !strings.Contains(w.logs.String(), "the folder's own are taken") {
		t.Error(w.logs)
	}
	_, err := w.runFrom(config(newFolder()))
	if err == nil || !strings.Contains(err.Error(), "no answer") || !strings.Contains(err.Error(), "checkpoint.copy") {
		t.Errorf("a start without any checkpoint: %v", err)
	}
}

// Copies of another run are refused before anything of them is in the folder.
func TestCopiesOfAnotherRunAreLeftAlone(t *testing.T) {
	w, to, f := newWorld(t), t.TempDir(), newFolder()
	w.fill(100, 3)
	theirs := newFolder()
	w.mustRunFrom(w.copied(theirs, to, 0))
	other := func(hours int) func(*Config) {
		return func(c *Config) { w.copied(f, to, hours)(c); c.Group = "another" }
	}
	for have := range 2 {
		_, err := w.runFrom(other(9))
		if err == nil || !strings.Contains(err.Error(), "consumer group freshet-payments") || !strings.Contains(err.Error(), "checkpoint.copy") {
			t.Errorf("it goes on: %v", err)
		}
		names, _ := checkpoint.New(f, 3, checkpoint.Key{}).Manifests()
		if len(names) != have {
			t.Errorf("the folder has %v", names)
		}
		var damaged *checkpoint.Damaged
		if errors.As(err, &damaged) {
			t.Error("it is called damage")
		}
		if have == 0 { // the same with a checkpoint of its own, older than theirs
			w.broker.append(transactions, 0, clock0, txn("another's", "card-0001", 400, "1.00"))
			w.mustRunFrom(func(c *Config) { f.kept(time.Hour)(c); c.Group = "another" })
			for range 3 {
				w.goesOn(theirs, to, 1)
			}
		}
	}
}
