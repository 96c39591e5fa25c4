package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/features"
)

// partly notes what the engine is asked for while a group is being written.
type partly struct {
	engine
	consumer             *fakeConsumer
	most, parts, between int
	open                 bool
}

func (p *partly) BeginGroup(group int) {
	p.open = true
	p.engine.BeginGroup(group)
}

func (p *partly) AppendSome(dst []byte, most int) ([]byte, bool) {
	if !p.consumer.closed { // else it is the last checkpoint, and nobody waits
		p.parts, p.most = p.parts+1, max(p.most, most)
	}
	dst, p.open = p.engine.AppendSome(dst, most)
	return dst, p.open
}

func (p *partly) Apply(ev *eventEvent, out *features.Vector) {
	if p.open {
		p.between++
	}
	p.engine.Apply(ev, out)
}

// Decision 32: the loop goes on while a group is written, a slice of it at a time.
func TestTheLoopGoesOnWhileAGroupIsWritten(t *testing.T) {
	const slice = 20
	w, f := newWorld(t), newFolder()
	w.fill(600, 3)
	w.broker.ends = true
	c := w.broker.follower()
	c.perPoll = 3
	w.broker.assign(c.fakeConsumer)
	r := w.runner(c, func(c *Config) { f.kept(1)(c); c.Limits.BatchRecords = 6 })
	e := &partly{engine: features.NewEngine(w.plan, features.Options{}), consumer: c.fakeConsumer}
	r.newEngine = func([16]byte) engine { return e }
	r.saving.slice = slice
	if err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if e.most > slice {
		t.Errorf("%d bytes of a group were asked for at once", e.most)
	}
	if e.between < 50 {
		t.Errorf("%d events were applied while a group was being written, in %d parts", e.between, e.parts)
	}
}

// Design 6: what a start has rebuilt is kept, although nothing comes: the next
// start reads nothing again. Behind a checkpoint of everything none is written.
func TestADrainBehindARebuildEndsWithACheckpoint(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(200, 1)
	state := digest(w.mustRunFrom(nil).engine)
	w.mustRunFrom(f.kept(time.Hour))
	cycle := f.manifest(t).Cycle
	for _, p := range w.broker.partitions { // retention
		p.start, p.records = p.start+int64(len(p.records)), nil
	}
	for range 2 {
		r := w.mustRunFrom(f.kept(time.Hour))
		if got := digest(r.engine); got != state || r.own.done != 0 {
			t.Errorf("%d records were read again; the state differs:\n%s\nwant\n%s", r.own.done, got, state)
		}
	}
	if m := f.manifest(t); m.Cycle != cycle {
		t.Errorf("cycle %d was written behind %d, of the same", m.Cycle, cycle)
	}
}

// The same while it runs: a crash some time after a rebuild must not cost it again.
func TestWhatIsRebuiltIsKeptAlthoughNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := newWorld(t), newFolder()
		w.fill(200, 1)
		w.mustRunFrom(nil)
		w.broker.ends = false
		m := w.join(f.kept(time.Minute))
		w.broker.assign(m.consumer.fakeConsumer)
		pass(2 * time.Minute)
		batch := f.manifest(t).Batch
		if last := w.decoded(); batch != last[len(last)-1].Provenance.Batch {
			t.Errorf("the checkpoint is of batch %d, the last is %d", batch, last[len(last)-1].Provenance.Batch)
		}
		m.drain(t)
	})
}
