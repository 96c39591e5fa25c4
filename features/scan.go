package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// This file is the exact path without running state: a window is cut from the
// log and its rows are put together again. It serves readings behind the state,
// and windows that have none.

// cut is which rows of a log a window holds, as row indexes. A life may begin
// in the base.
type cut struct {
	from, to int
	base     bool
}

// cutAt is the window of a cursor at a moment among the first n rows, and of a life
// when it began; 0: there is none.
func (l *entityLog) cutAt(k *cursorPlan, m *moment, rows []uint64) (c cut, life int64) {
	to := l.plan.len(rows)
	if k.delay > 0 {
		to = l.rows.FirstAfter(rows, m.t-k.delay)
	}
	if k.life == nil {
		return cut{l.rows.FirstAfter(rows, m.t-k.delay-k.length), to, false}, 0
	}
	if life, ok := l.lifeOf(k.life, m); ok {
		if life == 0 {
			return cut{to, to, false}, 0
		}
		base := int64(m.state[k.life.state+chainBase])
		return cut{min(to, l.rows.FirstAfter(rows, life-1)), to, base != 0 && life <= base}, life
	}
	begin, base := l.lifeAt(k.life, m.state, rows, m.t)
	return cut{min(to, begin), to, base}, l.lifeSince(k.life, m.state, rows, begin, base)
}

// newestAt is the time of the newest event that entered a view, among rows or
// among what has left the log; 0: none.
func (l *entityLog) newestAt(v *viewPlan, w, rows []uint64) int64 {
	for i := l.plan.len(rows) - 1; i >= 0; i-- {
		l.steps++
		if row := l.plan.row(rows, i); l.plan.has(row, v.entered) {
			return max(l.plan.time(row), int64(w[v.state+viewFolded]))
		}
	}
	return int64(w[v.state+viewFolded])
}

// scan makes the parts of a cursor from the rows of a cut, in e.scratch.
func (e *Engine) scan(l *entityLog, k *cursorPlan, w, rows []uint64, c cut) {
	e.stretch = stretchOf(rows, c)
	for _, p := range k.parts {
		if p.part.Walks() {
			continue
		}
		words := e.scratch[p.at : p.at+p.size()]
		clear(words)
		switch {
		case p.shares:
			continue
		case p.part == aggregate.Buckets:
			e.binned[p.set].bins = e.binned[p.set].bins[:0]
		case p.part == aggregate.Distinct || p.part.Counted():
			e.sets[p.set].Reset()
		}
		if c.base {
			e.scanBase(l, p, w, words)
		}
	}
	switch {
	case k.summed && e.pick == nil && c.to-c.from >= l.plan.levels.least && l.isLog(w, rows):
		e.sumAll(l, k, w, rows, c)
		if len(k.words) > 0 {
			e.scanRows(l, k.words, rows, c)
		}
	default:
		e.scanRows(l, k.parts, rows, c)
	}
	e.tally(l.plan, k)
}

// isDue reports whether a window with a running state changes between the time
// of the state and that of a reading behind it.
func (m *moment) isDue(k *cursorPlan) bool {
	switch {
	case m.standing != forward:
		return false
	case k.delay > 0:
		return m.t >= int64(m.state[k.at+1])
	}
	return k.isDue(m.state, m.t)
}

// copyRunning is the running parts of a window in e.scratch.
func (e *Engine) copyRunning(l *entityLog, k *cursorPlan, w []uint64) {
	if k.lifted {
		e.lift(l, k, w)
		return
	}
	for _, p := range k.running {
		copy(e.scratch[p.at:p.at+p.size()], w[p.run:])
	}
}

// carry makes the parts of a sliding window at a time after the state's, in
// e.scratch: by moving a copy of the running parts on, or by a scan, whichever
// has fewer rows to look at.
func (e *Engine) carry(l *entityLog, k *cursorPlan, m *moment) {
	c, _ := l.cutAt(k, m, m.rows)
	if len(k.beside) > 0 || k.delay == 0 && c.to-c.from < c.from-k.tail(m.state) {
		e.scan(l, k, m.state, m.rows, c)
		return
	}
	e.copyRunning(l, k, m.state)
	if k.delay > 0 {
		l.move(k, m.rows, e.scratch, m.state[k.at], m.t, false)
		return
	}
	l.steps += int64(c.from - k.tail(m.state))
	for tail := k.tail(m.state); tail < c.from; tail++ {
		l.plan.remove(k, l.plan.row(m.rows, tail), e.scratch)
	}
}

// scanBase begins a part with what has left the log.
func (e *Engine) scanBase(l *entityLog, p *partPlan, w, words []uint64) {
	switch p.part {
	case aggregate.Distinct:
		set := e.sets[p.set]
		l.tables.Each(w[p.table.at:], func(word uint64, n window.Note) {
			if n.Base() {
				set.Add(word)
			}
		})
		words[0] = uint64(set.Len())
	case aggregate.Buckets:
		s := e.binned[p.set]
		l.bins.Each(w[p.census.at:], func(b window.Bin) { s.bins = append(s.bins, b) })
	case aggregate.Counts, aggregate.Mode:
		set := e.sets[p.set]
		l.tables.Each(w[p.census.at:], func(word uint64, n window.Note) { set.AddTimes(word, uint32(n)) })
	default:
		copy(words, w[p.base:p.base+p.size()])
	}
}

// scanRows adds the rows of a cut to parts in e.scratch.
func (e *Engine) scanRows(l *entityLog, parts []*partPlan, rows []uint64, c cut) {
	for i := c.from; i < c.to; i++ {
		e.scanRow(l, parts, l.plan.row(rows, i))
	}
	l.steps += int64(max(0, c.to-c.from))
}

// scanRow adds one row to parts in e.scratch.
func (e *Engine) scanRow(l *entityLog, parts []*partPlan, row []uint64) {
	if !e.pick.takes(l.plan, row) {
		return
	}
	for _, p := range parts {
		if p.part.Walks() || p.shares || !l.plan.has(row, p.bit) {
			continue
		}
		words := e.scratch[p.at : p.at+p.size()]
		switch p.part {
		case 0, aggregate.Matches:
			words[0]++
		case aggregate.Buckets:
			s := e.binned[p.set]
			s.bins = append(s.bins, e.counting.binOf(p, l.plan.word(row, p.lane)))
		case aggregate.Counts, aggregate.Mode:
			e.sets[p.set].Add(e.counting.keyOf(l.plan, p, row))
		case aggregate.Distinct:
			set := e.sets[p.set]
			set.Add(l.plan.word(row, p.lane))
			words[0] = uint64(set.Len())
		default:
			p.part.Add(words, l.plan.input(row, p), p.number)
		}
	}
}
