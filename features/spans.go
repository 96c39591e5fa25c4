package features

import (
	"cmp"
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A span is a sliding window without delay that has a running state. Spans end
// at the same time and are nested: an event that is in one is in all longer
// ones. So a row is put into all of them at once, part by part.
//
// The cursor of a span is one word: its tail, how many rows have left it (low
// bits), and a time at or before which it does not change without an event (high
// bits, in steps of dueStep).
const (
	tailBits = 25 // more than any event budget
	tailMask = 1<<tailBits - 1
	dueShift = 3 // 8 ms
	dueNever = 1<<(64-tailBits) - 1
)

// tail is how many rows have left a sliding window.
func (k *cursorPlan) tail(w []uint64) int {
	if k.delay > 0 {
		return int(uint32(w[k.at]))
	}
	return int(w[k.at] & tailMask)
}

// head is how many rows have entered a window with a delay.
func (k *cursorPlan) head(w []uint64) int { return int(w[k.at] >> 32) }

// dueAt is the time of a change as a cursor has it.
func dueAt(t int64) uint64 { return min(uint64(t)>>dueShift, dueNever) }

// isDue reports whether a span may change at t without an event.
func (k *cursorPlan) isDue(w []uint64, t int64) bool { return uint64(t)>>dueShift >= w[k.at]>>tailBits }

// span is what a row that leaves a window without delay does to it, as flat as
// the hot path wants it.
type span struct {
	length int64 // ms
	at     int   // the offset of its cursor
	ops    []spanOp
	more   bool // what leaves it does more than its ops
	ints   bool // it keeps no more than counts and sums of integers
	cursor *cursorPlan
}

// spanOp is what a row does to a running part of a span.
type spanOp struct {
	kind    opKind
	certain bool   // every row has the bit
	shift   uint8  // of the bit in its word
	flags   uint16 // the word of the row with the bit
	lane    uint16 // the word of the row with the value
	place   spanPlace
	op      *op // of opOther
}

// spanPlace is where a part is in the state, and in the block of sums in full
// (narrow.go). Of opMoments, the squares are apart; of others they are at.
type spanPlace struct{ at, squares, full, fullSquares int32 }

// opKind tells apart what rows do to parts. Sums are of integers.
type opKind uint8

const (
	opCount opKind = iota
	opSum
	opMoments // the sum, and that of the squares
	opOther
)

// spanColumn is one part over the spans that keep it.
type spanColumn struct {
	spanOp
	places []spanPlace // by span that keeps it, ascending
	first  []uint16    // by span: how many of those are shorter
}

// laySpans finds the spans and what a row does to them, once all offsets are
// known.
func (l *logPlan) laySpans() {
	var list []*cursorPlan
	for _, k := range l.sliding {
		if k.delay == 0 {
			list = append(list, k)
		} else {
			l.delayed = append(l.delayed, k)
		}
	}
	slices.SortFunc(list, func(a, b *cursorPlan) int { return cmp.Compare(a.length, b.length) })
	for s, k := range list {
		if k.hasMore() {
			l.beside = append(l.beside, k)
		}
		x := span{length: k.length, at: k.at, cursor: k, more: k.hasMore() || len(k.longest) > 0, ops: l.spanOps(k)}
		x.ints = !x.more
		for i := range x.ops {
			x.ints = x.ints && x.ops[i].kind != opOther
			c := l.spanColumn(&x.ops[i])
			for len(c.first) <= s {
				c.first = append(c.first, uint16(len(c.places)))
			}
			c.places = append(c.places, x.ops[i].place)
		}
		l.spans = append(l.spans, x)
		if x.ints && l.ints == s {
			l.ints++
		}
	}
	for i := range l.columns {
		c := &l.columns[i]
		for len(c.first) < len(l.spans) {
			c.first = append(c.first, uint16(len(c.places)))
		}
	}
}

// spanOps is what a row does to the running parts of a span. Squares go with the
// sum of their input, which all formulas of them need too.
func (l *logPlan) spanOps(k *cursorPlan) []spanOp {
	var ops []spanOp
	for i := range k.ops {
		o := &k.ops[i]
		p := o.of
		if p.implied {
			continue
		}
		x := spanOp{kind: opOther, certain: l.certain(p.unique), shift: o.shift, flags: o.flags, lane: o.lane, op: o,
			place: spanPlace{at: int32(p.run), squares: int32(p.run), full: int32(p.full)}}
		switch o.part {
		case 0, aggregate.Matches, aggregate.Distinct:
			x.kind = opCount
		case aggregate.Sum:
			x.kind = opSum
		case aggregate.Squares:
			sum := &ops[slices.IndexFunc(ops, func(y spanOp) bool { return y.kind == opSum && y.sameRows(&x) })]
			sum.kind, sum.place.squares, sum.place.fullSquares = opMoments, x.place.at, x.place.full
			continue
		}
		ops = append(ops, x)
	}
	return ops
}

// sameRows reports whether two ops are of the same input of the same rows.
func (o *spanOp) sameRows(x *spanOp) bool {
	return o.flags == x.flags && o.shift == x.shift && o.lane == x.lane
}

func (l *logPlan) spanColumn(o *spanOp) *spanColumn {
	for i := range l.columns {
		c := &l.columns[i]
		if c.kind == o.kind && c.sameRows(o) && c.op.part == o.op.part && c.op.order == o.op.order {
			return c
		}
	}
	l.columns = append(l.columns, spanColumn{spanOp: *o})
	return &l.columns[len(l.columns)-1]
}

// enterSpans puts a row into the cursors of the spans. It returns the first
// span that the row is in: it has left the shorter ones already.
func (l *logPlan) enterSpans(w []uint64, t, now int64) int {
	if t == now { // the cursors of empty spans were left ready for it
		return 0
	}
	first := 0
	for first < len(l.spans) && t <= now-l.spans[first].length {
		w[l.spans[first].at]++
		first++
	}
	due := w[atDue]
	for i := range l.spans[first:] {
		x := &l.spans[first+i]
		leaves := dueAt(t + x.length)
		if cursor := &w[x.at]; *cursor>>tailBits > leaves {
			*cursor = leaves<<tailBits | *cursor&tailMask
			due = min(due, leaves<<dueShift)
		}
	}
	w[atDue] = due
	return first
}

// addSpans puts a row into the running parts of the spans from the first on.
func (l *entityLog) addSpans(row, w []uint64, first int) {
	if first == len(l.plan.spans) {
		return
	}
	columns := l.plan.columns
	for i := range columns {
		c := &columns[i]
		if !c.certain && row[c.flags]>>c.shift&1 == 0 {
			continue
		}
		places := c.places
		if first > 0 {
			places = places[c.first[first]:]
		}
		switch c.kind {
		case opCount:
			for _, p := range places {
				w[p.at]++
			}
		case opOther:
			in := l.plan.seen(c.op, row)
			for _, p := range places {
				c.op.part.Add(w[p.at:int(p.at)+c.op.part.Words()], in, c.op.number)
			}
		default:
			if len(places) > 0 {
				l.addInts(c, places, w, row[c.lane])
			}
		}
	}
}

// addInts puts an integer into the narrow parts of a column.
func (l *entityLog) addInts(c *spanColumn, places []spanPlace, w []uint64, word uint64) {
	last := &places[len(places)-1]
	fits := sizeOf(word) <= l.plan.small && w[last.squares]>>63 == 0 && !l.isWide(w)
	if !fits && !l.staysNarrow(c, last, w, word) {
		for i := range places {
			l.addWide(c.kind, &places[i], w, word)
		}
		return
	}
	addInts(places, w[:l.plan.words], word, c.kind == opMoments)
}

// leaveSpans moves the spans that are due on to t, and returns when one is due
// next. No row is later than newest: a short span of integers has nothing left
// then, and is not looked at row by row.
func (l *entityLog) leaveSpans(w []uint64, newest, t int64) uint64 {
	rows, next, others := l.rows.All(w[atRows:]), uint64(dueNever), l.plan.spans
	narrow := l.plan.fulls == 0 || !l.isWide(w)
	if narrow {
		var empty int
		empty, next = emptyInts(others[:l.plan.ints], l.rows.Len(w[atRows:]), w[:l.plan.words], newest, t)
		others = others[empty:]
	}
	now := uint64(t) >> dueShift
	for i := range others {
		x := &others[i]
		cursor := w[x.at]
		due := cursor >> tailBits
		if now >= due {
			tail, left := int(cursor&tailMask), t
			l.steps -= int64(tail)
			if narrow && x.ints {
				tail = x.leaveInts(rows, tail, l.plan.width, w, t-x.length)
			} else {
				tail = l.leaveSpan(x, rows, tail, w, t-x.length)
			}
			l.steps += int64(tail)
			if at := tail * l.plan.width; at < len(rows) {
				left = int64(rows[at] >> window.OwnBits)
			}
			due = dueAt(left + x.length) // what comes next into an empty one comes at t or later
			w[x.at] = due<<tailBits | uint64(tail)
		}
		next = min(next, due)
	}
	return next << dueShift
}

// leaveSpan takes the rows up to a time out of a span, and returns the new tail.
func (l *entityLog) leaveSpan(x *span, rows []uint64, tail int, w []uint64, to int64) int {
	for at := tail * l.plan.width; at < len(rows) && int64(rows[at]>>window.OwnBits) <= to; at += l.plan.width {
		row := rows[at : at+l.plan.width : at+l.plan.width]
		for i := range x.ops {
			if o := &x.ops[i]; o.certain || row[o.flags]>>o.shift&1 != 0 {
				l.leavePart(o, row, w)
			}
		}
		if x.more {
			l.leaveMore(x.cursor, rows, tail, l.plan.len(rows), w)
		}
		tail++
	}
	return tail
}

// leavePart takes a row out of a running part of a span.
func (l *entityLog) leavePart(o *spanOp, row, w []uint64) {
	switch {
	case o.kind == opCount:
		w[o.place.at]--
	case o.kind == opOther:
		in := aggregate.Input{Time: window.Time(row), Word: row[o.lane]}
		o.op.part.Remove(w[o.place.at:int(o.place.at)+o.op.part.Words()], in, o.op.number)
	case l.isWide(w):
		l.subWide(o.kind, &o.place, w, row[o.lane])
	default:
		word := row[o.lane]
		w[o.place.at] -= word
		if o.kind == opMoments {
			w[o.place.squares] -= word * word
		}
	}
}

// leaveMore does what else a row does that leaves a sliding window, which ends
// before row head.
func (l *entityLog) leaveMore(k *cursorPlan, rows []uint64, i, head int, w []uint64) {
	row := l.plan.row(rows, i)
	l.leaveBeside(k, l.plan.upTo(rows, head), i, w)
	if len(k.longest) > 0 {
		l.forget(k, row, w)
	}
}
