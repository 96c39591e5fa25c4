package features

import (
	"bytes"
	"strconv"
)

// The records of categories are ranked as they change: those with more events come
// first, of equally many the smaller category (S25). They are in a heap, so that one
// that has an event more or less moves by the logarithm of their number, and the first
// k are found from the top: behind each of them two others may come next.
//
// A seat of the heap has the number of a record, and the record its seat; both are
// numbered from 1. The word behind a record is its own seat (low half) and the number
// of the record in the seat that has this record's number (high half): there are as
// many seats as records.
//
// What all but the first k have together is what all have, less what those have. Where
// parts cannot be taken back it is put together: behind its rank a record has the parts
// of all records from its seat down, and what is left of the heap without the first k
// are the heaps of those who may come next.

// seat puts a record in a seat.
func (x *dividedPlan) seat(all []uint64, seat, number int) {
	of := &all[seat*x.stride+x.width]
	*of = *of&(1<<32-1) | uint64(number)<<32
	own := &all[number*x.stride+x.width]
	*own = *own&^(1<<32-1) | uint64(seat)
}

// seatOf is the seat of a record.
func (x *dividedPlan) seatOf(all []uint64, number int) int {
	return int(uint32(all[number*x.stride+x.width]))
}

// seated is the number of the record in a seat.
func (x *dividedPlan) seated(all []uint64, seat int) int {
	return int(all[seat*x.stride+x.width] >> 32)
}

// rise seats a record that has an event more.
func (l *entityLog) rise(x *dividedPlan, all []uint64, number int) {
	seat := x.seatOf(all, number)
	for ; seat > 1; seat /= 2 {
		l.steps++
		above := x.seated(all, seat/2)
		if !l.outranks(x, all, number, above) {
			break
		}
		x.seat(all, seat, above)
	}
	x.seat(all, seat, number)
}

// sink seats a record that has an event less.
func (l *entityLog) sink(x *dividedPlan, all []uint64, number int) {
	l.sinkAmong(x, all, number, len(all)/x.stride-1)
}

// sinkAmong is sink where only so many seats are taken.
func (l *entityLog) sinkAmong(x *dividedPlan, all []uint64, number, seats int) {
	seat := x.seatOf(all, number)
	for 2*seat <= seats {
		l.steps++
		next := 2 * seat
		below := x.seated(all, next)
		if next < seats {
			if other := x.seated(all, next+1); l.outranks(x, all, other, below) {
				next, below = next+1, other
			}
		}
		if !l.outranks(x, all, below, number) {
			break
		}
		x.seat(all, seat, below)
		seat = next
	}
	x.seat(all, seat, number)
}

// riseSummed seats a record that has an event more, of parts that cannot be taken
// back: those from its seats down are put together anew, those above have one row more.
func (l *entityLog) riseSummed(x *dividedPlan, all []uint64, number int, row []uint64) {
	seat := x.seatOf(all, number)
	l.rise(x, all, number)
	for to := x.seatOf(all, number); seat >= to; seat /= 2 {
		l.steps++
		x.sumBelow(all, seat)
	}
	for ; seat > 0; seat /= 2 {
		l.steps++
		l.putParts(x, x.below(all, seat), row, false)
	}
}

// below are the parts of all records from a seat down.
func (x *dividedPlan) below(all []uint64, seat int) []uint64 {
	at := x.seated(all, seat) * x.stride
	return all[at+x.width+1 : at+x.stride]
}

// sumBelow puts together the parts of the records from a seat down.
func (x *dividedPlan) sumBelow(all []uint64, seat int) {
	below := x.below(all, seat)
	copy(below, all[x.seated(all, seat)*x.stride+recordParts:])
	for next := 2 * seat; next <= min(2*seat+1, len(all)/x.stride-1); next++ {
		x.mergeParts(below, x.below(all, next))
	}
}

// sinkSummed seats a record that has an event less, of parts that cannot be taken
// back. Those above where it sat have the same together, unless it is made anew.
func (l *entityLog) sinkSummed(x *dividedPlan, all []uint64, number int, anew bool) {
	from := x.seatOf(all, number)
	l.sink(x, all, number)
	seat := x.seatOf(all, number)
	for ; seat > from; seat /= 2 {
		l.steps++
		x.sumBelow(all, seat)
	}
	if anew {
		l.sumAbove(x, all, seat)
	} else if seat != x.seatOf(all, number) {
		x.sumBelow(all, seat)
	}
}

// sumAbove puts together anew the parts of a seat and of all above it.
func (l *entityLog) sumAbove(x *dividedPlan, all []uint64, seat int) {
	for ; seat > 0; seat /= 2 {
		if seat < len(all)/x.stride {
			l.steps++
			x.sumBelow(all, seat)
		}
	}
}

// unseat takes a record out of its seat: the one in the last seat takes it. It
// returns the deepest seat in which there is another one then.
func (l *entityLog) unseat(x *dividedPlan, all []uint64, number int) (deepest int) {
	seats := len(all)/x.stride - 1
	last, seat := x.seated(all, seats), x.seatOf(all, number)
	if last == number {
		return seat
	}
	x.seat(all, seat, last)
	l.rise(x, all, last)
	l.sinkAmong(x, all, last, seats-1)
	return max(seat, x.seatOf(all, last))
}

// outranks reports whether a record comes before another one.
func (l *entityLog) outranks(x *dividedPlan, all []uint64, number, than int) bool {
	a, b := all[number*x.stride:], all[than*x.stride:]
	if a[1] != b[1] {
		return a[1] > b[1]
	}
	if l.plan.isText(x.lane) {
		return l.counting.texts.text(a[0]) < l.counting.texts.text(b[0])
	}
	var texts [2][20]byte // of a bool too: 0 and 1 are in the order of their texts
	return bytes.Compare(strconv.AppendInt(texts[0][:0], int64(a[0]), 10), strconv.AppendInt(texts[1][:0], int64(b[0]), 10)) < 0
}

// rankRecords is rank by records that are ranked.
func (e *Engine) rankRecords(x *dividedPlan, l *entityLog, w []uint64, by *byPlan) (top []category, all int) {
	block := l.blockOf(x, w)
	seats := len(block)/x.stride - 1
	top = e.categories[:0]
	for i := -1; i < len(top); i++ {
		from, to := 1, 1
		if i >= 0 {
			from, to = 2*top[i].seat, 2*top[i].seat+1
		}
		for seat := from; seat <= min(to, seats); seat++ {
			number := x.seated(block, seat)
			r := block[number*x.stride:]
			top = e.rankOne(top, category{word: r[0], n: int(r[1]), number: number, seat: seat}, by)
			l.steps++
		}
	}
	e.categories = top
	return top, seats
}

// joinOthers makes the parts of all categories but some, in e.scratch: what all have
// together, less what those have.
func (e *Engine) joinOthers(d *division, l *entityLog, w []uint64, top []category) {
	x := d.cell.divided
	e.joinRecord(d, l.blockOf(x, w)[:x.width])
	for i := range top {
		r := d.recordAt(top[i].number)
		e.scratch[d.cell.count.at] -= r[1]
		from := recordParts
		for _, p := range x.parts {
			p.part.Unmerge(e.scratch[p.at:p.at+p.size()], r[from:from+p.size()])
			from += p.size()
		}
	}
}

// joinBelow is joinOthers of parts that cannot be taken back.
func (e *Engine) joinBelow(d *division, l *entityLog, w []uint64, top []category) {
	x := d.cell.divided
	all := l.blockOf(x, w)
	last := top[len(top)-1].number
	e.scratch[d.cell.count.at] = all[1]
	for i := range top {
		e.scratch[d.cell.count.at] -= uint64(top[i].n)
		for next := 2 * top[i].seat; next <= min(2*top[i].seat+1, len(all)/x.stride-1); next++ {
			l.steps++
			if number := x.seated(all, next); number == last || l.outranks(x, all, number, last) {
				continue // one of them
			}
			e.joinParts(x, x.below(all, next))
		}
	}
}
