package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
)

// A reading behind an entity's state, of a late event or of another source's
// view, mostly is not far behind: a few events have come since. Then a window is
// not scanned: what the state knows of it is moved back, by the rows that it has
// won and lost since.

// shift is a window that is moved back: rows[from:to] are what the moment sees of
// it, rows[tail:head] what the state's words are of.
type shift struct {
	k          *cursorPlan
	log        *entityLog
	state      []uint64
	t          int64
	rows       []uint64 // all of the log
	from, to   int
	tail, head int
	after      int64 // ms: rows up to this time do not count
	base       bool  // of a life: what has left the log is part of it
}

// shiftOf reports whether a sliding window at a moment behind the state is the
// state's, moved by fewer rows than it holds.
func (l *entityLog) shiftOf(k *cursorPlan, m *moment, c cut) (shift, bool) {
	if k.life != nil || k.scanned || m.standing != behind || m.small || m.apart || m.lost {
		return shift{}, false
	}
	s := shift{k: k, log: l, state: m.state, t: m.t, rows: l.rows.All(m.state[atRows:]), from: c.from, to: c.to, after: m.t - k.delay - k.length}
	s.tail, s.head = k.tail(m.state), l.plan.len(s.rows)
	if k.delay > 0 {
		s.head = k.head(m.state)
	}
	if s.from > s.tail || s.to > s.head || s.to < s.tail || s.tail-s.from+s.head-s.to >= s.to-s.from {
		return shift{}, false
	}
	for _, p := range k.parts {
		if p.part == aggregate.Distinct && (m.t-k.length < int64(m.state[atNow])-p.table.keep || m.state[p.table.sketch] != 0) {
			return shift{}, false // what the table has forgotten left marks behind
		}
	}
	return s, true
}

// shiftGroup evaluates the columns of a window that is moved back.
func (e *Engine) shiftGroup(g *cellGroup, m *moment, s *shift, seesCurrent bool, f frame) {
	m.shifted = true
	if len(g.before) > 0 {
		s.to -= one(seesCurrent)
		e.shift(s)
		e.finishAll(g.before, s.k, m, e.scratch, f, Present)
		s.to += one(seesCurrent)
	}
	if len(g.after) > 0 {
		e.shift(s)
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// shift makes the parts of a window that is moved back, in e.scratch.
func (e *Engine) shift(s *shift) {
	k, l, w := s.k, s.log, s.state
	e.copyRunning(l, k, w)
	for i := s.to; i < s.head; i++ {
		l.plan.remove(k, l.plan.row(s.rows, i), e.scratch)
	}
	for i := s.from; i < s.tail; i++ {
		l.plan.add(k, l.plan.row(s.rows, i), e.scratch)
	}
	l.steps += int64(s.head - s.to + s.tail - s.from)
	e.stretch = stretch{rows: s.rows, from: s.from, to: s.to, after: s.after, base: s.base}
	for _, p := range k.parts {
		if p.part.Walks() {
			continue
		}
		words := e.scratch[p.at : p.at+p.size()]
		switch {
		case p.part == aggregate.Gaps:
			l.shiftGaps(s, p, words)
		case p.part.Counted():
			e.shiftCounts(s, p, words)
		case p.part == aggregate.Distinct:
			e.shiftDistinct(s, p, words)
		case k.life != nil && !p.part.Retractable():
			e.shiftLifePoint(s, p, words)
		case !p.runs(k):
			e.shiftPoint(s, p, words)
		}
	}
}

// shiftPoint makes a part that is one input of the window.
func (e *Engine) shiftPoint(s *shift, p *partPlan, words []uint64) {
	l := s.log
	clear(words)
	switch p.part {
	case aggregate.Newest:
		if i := l.lastWith(p, s.state, s.rows, s.to); i >= s.from {
			l.scanPart(p, s.rows, i, i+1, words)
		}
	case aggregate.Oldest:
		if i := l.firstWith(p, s.state, s.rows, s.from); i < s.to {
			l.scanPart(p, s.rows, i, i+1, words)
		}
	default:
		e.extremeOf(s, p, words)
	}
}

// extremeOf finds the extreme of a window that is not as the stack has it: what is
// later than all that the stack does not know is asked of it, the rest of the rows.
// Of an entity's stack, that are values that have left it, or were dropped for one
// that was taken back since.
func (e *Engine) extremeOf(s *shift, p *partPlan, words []uint64) {
	l := s.log
	ends := s.t - s.k.delay
	kept := max(s.after, int64(s.state[atNow])-p.stack.delay-p.stack.reach, l.foldedAt(s.state), l.takenAt(s.state))
	first := min(s.to, l.rows.FirstAfter(s.rows, kept))
	t, code, ok := l.stacks.First(s.state[p.stack.at:], kept)
	switch {
	case !ok:
	case t > ends, t == ends && s.to < l.plan.len(s.rows) && l.plan.timeAt(s.rows, s.to) == ends: // one that is not seen is better than what is
		first = s.to
	case p.part != aggregate.Best:
		words[0], words[1] = 1, code
	case !e.bestAt(l, p, s.rows, t, code, words):
		first = s.to
	}
	l.sum(p, s.state, s.rows, s.from, first, words)
}

// ownExtreme is the extreme of a sliding window of the state, at t, of an entity that
// has a row in it that was taken back. It has room for one at a time.
func (e *Engine) ownExtreme(l *entityLog, k *cursorPlan, p *partPlan, w []uint64, t int64) []uint64 {
	rows := l.rows.All(w[atRows:])
	s := shift{k: k, log: l, state: w, t: t, rows: rows, after: t - k.delay - k.length}
	s.from, s.to = l.rows.FirstAfter(rows, s.after), l.plan.len(rows)
	if k.delay > 0 {
		s.to = l.rows.FirstAfter(rows, t-k.delay)
	}
	clear(e.best[:])
	e.extremeOf(&s, p, e.best[:p.size()])
	return e.best[:p.size()]
}

// scanPart puts rows into the words of one part.
func (l *entityLog) scanPart(p *partPlan, rows []uint64, from, to int, words []uint64) {
	for i := from; i < to; i++ {
		if row := l.plan.row(rows, i); l.plan.has(row, p.bit) {
			p.part.Add(words, l.plan.input(row, p), p.number)
		}
	}
	l.steps += int64(to - from)
}

// shiftGaps takes the newest events out of a Gaps part and puts older ones in.
func (l *entityLog) shiftGaps(s *shift, p *partPlan, words []uint64) {
	leaving, i := false, s.head-1
	for ; i >= s.tail && (i >= s.to || leaving); i-- {
		row := l.plan.row(s.rows, i)
		if !l.plan.has(row, p.bit) {
			continue
		}
		if leaving {
			aggregate.DropNewest(words, uint64(l.plan.time(row)))
		}
		leaving = i >= s.to
	}
	if leaving {
		prev := uint64(0)
		if s.base {
			prev = l.baseOfGaps(s.k, p, s.state)
		}
		aggregate.DropNewest(words, prev)
	}
	l.steps += int64(s.head - 1 - i)
	for i := s.tail - 1; i >= s.from; i-- {
		if row := l.plan.row(s.rows, i); l.plan.has(row, p.bit) {
			aggregate.AddGap(words, 0, uint64(l.plan.time(row)), words[0])
		}
	}
}

// shiftCounts makes a part that counts how often words occur: the state's own is
// moved there and back again.
func (e *Engine) shiftCounts(s *shift, p *partPlan, words []uint64) {
	l, w := s.log, s.state
	var before [8]uint64
	own := p.own(w)
	copy(before[:], own)
	moved := s.head - s.to + s.tail - s.from
	if p.contest != nil && moved*fewMoved > l.tables.Len(w[p.counts[0].at:]) {
		l.endContest(p, w)
	}
	l.recountRows(p, w, s.rows, s.to, s.head, true)
	l.recountRows(p, w, s.rows, s.from, s.tail, false)
	e.copyCounted(l, p, w, own, words, moved)
	l.recountRows(p, w, s.rows, s.from, s.tail, true)
	l.recountRows(p, w, s.rows, s.to, s.head, false)
	copy(own, before[:])
}

// recountRows counts rows in a part that counts, or out of it.
func (l *entityLog) recountRows(p *partPlan, w, rows []uint64, from, to int, gone bool) {
	for i := from; i < to; i++ {
		if row := l.plan.row(rows, i); l.plan.has(row, p.bit) {
			l.recountRow(p, w, p.own(w), row, gone)
		}
	}
	l.steps += int64(to - from)
}

// shiftDistinct finds which values of the rows behind a moment occur before it
// too. Of a sliding window those were taken out with the mark of their newest
// occurrence; of a life, the others are taken out.
func (e *Engine) shiftDistinct(s *shift, p *partPlan, words []uint64) {
	l := s.log
	e.met.Reset()
	for i := s.to; i < s.head; i++ {
		row := l.plan.row(s.rows, i)
		if l.plan.has(row, p.bit) && !(s.base && l.note(p.table, s.state, row).Base()) {
			e.met.Add(l.plan.word(row, p.lane))
		}
	}
	sought, found := e.met.Len(), e.sets[p.set]
	found.Reset()
	i, least := s.to-1, max(s.from, s.to-farRows)
	for ; i >= least && found.Len() < sought; i-- {
		row := l.plan.row(s.rows, i)
		if !l.plan.has(row, p.bit) {
			continue
		}
		if word := l.plan.word(row, p.lane); e.met.Has(word) {
			found.Add(word)
		}
	}
	l.steps += int64(s.head-s.to) + int64(s.to-1-i)
	if found.Len() < sought && least > s.from {
		e.findEarlier(s, p, found)
	}
	if s.k.life != nil {
		words[0] -= uint64(sought - found.Len())
	} else {
		words[0] += uint64(found.Len())
	}
}

// seenBehind is seen for a window that was moved back.
func (e *Engine) seenBehind(x *cellOut, m *moment, word uint64) bool {
	l, s, p := m.log, &e.stretch, x.parts[0]
	note, ends := l.tables.Get(m.state[p.table.at:], word), m.t-x.cursor.delay
	switch t := note.Time(); {
	case note.Base() && s.base:
		return true
	case note == 0, t < l.foldedAt(m.state), t <= s.after:
		return false
	case (t < ends || t == ends && x.cursor.delay > 0) && t > l.foldedAt(m.state):
		return true
	}
	for i := s.to - 1; i >= s.from; i-- {
		l.steps++
		if row := l.plan.row(s.rows, i); l.plan.has(row, p.bit) && l.plan.word(row, p.lane) == word {
			return true
		}
		if s.to-i == farRows && note.Time() > l.left(m.state) {
			l.linkAll(p.table.earlier, m.state)
			return l.occursEarlier(s, p.table.earlier, m.state, ends, word, uint64(note.Time()))
		}
	}
	return false
}
