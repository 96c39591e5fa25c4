package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// Where the mode is asked for by category, the values of a category are in a heap:
// the more frequent one comes first, of equal ones the smaller, and the mode has the
// first seat. The record of a value has its seat, and the index the record of a seat
// where it would have how many values occur so often.

// rivals reports whether the values of a category are in a heap, and not in a list.
func (x *dividedPlan) rivals() bool { return x.values.part == aggregate.Mode }

// seatOfValue is the seat that the record of a value has, from 1 on.
func seatOfValue(r []uint64) uint64 { return r[recordLink] &^ linkOthers }

// valueIn is the number of the record in a seat of a category, or of the others.
func (l *entityLog) valueIn(x *dividedPlan, w []uint64, category, seat uint64, others bool) int {
	l.steps++
	return int(l.tables.Get(w[x.index:], l.keyOfTimes(category, seat, others)))
}

// seatValue gives the record of a number a seat.
func (l *entityLog) seatValue(x *dividedPlan, w []uint64, number int, seat uint64) {
	r := l.nthRecord(x, w, number)
	r[recordLink] = r[recordLink]&linkOthers | seat
	l.tables.Put(w[x.index:], l.keyOfTimes(r[0], seat, r[recordLink]&linkOthers != 0), window.Note(number))
}

// outvotes reports whether the value of a record comes before that of another one.
func (l *entityLog) outvotes(x *dividedPlan, w []uint64, number, than int) bool {
	a, b := l.nthRecord(x, w, number), l.nthRecord(x, w, than)
	return a[1] > b[1] || a[1] == b[1] && l.counting.smaller(l.plan, x.values, a[recordKey], b[recordKey])
}

// riseValue seats the value of a record that may come before others.
func (l *entityLog) riseValue(x *dividedPlan, w []uint64, number int) {
	r := l.nthRecord(x, w, number)
	was, others := seatOfValue(r), r[recordLink]&linkOthers != 0
	seat := was
	for ; seat > 1; seat /= 2 {
		above := l.valueIn(x, w, r[0], seat/2, others)
		if !l.outvotes(x, w, number, above) {
			break
		}
		l.seatValue(x, w, above, seat)
	}
	if seat != was {
		l.seatValue(x, w, number, seat)
	}
}

// sinkValue seats the value of a record that others may come before; so many seats are
// taken.
func (l *entityLog) sinkValue(x *dividedPlan, w []uint64, number int, seats uint64) {
	r := l.nthRecord(x, w, number)
	was, others := seatOfValue(r), r[recordLink]&linkOthers != 0
	seat := was
	for 2*seat <= seats {
		next := 2 * seat
		below := l.valueIn(x, w, r[0], next, others)
		if next < seats {
			if other := l.valueIn(x, w, r[0], next+1, others); l.outvotes(x, w, other, below) {
				next, below = next+1, other
			}
		}
		if !l.outvotes(x, w, below, number) {
			break
		}
		l.seatValue(x, w, below, seat)
		seat = next
	}
	if seat != was {
		l.seatValue(x, w, number, seat)
	}
}

// reseatValue seats the value of a record that occurs more often, or less. One that
// does not occur any more is about to be forgotten.
func (l *entityLog) reseatValue(x *dividedPlan, w, g, r []uint64, how counts) {
	number := l.valueIn(x, w, r[0], seatOfValue(r), how.others)
	switch {
	case r[1] == 0:
	case how.gone:
		l.sinkValue(x, w, number, g[groupFirst])
	default:
		l.riseValue(x, w, number)
	}
}

// unseatValue takes the value of a record out of its seat: the one in the last seat of
// its category takes it.
func (l *entityLog) unseatValue(x *dividedPlan, w, g, r []uint64) {
	seats, others := g[groupFirst], r[recordLink]&linkOthers != 0
	last := l.valueIn(x, w, r[0], seats, others)
	l.tables.Delete(w[x.index:], l.keyOfTimes(r[0], seats, others))
	g[groupFirst]--
	if seat := seatOfValue(r); seat != seats {
		l.seatValue(x, w, last, seat)
		l.riseValue(x, w, last)
		l.sinkValue(x, w, last, seats-1)
	}
}

// firstValue makes a Mode part of the values of a category, or of the others.
func (e *Engine) firstValue(x *dividedPlan, l *entityLog, w, g, words []uint64, others bool) {
	if g[groupFirst] == 0 {
		return
	}
	r := l.nthRecord(x, w, l.valueIn(x, w, g[0], 1, others))
	words[aggregate.ModeTimes], words[aggregate.ModeWord], words[aggregate.ModeState] = r[1], e.hash.unspread(r[recordKey]), aggregate.ModeFound
}

// eachValue calls f for the record of every value of a category, or of the others.
func (l *entityLog) eachValue(x *dividedPlan, w, g []uint64, others bool, f func(r []uint64)) {
	if x.rivals() {
		for seat := uint64(1); seat <= g[groupFirst]; seat++ {
			f(l.nthRecord(x, w, l.valueIn(x, w, g[0], seat, others)))
		}
		return
	}
	for n := g[groupFirst]; n != 0; {
		l.steps++
		r := l.nthRecord(x, w, int(n))
		f(r)
		n = nextValue(r)
	}
}
