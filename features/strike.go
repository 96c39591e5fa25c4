package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A row that is taken back stays where it is, struck: without the flags that have it
// reach anything. All that runs is of the rows that stand, so a row is taken out of it
// when it is struck. Who reads between the event and the one that takes it back sees
// it as it stood: for that reading it is raised, and struck again.

// strip takes the flags out of a row, but for those that hold its place in time, and
// keeps them beside.
func (l *logPlan) strip(row []uint64) {
	copy(row[l.strippedAt+1:l.lanesAt], row[l.flagsAt:l.takenAt])
	row[l.strippedAt] = row[0] & (1<<window.OwnBits - 1)
	for bit := range l.bits {
		if l.bits[bit].unique > 0 {
			l.unsave(row, bit)
		}
		if !l.bits[bit].held {
			l.clearBit(row, bit)
		}
	}
}

// unstrip gives a row its flags back.
func (l *logPlan) unstrip(row []uint64) {
	row[0] |= row[l.strippedAt]
	for i, flags := range row[l.strippedAt+1 : l.lanesAt] {
		row[l.flagsAt+i] |= flags
	}
	clear(row[l.strippedAt:l.lanesAt])
}

// savedAt is where a flag of a row is kept that was struck.
func (l *logPlan) savedAt(bit int) (word int, shift uint8) {
	if word, shift = l.bitAt(bit); word == 0 {
		return l.strippedAt, shift
	}
	return l.strippedAt + 1 + word - l.flagsAt, shift
}

// unsave forgets that a row had a flag: the mark of a value's newest occurrence moves
// to another one.
func (l *logPlan) unsave(row []uint64, bit int) {
	word, shift := l.savedAt(bit)
	row[word] &^= 1 << shift
}

// had reports whether a row has a flag, or had it before it was struck.
func (l *logPlan) had(row []uint64, bit int) bool {
	if l.has(row, bit) {
		return true
	}
	if !l.retracts || !l.struck(row) {
		return false
	}
	word, shift := l.savedAt(bit)
	return row[word]>>shift&1 != 0
}

// standAt makes a copy of rows what they are at a place.
func (l *logPlan) standAt(rows []uint64, t int64, place uint64) {
	for i := range l.len(rows) {
		if row := l.row(rows, i); l.struck(row) && !l.takenBy(row, t, place) {
			l.unstrip(row)
		}
	}
}

// stand raises the rows that a moment sees and that were taken back behind it.
func (e *Engine) stand(m *moment) {
	l := m.log
	l.raised = l.raised[:0]
	switch {
	case !l.plan.retracts:
		return
	case m.apart:
		l.plan.standAt(m.rows, m.t, m.place)
		return
	case m.standing != behind, !m.small && int64(m.state[l.plan.atTaken+stateTaking])-1 < m.t:
		return
	}
	rows, n := l.rows.All(m.state[atRows:]), l.plan.len(m.rows)
	for i := n; i < l.plan.len(rows); i++ {
		l.steps++
		taking := l.plan.row(rows, i)
		if !l.plan.has(taking, l.plan.taking) || !l.plan.has(taking, l.plan.found) {
			continue
		}
		for _, j := range l.originals(m.known(), taking) {
			if row := l.plan.row(rows, j); j < n && l.plan.takenFrom(row, taking) {
				l.raised = append(l.raised, j)
				l.raise(m.known(), j)
			}
		}
	}
}

// known is the entity's state as it is, small or not.
func (m *moment) known() []uint64 {
	if m.small {
		return m.state[:atFirst]
	}
	return m.state
}

// fall strikes again what a moment had raised.
func (e *Engine) fall(m *moment) {
	l := m.log
	for _, i := range l.raised {
		l.strike(m.known(), i)
	}
	l.raised = l.raised[:0]
}

// strike strikes row i.
func (l *entityLog) strike(w []uint64, i int) {
	large := len(w) > atFirst
	if large {
		l.withdraw(w, i)
	}
	l.plan.strip(l.plan.row(l.rows.All(w[atRows:]), i))
	if large {
		l.mend(w, i)
	}
}

// withdraw takes row i, which still has its flags, out of what runs and can take a
// row back by its flags alone.
func (l *entityLog) withdraw(w []uint64, i int) {
	rows := l.rows.All(w[atRows:])
	row := l.plan.row(rows, i)
	l.steps++
	for s := range l.plan.spans {
		x := &l.plan.spans[s]
		if i < x.cursor.tail(w) {
			continue
		}
		for j := range x.ops {
			if o := &x.ops[j]; row[o.flags]>>o.shift&1 != 0 {
				l.leavePart(o, row, w)
			}
		}
		l.leaveAmid(x.cursor, w, rows, i)
	}
	for _, k := range l.plan.delayed {
		if i >= k.tail(w) && i < k.head(w) {
			l.plan.remove(k, row, w)
			l.leaveAmid(k, w, l.plan.upTo(rows, k.head(w)), i)
		}
	}
	for _, k := range l.plan.ripening {
		if w[k.ripe.at] != 0 && uint64(i) < w[k.ripe.at+1] && l.inLife(k.life, w, row) {
			for _, p := range k.ripe.parts {
				l.ripenPart(k.ripe, p, w, row, true)
			}
		}
	}
	l.eachLife(w, row, func(c *chainPlan) { l.leaveLife(c, w, row) })
}

// eachLife calls f for the chains whose life at atNow has a row.
func (l *entityLog) eachLife(w, row []uint64, f func(c *chainPlan)) {
	for _, c := range l.plan.chains {
		if l.plan.has(row, c.view.entered) && l.inLife(c, w, row) {
			f(c)
		}
	}
}

// inLife reports whether a row that entered the view is of the life at atNow.
func (l *entityLog) inLife(c *chainPlan, w, row []uint64) bool {
	life := int64(w[c.state+chainLife])
	return life != 0 && l.plan.time(row) >= life
}

// leaveAmid takes row i of a sliding window out of the parts and records of it that
// are more than the sum of their rows.
func (l *entityLog) leaveAmid(k *cursorPlan, w, rows []uint64, i int) {
	row := l.plan.row(rows, i)
	for _, p := range k.beside {
		switch {
		case !l.plan.has(row, p.bit):
		case p.part.Counted():
			l.recountRow(p, w, p.own(w), row, true)
		default:
			l.leaveGaps(p, w, rows, i, k.tail(w), 0)
		}
	}
	for _, x := range k.divided {
		l.undivide(x, w, rows, i, cut{from: k.tail(w), to: l.plan.len(rows)})
	}
}

// leaveLife takes a row out of the parts of a life that can be undone, and of its
// records.
func (l *entityLog) leaveLife(c *chainPlan, w, row []uint64) {
	for _, k := range c.cursors {
		l.plan.remove(k, row, w)
		for _, p := range k.beside {
			if p.part.Counted() && l.plan.has(row, p.bit) {
				l.recountRow(p, w, p.own(w), row, true)
			}
		}
	}
	from := l.rows.FirstAfter(l.rows.All(w[atRows:]), int64(w[c.state+chainLife])-1)
	l.leaveRecords(c, w, row, from)
}

// leaveGaps takes row i, be it in their midst, out of a Gaps part over the rows from
// the tail on, before which the last event was at base; 0: there is none.
func (l *entityLog) leaveGaps(p *partPlan, w, rows []uint64, i, tail int, base uint64) {
	prev := max(l.prevWith(p.bit, rows, i, tail), base)
	aggregate.DropGap(w[p.at:p.at+p.size()], prev, uint64(l.plan.timeAt(rows, i)), l.nextWith(p.bit, rows, i))
}

// mend takes row i, which has been struck, out of what has to look at others for that.
func (l *entityLog) mend(w []uint64, i int) {
	rows := l.rows.All(w[atRows:])
	row := l.plan.row(rows, i)
	l.changeNodes(w, rows, i)
	for _, x := range l.plan.tables {
		if !l.plan.had(row, x.bit) {
			continue
		}
		if x.life == nil {
			l.unmark(x, w, rows, i)
		} else {
			l.unsee(x, w, rows, i)
		}
	}
	for _, x := range l.plan.newests {
		if l.plan.had(row, x.bit) && w[x.at] == uint64(l.plan.time(row)) && w[x.at+1] == l.plan.place(row) {
			l.reopen(x, w, rows)
		}
	}
	l.eachLife(w, row, func(c *chainPlan) {
		for _, k := range c.cursors {
			l.mendLife(k, w, rows, i)
		}
	})
}

// changeNodes makes the nodes anew that hold row i, which has changed.
func (l *entityLog) changeNodes(w, rows []uint64, i int) {
	l.changeNode(&l.plan.levels, w, rows, i)
	for _, x := range l.plan.branches {
		if x.records != nil {
			l.changeDivided(x, w, rows, i)
		} else {
			l.changeNode(x, w, rows, i)
		}
	}
}

// unmark finds the newest occurrence of the value of row i, which has been struck, in
// place of the row.
func (l *entityLog) unmark(x *tablePlan, w, rows []uint64, i int) {
	row, now := l.plan.row(rows, i), int64(w[atNow])
	t, word := l.plan.time(row), l.plan.word(row, x.lane)
	if t > now-x.delay || l.tables.Get(w[x.at:], word).Time() != t {
		return // it is not yet, or not any more, what is noted of its value
	}
	j := l.occurrence(x, w, rows, i)
	switch {
	case j < 0 || l.plan.timeAt(rows, j) <= now-x.delay-x.keep:
		l.tables.Delete(w[x.at:], word)
		return
	case l.plan.has(l.plan.row(rows, j), x.unique):
		return // a peer, which was noted already
	}
	l.plan.setBit(l.plan.row(rows, j), x.unique)
	l.tables.Put(w[x.at:], word, window.NewNote(l.plan.timeAt(rows, j), false))
	for _, c := range x.counts {
		if j >= c.cursor.tail(w) {
			w[c.part.run]++
		}
	}
}

// unsee finds when the value of row i, which has been struck, occurred in place of the
// row.
func (l *entityLog) unsee(x *tablePlan, w, rows []uint64, i int) {
	row := l.plan.row(rows, i)
	t, note := l.plan.time(row), l.note(x, w, row)
	if note.Time() != t {
		return
	}
	before := int64(0)
	if j := l.occurrence(x, w, rows, i); j >= 0 {
		before = l.plan.timeAt(rows, j)
	}
	if note.Base() {
		before = max(before, int64(w[x.life.view.state+viewFolded]))
	}
	if life := int64(w[x.life.state+chainLife]); life != 0 && t >= life && before < life {
		for _, n := range x.counts {
			if !n.cursor.scanned {
				w[n.part.at]--
			}
		}
	}
	if before == 0 {
		l.tables.Delete(w[x.at:], l.plan.word(row, x.lane))
		return
	}
	l.tables.Put(w[x.at:], l.plan.word(row, x.lane), window.NewNote(before, note.Base()))
}

// occurrence is the newest row in which the value of row i occurs, but for that row,
// and none is newer than that; -1: there is none.
func (l *entityLog) occurrence(x *tablePlan, w, rows []uint64, i int) int {
	row := l.plan.row(rows, i)
	t, word := l.plan.time(row), l.plan.word(row, x.lane)
	if j := l.lastAt(x.bit, x.lane, rows, t, word, i); j >= 0 {
		return j
	}
	first := l.rows.FirstAfter(rows, t-1)
	least := max(0, first-farRows)
	for j := first - 1; j >= least; j-- {
		l.steps++
		if other := l.plan.row(rows, j); l.plan.has(other, x.bit) && l.plan.word(other, x.lane) == word {
			return j
		}
	}
	if least == 0 {
		return -1
	}
	l.linkAll(x.earlier, w)
	return l.lastAt(x.bit, x.lane, rows, int64(l.before(x.earlier, w, word, uint64(t))), word, i)
}

// reopen finds the newest event with a bit, in place of one that was struck.
func (l *entityLog) reopen(x *newestPlan, w, rows []uint64) {
	words := w[x.at:]
	if x.text {
		l.counting.texts.release(words[2])
	}
	clear(words[:aggregate.Newest.Words()])
	i := l.lastWith(x.of, w, rows, l.rows.FirstAfter(rows, int64(w[atNow])-x.delay))
	if i >= 0 {
		l.renew(x, w, l.plan.row(rows, i), int64(w[atNow]))
	}
}

// mendLife makes anew what cannot be undone of a life, from which row i was struck.
func (l *entityLog) mendLife(k *cursorPlan, w, rows []uint64, i int) {
	row := l.plan.row(rows, i)
	for _, p := range k.running {
		words := w[p.at : p.at+p.size()]
		switch {
		case !l.plan.had(row, p.bit):
		case p.part == aggregate.Gaps:
			if base := l.baseOfGaps(k, p, w); uint64(l.plan.time(row)) >= base {
				l.leaveGaps(p, w, rows, i, l.rows.FirstAfter(rows, int64(w[k.life.state+chainLife])-1), base)
			} else {
				l.redo(k, p, w, rows)
			}
		case p.part.Retractable() || p.part.Counted() || p.part == aggregate.Distinct:
		case p.part == aggregate.Smallest || p.part == aggregate.Largest:
			if aggregate.OrderCode(l.plan.word(row, p.lane), p.number) == words[1] {
				l.redo(k, p, w, rows)
			}
		case p.part.Decays() || words[0] == uint64(l.plan.time(row)) && words[1] == l.plan.place(row):
			l.redo(k, p, w, rows)
		}
	}
}

// redo makes a part of a life anew.
func (l *entityLog) redo(k *cursorPlan, p *partPlan, w, rows []uint64) {
	words := w[p.at : p.at+p.size()]
	clear(words)
	life, base := int64(w[k.life.state+chainLife]), int64(w[k.life.state+chainBase])
	if base != 0 && life <= base {
		copy(words, w[p.base:])
	}
	from, to := l.rows.FirstAfter(rows, life-1), l.plan.len(rows)
	if p.part == aggregate.Oldest {
		if from = l.firstWith(p, w, rows, from); from < to {
			to = from + 1
		}
	}
	l.sum(p, w, rows, from, to, words)
}

// raise puts row i, which was struck, into all that runs.
func (l *entityLog) raise(w []uint64, i int) {
	rows := l.rows.All(w[atRows:])
	row := l.plan.row(rows, i)
	l.plan.unstrip(row)
	if len(w) == atFirst {
		return
	}
	l.steps++
	now := int64(w[atNow])
	l.changeNodes(w, rows, i)
	for _, x := range l.plan.tables {
		if x.life == nil && l.plan.time(row) <= now-x.delay && l.plan.has(row, x.bit) {
			l.occur(x, w, i)
		}
	}
	first := 0
	for first < len(l.plan.spans) && i < l.plan.spans[first].cursor.tail(w) {
		first++
	}
	l.addSpans(row, w, first)
	for _, k := range l.plan.beside {
		if i >= k.tail(w) {
			l.joinAll(k, w, i, l.plan.len(rows))
		}
	}
	for _, k := range l.plan.delayed {
		if i >= k.tail(w) && i < k.head(w) {
			l.plan.add(k, row, w)
			l.joinAll(k, w, i, k.head(w))
		}
	}
	for _, k := range l.plan.ripening {
		if w[k.ripe.at] != 0 && uint64(i) < w[k.ripe.at+1] {
			l.ripen(k, w, row)
		}
	}
	for _, x := range l.plan.newests {
		l.renew(x, w, row, now)
	}
	for _, c := range l.plan.chains {
		if !l.plan.has(row, c.view.entered) {
			continue
		}
		if l.inLife(c, w, row) {
			l.joinChain(c, w, row)
		}
		l.see(c, w, row)
	}
}
