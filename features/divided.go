package features

import (
	"math"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A feature with `by` over a window by time or over a life keeps its parts by
// category: a record for each category that has events in the window. The records
// are begun when someone asks, from the rows of the window, and follow it from then
// on; a snapshot does without them. What cannot be taken back, as an extreme, is put
// together anew for the category that an event leaves (dividedanew.go).
//
// Where values are counted there is a record for each value of a category beside
// that of the category (dividedvalues.go). Where a part is found by a walk the records
// say how many events there are, which is what categories are ranked by (ranking.go).

// dividedPlan is the records of a cell: a block of them, each a word of the
// category, how many events reach it, and the parts; and a table of their numbers.
// Number 0 is no category: it has how many events all of them have together, and the
// parts of all where they can be taken back.
type dividedPlan struct {
	bit, lane int
	values    *partPlan    // what the values are counted for, which have the records; nil: the categories do
	sets      bool         // a value has the set of its categories, and no records
	groups    *dividedPlan // where values are counted: the records of the categories
	walks     bool
	gaps      *partPlan     // what lies between events, which no record has (dividedgaps.go)
	others    []*levelsPlan // of gaps: nodes over all categories but some
	parts     []*partPlan   // those in a record
	width     int
	stride    int  // words from one record of a window to the next: of a category, its rank is behind it
	undone    bool // all parts can be taken back
	kept      bool // the window keeps records
	nodes     *levelsPlan
	at, index int // handles
	rest      int // of values: the handle of what is kept of the others
}

// recordParts is where the parts of a record begin.
const recordParts = 2

// divides reports whether a window keeps its parts by category.
func (k *cursorPlan) divides() bool {
	if k.within == nil {
		return !k.scanned
	}
	return k.delay == 0 && k.last == math.MaxInt
}

// divided are the records of a cell of a window, shared by those that keep the
// same.
func (l *logPlan) divided(k *cursorPlan, x *cell) *dividedPlan {
	want := &dividedPlan{bit: x.count.bit, lane: x.by.lane, width: recordParts, undone: true}
	for _, p := range x.parts {
		switch {
		case p.part == aggregate.Distinct || p.part.Counted():
			want.countValues(p, x.by.top)
		case p.part.Walks():
			want.walks = true
		case p.part == aggregate.Gaps:
			want.gaps = p
		default:
			want.parts = append(want.parts, p)
			want.width += p.size()
			want.undone = want.undone && p.part.Retractable()
		}
	}
	want.kept = k.divides()
	if want.stride = want.width; want.values == nil {
		want.stride++
		if !want.undone {
			want.stride += want.width - recordParts
		}
	}
	if want.nodes = l.branch(k, want); want.gaps != nil {
		l.branchGaps(k, want)
	}
	if !want.kept {
		return want
	}
	k.divided = append(k.divided, want)
	if k.within != nil {
		k.within.divided = append(k.within.divided, want)
	}
	return want
}

// ranking are the records that categories are ranked by.
func (x *dividedPlan) ranking() *dividedPlan {
	if x.groups != nil {
		return x.groups
	}
	return x
}

// blockOf are the records that an entity has, from number 0 on.
func (l *entityLog) blockOf(x *dividedPlan, w []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[x.at]))[:w[x.at+1]]
}

// recordsOf are the records of categories that an entity has, which were begun.
func (l *entityLog) recordsOf(x *dividedPlan, w []uint64) []uint64 {
	return l.blockOf(x, w)[x.stride:]
}

// turn is how the records of a state become those of a moment: rows[tail:head]
// are what they are of, rows[from:to] what the moment sees.
type turn struct {
	rows       []uint64 // all of the log
	from, to   int
	tail, head int
}

// turnOf reports whether records can answer for a window at a moment: it differs
// from the state's by fewer rows than it holds. The state is of what it stands in.
func (l *entityLog) turnOf(k *cursorPlan, m *moment, c cut) (turn, bool) {
	if m.small || m.apart || m.lost || len(m.rows) == 0 {
		return turn{}, false
	}
	t := turn{rows: l.rows.All(m.state[atRows:]), from: c.from, to: c.to}
	t.head = l.plan.len(t.rows)
	switch {
	case k.within != nil:
		life, ok := l.lifeOf(k.within, m)
		if !ok || life == 0 {
			return turn{}, false
		}
		t.tail = l.rows.FirstAfter(t.rows, life-1)
	case k.scanned:
		return turn{}, false
	default:
		if t.tail = k.tail(m.state); k.delay > 0 {
			t.head = k.head(m.state)
		}
	}
	return t, max(t.tail-t.from, t.from-t.tail)+max(t.head-t.to, t.to-t.head) <= t.to-t.from
}

// still reports whether records are turned by no row at all.
func (t *turn) still() bool { return t.from == t.tail && t.to == t.head }

// back is how records become again what they were.
func (t *turn) back() *turn {
	return &turn{rows: t.rows, from: t.tail, to: t.head, tail: t.from, head: t.to}
}

// turn turns records to a moment: rows that are won come before those that are
// lost, some of which make it necessary to look at all that are seen then.
func (l *entityLog) turn(x *dividedPlan, w []uint64, t *turn) {
	l.divideRows(x, w, t.rows, t.from, t.tail)
	l.divideRows(x, w, t.rows, t.head, t.to)
	for i := t.tail; i < t.from; i++ {
		l.undivide(x, w, t.rows, i, cut{from: t.from, to: t.to})
	}
	for i := t.to; i < t.head; i++ {
		l.undivide(x, w, t.rows, i, cut{from: t.from, to: t.to})
	}
	l.steps += int64(max(0, t.from-t.tail) + max(0, t.head-t.to))
}

// beginRecords begins the records of a window, if they are not there.
func (l *entityLog) beginRecords(x *dividedPlan, w []uint64, t *turn) {
	if w[x.at] != 0 {
		return
	}
	l.beginBlock(x, w)
	if x.groups != nil {
		l.beginBlock(x.groups, w)
	}
	l.divideRows(x, w, t.rows, t.tail, t.head)
}

// beginBlock makes a block of no records but number 0.
func (l *entityLog) beginBlock(x *dividedPlan, w []uint64) {
	w[x.at], w[x.at+1] = uint64(l.slab.Alloc(x.stride)), uint64(x.stride)
	clear(l.blockOf(x, w))
}

// joinRecords makes the parts of some categories, in e.scratch.
func (e *Engine) joinRecords(d *division, m *moment, of *pick) {
	x, l := d.cell.divided, m.log
	e.scratch[d.cell.count.at] = 0
	for _, p := range x.parts {
		clear(e.scratch[p.at : p.at+p.size()])
	}
	if x.values != nil {
		e.joinValues(d, m, of)
		return
	}
	if x.walks {
		e.stretch = stretchOf(d.rows, d.cut)
		e.picked = *of
		e.pick = &e.picked
		if l.isLog(m.state, d.rows) {
			e.picked.nodes = x.nodes
		}
	}
	if x.gaps != nil {
		e.joinGaps(d, m, of)
	}
	switch {
	case !d.kept:
		width := x.nodes.records.width
		for at := 0; at < len(d.records); at += width {
			l.steps++
			if r := d.records[at : at+width]; of.takesWord(r[0]) {
				e.joinRecord(d, r)
			}
		}
	case !of.others:
		for i := range of.words {
			e.joinRecord(d, d.recordAt(of.words[i].number))
		}
	case x.undone:
		e.joinOthers(d, l, m.state, of.words)
	default:
		e.joinBelow(d, l, m.state, of.words)
	}
}

// recordAt is the record of a number.
func (d *division) recordAt(number int) []uint64 {
	x := d.cell.divided
	return d.records[(number-1)*x.stride:][:x.width]
}

// joinRecord puts a record into the parts in e.scratch.
func (e *Engine) joinRecord(d *division, r []uint64) {
	e.scratch[d.cell.count.at] += r[1]
	e.joinParts(d.cell.divided, r[recordParts:])
}

// joinParts puts the parts of a record into those in e.scratch.
func (e *Engine) joinParts(x *dividedPlan, from []uint64) {
	at := 0
	for _, p := range x.parts {
		p.part.Merge(e.scratch[p.at:p.at+p.size()], from[at:at+p.size()])
		at += p.size()
	}
}

// divideRows puts rows into the records.
func (l *entityLog) divideRows(x *dividedPlan, w, rows []uint64, from, to int) {
	for i := from; i < to; i++ {
		l.divide(x, w, l.plan.row(rows, i), false)
	}
	l.steps += int64(max(0, to-from))
}

// divide puts a row into the records, if there are any, or takes it out where that is
// undone.
func (l *entityLog) divide(x *dividedPlan, w, row []uint64, gone bool) {
	if w[x.at] == 0 || !l.plan.has(row, x.bit) {
		return
	}
	if x.values != nil {
		l.divideValue(x, w, row, gone)
		return
	}
	number := l.record(x, w, l.plan.word(row, x.lane))
	all := l.blockOf(x, w)
	l.putInto(x, all[number*x.stride:][:x.width], row, gone)
	if x.undone {
		l.putInto(x, all[:x.width], row, gone)
	} else {
		all[1]++
	}
	l.rerank(x, w, number, row, gone)
}

// rerank seats the record of a category that has an event more, or less: a row. One
// that has none is forgotten.
func (l *entityLog) rerank(x *dividedPlan, w []uint64, number int, row []uint64, gone bool) {
	switch all := l.blockOf(x, w); {
	case all[number*x.stride+1] == 0:
		l.dropRecord(x, w, number)
	case gone:
		l.sink(x, all, number)
	case !x.undone:
		l.riseSummed(x, all, number, row)
	default:
		l.rise(x, all, number)
	}
}

// putInto puts a row into one record, or takes it out.
func (l *entityLog) putInto(x *dividedPlan, r, row []uint64, gone bool) {
	if gone {
		r[1]--
	} else {
		r[1]++
	}
	l.putParts(x, r[recordParts:], row, gone)
}

// putParts puts a row into the parts of a record, or takes it out.
func (l *entityLog) putParts(x *dividedPlan, parts, row []uint64, gone bool) {
	at := 0
	for _, p := range x.parts {
		if words := parts[at : at+p.size()]; !l.plan.has(row, p.bit) {
		} else if in := l.plan.input(row, p); gone {
			p.part.Remove(words, in, p.number)
		} else {
			p.part.Add(words, in, p.number)
		}
		at += p.size()
	}
}

// record is the number of the record of a category, which is made if there is none.
func (l *entityLog) record(x *dividedPlan, w []uint64, word uint64) int {
	key := l.counting.hash.spread(word)
	if n := int(l.tables.Get(w[x.index:], key)); n > 0 {
		return n
	}
	number := l.newRecord(x, w)
	all := l.blockOf(x, w)
	all[number*x.stride] = word
	x.seat(all, number, number)
	l.tables.Put(w[x.index:], key, window.Note(number))
	return number
}

// newRecord is the number of an empty record behind the others.
func (l *entityLog) newRecord(x *dividedPlan, w []uint64) int {
	used := int(w[x.at+1])
	if block := l.slab.Words(window.Ref(w[x.at])); used+x.stride > len(block) {
		ref := l.slab.Alloc(used + x.stride + used/recordsGrow)
		copy(l.slab.Words(ref), block[:used])
		l.slab.Free(window.Ref(w[x.at]))
		w[x.at] = uint64(ref)
	}
	w[x.at+1] += uint64(x.stride)
	clear(l.blockOf(x, w)[used:])
	return used / x.stride
}

// nthRecord is the record of a number.
func (l *entityLog) nthRecord(x *dividedPlan, w []uint64, number int) []uint64 {
	return l.blockOf(x, w)[number*x.stride:][:x.width]
}

// dropRecord forgets the record of a category: the last one takes its place.
func (l *entityLog) dropRecord(x *dividedPlan, w []uint64, number int) {
	all := l.blockOf(x, w)
	last := len(all)/x.stride - 1
	deepest := l.unseat(x, all, number)
	l.tables.Delete(w[x.index:], l.counting.hash.spread(all[number*x.stride]))
	if number != last {
		copy(all[number*x.stride:][:x.width], all[last*x.stride:][:x.width])
		copy(all[number*x.stride+x.width+1:][:x.stride-x.width-1], all[last*x.stride+x.width+1:])
		x.seat(all, x.seatOf(all, last), number)
		l.tables.Put(w[x.index:], l.counting.hash.spread(all[number*x.stride]), window.Note(number))
	}
	w[x.at+1] -= uint64(x.stride)
	if !x.undone {
		l.sumAbove(x, l.blockOf(x, w), deepest)
		if deepest != last {
			l.sumAbove(x, l.blockOf(x, w), last/2)
		}
	}
}

// endRecords forgets the records of a chain, whose life is another one now.
func (l *entityLog) endRecords(c *chainPlan, w []uint64) {
	for _, x := range c.divided {
		l.freeRecords(x, w)
	}
}

// freeRecords forgets the records of a window.
func (l *entityLog) freeRecords(x *dividedPlan, w []uint64) {
	l.slab.FreeHandle(w[x.at:])
	l.slab.FreeHandle(w[x.index:])
	if x.groups != nil {
		l.slab.FreeHandle(w[x.groups.at:])
		l.slab.FreeHandle(w[x.rest:])
	}
}

// leaveRecords takes a row out of the records of the life that it is in: one that is
// struck, of a life that begins with a row, or one that leaves the log.
func (l *entityLog) leaveRecords(c *chainPlan, w, row []uint64, from int) {
	if life := int64(w[c.state+chainLife]); life == 0 || l.plan.time(row) < life {
		return
	}
	rows := l.rows.All(w[atRows:])
	for _, x := range c.divided {
		if w[x.at] != 0 && l.plan.has(row, x.bit) {
			i := l.indexOf(rows, row)
			l.undivide(x, w, rows, i, cut{from: min(from, i+1), to: l.plan.len(rows)})
		}
	}
}
