package features

import (
	"math/bits"

	"github.com/freshet-dev/freshet/features/window"
)

// An event that leaves a window, or that a moment does not see, may be what an
// extreme of its category is made of. Then the record of that category is put
// together anew: of the nodes over the rows (dividednodes.go), in each of which a
// category's record is searched for. All other records stay as they are.

const (
	// manyLeave is which part of a window leaves at once if its records are forgotten:
	// who asks next begins them of the rows that stay.
	manyLeave = 16
	// soonTurned is how many categories there are for each row by which records are
	// turned that have to be put together anew. Of fewer, the nodes are merged.
	soonTurned = 8
)

// leaveDivided takes row i, the oldest of a window that ends with the last of rows and
// after some time, out of its records.
func (l *entityLog) leaveDivided(x *dividedPlan, w, rows []uint64, i int, after int64) {
	if w[x.at] == 0 {
		return
	}
	n := l.plan.len(rows)
	if !x.undone {
		if leave := l.rows.FirstAfter(rows, after) - i; leave*manyLeave > n-i-leave {
			l.freeRecords(x, w)
			return
		}
	}
	l.undivide(x, w, rows, i, cut{from: i + 1, to: n})
}

// undivide takes row i out of the records, which are then of the other rows of a cut.
func (l *entityLog) undivide(x *dividedPlan, w, rows []uint64, i int, c cut) {
	row := l.plan.row(rows, i)
	if x.undone {
		l.divide(x, w, row, true)
		return
	}
	if w[x.at] == 0 || !l.plan.has(row, x.bit) {
		return
	}
	number := l.record(x, w, l.plan.word(row, x.lane))
	l.blockOf(x, w)[1]--
	r := l.nthRecord(x, w, number)
	if r[1]--; r[1] == 0 {
		l.dropRecord(x, w, number)
		return
	}
	anew := l.restsOn(x, r, row)
	if anew {
		made := l.recordBut(x, w, rows, c, i, r[0], r[1])
		copy(l.nthRecord(x, w, number)[recordParts:], made[recordParts:])
	}
	l.sinkSummed(x, l.blockOf(x, w), number, anew)
}

// restsOn reports whether the parts of a record may be others without a row.
func (l *entityLog) restsOn(x *dividedPlan, r, row []uint64) bool {
	at := recordParts
	for _, p := range x.parts {
		if l.plan.has(row, p.bit) && p.part.RestsOn(r[at:at+p.size()], l.plan.input(row, p), p.number) {
			return true
		}
		at += p.size()
	}
	return false
}

// recordBut is the record of a category over the rows of a cut but one, of which at
// most n are of it. It lives until the next call.
func (l *entityLog) recordBut(x *dividedPlan, w, rows []uint64, c cut, but int, word, n uint64) []uint64 {
	if len(l.anew) < x.width {
		l.anew = make([]uint64, x.width)
	}
	r := l.anew[:x.width]
	clear(r)
	r[0] = word
	if but < c.from || but >= c.to {
		but = c.to
	}
	l.recordOver(x, w, rows, c.from, but, r, n)
	l.recordOver(x, w, rows, but+1, c.to, r, n)
	return r
}

// recordOver puts a stretch of rows into the record of a category, until it has n.
func (l *entityLog) recordOver(x *dividedPlan, w, rows []uint64, from, to int, r []uint64, n uint64) {
	nodes := to-from >= x.nodes.least && l.isLog(w, rows)
	if nodes {
		l.makeNodes(x.nodes, w, rows, to)
	}
	for i := from; i < to && r[1] < n; {
		var node []uint64
		size := 1
		if nodes {
			node, size = l.nodeAt(x.nodes, w, i, to)
		}
		l.steps++
		if node == nil {
			if row := l.plan.row(rows, i); l.plan.has(row, x.bit) && l.plan.word(row, x.lane) == r[0] {
				l.divideRow(x, row, r)
			}
		} else if of := l.recordIn(x.nodes, l.recordsAt(x.nodes, w, node), r[0]); of != nil {
			x.merge(r, of)
		}
		i += size
	}
}

// recordsAt are the records of a node.
func (l *entityLog) recordsAt(x *levelsPlan, w, node []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[x.held]))[node[0]:node[1]]
}

// recordIn is the record of a category among those of a node; nil: there is none.
// Where the words of categories are spread evenly, as the numbers of texts are, it is
// about where its word is between the least and the greatest.
func (l *entityLog) recordIn(x *levelsPlan, all []uint64, word uint64) []uint64 {
	width := x.records.width
	from, to := 0, len(all)/width-1
	for evenly := true; from <= to; evenly = !evenly {
		l.steps++
		least, most := all[from*width], all[to*width]
		if word < least || word > most {
			return nil
		}
		at := from + (to-from)/2
		if evenly && least < most {
			high, low := bits.Mul64(word-least, uint64(to-from))
			quotient, _ := bits.Div64(high, low, most-least)
			at = from + int(quotient)
		}
		switch found := all[at*width]; {
		case found == word:
			return all[at*width : (at+1)*width]
		case found < word:
			from = at + 1
		default:
			to = at - 1
		}
	}
	return nil
}

// turnsSoon reports whether to turn records that have to be put together anew is less
// than to merge the records of all categories in the nodes.
func (l *entityLog) turnsSoon(x *dividedPlan, w []uint64, t *turn) bool {
	rows := max(t.tail-t.from, t.from-t.tail) + max(t.head-t.to, t.to-t.head)
	return w[x.at] != 0 && rows*soonTurned <= len(l.recordsOf(x, w))/x.stride
}

// indexOf is which of the rows one of them is.
func (l *entityLog) indexOf(rows, row []uint64) int {
	i := l.rows.FirstAfter(rows, l.plan.time(row)-1)
	for &l.plan.row(rows, i)[0] != &row[0] {
		l.steps++
		i++
	}
	return i
}
