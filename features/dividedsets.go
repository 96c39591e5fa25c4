package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// Where only the different values count, a value of the others is one that occurs in
// any category that is not shown. The index has how often a value occurs in each of its
// categories; of the value, which categories those are, as the sum of their hashes; and
// how many values are of just the same ones. The values of no category but some shown
// ones are then found without a look at any value: they are of one of the sets that
// can be made of those.
//
// So no values change over where other categories are shown than before. The sets are
// twice as many with each category that is shown: where those are more than a few, the
// others are kept as one category more (dividedrest.go).

// mostInSets is how many categories are shown at most where values have sets.
const mostInSets = 8

// Of the others is kept how many categories are not among them, how many different
// values they have, and the words of those categories.
const (
	setsShown  = 0
	setsValues = 1
	setsWords  = 2
)

// keyOfSet is where it is counted how many values are of a set of categories.
func (l *entityLog) keyOfSet(set uint64) uint64 { return l.counting.hash.spread(set ^ ofSets) }

// setOfOne is the set of one category. Sums of words that are merely spread might be
// equal, as those of small numbers are.
func (l *entityLog) setOfOne(category uint64) uint64 {
	return l.counting.hash.spreadKey(hash128{hi: category, lo: ofSets}).lo
}

// setOf is the set of the categories that a value is of; 0: it occurs nowhere.
func (l *entityLog) setOf(x *dividedPlan, w []uint64, value uint64) uint64 {
	return uint64(l.tables.Get(w[x.index:], l.keyOfValue(0, value, true)))
}

// setAmong is the set of those of some categories that a value is of.
func (l *entityLog) setAmong(x *dividedPlan, w []uint64, value uint64, words []uint64) (set uint64) {
	for _, word := range words {
		l.steps++
		if l.tables.Get(w[x.index:], l.keyOfValue(word, value, false)) > 0 {
			set += l.setOfOne(word)
		}
	}
	return set
}

// countInSets counts a value in a category whose record is g.
func (l *entityLog) countInSets(x *dividedPlan, w, g []uint64, value uint64, gone bool) {
	step := 1
	if gone {
		step = -1
	}
	g[1] += uint64(step)
	l.blockOf(x.groups, w)[1] += uint64(step)
	before := l.tables.Count(w[x.index:], l.keyOfValue(g[0], value, false), step)
	if before == 0 || before == 1 && gone {
		g[groupParts] += uint64(step)
		l.changeSet(x, w, g[0], value, uint64(step))
	}
}

// changeSet notes that a value is of a category more, or of one less.
func (l *entityLog) changeSet(x *dividedPlan, w []uint64, category, value, step uint64) {
	change := step * l.setOfOne(category)
	was := l.setOf(x, w, value)
	is, h := was+change, w[x.index:]
	l.steps++
	if was != 0 {
		l.tables.Count(h, l.keyOfSet(was), -1)
	}
	if key := l.keyOfValue(0, value, true); is == 0 {
		l.tables.Delete(h, key)
	} else {
		l.tables.Put(h, key, window.Note(is))
		l.tables.Count(h, l.keyOfSet(is), 1)
	}
	l.blockOf(x.groups, w)[groupParts] += one64(is != 0) - one64(was != 0)
	if w[x.rest] == 0 {
		return
	}
	rest := l.slab.Words(window.Ref(w[x.rest]))
	shown := rest[setsWords:][:rest[setsShown]]
	now := l.setAmong(x, w, value, shown)
	before := now
	for _, word := range shown {
		if word == category {
			before -= change
		}
	}
	rest[setsValues] += one64(is != now) - one64(was != before)
}

// valuesBut is how many different values the categories have that are not among some.
func (l *entityLog) valuesBut(x *dividedPlan, w []uint64, top []category) uint64 {
	if w[x.rest] == 0 {
		w[x.rest] = uint64(l.slab.Alloc(setsWords + len(top)))
		clear(l.slab.Words(window.Ref(w[x.rest])))
	}
	rest := l.slab.Words(window.Ref(w[x.rest]))
	if l.alreadyBut(rest[setsWords:][:rest[setsShown]], top) {
		return rest[setsValues]
	}
	n, sets, made := l.blockOf(x.groups, w)[groupParts], [1 << mostInSets]uint64{}, 1
	rest[setsShown] = uint64(len(top))
	for i := range top {
		rest[setsWords+i] = top[i].word
		one := l.setOfOne(top[i].word)
		for _, set := range sets[:made] {
			sets[made] = set + one
			n -= uint64(l.tables.Get(w[x.index:], l.keyOfSet(set+one)))
			made++
		}
	}
	l.steps += int64(made)
	rest[setsValues] = n
	return n
}

// alreadyBut reports whether words are those of categories, in whatever order.
func (l *entityLog) alreadyBut(words []uint64, top []category) bool {
	of := pick{words: top}
	for _, word := range words {
		if !of.takesWord(word) {
			return false
		}
	}
	return len(words) == len(top)
}

// joinSets makes a Distinct part of a category or of all others, in e.scratch.
func (e *Engine) joinSets(d *division, m *moment, of *pick, words []uint64) {
	x, l := d.cell.divided, m.log
	all := l.blockOf(x.groups, m.state)
	l.steps++
	if !of.others {
		g := l.nthRecord(x.groups, m.state, of.words[0].number)
		e.scratch[d.cell.count.at], words[0] = g[1], g[groupParts]
		if d.agg.TrueWhenEmpty {
			e.meetOwn(d, m, g, false)
		}
		return
	}
	n := all[1]
	for i := range of.words {
		n -= uint64(of.words[i].n)
	}
	e.scratch[d.cell.count.at], words[0] = n, l.valuesBut(x, m.state, of.words)
	if d.agg.TrueWhenEmpty {
		e.meetOthers(d, m, of.words)
	}
}

// meetOthers makes the values of the others the event's own, if that occurs there.
func (e *Engine) meetOthers(d *division, m *moment, top []category) {
	x, own := d.cell.divided, e.current.words[d.inputAt]
	var words [mostInSets]uint64
	for i := range top {
		words[i] = top[i].word
	}
	e.onlyOwn(d, own, m.log.setOf(x, m.state, own) != m.log.setAmong(x, m.state, own, words[:len(top)]))
}

// onlyOwn makes the values of some categories the event's own, or none.
func (e *Engine) onlyOwn(d *division, own uint64, met bool) {
	set := e.sets[d.cell.divided.values.set]
	set.Reset()
	if met {
		set.Add(own)
	}
}

// inSets reports whether values have sets of categories, where so many are shown.
func (x *dividedPlan) inSets(top int) bool {
	return x.values.part == aggregate.Distinct && top <= mostInSets
}
