package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// What counts values keeps by category how often each of them occurs there, and in
// the record of the category what is made of that: how many different ones there
// are, how evenly they are spread, how often the most frequent one occurs. So the
// categories are ranked, and the top ones shown, without a look at their values. The
// others together are kept as one category more (dividedrest.go), or, where it only
// counts which values there are, found by the sets of their categories (dividedsets.go).
//
// The records of a category's values are a list. The index of the records of values
// holds those of categories too, and how many values of a category occur so often.

// A record of a value is its category, how often it occurs there, its key, and where
// the next record and the one before are; and of Buckets the sums of its bin.
const (
	recordKey    = 2
	recordLink   = 3
	recordSum    = 4
	recordCheck  = 5
	valueWords   = 2
	bucketsWords = 4
)

// A record of a category has, behind how many events there are: whether it is known
// not to be among the others, its first value, and the words of the part.
const (
	groupShown = 2
	groupFirst = 3
	groupParts = 4
)

// A link is the numbers of the next record and of the one before, from 1 on, and
// whether they are of the others.
const (
	linkOthers = 1 << 63
	linkNext   = 32
	linkMask   = 1<<31 - 1
)

// value is a value, or a bucket and what its values sum up to, and how many events
// have it.
type value struct {
	key        uint64
	n          uint64
	sum, check uint64
}

// countValues makes records those of values, beside those of the categories.
func (x *dividedPlan) countValues(p *partPlan, top int) {
	words, of := valueWords, p.size()
	switch p.part {
	case aggregate.Buckets:
		words, of = bucketsWords, 0
	case aggregate.Mode: // is that of the first value
		of = 0
	}
	x.values, x.width = p, recordParts+words
	if x.sets = x.inSets(top); x.sets {
		x.width = recordParts // there are none
	}
	x.groups = &dividedPlan{bit: x.bit, lane: x.lane, width: groupParts + of, stride: groupParts + of + 1, undone: true}
}

// valueOf is what a row counts as.
func (l *entityLog) valueOf(x *dividedPlan, row []uint64) value {
	p := x.values
	if p.part == aggregate.Buckets {
		b := l.counting.binOf(p, l.plan.word(row, p.lane))
		return value{uint64(b.Key), 1, b.Sum, b.Check}
	}
	return value{key: l.counting.keyOf(l.plan, p, row), n: 1}
}

// divideValue puts a row into the records of its value and of its category, or takes
// it out.
func (l *entityLog) divideValue(x *dividedPlan, w, row []uint64, gone bool) {
	v := l.valueOf(x, row)
	number := l.record(x.groups, w, l.plan.word(row, x.lane))
	g := l.nthRecord(x.groups, w, number)
	if x.sets {
		l.countInSets(x, w, g, v.key, gone)
	} else {
		l.countValue(x, w, g, v, counts{gone: gone})
		if w[x.rest] != 0 && g[groupShown] == isOther {
			l.countValue(x, w, l.rest(x, w), v, counts{gone: gone, others: true})
		}
	}
	l.rerank(x.groups, w, number, row, gone)
}

// counts is how a value is counted: it has come, or gone; in a category or among the
// others; by an event, or with its category.
type counts struct{ gone, others, moved bool }

// countValue counts a value in a category whose record is g, or among the others.
func (l *entityLog) countValue(x *dividedPlan, w, g []uint64, v value, how counts) {
	r := l.valueRecord(x, w, g, v.key, how.others)
	b := r[1]
	if how.gone {
		v.n, v.sum, v.check = -v.n, -v.sum, -v.check
	}
	g[1] += v.n
	r[1] += v.n
	switch x.values.part {
	case aggregate.Buckets:
		r[recordSum] += v.sum
		r[recordCheck] += v.check
	case aggregate.Mode:
		l.reseatValue(x, w, g, r, how)
	default:
		l.recountValue(x, w, g, b, r[1], how)
	}
	if r[1] == 0 {
		l.dropValue(x, w, g, r)
	}
}

// recountValue notes in a category that a value occurs c times and not b.
func (l *entityLog) recountValue(x *dividedPlan, w, g []uint64, b, c uint64, how counts) {
	p, words := x.values, g[groupParts:]
	switch {
	case p.part == aggregate.Distinct:
		words[0] += one64(b == 0) - one64(c == 0)
		return
	case p.spreads:
		aggregate.Recount(words, b, c)
	}
	if !p.ranks {
		return
	}
	last := false
	if c > 0 {
		l.tables.Count(w[x.index:], l.keyOfTimes(g[0], c, how.others), 1)
	}
	if b > 0 {
		last = l.tables.Count(w[x.index:], l.keyOfTimes(g[0], b, how.others), -1) == 1
	}
	most := aggregate.Most(words)
	switch {
	case how.moved && c < b:
		if last && b == most {
			g[groupShown] = isStale // until all have been moved
		}
	case last && max(most, c) == b:
		aggregate.SetMost(words, c)
	default:
		aggregate.SetMost(words, max(most, c))
	}
}

func one64(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// What the keys of one index are of, beside categories: any two numbers.
const (
	ofValues = 0x8f1bbcdc94a1e3a7
	ofOthers = 0x5a827999c3d2b4e9
	ofTimes  = 0x6ed9eba1d7f03c15
	ofSets   = 0x3c6ef372fe94f82b
)

// keyOfValue is what the record of a value of a category, or of the others, is found
// by.
func (l *entityLog) keyOfValue(category, key uint64, others bool) uint64 {
	h := &l.counting.hash
	if others {
		return h.spread(h.spread(key) ^ ofOthers)
	}
	return h.spread(h.spreadPair(category, key) ^ ofValues)
}

// keyOfTimes is where it is counted how many values of a category, or of the others,
// occur so often.
func (l *entityLog) keyOfTimes(category, times uint64, others bool) uint64 {
	return l.counting.hash.spread(l.keyOfValue(category, times, others) ^ ofTimes)
}

// groupOf is the record of a value's category.
func (l *entityLog) groupOf(x *dividedPlan, w, r []uint64) []uint64 {
	if r[recordLink]&linkOthers != 0 {
		return l.rest(x, w)
	}
	return l.group(x, w, r[0])
}

// group is the record of a category; nil: there is none.
func (l *entityLog) group(x *dividedPlan, w []uint64, word uint64) []uint64 {
	n := int(l.tables.Get(w[x.index:], l.counting.hash.spread(word)))
	if n == 0 {
		return nil
	}
	return l.nthRecord(x.groups, w, n)
}

// valueRecord is the record of a value of a category, which is made if there is none:
// before the others of the category.
func (l *entityLog) valueRecord(x *dividedPlan, w, g []uint64, value uint64, others bool) []uint64 {
	key := l.keyOfValue(g[0], value, others)
	if n := int(l.tables.Get(w[x.index:], key)); n > 0 {
		return l.nthRecord(x, w, n)
	}
	n := l.newRecord(x, w)
	r := l.nthRecord(x, w, n)
	l.tables.Put(w[x.index:], key, window.Note(n))
	r[0], r[recordKey], r[recordLink] = g[0], value, 0
	if others {
		r[recordLink] = linkOthers
	}
	if x.rivals() {
		g[groupFirst]++
		l.seatValue(x, w, n, g[groupFirst])
		return r
	}
	next := g[groupFirst]
	r[recordLink] |= next << linkNext
	l.setBefore(x, w, next, uint64(n))
	g[groupFirst] = uint64(n)
	return r
}

// nextValue is the record behind one of the same category; 0: there is none.
func nextValue(r []uint64) uint64 { return r[recordLink] >> linkNext & linkMask }

// valueBefore is the record before one.
func valueBefore(r []uint64) uint64 { return r[recordLink] & linkMask }

// setNext notes which record is behind one, or the first of its category.
func (l *entityLog) setNext(x *dividedPlan, w, g []uint64, n, next uint64) {
	if n == 0 {
		g[groupFirst] = next
		return
	}
	link := &l.nthRecord(x, w, int(n))[recordLink]
	*link = *link&^(linkMask<<linkNext) | next<<linkNext
}

// setBefore notes which record is before one.
func (l *entityLog) setBefore(x *dividedPlan, w []uint64, n, before uint64) {
	if n != 0 {
		link := &l.nthRecord(x, w, int(n))[recordLink]
		*link = *link&^linkMask | before
	}
}

// dropValue forgets the record of a value: the last one takes its place.
func (l *entityLog) dropValue(x *dividedPlan, w, g, r []uint64) {
	key := l.keyOfValue(r[0], r[recordKey], r[recordLink]&linkOthers != 0)
	place, h := l.tables.Get(w[x.index:], key), w[x.index:]
	if x.rivals() {
		l.unseatValue(x, w, g, r)
	} else {
		l.setNext(x, w, g, valueBefore(r), nextValue(r))
		l.setBefore(x, w, nextValue(r), valueBefore(r))
	}
	l.tables.Delete(h, key)
	if last := l.nthRecord(x, w, int(w[x.at+1])/x.stride-1); &last[0] != &r[0] {
		copy(r, last)
		l.tables.Put(h, l.keyOfValue(r[0], r[recordKey], r[recordLink]&linkOthers != 0), place)
		if x.rivals() {
			l.seatValue(x, w, int(place), seatOfValue(r))
		} else {
			l.setNext(x, w, l.groupOf(x, w, r), valueBefore(r), uint64(place))
			l.setBefore(x, w, nextValue(r), uint64(place))
		}
	}
	w[x.at+1] -= uint64(x.stride)
}

// joinValues makes the part that counts values of a category or of all others, in
// e.scratch.
func (e *Engine) joinValues(d *division, m *moment, of *pick) {
	x, p, l := d.cell.divided, d.cell.divided.values, m.log
	words := e.scratch[p.at : p.at+p.size()]
	clear(words)
	var g []uint64
	switch {
	case x.sets && (of.others || len(of.words) > 0):
		e.joinSets(d, m, of, words)
		return
	case of.others:
		g = l.restBut(x, m.state, of.words)
	case len(of.words) > 0:
		g = l.nthRecord(x.groups, m.state, of.words[0].number)
	default:
		return
	}
	l.steps++
	e.scratch[d.cell.count.at] = g[1]
	switch p.part {
	case aggregate.Distinct:
		words[0] = g[groupParts]
		if d.agg.TrueWhenEmpty {
			e.meetOwn(d, m, g, of.others)
		}
	case aggregate.Counts:
		copy(words, g[groupParts:])
	case aggregate.Mode:
		e.firstValue(x, l, m.state, g, words, of.others)
	default:
		e.joinBins(d, m, g)
		e.tallyPart(l.plan, p, words)
	}
}

// meetOwn makes the values of a category the event's own, if that occurs there: it is
// what is asked for.
func (e *Engine) meetOwn(d *division, m *moment, g []uint64, others bool) {
	x, own := d.cell.divided, e.current.words[d.inputAt]
	e.onlyOwn(d, own, m.log.tables.Get(m.state[x.index:], m.log.keyOfValue(g[0], own, others)) > 0)
}

// joinBins collects the buckets of a category.
func (e *Engine) joinBins(d *division, m *moment, g []uint64) {
	x := d.cell.divided
	s := e.binned[x.values.set]
	s.bins = s.bins[:0]
	m.log.eachValue(x, m.state, g, false, func(r []uint64) {
		s.bins = append(s.bins, window.Bin{Key: uint32(r[recordKey]), N: uint32(r[1]), Sum: r[recordSum], Check: r[recordCheck]})
	})
}
