package features

import (
	"math"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// Some parts are found by walking back from the newest event of a window to the
// last one that they need: the newest few, the different ones among them, the
// run of those that match. Nothing is kept of what the log holds, but for what events
// of other categories are passed by (dividedwalk.go); of a life, what has left the log
// is in a block of its own.

// stretch is which rows of a log a window holds.
type stretch struct {
	rows     []uint64
	from, to int   // row indexes
	after    int64 // rows up to this time do not count
	base     bool  // what has left the log is part of it
}

// running is the stretch of a window at the time that the state's words are of.
func (m *moment) running(k *cursorPlan, life int64) stretch {
	l := m.log
	s := stretch{rows: m.rows, to: l.plan.len(m.rows)}
	switch {
	case k.life == nil:
		s.after = m.t - k.delay - k.length
		if k.delay > 0 {
			s.to = l.rows.FirstAfter(m.rows, m.t-k.delay)
		}
	case life == 0:
		s.to = 0
	default:
		s.after = life - 1
		base := int64(m.state[k.life.state+chainBase])
		s.base = base != 0 && life <= base
	}
	return s
}

// life is when the life of a cursor at the state's time began; 0: there is none.
func (m *moment) life(k *cursorPlan) int64 {
	if k.life == nil {
		return 0
	}
	return int64(m.state[k.life.state+chainLife])
}

// list makes the value of a list from a part that holds its items. The list
// lives as long as the vector or row that it stands in.
func (e *Engine) list(x *cell, part []uint64) event.Value {
	items := e.lists.values
	start := len(items)
	for i := range aggregate.TailLen(part) {
		items = append(items, x.input.value(aggregate.TailWord(part, i), e.texts))
	}
	e.lists.values = items
	return event.OfList(items[start:len(items):len(items)])
}

// stretchOf is the stretch of a scanned cut.
func stretchOf(rows []uint64, c cut) stretch {
	return stretch{rows: rows, from: c.from, to: c.to, after: math.MinInt64, base: c.base}
}

// walk makes a part from e.stretch, whose window n events reach. The words are
// used again by the next walk.
func (e *Engine) walk(l *entityLog, p *partPlan, w []uint64, n int) []uint64 {
	if size := p.size(); len(e.walked) < size {
		e.walked = make([]uint64, size)
	}
	words := e.walked[:p.size()]
	clear(words)
	if p.part == aggregate.Run {
		e.walkRun(l, p, w, words)
	} else {
		e.walkTail(l, p, w, words, n)
	}
	if e.stretch.base {
		if base := l.base(p, w); len(base) > 0 && p.part == aggregate.Run {
			aggregate.ExtendRun(words, base)
		} else if len(base) > 0 {
			p.part.Merge(words, base)
		}
	}
	return words
}

// walkTail collects the newest rows with the part's bit, at most n.
func (e *Engine) walkTail(l *entityLog, p *partPlan, w, words []uint64, n int) {
	s := &e.stretch
	distinct := p.part == aggregate.TailDistinct
	if distinct {
		e.met.Reset()
	}
	room, missed := aggregate.TailRoom(words), passed(0)
	for i := l.lastWith(p, w, s.rows, s.to); i >= s.from && n > 0 && aggregate.TailLen(words) < room; i = l.lastWith(p, w, s.rows, i) {
		l.steps++
		row := l.plan.row(s.rows, i)
		if l.plan.time(row) <= s.after {
			break
		}
		if !e.pick.takes(l.plan, row) {
			i = missed.pass(l, e.pick, w, s, i)
			continue
		}
		n--
		in := l.plan.input(row, p)
		if distinct {
			key := e.hash.spread(in.Word)
			if e.met.Has(key) {
				continue
			}
			e.met.Add(key)
		}
		aggregate.AppendTail(words, in)
	}
	aggregate.ReverseTail(words)
}

// walkRun counts the newest rows with the part's bit up to the first one that
// has only the bit of those that break it.
func (e *Engine) walkRun(l *entityLog, p *partPlan, w, words []uint64) {
	s, missed := &e.stretch, passed(0)
	length, broken := 0, false
	for i := s.to - 1; i >= s.from && !broken; i-- {
		l.steps++
		row := l.plan.row(s.rows, i)
		if l.plan.time(row) <= s.after {
			break
		}
		switch {
		case !e.pick.takes(l.plan, row):
			i = missed.pass(l, e.pick, w, s, i)
		case l.plan.has(row, p.bit):
			length++
		default:
			broken = l.plan.has(row, p.within)
		}
	}
	aggregate.SetRun(words, length, broken)
}

// base is the block of what has left the log of a part that walks; none before
// anything has.
func (l *entityLog) base(p *partPlan, w []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[p.base]))[:w[p.base+1]]
}

// leastRoom is for how many inputs a base has room at first.
const leastRoom = 4

// foldWalk puts a row that leaves the log into the base of a part that walks.
func (l *entityLog) foldWalk(e *Engine, p *partPlan, w, row []uint64) {
	in := l.plan.input(row, p)
	base := l.base(p, w)
	if p.part == aggregate.Run {
		if len(base) == 0 {
			base = l.enlargeBase(p, w, p.size())
		}
		in.Hit = l.plan.has(row, p.bit)
		p.part.Add(base, in, p.number)
		return
	}
	switch {
	case len(base) == 0:
		base = l.enlargeBase(p, w, p.part.Size(min(leastRoom, p.limit)))
	case aggregate.TailLen(base) == aggregate.TailRoom(base):
		base = l.enlargeBase(p, w, p.part.Size(min(2*aggregate.TailRoom(base), p.limit)))
	}
	kept, gone, lost := p.part.Keep(base, in)
	if !l.plan.isText(p.lane) {
		return
	}
	if kept {
		e.texts.again(in.Word)
	}
	if lost {
		e.texts.release(gone)
	}
}

// enlargeBase makes a base's block one of size words, if it is smaller.
func (l *entityLog) enlargeBase(p *partPlan, w []uint64, size int) []uint64 {
	old := l.base(p, w)
	if len(old) >= size {
		return old
	}
	ref := l.slab.Alloc(size)
	words := l.slab.Words(ref)[:size]
	clear(words)
	copy(words, old)
	l.slab.Free(window.Ref(w[p.base]))
	w[p.base], w[p.base+1] = uint64(ref), uint64(size)
	return words
}

// releaseWalk lets go of the texts that a base of a part that walks holds.
func (l *entityLog) releaseWalk(e *Engine, p *partPlan, w []uint64) {
	if base := l.base(p, w); len(base) > 0 && p.part.Limited() && l.plan.isText(p.lane) {
		for i := range aggregate.TailLen(base) {
			e.texts.release(aggregate.TailWord(base, i))
		}
	}
}
