package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// Whether a value that has occurred since a moment also occurs before it, in a
// window, is what late events ask of their values. Looking for it row by row goes
// back to where it has occurred: far, where values are rare or seldom come again. So
// who has looked at more than a few rows begins links: of each value and each time at
// which it occurs in the log, the time at which it occurred before. Each row that comes
// is linked from then on. A row that leaves the log leaves its link behind: whoever
// finds one that is older than the rows does not follow it. When links are mostly of
// such rows they are forgotten. A snapshot does without them.

// earlierPlan is the links of the values of a lane over the rows with a bit: a table
// of times, by value and time. By a value alone it has its newest time. Rows that were
// taken back are linked too: who follows links looks whether the value stands there.
type earlierPlan struct{ bit, lane, at int }

// ofID is in place of a lane: what is linked is the id of a row, or the complement of
// the one that it names to take back.
const ofID = -1

const (
	newestOfAll  = ^uint64(0) // in place of a time: of the value's newest occurrence
	linksPerRow  = 2          // links are forgotten when there are so many for each row
	leastForgot  = 64         // and so many more
	noOccurrence = 0          // in place of a time: there is none
)

// earlier is the links of a table's values, shared by all tables of the same rows and
// values.
func (l *logPlan) earlier(bit, lane int) *earlierPlan {
	for _, x := range l.earliers {
		if x.bit == bit && x.lane == lane {
			return x
		}
	}
	x := &earlierPlan{bit: bit, lane: lane}
	l.earliers = append(l.earliers, x)
	return x
}

// linked is the time that a value is linked to from a time.
func (l *entityLog) linked(x *earlierPlan, w []uint64, word, t uint64) uint64 {
	l.steps++
	return uint64(l.tables.Get(w[x.at:], l.counting.hash.spreadPair(word, t)).Time())
}

// before is when a value occurred before a time at which it occurs. What is older than
// the log's rows is not looked at.
func (l *entityLog) before(x *earlierPlan, w []uint64, word, t uint64) uint64 {
	t = l.linked(x, w, word, t)
	if !l.plan.retracts {
		return t
	}
	rows := l.rows.All(w[atRows:])
	for first := l.plan.timeAt(rows, 0); int64(t) >= first && l.lastAt(x.bit, x.lane, rows, int64(t), word, -1) < 0; {
		t = l.linked(x, w, word, t)
	}
	return t
}

// lastAt is the last row of a time with a bit and a word, but for one; -1: there is
// none.
func (l *entityLog) lastAt(bit, lane int, rows []uint64, t int64, word uint64, but int) int {
	for i := l.rows.FirstAfter(rows, t) - 1; i >= 0 && l.plan.timeAt(rows, i) == t; i-- {
		l.steps++
		if row := l.plan.row(rows, i); i != but && l.plan.has(row, bit) && l.plan.word(row, lane) == word {
			return i
		}
	}
	return -1
}

// linkedBy is what a row is linked by; false: it is not linked.
func (l *logPlan) linkedBy(x *earlierPlan, row []uint64) (word uint64, ok bool) {
	switch {
	case x.lane != ofID:
		return l.word(row, x.lane), l.had(row, x.bit)
	case l.has(row, l.taking):
		return ^row[l.takenAt], true
	}
	return l.id(row), l.id(row) != 0
}

// linkTo notes when a value occurred before a time.
func (l *entityLog) linkTo(x *earlierPlan, w []uint64, word, t, before uint64) {
	l.tables.Put(w[x.at:], l.counting.hash.spreadPair(word, t), window.NewNote(int64(before), false))
}

// linkRow links a row that has come into a log that has links.
func (l *entityLog) linkRow(x *earlierPlan, w, row []uint64) {
	word, ok := l.plan.linkedBy(x, row)
	if !ok {
		return
	}
	t := uint64(l.plan.time(row))
	before := int64(t) <= l.left(w) && x.lane != ofID // whose rows are looked at
	if before || l.tables.Len(w[x.at:]) > linksPerRow*l.rows.Len(w[atRows:])+leastForgot {
		l.slab.FreeHandle(w[x.at:]) // it comes before rows that have left, or too many have
		return
	}
	l.linkValue(x, w, word, t)
}

// linkValue links a value that occurs at a time.
func (l *entityLog) linkValue(x *earlierPlan, w []uint64, word, t uint64) {
	after := newestOfAll
	before := l.linked(x, w, word, after)
	for before > t {
		after, before = before, l.linked(x, w, word, before)
	}
	if before == t {
		return
	}
	l.linkTo(x, w, word, after, t)
	if before != noOccurrence {
		l.linkTo(x, w, word, t, before)
	}
}

// linkAll begins the links of a log, if they are not there.
func (l *entityLog) linkAll(x *earlierPlan, w []uint64) {
	if w[x.at] != 0 {
		return
	}
	rows := l.rows.All(w[atRows:])
	for i := range l.plan.len(rows) {
		row := l.plan.row(rows, i)
		if word, ok := l.plan.linkedBy(x, row); ok {
			l.linkValue(x, w, word, uint64(l.plan.time(row)))
		}
	}
	l.steps += int64(l.plan.len(rows))
}

// findEarlier adds to a set those values of the rows behind a moment that occur in the
// window that is moved back to it. The first of the rows with a value tells.
func (e *Engine) findEarlier(s *shift, p *partPlan, found *aggregate.Set) {
	l, x, ends := s.log, p.table.earlier, s.t-s.k.delay
	l.linkAll(x, s.state)
	l.atEdges(&e.stretch, x, ends, func(word uint64) {
		if e.met.Has(word) && !found.Has(word) {
			found.Add(word)
		}
	})
	for i := s.to; i < s.head; i++ {
		row := l.plan.row(s.rows, i)
		if !l.plan.has(row, p.bit) {
			continue
		}
		word := l.plan.word(row, p.lane)
		if !e.met.Has(word) || found.Has(word) {
			continue
		}
		t := l.before(x, s.state, word, uint64(l.plan.time(row)))
		if int64(t) <= ends && l.occursInside(&e.stretch, x, s.state, ends, word, t) {
			found.Add(word)
		}
	}
}

// occursEarlier reports whether a value, which occurs at a time, does in a window that
// is moved back, up to when it ends.
func (l *entityLog) occursEarlier(s *stretch, x *earlierPlan, w []uint64, ends int64, word, t uint64) bool {
	found := false
	l.atEdges(s, x, ends, func(other uint64) { found = found || other == word })
	return found || l.occursInside(s, x, w, ends, word, t)
}

// atEdges calls f for the values of the rows at the time at which a window ends, not
// all of which may be seen, and of those at the time of its first row, others of which
// may have left the log: a time does not tell which of them it is of.
func (l *entityLog) atEdges(s *stretch, x *earlierPlan, ends int64, f func(word uint64)) {
	look := func(i int, t int64) bool {
		row := l.plan.row(s.rows, i)
		if l.plan.time(row) != t {
			return false
		}
		l.steps++
		if l.plan.has(row, x.bit) {
			f(l.plan.word(row, x.lane))
		}
		return true
	}
	for i := s.to - 1; i >= s.from && look(i, ends); i-- {
	}
	for i, t := s.from, l.plan.timeAt(s.rows, s.from); i < s.to && look(i, t); i++ {
	}
}

// occursInside reports whether a value, which occurs at a time or before, does between
// the edges of a window.
func (l *entityLog) occursInside(s *stretch, x *earlierPlan, w []uint64, ends int64, word, t uint64) bool {
	for t != noOccurrence && int64(t) >= ends {
		t = l.before(x, w, word, t)
	}
	return int64(t) > l.plan.timeAt(s.rows, s.from)
}
