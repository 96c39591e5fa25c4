package features

import (
	"cmp"
	"math"
	"math/bits"
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
	moments []plainMoments
	cells   []plainCell // the others
	longest *cursorPlan
	columns []plainColumn // what the cells need of an entity without running state
	lengths []int64       // ms, of their windows, ascending
}

// plainCell is a cell as flat as the hot path wants it. The offsets are those
// in the entity's state, and in what gather fills.
type plainCell struct {
	kind        plain
	out         int32
	count, a, b int32
	least       int64 // the smallest n that the formula holds for
	divisor     float64
	slow        *cellOut
}

// plainMoments is count, sum, mean and deviation over one window, or some of
// them: they share what they are made of.
type plainMoments struct {
	count, a, b int32
	outs        [plainDev + 1]int32 // by kind, -1: not asked for
	divisor     float64
	slow        [plainDev + 1]*cellOut
}

// plainColumn is one part over all windows.
type plainColumn struct {
	part  aggregate.Part
	shift uint8
	flags uint16
	lane  uint16
	size  uint8
	at    []int32 // by length: the offset; -1: no cell needs it
}

// flatten finds the plain cells of a reading, once all offsets are known, and
// the rest of its cells.
func (r *viewReading) flatten() {
	r.plain, r.rest = plainReading{}, nil
	p := &r.plain
	var cursors []*cursorPlan
	for i := range r.groups {
		g := &r.groups[i]
		rest := cellGroup{cursor: g.cursor, before: g.before}
		if len(g.before) > 0 {
			r.view.log.past = true
		}
		for j := range g.after {
			x := &g.after[j]
			if x.plain == notPlain || !g.cursor.isSpan() {
				rest.after = append(rest.after, *x)
				continue
			}
			p.add(x)
			if p.longest == nil || p.longest.length < g.cursor.length {
				p.longest = g.cursor
			}
			if !slices.Contains(cursors, g.cursor) {
				cursors = append(cursors, g.cursor)
			}
		}
		if len(rest.before)+len(rest.after) > 0 {
			r.rest = append(r.rest, rest)
		}
	}
	slices.SortFunc(cursors, func(a, b *cursorPlan) int { return cmp.Compare(a.length, b.length) })
	for s, k := range cursors {
		p.lengths = append(p.lengths, k.length)
		for i := range r.groups {
			for _, x := range r.groups[i].after {
				if x.cursor == k && x.plain != notPlain {
					p.column(r.view.log, x.cell.count, s, len(cursors))
					for _, part := range x.parts {
						p.column(r.view.log, part, s, len(cursors))
					}
				}
			}
		}
	}
}

// add adds a cell: to the others of its window where it can share with them.
func (p *plainReading) add(x *cellOut) {
	if x.plain > plainDev || x.minCount > 1 {
		p.cells = append(p.cells, plainCell{kind: x.plain, out: int32(x.out), count: int32(x.count), a: int32(x.a), b: int32(x.b),
			least: x.least, divisor: float64(x.divisor), slow: x})
		return
	}
	var w *plainMoments
	for i := range p.moments {
		y := &p.moments[i]
		if int(y.count) == x.count && y.outs[x.plain] < 0 && (x.plain == plainCount || y.a == 0 || int(y.a) == x.a) {
			w = y
			break
		}
	}
	if w == nil {
		p.moments = append(p.moments, plainMoments{count: int32(x.count), outs: [...]int32{-1, -1, -1, -1, -1}, divisor: 1})
		w = &p.moments[len(p.moments)-1]
	}
	w.outs[x.plain], w.slow[x.plain] = int32(x.out), x
	if x.plain > plainCount {
		w.a, w.divisor = int32(x.a), float64(x.divisor)
	}
	if x.plain == plainDev {
		w.b = int32(x.b)
	}
}

// isSpan reports whether a cursor is a sliding window that ends now and has a
// running state.
func (k *cursorPlan) isSpan() bool {
	return k.length > 0 && k.delay == 0 && !k.scanned && k.life == nil
}

// column notes that a part is needed over the window s of n.
func (p *plainReading) column(l *logPlan, part *partPlan, s, n int) {
	word, shift := l.bitAt(part.bit)
	c := plainColumn{part: part.part, shift: shift, flags: uint16(word), size: uint8(part.size())}
	if part.lane >= 0 {
		c.lane = uint16(l.lanesAt + part.lane)
	}
	for i := range p.columns {
		if x := &p.columns[i]; x.part == c.part && x.shift == c.shift && x.flags == c.flags && x.lane == c.lane {
			x.at[s] = int32(part.at)
			return
		}
	}
	c.at = slices.Repeat([]int32{-1}, n)
	c.at[s] = int32(part.at)
	p.columns = append(p.columns, c)
}

// readPlain evaluates the plain cells of a reading of a row that exists. It
// reports false where something special may have to be said.
func (e *Engine) readPlain(r *viewReading, m *moment, f frame) bool {
	p := &r.plain
	if p.longest == nil || m.complete(p.longest, 0) != Present || e.warming(p.longest, m, 0) != Present {
		return false
	}
	words := m.state
	switch {
	case m.small:
		words = e.scratch
		m.log.gather(p, m, words)
	case m.standing == behind, m.standing == forward && m.t >= int64(m.state[atDue]):
		return false
	}
	for i := range p.moments {
		if x := &p.moments[i]; !x.settle(words, f) {
			for _, slow := range x.slow {
				if slow != nil {
					e.finish(slow, m, words, f, Present)
				}
			}
		}
	}
	for i := range p.cells {
		x := &p.cells[i]
		n := int64(words[x.count])
		v, ok := 0.0, n >= x.least
		if ok {
			v, ok = x.value(n, words)
		}
		if !ok {
			e.finish(x.slow, m, words, f, Present)
			continue
		}
		f.set(x.out, v)
	}
	return true
}

// exact is up to where every int64 is a double.
const exact = 1 << 53

// settle evaluates the formulas. It reports false where there is more to say.
func (x *plainMoments) settle(words []uint64, f frame) bool {
	n := int64(words[x.count])
	if n < 1 {
		return false
	}
	if x.a == 0 {
		f.set(x.outs[plainCount], float64(n))
		return true
	}
	sum := words[x.a : x.a+2]
	a := int64(sum[0])
	if sum[1] != uint64(a>>63) || a > exact || a < -exact {
		return false
	}
	if out := x.outs[plainCount]; out >= 0 {
		f.set(out, float64(n))
	}
	if out := x.outs[plainSum]; out >= 0 {
		f.set(out, float64(a)/x.divisor)
	}
	if out := x.outs[plainMean]; out >= 0 {
		f.set(out, float64(a)/(float64(n)*x.divisor))
	}
	if out := x.outs[plainDev]; out >= 0 {
		if n < 2 {
			f.values[out], f.statuses[out] = x.slow[plainDev].defawlt, Default
			return true
		}
		f.set(out, deviation(n, sum, words[x.b:x.b+3], x.divisor))
	}
	return true
}

// set puts a number that nothing special is to be said of.
func (f *frame) set(out int32, v float64) {
	event.SetDouble(&f.values[out], v)
	f.statuses[out] = Present
}

// deviation is aggregate.DeviationOfInts, short where one word is enough.
func deviation(n int64, sum, squares []uint64, divisor float64) float64 {
	a := int64(sum[0])
	hi, lo := bits.Mul64(uint64(n), squares[0])
	if squares[1]|squares[2]|hi != 0 || a >= 1<<32 || a <= -1<<32 {
		return aggregate.DeviationOfInts(n, sum, squares, int64(divisor))
	}
	spread := float64(lo - uint64(a*a))
	return math.Sqrt(spread/float64(n)/float64(n-1)) / divisor
}

// value is the formula. It reports false where there is more to say.
func (x *plainCell) value(n int64, words []uint64) (float64, bool) {
	if x.kind == plainCount {
		return float64(n), true
	}
	a := int64(words[x.a])
	if x.kind == plainRatio {
		return float64(a) / float64(n), true
	}
	if words[x.a+1] != uint64(a>>63) || a > exact || a < -exact {
		return 0, false
	}
	switch x.kind {
	case plainSum:
		return float64(a) / x.divisor, true
	case plainMean:
		return float64(a) / (float64(n) * x.divisor), true
	}
	return deviation(n, words[x.a:x.a+2], words[x.b:x.b+3], x.divisor), true
}

// gather puts the parts of plain cells together from the few rows of an entity
// without running state: one walk back, in which the windows end one after the
// other.
func (l *entityLog) gather(p *plainReading, m *moment, words []uint64) {
	const widest, most = 3, 16
	if len(p.columns) > most {
		for from := 0; from < len(p.columns); from += most {
			part := *p
			part.columns = p.columns[from:min(from+most, len(p.columns))]
			l.gather(&part, m, words)
		}
		return
	}
	var sums [most][widest]uint64
	i := l.plan.len(m.rows)
	for s, length := range p.lengths {
		for from := m.t - length; i > 0 && l.plan.timeAt(m.rows, i-1) > from; i-- {
			row := l.plan.row(m.rows, i-1)
			for j := range p.columns {
				c := &p.columns[j]
				if row[c.flags]>>c.shift&1 == 0 {
					continue
				}
				switch c.part {
				case aggregate.Sum:
					aggregate.AddInt(sums[j][:], row[c.lane])
				case aggregate.Squares:
					aggregate.AddSquare(sums[j][:], row[c.lane])
				default:
					sums[j][0]++
				}
			}
		}
		for j := range p.columns {
			if c := &p.columns[j]; c.at[s] >= 0 {
				copy(words[c.at[s]:c.at[s]+int32(c.size)], sums[j][:])
			}
		}
	}
}
