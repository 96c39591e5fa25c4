package features

import (
	"cmp"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// What is asked of an entity without running state is made of its few rows: one
// walk back for all sliding windows, in which they end one after the other, and one
// for each life. What windows ask for that begin between the same two rows is
// evaluated together.

// fewReading is the cells of a reading over few rows: what is read without the
// current event, and what is read with it.
type fewReading struct {
	before, after fewCells
	longest       int64 // ms, of the sliding windows
}

// fewCells are cells by window.
type fewCells struct {
	windows []fewWindow // the sliding ones, ascending
	spans   fewSums
	lives   []fewLife
}

// fewWindow is a sliding window, and how many of the formulas, figures and other
// cells are of shorter ones.
type fewWindow struct {
	length               int64 // ms
	flat, figures, cells int
}

// fewLife is the cells of a life.
type fewLife struct {
	chain *chainPlan
	fewSums
}

// fewSums is what is summed up over rows, and what is made of it.
type fewSums struct {
	sums  []fewSum  // by a loop that calls nothing
	more  []fewMore // all else
	parts []fewPart // where the parts of cells are
	size  int       // words
	sets  int

	moments []plainMoments
	flat    []formulas
	figures []figure
	cells   []fewCell
}

// fewSum is what a row does to some words.
type fewSum struct {
	kind    fewKind
	number  aggregate.Number
	certain bool   // every row has the bit
	shift   uint8  // of the bit in its word
	flags   uint16 // the word of the row with the bit
	lane    uint16 // the word of the row with the value; 0: none
	at      uint32 // the place of the words
}

type fewKind uint8

const (
	fewCount    fewKind = iota
	fewMoments          // how many, the sum of integers, and that of their squares
	fewNewest           // time, place and word of the first row that is met
	fewOldest           // the same of the last
	fewSmallest         // 1, and the order code
	fewLargest
)

// fewMore is a part of which a row is told.
type fewMore struct {
	op
	certain bool
	at      int // the place of its words
	size    int
	set     int // of values: which of the sets; -1: none
}

// fewPart is where the words of a part are.
type fewPart struct {
	of            *partPlan
	at, size, set int
}

// fewCell is a cell, and where its parts are.
type fewCell struct {
	*cellOut
	count int // the place of how many events reach it
	parts []fewPart
}

// layFew lays out what is read of few rows, once the plain and direct cells are known.
func (r *viewReading) layFew() {
	r.few = fewReading{longest: max(r.plain.longest, r.direct.longest)}
	r.few.before.lay(r, &plainReading{}, func(g *cellGroup) []cellOut { return g.before })
	r.few.after.lay(r, &r.plain, func(g *cellGroup) []cellOut { return g.after })
}

// lay lays out the plain cells of a reading, and those of its direct ones that are picked.
func (d *fewCells) lay(r *viewReading, p *plainReading, pick func(*cellGroup) []cellOut) {
	l, x := r.view.log, &d.spans
	x.addColumns(p)
	var spans []*cellGroup
	for i := range p.windows {
		d.windows = append(d.windows, fewWindow{length: p.windows[i].length})
	}
	for i := range r.rest {
		switch g := &r.rest[i]; {
		case !g.isDirect() || len(pick(g)) == 0:
		case g.cursor.life != nil:
			k := fewLife{chain: g.cursor.life}
			k.addCells(l, pick(g))
			d.lives = append(d.lives, k)
		default:
			spans = append(spans, g)
			d.windows = append(d.windows, fewWindow{length: g.cursor.length})
		}
	}
	slices.SortFunc(d.windows, func(a, b fewWindow) int { return cmp.Compare(a.length, b.length) })
	d.windows = slices.CompactFunc(d.windows, func(a, b fewWindow) bool { return a.length == b.length })
	for i := range d.windows {
		w := &d.windows[i]
		w.flat, w.figures, w.cells = len(x.flat), len(x.figures), len(x.cells)
		for _, of := range p.windows {
			if of.length == w.length {
				x.flat, x.figures = append(x.flat, of.few...), append(x.figures, of.rest...)
			}
		}
		for _, g := range spans {
			if g.cursor.length == w.length {
				x.addCells(l, pick(g))
			}
		}
	}
}

// addColumns adds the columns of plain cells.
func (x *fewSums) addColumns(p *plainReading) {
	x.moments = p.moments
	for _, c := range p.columns {
		s := fewSum{certain: c.certain, shift: c.shift, flags: c.flags, lane: c.lane, at: uint32(x.size)}
		if c.lane > 0 {
			s.kind = fewMoments
		}
		x.sums = append(x.sums, s)
		x.size += sumWords
	}
}

// addCells adds cells, as figures where they are.
func (x *fewSums) addCells(l *logPlan, cells []cellOut) {
	for i := range cells {
		c := fewCell{cellOut: &cells[i], count: x.part(l, cells[i].cell.count).at}
		for _, p := range c.cellOut.parts {
			c.parts = append(c.parts, x.part(l, p))
		}
		if kind, divisor := figureOf(c.cell); kind != noFigure {
			y := newFigure(kind, c.cell, c.out, c.least, divisor)
			y.count, y.at = uint32(c.count), uint32(c.parts[0].at)
			x.figures = append(x.figures, y)
			continue
		}
		x.cells = append(x.cells, c)
	}
}

// part finds where a part is; one that is not there yet is added.
func (x *fewSums) part(l *logPlan, p *partPlan) fewPart {
	o := l.opOf(p, p.bit)
	if p.part <= aggregate.Matches {
		for i := range x.sums {
			if s := &x.sums[i]; s.kind <= fewMoments && s.flags == o.flags && s.shift == o.shift {
				return fewPart{p, int(s.at), 1, -1}
			}
		}
	}
	if i := slices.IndexFunc(x.parts, func(y fewPart) bool {
		return y.of.part == p.part && y.of.bit == p.bit && y.of.lane == p.lane && y.of.half == p.half
	}); i >= 0 {
		return x.parts[i]
	}
	place := fewPart{p, x.size, p.size(), -1}
	s := fewSum{number: p.number, certain: l.certain(p.bit), shift: o.shift, flags: o.flags, lane: o.lane, at: uint32(x.size)}
	switch p.part {
	case 0, aggregate.Matches:
		s.kind = fewCount
	case aggregate.Newest:
		s.kind = fewNewest
	case aggregate.Oldest:
		s.kind = fewOldest
	case aggregate.Smallest:
		s.kind = fewSmallest
	case aggregate.Largest:
		s.kind = fewLargest
	case aggregate.Distinct, aggregate.Counts:
		place.set = x.sets
		x.sets++
		fallthrough
	default:
		x.more = append(x.more, fewMore{op: o, certain: s.certain, at: x.size, size: place.size, set: place.set})
	}
	if len(x.more) == 0 || x.more[len(x.more)-1].at != x.size {
		x.sums = append(x.sums, s)
	}
	x.parts = append(x.parts, place)
	x.size += place.size
	return place
}

// needs grows the room for sums to what a reading of few rows needs.
func (r *fewReading) needs(sets, size int) (int, int) {
	for _, d := range [...]*fewCells{&r.before, &r.after} {
		sets, size = max(sets, d.spans.sets), max(size, d.spans.size)
		for i := range d.lives {
			sets, size = max(sets, d.lives[i].sets), max(size, d.lives[i].size)
		}
	}
	return sets, size
}

// settleFew evaluates cells from the few rows that are seen. It reports false where
// something special may have to be said.
func (e *Engine) settleFew(d *fewCells, l *entityLog, w, rows []uint64, t int64, f *frame) bool {
	for i := range d.lives {
		x := &d.lives[i]
		words := e.clearSums(&x.fewSums)
		life, fits := e.sumLife(x, l.plan, words, rows, t)
		if !fits || !e.knowsLife(l, w, x.chain, life, t) {
			return false
		}
		e.settleSums(&x.fewSums, &fewWindow{}, x.all(), words, t, f)
	}
	if len(d.windows) == 0 {
		return true
	}
	words, end, width := e.clearSums(&d.spans), len(rows), l.plan.width
	next, settled := l.plan.lastTime(rows), &d.windows[0]
	for i := range d.windows {
		x := &d.windows[i]
		if from := t - x.length; next > from {
			if settled != x {
				e.settleSums(&d.spans, settled, x, words, t, f)
			}
			for settled = x; next > from; next = l.plan.lastTime(rows[:end]) {
				if end -= width; !e.sum(&d.spans, l.plan, words, rows[end:]) {
					return false
				}
			}
		}
	}
	e.settleSums(&d.spans, settled, d.spans.all(), words, t, f)
	return true
}

// all is behind all windows.
func (x *fewSums) all() *fewWindow {
	return &fewWindow{flat: len(x.flat), figures: len(x.figures), cells: len(x.cells)}
}

// clearSums are the words of sums over no rows.
func (e *Engine) clearSums(x *fewSums) []uint64 {
	for _, s := range e.sets[:x.sets] {
		s.Reset()
	}
	words := e.summed[:x.size]
	clear(words)
	return words
}

// sumLife sums up the rows of the life of a chain at t, and returns when it began;
// 0: there is none.
func (e *Engine) sumLife(x *fewLife, l *logPlan, words, rows []uint64, t int64) (life int64, fits bool) {
	next := t
	for i := len(rows) - l.width; i >= 0; i -= l.width {
		row := rows[i : i+l.width]
		if !l.has(row, x.chain.view.entered) {
			continue
		}
		at := l.time(row)
		if next-at >= x.chain.gap {
			break
		}
		if !e.sum(&x.fewSums, l, words, row) {
			return 0, false
		}
		life, next = at, at
	}
	return life, true
}

// sum puts a row into sums; the newest one comes first. It reports false where a sum
// may not fit into its word.
func (e *Engine) sum(x *fewSums, l *logPlan, words, row []uint64) bool {
	if !x.addRow(words, row[:l.width], l.largest) {
		return false
	}
	for i := range x.more {
		s := &x.more[i]
		if !s.certain && row[s.flags]>>s.shift&1 == 0 {
			continue
		}
		switch {
		case s.part.Decays():
			s.part.AddDecayed(words[s.at:], l.time(row), row[s.lane], s.half)
		case s.set >= 0:
			e.sets[s.set].Add(row[s.lane])
			words[s.at] = uint64(e.sets[s.set].Len()) // of Counts, until it is summed up
		default:
			s.part.Add(words[s.at:s.at+s.size], l.seen(&s.op, row), s.number)
		}
	}
	return true
}

// addRow puts a row into the sums that are made by a loop that calls nothing (see
// flat.go).
func (x *fewSums) addRow(words, row []uint64, largest uint64) bool {
	w, r := unsafe.Pointer(unsafe.SliceData(words)), unsafe.Pointer(unsafe.SliceData(row))
	for i := range x.sums {
		s := &x.sums[i]
		if !s.certain && *flatWord(r, uint32(s.flags))>>s.shift&1 == 0 {
			continue
		}
		to := (*[sumWords]uint64)(unsafe.Pointer(flatWord(w, s.at)))
		if s.kind == fewCount {
			to[0]++
			continue
		}
		word := *flatWord(r, uint32(s.lane))
		switch s.kind {
		case fewMoments:
			size := sizeOf(word)
			hi, lo := bits.Mul64(size, size)
			squares, carry := bits.Add64(to[2], lo, 0)
			if size > largest || hi|carry != 0 {
				return false
			}
			to[0], to[1], to[2] = to[0]+1, to[1]+word, squares
		case fewNewest:
			if to[0] == 0 {
				to[0], to[1], to[2] = row[0]>>window.OwnBits, row[1], word
			}
		case fewOldest:
			to[0], to[1], to[2] = row[0]>>window.OwnBits, row[1], word
		case fewSmallest:
			if code := aggregate.OrderCode(word, s.number); to[0] == 0 || code < to[1] {
				to[0], to[1] = 1, code
			}
		default:
			if code := aggregate.OrderCode(word, s.number); to[0] == 0 || code > to[1] {
				to[0], to[1] = 1, code
			}
		}
	}
	return true
}

// settleSums evaluates the cells of the windows from one to before another from sums
// over their rows.
func (e *Engine) settleSums(x *fewSums, from, to *fewWindow, words []uint64, t int64, f *frame) {
	if from.flat < to.flat {
		settle(x.flat[from.flat:to.flat], x.moments, words, 0, f)
	}
	figures(x.figures[from.figures:to.figures], words, 0, t, 0, f)
	args, cells := &e.args, x.cells[from.cells:to.cells]
	for i := range cells {
		c := &cells[i]
		args.N = int64(words[c.count])
		if len(c.parts) > 0 && args.N > 0 {
			if c.agg.TrueWhenEmpty {
				args.Seen = e.sets[c.parts[0].set].Has(e.current.words[c.inputAt])
			}
			args.A = e.summedUp(&c.parts[0], words)
			if len(c.parts) > 1 {
				args.B = e.summedUp(&c.parts[1], words)
			}
			if len(c.parts) > 2 {
				args.C = e.summedUp(&c.parts[2], words)
			}
		}
		e.settleDirect(c.cellOut, t, f)
	}
}

// summedUp is the words of a part. How often values occur is counted now.
func (e *Engine) summedUp(p *fewPart, words []uint64) []uint64 {
	w := words[p.at : p.at+p.size]
	if p.of.part == aggregate.Counts {
		e.sets[p.set].Tally(w)
	}
	return w
}
