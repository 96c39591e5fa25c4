package features

import (
	"math"
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// Some parts are made of how often each of some words occurs: of the values, for
// what is most frequent or evenly spread, of buckets, for quantiles. A word is
// counted under a key that others cannot choose.

// keyOf is what a row is counted as by a part.
func (e *Engine) keyOf(l *logPlan, p *partPlan, row []uint64) uint64 {
	word := l.word(row, p.lane)
	switch p.part {
	case aggregate.Mode:
		return e.hash.spread(word)
	case aggregate.Buckets:
		return e.hash.spread(e.scale.Bucket(word, p.number))
	}
	return word // a hash
}

// tally makes the counting parts of a scan from what it has collected.
func (e *Engine) tally(l *logPlan, k *cursorPlan) {
	for _, p := range k.parts {
		if !p.part.Counted() {
			continue
		}
		set, words := e.sets[p.set], e.scratch[p.at:p.at+p.size()]
		switch p.part {
		case aggregate.Counts:
			set.Tally(words)
		case aggregate.Mode:
			clear(words)
			set.Each(func(key uint64, n uint32) { e.vote(l, p, words, key, uint64(n)) })
			words[aggregate.ModeWord] = e.hash.unspread(words[aggregate.ModeWord])
		case aggregate.Buckets:
			e.buckets = e.buckets[:0]
			set.Each(func(key uint64, n uint32) { e.fillBucket(key, uint64(n)) })
			words[0] = math.Float64bits(e.quantile(p.q))
		}
	}
}

// vote makes a value the mode if it occurs more often than the one that is, or
// as often and is smaller.
func (e *Engine) vote(l *logPlan, p *partPlan, words []uint64, key, n uint64) {
	if n > words[aggregate.ModeTimes] || (n == words[aggregate.ModeTimes] && e.smaller(l, p, key, words[aggregate.ModeWord])) {
		words[aggregate.ModeTimes], words[aggregate.ModeWord] = n, key
	}
}

// smaller compares the values of two keys.
func (e *Engine) smaller(l *logPlan, p *partPlan, a, b uint64) bool {
	a, b = e.hash.unspread(a), e.hash.unspread(b)
	switch {
	case l.isText(p.lane):
		return e.texts.text(a) < e.texts.text(b)
	case p.number == aggregate.Opaque:
		return a < b // false before true
	}
	return aggregate.OrderCode(a, p.number) < aggregate.OrderCode(b, p.number)
}

// A bucket in use is its code in the upper half of a word and how many are in
// it in the lower one.
func (e *Engine) fillBucket(key, n uint64) {
	e.buckets = append(e.buckets, e.hash.unspread(key)<<32|n)
}

// quantile is the middle of the bucket of the value at rank floor(q·(n−1)).
func (e *Engine) quantile(q float64) float64 {
	slices.Sort(e.buckets)
	n := uint64(0)
	for _, b := range e.buckets {
		n += uint64(uint32(b))
	}
	if n == 0 {
		return 0
	}
	rank := uint64(math.Floor(q * float64(n-1)))
	for _, b := range e.buckets {
		if rank < uint64(uint32(b)) {
			return e.scale.Middle(b >> 32)
		}
		rank -= uint64(uint32(b))
	}
	panic("features: a rank beyond the number of values")
}

// foldCount counts a row that leaves the log in the base of a part. A text that
// is counted there is held.
func (l *entityLog) foldCount(e *Engine, p *partPlan, w, row []uint64) {
	h, key := w[p.census.at:], e.keyOf(l.plan, p, row)
	n := l.tables.Get(h, key)
	if n == 0 && p.part == aggregate.Mode && l.plan.isText(p.lane) {
		e.texts.again(l.plan.word(row, p.lane))
	}
	l.tables.Put(h, key, n+1)
}

// releaseCounts lets go of the texts that the base of a part holds.
func (l *entityLog) releaseCounts(e *Engine, p *partPlan, w []uint64) {
	if p.part == aggregate.Mode && l.plan.isText(p.lane) {
		l.tables.Each(w[p.census.at:], func(key uint64, _ window.Note) { e.texts.release(e.hash.unspread(key)) })
	}
}
