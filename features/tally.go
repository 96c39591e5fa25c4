package features

import (
	"math"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// Some parts are made of how often each of some words occurs: of the values, for
// what is most frequent or evenly spread. A word is counted under a key that
// others cannot choose. Quantiles count buckets (quantile.go).

// counting is what turns words into keys and back, for all logs of an engine.
type counting struct {
	hash  hasher
	scale aggregate.Scale
	texts *interner
}

// keyOf is what a row is counted as by a part.
func (c *counting) keyOf(l *logPlan, p *partPlan, row []uint64) uint64 {
	word := l.word(row, p.lane)
	if p.part == aggregate.Mode {
		return c.hash.spread(word)
	}
	return word // a hash
}

// tally makes the counting parts of a scan from what it has collected.
func (e *Engine) tally(l *logPlan, k *cursorPlan) {
	for _, p := range k.parts {
		if p.part.Counted() {
			e.tallyPart(l, p, e.scratch[p.at:p.at+p.size()])
		}
	}
}

// tallyPart makes a counting part from what was collected for it.
func (e *Engine) tallyPart(l *logPlan, p *partPlan, words []uint64) {
	switch p.part {
	case aggregate.Buckets:
		words[0], words[1] = math.Float64bits(e.counting.choose(e.binned[p.set], p)), 1
	case aggregate.Counts:
		e.sets[p.set].Tally(words)
	case aggregate.Mode:
		clear(words)
		e.sets[p.set].Each(func(key uint64, n uint32) { e.counting.vote(l, p, words, key, uint64(n)) })
		words[aggregate.ModeWord] = e.hash.unspread(words[aggregate.ModeWord])
		words[aggregate.ModeState] = aggregate.ModeFound
	}
}

// vote makes a value the mode if it occurs more often than the one that is, or
// as often and is smaller.
func (c *counting) vote(l *logPlan, p *partPlan, words []uint64, key, n uint64) {
	if n > words[aggregate.ModeTimes] || (n == words[aggregate.ModeTimes] && c.smaller(l, p, key, words[aggregate.ModeWord])) {
		words[aggregate.ModeTimes], words[aggregate.ModeWord] = n, key
	}
}

// smaller compares the values of two keys.
func (c *counting) smaller(l *logPlan, p *partPlan, a, b uint64) bool {
	a, b = c.hash.unspread(a), c.hash.unspread(b)
	switch {
	case l.isText(p.lane):
		return c.texts.text(a) < c.texts.text(b)
	case p.number == aggregate.Opaque:
		return a < b // false before true
	}
	return aggregate.OrderCode(a, p.number) < aggregate.OrderCode(b, p.number)
}

// foldCount counts a row that leaves the log in the base of a part. A text that
// is counted there is held.
func (l *entityLog) foldCount(e *Engine, p *partPlan, w, row []uint64) {
	h := w[p.census.at:]
	if p.part == aggregate.Buckets {
		l.bins.Add(h, l.counting.binOf(p, l.plan.word(row, p.lane)))
		return
	}
	key := l.counting.keyOf(l.plan, p, row)
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

// recountRow notes that a row has come, or gone. Words are the part's.
func (l *entityLog) recountRow(p *partPlan, w, words, row []uint64, gone bool) {
	switch {
	case p.part == aggregate.Buckets && gone:
		l.bins.Remove(w[p.counts[0].at:], l.counting.binOf(p, l.plan.word(row, p.lane)))
	case p.part == aggregate.Buckets:
		l.bins.Add(w[p.counts[0].at:], l.counting.binOf(p, l.plan.word(row, p.lane)))
	case gone:
		l.recount(p, w, words, l.counting.keyOf(l.plan, p, row), -1)
	default:
		l.recount(p, w, words, l.counting.keyOf(l.plan, p, row), 1)
	}
}

// recount notes that what is counted as key occurs step times more, or once
// less. The most frequent one, where it is asked for, is found by how many occur so
// often.
func (l *entityLog) recount(p *partPlan, w, words []uint64, key uint64, step int) {
	b := l.tables.Count(w[p.counts[0].at:], key, step)
	c := b + uint64(step)
	if p.contest != nil && w[p.contest.at] != 0 {
		l.compete(p, w, key, c)
	}
	if p.spreads {
		aggregate.Recount(words, b, c)
	}
	if p.counts[1] == nil {
		return
	}
	often := w[p.counts[1].at:]
	before := words[aggregate.ModeTimes]
	if p.part == aggregate.Counts {
		before = aggregate.Most(words)
	}
	most, alone := before, false
	if c > 0 {
		alone = l.tables.Count(often, c, 1) == 0
		most = max(most, c)
	}
	if b > 0 && l.tables.Count(often, b, -1) == 1 && most == b {
		most = c
	}
	if p.part == aggregate.Counts {
		aggregate.SetMost(words, most)
		return
	}
	l.revote(p, words, key, change{b, c, before, most, alone && c == most})
}

// change is that a value occurs c times and not b, that the most frequent one
// now occurs most times and not before, and whether this one alone does.
type change struct {
	b, c, before, most uint64
	alone              bool
}

// revote keeps a Mode part up to date. Only where several values are the most
// frequent ones and the smallest of them is not known, it is looked for when
// someone asks.
func (l *entityLog) revote(p *partPlan, words []uint64, key uint64, x change) {
	words[aggregate.ModeTimes] = x.most
	switch {
	case x.most == 0, x.alone:
		words[aggregate.ModeWord], words[aggregate.ModeState] = key, 0
	case x.c > x.b && x.c == x.most: // one more of the most frequent ones
		if words[aggregate.ModeState] == 0 && l.counting.smaller(l.plan, p, key, words[aggregate.ModeWord]) {
			words[aggregate.ModeWord] = key
		}
	case x.c < x.b && x.b == x.before && (x.most < x.before || key == words[aggregate.ModeWord]):
		words[aggregate.ModeState] = aggregate.ModeStale
	}
}

// own are the words of a part that runs.
func (p *partPlan) own(w []uint64) []uint64 { return w[p.run : p.run+p.size()] }

// copyCounted copies a part that counts, of which some words are kept, to words as a
// scan makes them; so many rows were moved for this reading alone.
func (e *Engine) copyCounted(l *entityLog, p *partPlan, w, own, words []uint64, moved int) {
	switch p.part {
	case aggregate.Counts:
		copy(words, own)
	case aggregate.Mode:
		copy(words, e.counted(l, p, w, own, moved))
		words[aggregate.ModeState] = aggregate.ModeFound
	default:
		if words[1] = 1; l.bins.Total(w[p.counts[0].at:]) > 0 {
			words[0] = e.counted(l, p, w, own, moved)[0]
		}
	}
}

// counted is a Mode or Buckets part, of which some words are kept, as its aggregation
// wants it; so many rows were moved for this reading alone.
func (e *Engine) counted(l *entityLog, p *partPlan, w, words []uint64, moved int) []uint64 {
	if p.part == aggregate.Buckets {
		h := w[p.counts[0].at:]
		e.voted[0] = math.Float64bits(e.counting.valueOf(p, l.bins.At(h, rankOf(p.q, l.bins.Total(h)))))
		return e.voted[:]
	}
	times := w[p.counts[0].at:]
	if words[aggregate.ModeState] == aggregate.ModeStale {
		clear(words)
		if n := l.tables.Len(times); p.contest != nil && n > leastContest && moved*fewMoved <= n {
			words[aggregate.ModeWord], words[aggregate.ModeTimes] = l.champion(p, w)
		} else {
			l.steps += int64(n)
			l.tables.Each(times, func(key uint64, n window.Note) { e.counting.vote(l.plan, p, words, key, uint64(n)) })
		}
	}
	e.voted[aggregate.ModeTimes] = words[aggregate.ModeTimes]
	e.voted[aggregate.ModeWord] = e.hash.unspread(words[aggregate.ModeWord])
	return e.voted[:]
}

// recountBase counts what has left the log in the parts of a life.
func (l *entityLog) recountBase(k *cursorPlan, w []uint64) {
	for _, p := range k.beside {
		if p.part != aggregate.Gaps { // those are in the words
			l.recountBaseOf(p, w, p.own(w))
		}
	}
}

// recountBaseOf does so for one part, whose words are given.
func (l *entityLog) recountBaseOf(p *partPlan, w, words []uint64) {
	if p.part == aggregate.Buckets {
		l.bins.Each(w[p.census.at:], func(b window.Bin) { l.bins.Add(w[p.counts[0].at:], b) })
		return
	}
	l.tables.Each(w[p.census.at:], func(key uint64, n window.Note) { l.recount(p, w, words, key, int(n)) })
}

// freeCounts forgets what the parts of a life have counted.
func (l *entityLog) freeCounts(k *cursorPlan, w []uint64) {
	for _, p := range k.beside {
		l.freeCountsOf(p, w)
	}
}

func (l *entityLog) freeCountsOf(p *partPlan, w []uint64) {
	for _, x := range p.counts {
		if x != nil {
			l.slab.FreeHandle(w[x.at:])
		}
	}
	if p.contest != nil {
		l.endContest(p, w)
	}
}
