package features

import (
	"math"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A life of a chain is a run of events that entered the view, each silence
// shorter than the chain's gap: the life of a row, whose gap is ttl, or a
// session (S22). The state holds the parts of the life at atNow. What leaves the
// log is folded into the base: the parts of the life that reaches out of the
// log, and may go on in it. No life that lies wholly outside can be joined any
// more: the log keeps gap + lateness.

// link puts a row into a chain of a view that it entered.
func (l *entityLog) link(c *chainPlan, w, row []uint64) {
	s, t := w[c.state:], l.plan.time(row)
	if t <= l.left(w) && l.misses(c, w, row) {
		s[chainLost] = 1
	}
	life, now := int64(s[chainLife]), int64(w[atNow])
	switch {
	case life != 0 && t >= life:
	case life == 0 && t == now:
		s[chainLife] = uint64(t)
	case life == 0 && now-t >= c.gap, life != 0 && life-t >= c.gap:
		l.see(c, w, row) // of an older life
		return
	default:
		l.see(c, w, row)
		l.rebuildLife(c, w)
		return
	}
	l.joinChain(c, w, row)
	l.see(c, w, row)
}

// joinChain puts a row into the life of a chain at atNow, which it is of.
func (l *entityLog) joinChain(c *chainPlan, w, row []uint64) {
	for _, k := range c.cursors {
		l.plan.add(k, row, w)
		l.joinLife(k, w, row, false)
	}
	for _, x := range c.divided {
		l.divide(x, w, row, false)
	}
	for _, x := range c.tables {
		if l.plan.has(row, x.bit) && l.note(x, w, row).Time() < int64(w[c.state+chainLife]) {
			for _, n := range x.counts {
				if !n.cursor.scanned {
					w[n.part.at]++
				}
			}
		}
	}
}

// misses reports whether a row that came too late for the log cannot be put
// into the base any more: it joins another life to it, or belongs between the
// events of a part that is put together in the order of time. Such a part goes
// before the rows of the log, too: a row that stays there must not precede it.
func (l *entityLog) misses(c *chainPlan, w, row []uint64) bool {
	s, t, folded := w[c.state:], l.plan.time(row), int64(w[c.view.state+viewFolded])
	stays := l.rows.Len(w[atRows:]) <= l.plan.budget
	base, gone := int64(s[chainBase]), int64(s[chainGone])
	switch {
	case t < base:
		return base-t < c.gap && (gone != 0 && t-gone < c.gap || c.ordered && stays)
	case base == 0 || !c.ordered || t > folded:
		return false
	}
	return t < folded || l.breaksIn(c, w, row, stays)
}

// breaksIn reports whether a row at the very time of what has left the log has a
// place in the run of a base that is gone: between its events or, of a row that
// stays in the log, before any of them. To all else that is ordered, events of
// one time are alike.
func (l *entityLog) breaksIn(c *chainPlan, w, row []uint64, stays bool) bool {
	t, place := l.plan.time(row), l.plan.place(row)
	for _, k := range c.cursors {
		for _, p := range k.parts {
			if p.part != aggregate.Run || !l.plan.has(row, p.within) {
				continue
			}
			base := l.base(p, w)
			if len(base) == 0 || aggregate.BehindRun(base, t, place) {
				continue
			}
			if stays || !aggregate.BeforeRun(base, t, place) {
				return true
			}
		}
	}
	return false
}

// note is what a table says about a row's value.
func (l *entityLog) note(x *tablePlan, w, row []uint64) window.Note {
	return l.tables.Get(w[x.at:], l.plan.word(row, x.lane))
}

// see puts a row's values into the tables of a chain.
func (l *entityLog) see(c *chainPlan, w, row []uint64) {
	for _, x := range c.tables {
		if !l.plan.has(row, x.bit) {
			continue
		}
		if n, t := l.note(x, w, row), l.plan.time(row); n.Time() < t {
			l.tables.Put(w[x.at:], l.plan.word(row, x.lane), window.NewNote(t, n.Base()))
			l.crowd(x, w, l.plan.word(row, x.lane), t)
		}
	}
}

// endLife empties the life at atNow.
func (l *entityLog) endLife(c *chainPlan, w []uint64) {
	w[c.state+chainLife] = 0
	l.endRecords(c, w)
	l.endRipes(c, w)
	for _, k := range c.cursors {
		for _, p := range k.running {
			clear(w[p.at : p.at+p.size()])
		}
		l.freeCounts(k, w)
	}
}

// rebuildLife makes the life at atNow from the log and the base: a late event
// has joined what was apart.
func (l *entityLog) rebuildLife(c *chainPlan, w []uint64) {
	l.endLife(c, w)
	rows := l.rows.All(w[atRows:])
	begin, base := l.lifeAt(c, w, rows, int64(w[atNow]))
	life := l.lifeSince(c, w, rows, begin, base)
	w[c.state+chainLife] = uint64(life)
	for _, k := range c.cursors {
		if base {
			for _, p := range k.running {
				copy(w[p.at:p.at+p.size()], w[p.base:])
			}
			l.recountBase(k, w)
		}
		l.steps += int64(l.plan.len(rows) - begin)
		for i := begin; i < l.plan.len(rows); i++ {
			row := l.plan.row(rows, i)
			l.plan.add(k, row, w)
			l.joinLife(k, w, row, true)
		}
	}
	for _, x := range c.tables {
		values := uint64(0)
		l.tables.Each(w[x.at:], func(_ uint64, note window.Note) {
			if life != 0 && note.Time() >= life {
				values++
			}
		})
		for _, n := range x.counts {
			if !n.cursor.scanned {
				w[n.part.at] = values
			}
		}
	}
}

// lifeAt finds the life that a chain is in at t: the index of its first
// row (the number of rows where it has none), and whether the base is part of
// it. Rows of a lagging partition may be older than what has left the log.
func (l *entityLog) lifeAt(c *chainPlan, w, rows []uint64, t int64) (begin int, base bool) {
	folded, first := int64(w[c.view.state+viewFolded]), int64(w[c.state+chainBase])
	n := l.plan.len(rows)
	begin, next := n, t
	for i := n - 1; i >= 0; i-- {
		l.steps++
		row := l.plan.row(rows, i)
		if !l.plan.has(row, c.view.entered) {
			continue
		}
		at := l.plan.time(row)
		if !base && first != 0 && at <= folded && next-folded < c.gap {
			base, next = true, min(next, first)
		}
		if next-at >= c.gap {
			return begin, base
		}
		begin, next = i, min(next, at)
	}
	return begin, base || (first != 0 && next-folded < c.gap)
}

// lifeSince is the time of a life's first event; 0: there is no life.
func (l *entityLog) lifeSince(c *chainPlan, w, rows []uint64, begin int, base bool) int64 {
	since := int64(0)
	if begin < l.plan.len(rows) {
		since = l.plan.timeAt(rows, begin)
	}
	if first := int64(w[c.state+chainBase]); base && (since == 0 || first < since) {
		return first
	}
	return since
}

// fold puts a row that leaves the log into the bases of a view it entered.
func (l *entityLog) fold(e *Engine, v *viewPlan, w, row []uint64) {
	folded := w[v.state+viewFolded]
	for _, c := range v.chains {
		l.foldChain(e, c, w, row, int64(folded))
	}
	w[v.state+viewFolded] = max(folded, uint64(l.plan.time(row)))
}

// foldChain puts a row into the base of a chain. Folded is the newest event of
// the view that has left the log before.
func (l *entityLog) foldChain(e *Engine, c *chainPlan, w, row []uint64, folded int64) {
	l.leaveRecords(c, w, row, math.MaxInt)
	s, t := w[c.state:], l.plan.time(row)
	base := int64(s[chainBase])
	if base != 0 && t-folded >= c.gap {
		l.dropBase(e, c, w)
		base = 0
	}
	if base != 0 && base-t >= c.gap {
		s[chainGone] = max(s[chainGone], uint64(t))
		if life := int64(s[chainLife]); life != 0 && t >= life {
			l.endRipes(c, w) // which has it
		}
		return // a life before the base's
	}
	if base == 0 || t < base {
		s[chainBase] = uint64(t)
	}
	for _, k := range c.cursors {
		for _, p := range k.parts {
			switch {
			case p.part.Walks():
				if l.plan.has(row, p.within) {
					l.foldWalk(e, p, w, row)
				}
			case l.plan.has(row, p.bit):
				l.foldPart(e, p, w, row)
			}
		}
	}
	for _, x := range c.tables {
		if l.plan.has(row, x.bit) {
			n := l.note(x, w, row)
			if n == 0 && w[x.sketch] != 0 {
				continue // of too many
			}
			l.tables.Put(w[x.at:], l.plan.word(row, x.lane), window.NewNote(max(n.Time(), t), true))
		}
	}
}

// foldPart puts a row into one part of a base.
func (l *entityLog) foldPart(e *Engine, p *partPlan, w, row []uint64) {
	base := w[p.base : p.base+p.size()]
	switch p.part {
	case 0, aggregate.Matches:
		base[0]++
	case aggregate.Distinct: // the table says which values are in the base
	case aggregate.Counts, aggregate.Mode, aggregate.Buckets:
		if !p.shares {
			l.foldCount(e, p, w, row)
		}
	case aggregate.Newest, aggregate.Oldest, aggregate.Best: // they point at an input
		l.addKeeping(e, p, base, row)
	case aggregate.DecayedOnes:
		p.part.AddDecayed(base, l.plan.time(row), 0, p.half)
	case aggregate.DecayedInts, aggregate.DecayedDoubles:
		p.part.AddDecayed(base, l.plan.time(row), l.plan.word(row, p.lane), p.half)
	default:
		p.part.Add(base, l.plan.input(row, p), p.number)
	}
}

// outgrown reports whether a life, whose events may be taken back as long as the log
// has them, reaches out of the log.
func (l *entityLog) outgrown(c *chainPlan, w []uint64, life int64) bool {
	if !l.plan.retracts {
		return false
	}
	left, folded := l.left(w), int64(w[c.view.state+viewFolded])
	return left != 0 && life <= left || folded != 0 && life-c.gap < folded
}

// lacks reports whether a life goes on from a base that may lack events.
func (c *chainPlan) lacks(w []uint64, life int64) bool {
	return w[c.state+chainLost] != 0 && life-c.gap < int64(w[c.view.state+viewFolded])
}

// dropBase forgets the base of a chain: its life is over, and nothing can reach
// it any more.
func (l *entityLog) dropBase(e *Engine, c *chainPlan, w []uint64) {
	s, folded := w[c.state:], int64(w[c.view.state+viewFolded])
	s[chainGone] = max(s[chainGone], uint64(folded))
	l.releaseBase(e, c, w)
	for _, k := range c.cursors {
		for _, p := range k.parts {
			if p.part.Walks() {
				l.slab.FreeHandle(w[p.base:])
				continue
			}
			clear(w[p.base : p.base+p.size()])
			if p.census != nil {
				l.slab.FreeHandle(w[p.census.at:])
			}
		}
	}
	for _, x := range c.tables {
		l.tables.Revise(w[x.at:], func(_ uint64, n window.Note) window.Note {
			if n.Time() <= folded {
				return 0
			}
			return window.NewNote(n.Time(), false)
		})
	}
	s[chainBase], s[chainLost] = 0, 0
}

// releaseBase lets go of the texts that a base holds.
func (l *entityLog) releaseBase(e *Engine, c *chainPlan, w []uint64) {
	for _, k := range c.cursors {
		for _, p := range k.parts {
			switch {
			case p.part.Walks():
				l.releaseWalk(e, p, w)
			case p.part.Counted():
				l.releaseCounts(e, p, w)
			case p.part.Points() && l.plan.isText(p.lane) && w[p.base] != 0:
				e.texts.release(w[p.base+2])
			}
		}
	}
}

func (l *logPlan) isText(lane int) bool {
	return lane >= 0 && l.source.inputs[l.lanes[lane]].encoding == text
}
