package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// Some parts are more than the sum of their rows: what a row does to the gaps
// depends on its neighbours, and what it does to the most frequent value on how
// often the others occur. They run over sliding windows without delay, whose
// rows are those from the tail on.

// join puts row i, which has the part's bit, into the part.
func (l *entityLog) join(k *cursorPlan, p *partPlan, w []uint64, i int) {
	rows := l.rows.All(w[atRows:])
	row, words := l.plan.row(rows, i), w[p.at:p.at+p.size()]
	if p.part == aggregate.Counts {
		l.recount(p, w, l.plan.word(row, p.lane), 1)
		return
	}
	t := uint64(l.plan.time(row))
	if i+1 == l.plan.len(rows) { // the newest
		aggregate.AddGap(words, aggregate.LastOfGaps(words), t, 0)
		return
	}
	var prev uint64
	for j := i - 1; j >= int(uint32(w[k.at])) && prev == 0; j-- {
		if other := l.plan.row(rows, j); l.plan.has(other, p.bit) {
			prev = uint64(l.plan.time(other))
		}
	}
	aggregate.AddGap(words, prev, t, l.nextWith(p.bit, rows, i))
}

// leave takes row i, the oldest with the part's bit, out of the part.
func (l *entityLog) leave(p *partPlan, rows []uint64, i int, w []uint64) {
	if p.part == aggregate.Counts {
		l.recount(p, w, l.plan.word(l.plan.row(rows, i), p.lane), -1)
		return
	}
	aggregate.DropOldest(w[p.at:p.at+p.size()], l.nextWith(p.bit, rows, i))
}

// nextWith is the time of the first row behind i with a bit; 0: there is none.
func (l *entityLog) nextWith(bit int, rows []uint64, i int) uint64 {
	for i++; i < l.plan.len(rows); i++ {
		if row := l.plan.row(rows, i); l.plan.has(row, bit) {
			return uint64(l.plan.time(row))
		}
	}
	return 0
}

// recount notes that a value occurs once more or once less often. The most
// frequent one is found by how many values occur so often.
func (l *entityLog) recount(p *partPlan, w []uint64, value uint64, step int) {
	words := w[p.at : p.at+p.size()]
	times, often := w[p.counts[0].at:], w[p.counts[1].at:]
	b := uint64(l.tables.Get(times, value))
	c := b + uint64(step)
	l.setCount(times, value, c)
	most := aggregate.Most(words)
	if c > 0 {
		l.setCount(often, c, uint64(l.tables.Get(often, c))+1)
		most = max(most, c)
	}
	if b > 0 {
		left := uint64(l.tables.Get(often, b)) - 1
		l.setCount(often, b, left)
		if left == 0 && most == b {
			most = c
		}
	}
	aggregate.Recount(words, b, c, most)
}

// setCount sets a word's count; of 0 the word is forgotten.
func (l *entityLog) setCount(h []uint64, word, n uint64) {
	if n == 0 {
		l.tables.Delete(h, word)
		return
	}
	l.tables.Put(h, word, window.Note(n))
}
