package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
)

// Some parts are more than the sum of their rows: what a row does to the gaps
// depends on its neighbours, and what it does to the most frequent value on how
// often the others occur.

// hasMore reports whether a window keeps such parts, or records.
func (k *cursorPlan) hasMore() bool { return len(k.beside)+len(k.divided) > 0 }

// joinAll puts row i into such parts of a sliding window, which ends before row
// head.
func (l *entityLog) joinAll(k *cursorPlan, w []uint64, i, head int) {
	if !k.hasMore() {
		return
	}
	rows := l.plan.upTo(l.rows.All(w[atRows:]), head)
	row := l.plan.row(rows, i)
	for _, x := range k.divided {
		l.divide(x, w, row, false)
	}
	for _, p := range k.beside {
		switch {
		case !l.plan.has(row, p.bit):
		case p.part.Counted():
			l.recountRow(p, w, p.own(w), row, false)
		default:
			l.joinGaps(p, w, rows, i, k.tail(w), 0)
		}
	}
}

// joinGaps puts row i into a Gaps part over the rows from the tail on, before
// which the last event was at base; 0: there is none.
func (l *entityLog) joinGaps(p *partPlan, w, rows []uint64, i, tail int, base uint64) {
	t, words := uint64(l.plan.timeAt(rows, i)), w[p.at:p.at+p.size()]
	if i+1 == l.plan.len(rows) { // the newest
		aggregate.AddGap(words, aggregate.LastOfGaps(words), t, 0)
		return
	}
	prev := l.prevWith(p.bit, rows, i, tail)
	aggregate.AddGap(words, max(prev, base), t, l.nextWith(p.bit, rows, i))
}

// prevWith is the time of the last row before i, from the tail on, with a bit; 0:
// there is none.
func (l *entityLog) prevWith(bit int, rows []uint64, i, tail int) uint64 {
	for i--; i >= tail; i-- {
		l.steps++
		if row := l.plan.row(rows, i); l.plan.has(row, bit) {
			return uint64(l.plan.time(row))
		}
	}
	return 0
}

// leaveBeside takes row i, the oldest of a window that ends with the last of rows,
// out of its parts and records.
func (l *entityLog) leaveBeside(k *cursorPlan, rows []uint64, i int, w []uint64) {
	row := l.plan.row(rows, i)
	for _, p := range k.beside {
		if l.plan.has(row, p.bit) {
			l.leave(p, rows, i, w)
		}
	}
	for _, x := range k.divided {
		l.leaveDivided(x, w, rows, i, int64(w[atNow])-k.delay-k.length)
	}
}

// leave takes row i, the oldest with the part's bit, out of the part.
func (l *entityLog) leave(p *partPlan, rows []uint64, i int, w []uint64) {
	if p.part.Counted() {
		l.recountRow(p, w, p.own(w), l.plan.row(rows, i), true)
		return
	}
	aggregate.DropOldest(w[p.at:p.at+p.size()], l.nextWith(p.bit, rows, i))
}

// nextWith is the time of the first row behind i with a bit; 0: there is none.
func (l *entityLog) nextWith(bit int, rows []uint64, i int) uint64 {
	for i++; i < l.plan.len(rows); i++ {
		l.steps++
		if row := l.plan.row(rows, i); l.plan.has(row, bit) {
			return uint64(l.plan.time(row))
		}
	}
	return 0
}
