package features

import (
	"cmp"
	"math"
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
)

// Most features are a count, a sum, a mean, a deviation or a ratio of integers
// over a sliding window that ends now. A reading has them in one flat list,
// which is run where nothing special is to be said of any of their windows: the
// row exists, and all of the longest window is known. What is known of the
// longest is known of all.

// plainReading is the plain cells of a view.
type plainReading struct {
	windows []plainWindow // ascending
	longest int64         // ms
	moments []plainMoments
	flat    []formulas // of those that all four are asked for
	ratios  []plainShare
	figures []figure // what is not
	columns []plainColumn
	even    bool // see even.go
}

// plainWindow is which of the plain cells are of one window.
type plainWindow struct {
	length int64      // ms
	cursor int        // its offset in the state
	few    []formulas // its flat formulas over what the columns come to
	rest   []figure   // and its figures
}

// plainMoments is count, sum, mean and deviation of the same input over one
// window, or some of them.
type plainMoments struct {
	of      plainInput
	outs    [plainDev + 1]int32 // by kind, -1: not asked for
	flat    bool                // all four are asked for, and none asks for more than it needs
	divisor float64
	least   [plainDev + 1]int64
	cells   [plainDev + 1]*cell
}

// plainShare is a ratio over one window.
type plainShare struct {
	of, hits plainInput
	out      int32
	least    int64
	cell     *cell
}

// plainInput is where the words of an input are in an entity's state, -1: it has
// none; and of which rows it is.
type plainInput struct {
	cursor              int32 // the window's
	count, sum, squares int32
	rows                plainColumn
	column              int32 // the place of rows in plainReading.columns
}

// plainColumn is an input over the rows with a bit.
type plainColumn struct {
	certain bool // every row has it
	shift   uint8
	flags   uint16
	lane    uint16 // the word of the row; 0: rows are counted alone
}

// plainSums is what an input comes to over some rows.
type plainSums struct {
	n, sum  int64
	squares uint64
}

// flatten finds the plain cells of a reading, once all offsets are known, and
// the rest of its cells.
func (r *viewReading) flatten() {
	r.plain, r.rest = plainReading{}, nil
	for i := range r.groups {
		g := &r.groups[i]
		r.reach = max(r.reach, g.cursor.reach())
		rest := cellGroup{cursor: g.cursor, before: g.before}
		if len(g.before) > 0 {
			r.view.log.past = true
		}
		for j := range g.after {
			if x := &g.after[j]; x.plain == notPlain || !g.cursor.isSpan() {
				rest.after = append(rest.after, *x)
			} else {
				r.plain.add(r.view.log, x)
			}
		}
		if len(rest.before)+len(rest.after) > 0 {
			r.rest = append(r.rest, rest)
		}
	}
	r.plain.finish()
	r.layDirect()
	r.layFew()
}

// add adds a cell to those of its window, with which it shares what it can.
func (p *plainReading) add(l *logPlan, x *cellOut) {
	if !slices.ContainsFunc(p.windows, func(w plainWindow) bool { return w.cursor == x.cursor.at }) {
		p.windows = append(p.windows, plainWindow{length: x.cursor.length, cursor: x.cursor.at})
	}
	if x.plain == plainRatio {
		p.ratios = append(p.ratios, plainShare{of: l.plainInput(x.cell.count, nil, x.cursor), hits: l.plainInput(x.parts[0], nil, x.cursor),
			out: int32(x.out), least: x.least, cell: x.cell})
		return
	}
	of := l.plainInput(x.cell.count, x.parts, x.cursor)
	at := slices.IndexFunc(p.moments, func(y plainMoments) bool { return y.outs[x.plain] < 0 && y.of.goesWith(&of) })
	if at < 0 {
		at = len(p.moments)
		p.moments = append(p.moments, plainMoments{of: of, divisor: 1, flat: true, outs: [...]int32{-1, -1, -1, -1, -1}})
	}
	y := &p.moments[at]
	if y.of.sum < 0 {
		y.of = of
	}
	y.of.squares = max(y.of.squares, of.squares)
	y.outs[x.plain], y.least[x.plain], y.cells[x.plain] = int32(x.out), x.least, x.cell
	y.flat = y.flat && x.minCount <= 1
	if x.plain > plainCount {
		y.divisor = float64(x.divisor)
	}
}

// plainInput is what a formula reads: how many rows have the bit of a count, and
// the parts beside it.
func (l *logPlan) plainInput(count *partPlan, parts []*partPlan, k *cursorPlan) plainInput {
	word, shift := l.bitAt(count.unique)
	in := plainInput{cursor: int32(k.at), count: int32(count.run), sum: -1, squares: -1,
		rows: plainColumn{certain: l.certain(count.unique), flags: uint16(word), shift: shift}}
	if count.implied {
		in.count = -1
	}
	if len(parts) > 0 {
		in.sum, in.rows.lane = int32(parts[0].run), uint16(l.lanesAt+parts[0].lane)
	}
	if len(parts) > 1 {
		in.squares = int32(parts[1].run)
	}
	return in
}

// goesWith reports whether two inputs of a window are one, or one of them is the
// count of the other.
func (in *plainInput) goesWith(x *plainInput) bool {
	return in.cursor == x.cursor && in.rows.flags == x.rows.flags && in.rows.shift == x.rows.shift && (in.sum < 0 || x.sum < 0 || in.sum == x.sum)
}

// finish orders the cells by window, and finds the columns that are needed where
// there is no running state.
func (p *plainReading) finish() {
	slices.SortFunc(p.windows, func(a, b plainWindow) int { return cmp.Compare(a.length, b.length) })
	var moments []plainMoments
	var ratios []plainShare
	for i := range p.windows {
		w := &p.windows[i]
		var others []plainMoments
		for _, x := range p.moments {
			if int(x.of.cursor) != w.cursor {
				continue
			}
			p.place(&x.of)
			if x.flat = x.flat && !slices.Contains(x.outs[plainCount:], -1); x.flat {
				p.addFlat(w, &x, len(moments))
				moments = append(moments, x)
			} else {
				others = append(others, x)
			}
		}
		for j := range others {
			p.addFigures(w, &others[j])
		}
		moments = append(moments, others...)
		for _, x := range p.ratios {
			if int(x.of.cursor) == w.cursor {
				p.place(&x.of)
				p.place(&x.hits)
				p.addShare(w, &x)
				ratios = append(ratios, x)
			}
		}
		p.longest = w.length
	}
	p.moments, p.ratios = moments, ratios
	p.even = p.isEven()
}

// addFlat adds the formulas of moments of a number.
func (p *plainReading) addFlat(w *plainWindow, x *plainMoments, number int) {
	y := formulas{of: uint16(number), length: w.length, divisor: x.divisor, lacking: &x.cells[plainDev].defawlt, status: uint32(x.outs[plainDev]),
		count: uint32(x.of.count), sum: uint32(x.of.sum), squares: uint32(x.of.squares)}
	if y.behind = x.of.count < 0; y.behind {
		y.count = uint32(x.of.cursor)
	}
	for i := range y.outs {
		y.outs[i] = uint32(x.outs[plainCount+plain(i)]) * valueSize
	}
	p.flat = append(p.flat, y)
	at := sumWords * uint32(x.of.column)
	y.behind, y.count, y.sum, y.squares = false, at, at+1, at+2
	w.few = append(w.few, y)
}

// addFigures adds the formulas of moments that are not all four.
func (p *plainReading) addFigures(w *plainWindow, x *plainMoments) {
	for kind, out := range x.outs {
		if out < 0 {
			continue
		}
		y := newFigure(figureKind(kind-int(plainCount))+figureCount, x.cells[kind], int(out), x.least[kind], x.divisor)
		p.addFigure(w, y, &x.of, uint32(max(0, x.of.sum)), sumWords*uint32(x.of.column)+1)
	}
}

// addShare adds a ratio.
func (p *plainReading) addShare(w *plainWindow, x *plainShare) {
	p.addFigure(w, newFigure(figureShare, x.cell, int(x.out), x.least, 0), &x.of, uint32(x.hits.count), sumWords*uint32(x.hits.column))
}

// addFigure adds a figure of an input, whose part is at a place of the state and at
// one of what the columns come to.
func (p *plainReading) addFigure(w *plainWindow, x figure, of *plainInput, state, few uint32) {
	x.count, x.at, x.squares = uint32(of.count), state, uint32(of.squares)
	if x.behind = of.count < 0; x.behind {
		x.count = uint32(of.cursor)
	}
	p.figures = append(p.figures, x)
	at := sumWords * uint32(of.column)
	x.behind, x.count, x.at, x.squares = false, at, few, at+2
	w.rest = append(w.rest, x)
}

// sumWords is how many words few rows make of a column: n, the sum and the sum
// of squares.
const sumWords = 3

// stamp says of all values that nothing special is to be said of them. Where it is,
// that is said behind it.
func stamp(statuses []Status) {
	for len(statuses) > 0 {
		statuses = statuses[copy(statuses, presents[:]):]
	}
}

// presents is to be copied from.
var presents = [...]Status{
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
	Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present, Present,
}

// place finds the column of an input.
func (p *plainReading) place(in *plainInput) {
	at := slices.Index(p.columns, in.rows)
	if at < 0 {
		at = len(p.columns)
		p.columns = append(p.columns, in.rows)
	}
	in.column = int32(at)
}

// isSpan reports whether a cursor is a sliding window that ends now and has a
// running state.
func (k *cursorPlan) isSpan() bool {
	return k.length > 0 && k.delay == 0 && !k.scanned && k.life == nil && !k.by
}

// newestOf is when the newest of some rows was that entered a view; 0: none did.
func (l *entityLog) newestOf(v *viewPlan, rows []uint64) int64 {
	for i := l.plan.len(rows) - 1; i >= 0; i-- {
		if row := l.plan.row(rows, i); l.plan.has(row, v.entered) {
			return l.plan.time(row)
		}
	}
	return 0
}

// settleState evaluates plain cells from the running state of an entity. It
// reports false where sums are not in one word.
func (e *Engine) settleState(p *plainReading, l *entityLog, w []uint64, f *frame) bool {
	if l.plan.fulls > 0 && l.isWide(w) {
		return false
	}
	rows := int64(l.rows.Len(w[atRows:]))
	if p.even {
		p.settleEven(w[:l.plan.words], rows, f)
		return true
	}
	settle(p.flat, p.moments, w[:l.plan.words], rows, f)
	figures(p.figures, w[:l.plan.words], rows, 0, 0, f)
	return true
}

// lastTime is the event time in ms of the last of some rows; before all times:
// there is none.
func (l *logPlan) lastTime(rows []uint64) int64 {
	if len(rows) < l.width {
		return math.MinInt64
	}
	return l.time(rows[len(rows)-l.width:])
}

// small is how large a sum may be whose square fits into a word.
const small = 1<<32 - 1

// settle evaluates flat formulas over words, of a log of so many rows. The
// statuses are stamped.
func settle(list []formulas, moments []plainMoments, words []uint64, rows int64, f *frame) {
	for len(list) > 0 {
		n := evaluate(list, words, rows, f)
		if n == len(list) {
			return
		}
		x := &list[n]
		moments[x.of].settleEach(x.sums(words, rows), f)
		list = list[n+1:]
	}
}

// settleEach evaluates those formulas that are asked for, for any number of
// events and any size of the sums.
func (x *plainMoments) settleEach(s plainSums, f *frame) {
	for kind, out := range x.outs {
		switch {
		case out < 0:
		case s.n < x.least[kind]:
			x.cells[kind].lacking(s.n, out, f)
		case plain(kind) == plainCount:
			event.SetDouble(&f.values[out], float64(s.n))
		case plain(kind) == plainSum:
			event.SetDouble(&f.values[out], aggregate.Major(s.sum, int64(x.divisor)))
		case plain(kind) == plainMean:
			event.SetDouble(&f.values[out], float64(s.sum)/(float64(s.n)*x.divisor))
		default:
			sum, squares := [2]uint64{uint64(s.sum), uint64(s.sum >> 63)}, [3]uint64{s.squares}
			event.SetDouble(&f.values[out], aggregate.DeviationOfInts(s.n, sum[:], squares[:], int64(x.divisor)))
		}
	}
}

// zeroOfNone reports whether a cell of no event at all is 0 (S18).
func (x *cell) zeroOfNone() bool { return x.minCount <= 0 && !x.hasDef && x.agg.ZeroWhenEmpty }

// lacking is the value of a plain cell with fewer events than its formula asks
// for (S18), where the status says yet that nothing special is to be said.
func (x *cell) lacking(n int64, out int32, f *frame) {
	if n == 0 && x.zeroOfNone() {
		event.SetDouble(&f.values[out], 0)
		return
	}
	f.values[out], f.statuses[out] = x.defawlt, Default
}
