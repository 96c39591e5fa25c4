package features

import "github.com/freshet-dev/freshet/features/aggregate"

// Where the words of a part are: in the state, in what a scan has made, or in
// the structures of the log.

// part is the words of a part of a cell, from the words of its window or from
// the structures of the log.
func (e *Engine) part(x *cellOut, p *partPlan, m *moment, words []uint64) []uint64 {
	scanned := m.whole || m.scans(x.cursor)
	switch {
	case p.part.Walks():
		return e.walk(m.log, p, m.state, int(words[x.count]))
	case p.part == aggregate.Mode && words[p.at+aggregate.ModeState] != aggregate.ModeFound,
		p.part == aggregate.Buckets && words[p.at+1] == 0:
		return e.counted(m.log, p, m.state, p.own(m.state), 0)
	case scanned || p.runs(x.cursor):
		return words[p.at : p.at+p.size()]
	case p.newest != nil:
		return m.state[p.newest.at : p.newest.at+3]
	case p.part == aggregate.Oldest:
		return e.oldestOf(x.cursor, p, m)
	}
	from := m.t - x.cursor.delay - x.cursor.length
	if m.log.takenAt(m.state) > from {
		return e.ownExtreme(m.log, x.cursor, p, m.state, m.t)
	}
	t, code, ok := m.log.stacks.First(m.state[p.stack.at:], from)
	if !ok {
		panic("features: a window has events and no extreme")
	}
	if p.part == aggregate.Best {
		return e.bestOf(x.cursor, p, m, t, code)
	}
	e.extreme[0], e.extreme[1] = 1, code
	return e.extreme[:]
}

// bestOf is the Best part of a sliding window whose best input is of a time and
// has an order code.
func (e *Engine) bestOf(k *cursorPlan, p *partPlan, m *moment, t int64, code uint64) []uint64 {
	clear(e.best[:])
	if !e.bestAt(m.log, p, m.rows, t, code, e.best[:]) { // it was folded
		m.log.sum(p, m.state, m.rows, m.log.rows.FirstAfter(m.rows, m.t-k.length), m.log.plan.len(m.rows), e.best[:])
	}
	return e.best[:]
}

// bestAt puts the rows of a time that have an order code into a Best part, and
// reports whether there are any.
func (e *Engine) bestAt(l *entityLog, p *partPlan, rows []uint64, t int64, code uint64, words []uint64) (found bool) {
	for i := l.rows.FirstAfter(rows, t-1); i < l.plan.len(rows) && l.plan.timeAt(rows, i) == t; i++ {
		l.steps++
		row := l.plan.row(rows, i)
		if in := l.plan.input(row, p); l.plan.has(row, p.bit) && in.Order == code {
			p.part.Add(words, in, p.number)
			found = true
		}
	}
	return found
}

// oldestOf is the Oldest part of a sliding window: its first row with the bit.
func (e *Engine) oldestOf(k *cursorPlan, p *partPlan, m *moment) []uint64 {
	if oldest, ok := e.firstOf(k, p, m); ok {
		return oldest
	}
	panic("features: a window has events and no oldest one")
}

// firstOf is the Oldest part of the rows of a sliding window; false: there is
// none.
func (e *Engine) firstOf(k *cursorPlan, p *partPlan, m *moment) ([]uint64, bool) {
	l := m.log
	i := l.firstWith(p, m.state, m.rows, l.rows.FirstAfter(m.rows, m.t-k.delay-k.length))
	if i == l.plan.len(m.rows) {
		return nil, false
	}
	l.steps++
	in := l.plan.input(l.plan.row(m.rows, i), p)
	e.oldest = [3]uint64{uint64(in.Time), in.Place, in.Word}
	return e.oldest[:], true
}

// seen reports whether the value of the event at hand occurs in a window: what
// is_new asks, before the event is counted. Of a partial window, a set has what is known.
func (e *Engine) seen(x *cellOut, m *moment, partial bool) bool {
	p, word := x.parts[0], e.current.words[x.inputAt]
	if m.shifted {
		return e.seenBehind(x, m, word)
	}
	if m.ripe && !partial {
		return e.seenRipe(x, m, word)
	}
	if x.by != nil || m.scans(x.cursor) {
		return e.sets[p.set].Has(word)
	}
	n := m.log.tables.Get(m.state[p.table.at:], word)
	if c := x.cursor.life; c != nil {
		life := int64(m.state[c.state+chainLife])
		return life != 0 && n.Time() >= life
	}
	return n != 0 && n.Time() > m.from(x.cursor)
}
