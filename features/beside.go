package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
)

// Some parts are more than the sum of their rows: what a row does to the gaps
// depends on its neighbours, and what it does to the most frequent value on how
// often the others occur. Gaps run over sliding windows without delay, whose
// rows are those from the tail on.

// join puts row i, which has the part's bit, into the part.
func (l *entityLog) join(k *cursorPlan, p *partPlan, w []uint64, i int) {
	rows := l.rows.All(w[atRows:])
	row, words := l.plan.row(rows, i), w[p.at:p.at+p.size()]
	if p.part.Counted() {
		l.recountRow(p, w, row, false)
		return
	}
	t := uint64(l.plan.time(row))
	if i+1 == l.plan.len(rows) { // the newest
		aggregate.AddGap(words, aggregate.LastOfGaps(words), t, 0)
		return
	}
	var prev uint64
	for j := i - 1; j >= k.tail(w) && prev == 0; j-- {
		l.steps++
		if other := l.plan.row(rows, j); l.plan.has(other, p.bit) {
			prev = uint64(l.plan.time(other))
		}
	}
	aggregate.AddGap(words, prev, t, l.nextWith(p.bit, rows, i))
}

// leave takes row i, the oldest with the part's bit, out of the part.
func (l *entityLog) leave(p *partPlan, rows []uint64, i int, w []uint64) {
	if p.part.Counted() {
		l.recountRow(p, w, l.plan.row(rows, i), true)
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
