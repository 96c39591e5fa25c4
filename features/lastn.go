package features

import "math"

// A window of the last n events is cut by number: of all events that entered
// the view, up to t - delay, the newest n of the row's life at t (S22, S23). The
// feature's filter and field select inside. It is scanned: n rows, and those
// between them that did not enter the view.

// readLast evaluates the columns of a window of the last n events. Without the
// current event the window reaches one event further back.
func (e *Engine) readLast(g *cellGroup, m *moment, f frame, row Status) {
	if len(g.before) > 0 {
		rows := m.rows
		if m.current && g.cursor.delay == 0 {
			rows = m.log.plan.upTo(rows, m.log.plan.len(rows)-1)
		}
		e.readLastOf(g.cursor, g.before, m, rows, f, row)
	}
	if len(g.after) > 0 {
		e.readLastOf(g.cursor, g.after, m, m.rows, f, row)
	}
}

func (e *Engine) readLastOf(k *cursorPlan, cells []cellOut, m *moment, rows []uint64, f frame, row Status) {
	l := m.log
	c, since, full := l.cutLast(k, m, rows)
	e.scan(l, k, m.state, rows, c)
	status := first(row, l.knownLast(e, k, m.state, since, full))
	e.countDoubts(k.view, status, len(cells))
	for i := range cells {
		e.finish(&cells[i], m, e.scratch, f, status)
	}
}

// cutLast finds the last n events at a moment. Since is the time of the oldest of
// them where there are n (full), else that of the first event of the life, the
// moment's own where there is none.
func (l *entityLog) cutLast(k *cursorPlan, m *moment, rows []uint64) (c cut, since int64, full bool) {
	n := l.plan.len(rows)
	c.to = n
	if k.delay > 0 {
		c.to = l.rows.FirstAfter(rows, m.t-k.delay)
	}
	if life, ok := l.lifeOf(k.within, m); ok {
		return l.cutWithin(k, rows, c.to, life, m.t)
	}
	c.from, since = c.to, m.t
	for i, left := n-1, k.last; i >= 0; i-- {
		l.steps++
		if !l.plan.has(l.plan.row(rows, i), k.view.entered) {
			continue
		}
		at := l.plan.timeAt(rows, i)
		if since-at >= k.gap {
			return c, since, false
		}
		since = at
		if i >= c.to || !l.plan.has(l.plan.row(rows, i), k.view.stands) {
			continue
		}
		c.from = i
		if left--; left == 0 {
			return c, since, true
		}
	}
	return c, since, false
}

// cutWithin is cutLast among the first n rows, of a moment t whose life began at a
// time that is known; 0: it has none.
func (l *entityLog) cutWithin(k *cursorPlan, rows []uint64, n int, life, t int64) (c cut, since int64, full bool) {
	c = cut{from: n, to: n}
	if life == 0 {
		return c, t, false
	}
	first := min(n, l.rows.FirstAfter(rows, life-1))
	if k.last == math.MaxInt {
		c.from = first
		return c, life, false
	}
	for left := k.last; c.from > first && left > 0; {
		l.steps++
		if c.from--; l.plan.has(l.plan.row(rows, c.from), k.view.stands) {
			left--
			full = left == 0
		}
	}
	if full {
		return c, l.plan.timeAt(rows, c.from), true
	}
	return c, life, false
}

// lifeOf is when the life began that a chain is in at a moment, 0 where it is in
// none; false where the state does not say: the moment is in another life than the
// state, or sees other rows.
func (l *entityLog) lifeOf(c *chainPlan, m *moment) (life int64, ok bool) {
	if c == nil || m.small || m.apart || m.lost {
		return 0, false
	}
	life = int64(m.state[c.state+chainLife])
	switch m.standing {
	case behind:
		return life, life != 0 && life < m.t && m.t <= int64(m.state[atNow])
	case forward:
		if m.t-int64(m.state[c.view.state+viewNewest]) >= c.gap {
			return 0, true
		}
	}
	return life, true
}

// knownLast says whether all of a window of the last n events is known: none of
// them has left the log, and none is from before its source was read.
func (l *entityLog) knownLast(e *Engine, k *cursorPlan, w []uint64, since int64, full bool) Status {
	dropped, folded := int64(w[atDropped]), int64(w[k.view.state+viewFolded])
	if !full { // n that the log has are behind all that were folded, those of their time too
		dropped = l.left(w)
	}
	born, why := bornAt(w)
	from := since
	if !full {
		from -= k.gap // the life is known if nothing was so long before it
	}
	cov := e.coverageOf(l).status(from)
	switch {
	case cov == Incomplete, dropped != 0 && since <= dropped, !full && folded != 0 && from < folded:
		return Incomplete
	case born != 0 && (from < born || full && since == born):
		return why
	}
	return cov
}

// spare is how many of the first n rows no window of the last events needs, of
// an event that is late by as much as is allowed. Rows of one time stay together.
func (l *entityLog) spare(w, rows []uint64, newest int64, n int) int {
	for _, k := range l.plan.lasts {
		next, left, view := newest-l.plan.lateness, k.last, k.view
		if l.plan.retracts { // any of them may be taken back, and the next older one comes in
			left = math.MaxInt
		}
		c := k.within
		if k.life != nil {
			c, view = k.life, k.life.view
		}
		if c != nil && left == math.MaxInt {
			if life := int64(w[c.state+chainLife]); life != 0 && life <= next { // all of it
				n = min(n, l.rows.FirstAfter(rows, life-1))
				continue
			}
		}
		for i := l.rows.FirstAfter(rows, next-1) - 1; i >= 0 && left > 0; i-- {
			l.steps++
			if !l.plan.has(l.plan.row(rows, i), view.entered) {
				continue
			}
			at := l.plan.timeAt(rows, i)
			if next-at >= k.gap {
				break
			}
			next, n = at, min(n, i)
			if at < newest-l.plan.lateness-k.delay {
				left--
			}
		}
	}
	for n > 0 && n < l.plan.len(rows) && l.plan.timeAt(rows, n-1) == l.plan.timeAt(rows, n) {
		n--
	}
	return n
}
