package pipeline

import (
	"context"
	"testing"

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
