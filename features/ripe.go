package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A life with a delay holds the events whose delay is over: the ripe ones. Most of
// what is asked of them is put together from nodes (levels.go), but how often each
// value occurs has no fixed number of words. That is counted as events ripen, for
// the life and the time that the state stands in; a reader of another time turns
// the counts to it and back. They are begun by the first reader of more than a few
// rows, who looks at all of the life, and forgotten with the life. A snapshot does
// without them.
//
// Past distinct_budget, a life that reaches out of the log is not told by its counts:
// when a value was let go of there depends on the order of arrival (crowd.go).

// ripePlan is what a window keeps of its ripe events. Its handle is a block of the
// words of the parts, and how many rows of the log are ripe: of those that came
// since the life began, all and no others are counted, beside the base.
type ripePlan struct {
	parts []ripePart
	words int // of the block
	at    int
}

// ripePart is a part that counts values, and where in the block its words are.
type ripePart struct {
	*partPlan
	own int
}

// takeRipe gives a window with a delay over a life, whose parts nodes do not all
// hold, what it counts of its ripe events.
func (l *logPlan) takeRipe(k *cursorPlan, handle func(handleKind) int) {
	if k.life == nil || k.delay == 0 || len(k.words) == 0 {
		return
	}
	x := &ripePlan{words: 1}
	for _, p := range k.words {
		if p.shares {
			for _, o := range x.parts {
				if o.part == p.part && o.set == p.set {
					p.counts = o.counts
				}
			}
			continue
		}
		p.counts[0] = &censusPlan{handle(cacheHandle)}
		if p.ranks || p.part == aggregate.Mode {
			p.counts[1] = &censusPlan{handle(cacheHandle)}
		}
		x.parts = append(x.parts, ripePart{p, x.words})
		x.words += p.size()
	}
	x.at = handle(cacheHandle)
	k.ripe = x
	l.ripening = append(l.ripening, k)
}

// ripeWords are the words of a part of what is ripe.
func (l *entityLog) ripeWords(x *ripePlan, p ripePart, w []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[x.at]))[p.own : p.own+p.size()]
}

// ripe reports whether what is counted of a life answers for a cut of it at a
// moment, and brings it up to the state's time.
func (l *entityLog) ripe(k *cursorPlan, m *moment, c cut, life int64) bool {
	x, w := k.ripe, m.state
	if x == nil || life == 0 || life != int64(w[k.life.state+chainLife]) || !l.isLog(w, m.rows) {
		return false
	}
	if base := int64(w[k.life.state+chainBase]); c.base != (base != 0 && life <= base) {
		return false
	}
	rows := l.rows.All(w[atRows:])
	if w[x.at] == 0 {
		if c.to-c.from < l.plan.levels.least && !c.base {
			return false
		}
		l.beginRipe(k, w, c.base)
		w[x.at+1] = uint64(l.rows.FirstAfter(rows, life-1))
	}
	head, now := int(w[x.at+1]), int64(w[atNow])
	for ; head < l.plan.len(rows) && l.plan.timeAt(rows, head) <= now-k.delay; head++ {
		l.ripen(k, w, l.plan.row(rows, head))
	}
	w[x.at+1] = uint64(head)
	return max(head-c.to, c.to-head) <= c.to-c.from+l.ripeValues(x, w)
}

// ripeValues is how many values are counted, of one part.
func (l *entityLog) ripeValues(x *ripePlan, w []uint64) int {
	p := x.parts[0]
	if p.part == aggregate.Buckets {
		return l.bins.Len(w[p.counts[0].at:])
	}
	return l.tables.Len(w[p.counts[0].at:])
}

// beginRipe begins to count, with what has left the log of the life.
func (l *entityLog) beginRipe(k *cursorPlan, w []uint64, base bool) {
	x := k.ripe
	w[x.at] = uint64(l.slab.Alloc(x.words))
	clear(l.slab.Words(window.Ref(w[x.at])))
	for _, p := range x.parts {
		switch {
		case !base:
		case p.part == aggregate.Distinct:
			l.tables.Each(w[p.table.at:], func(word uint64, n window.Note) {
				if n.Base() {
					l.tables.Count(w[p.counts[0].at:], word, 1)
				}
			})
		default:
			l.recountBaseOf(p.partPlan, w, l.ripeWords(x, p, w))
		}
	}
	if base {
		l.steps += int64(len(x.parts) * l.ripeValues(x, w))
	}
}

// endRipe forgets what was counted.
func (l *entityLog) endRipe(k *cursorPlan, w []uint64) {
	if w[k.ripe.at] == 0 {
		return
	}
	l.slab.FreeHandle(w[k.ripe.at:])
	for _, p := range k.ripe.parts {
		l.freeCountsOf(p.partPlan, w)
	}
}

// endRipes does so for all windows over a chain.
func (l *entityLog) endRipes(c *chainPlan, w []uint64) {
	for _, k := range c.cursors {
		if k.ripe != nil {
			l.endRipe(k, w)
		}
	}
}

// ripen counts a row, if it is of the life.
func (l *entityLog) ripen(k *cursorPlan, w, row []uint64) {
	l.steps++
	if l.plan.time(row) < int64(w[k.life.state+chainLife]) {
		return
	}
	for _, p := range k.ripe.parts {
		l.ripenPart(k.ripe, p, w, row, false)
	}
}

// ripenPart counts a row in a part, or out of it.
func (l *entityLog) ripenPart(x *ripePlan, p ripePart, w, row []uint64, gone bool) {
	switch {
	case !l.plan.has(row, p.bit):
	case p.part != aggregate.Distinct:
		l.recountRow(p.partPlan, w, l.ripeWords(x, p, w), row, gone)
	case gone:
		l.tables.Count(w[p.counts[0].at:], l.plan.word(row, p.lane), -1)
	default:
		l.tables.Count(w[p.counts[0].at:], l.plan.word(row, p.lane), 1)
	}
}

// joinRipe notes that a row was put into the log at i: among ripe ones it counts.
func (l *entityLog) joinRipe(k *cursorPlan, w, row []uint64, i int) {
	if head := &w[k.ripe.at+1]; w[k.ripe.at] != 0 && uint64(i) < *head {
		*head++
		l.ripen(k, w, row)
	}
}

// leaveRipe notes that the first n rows leave the log. From then on they are in the
// base, and so part of the life whatever its delay.
func (l *entityLog) leaveRipe(k *cursorPlan, w []uint64, n int) {
	head := &w[k.ripe.at+1]
	if w[k.ripe.at] == 0 {
		return
	}
	for rows := l.rows.All(w[atRows:]); *head < uint64(n); *head++ {
		l.ripen(k, w, l.plan.row(rows, int(*head)))
	}
	*head -= uint64(n)
}

// readRipe makes the parts of a life with a delay in e.scratch, by nodes and by what
// was counted, and evaluates the columns that would not see the current event.
func (e *Engine) readRipe(g *cellGroup, m *moment, c cut, f frame) {
	k, l, w := g.cursor, m.log, m.state
	e.stretch = stretchOf(m.rows, c)
	for _, p := range k.parts {
		if p.node == 0 {
			continue
		}
		words := e.scratch[p.at : p.at+p.size()]
		clear(words)
		if c.base {
			e.scanBase(l, p, w, words)
		}
	}
	e.sumAll(l, k, w, m.rows, c)
	for _, p := range k.ripe.parts {
		var before [8]uint64
		own := l.ripeWords(k.ripe, p, w)
		copy(before[:], own)
		l.turnRipe(k, p, w, c.to, false)
		e.tallyRipe(l, k, p, w)
		l.turnRipe(k, p, w, c.to, true)
		copy(own, before[:])
	}
	e.finishAll(g.before, k, m, e.scratch, f, Present)
}

// turnRipe turns a part that is counted to the first rows of the log, or back.
func (l *entityLog) turnRipe(k *cursorPlan, p ripePart, w []uint64, to int, back bool) {
	rows, head := l.rows.All(w[atRows:]), int(w[k.ripe.at+1])
	life, gone := int64(w[k.life.state+chainLife]), to < head
	from, end := min(to, head), max(to, head)
	for i := from; i < end; i++ {
		if row := l.plan.row(rows, i); l.plan.time(row) >= life {
			l.ripenPart(k.ripe, p, w, row, gone != back)
		}
	}
	l.steps += int64(end - from)
}

// tallyRipe makes the parts in e.scratch that are made of what one has counted.
// No contest is held for them.
func (e *Engine) tallyRipe(l *entityLog, k *cursorPlan, p ripePart, w []uint64) {
	own := l.ripeWords(k.ripe, p, w)
	words := e.scratch[p.at : p.at+p.size()]
	switch p.part {
	case aggregate.Distinct:
		words[0] = uint64(l.tables.Len(w[p.counts[0].at:]))
	case aggregate.Buckets: // and of those that share its values
		for _, q := range k.words {
			if q.part == p.part && q.set == p.set {
				e.copyCounted(l, q, w, own, e.scratch[q.at:], 0)
			}
		}
	default:
		e.copyCounted(l, p.partPlan, w, own, words, 0)
	}
}

// seenRipe is seen for a life of which the ripe events are counted.
func (e *Engine) seenRipe(x *cellOut, m *moment, word uint64) bool {
	l, w, k, p := m.log, m.state, x.cursor, x.parts[0]
	n := int(l.tables.Get(w[p.counts[0].at:], word))
	rows, head, to := l.rows.All(w[atRows:]), int(w[k.ripe.at+1]), e.stretch.to
	l.steps += int64(max(head-to, to-head))
	for i := min(to, head); i < max(to, head); i++ {
		row := l.plan.row(rows, i)
		if l.plan.time(row) < int64(w[k.life.state+chainLife]) || !l.plan.has(row, p.bit) || l.plan.word(row, p.lane) != word {
			continue
		}
		if to < head {
			n--
		} else {
			n++
		}
	}
	return n > 0
}
