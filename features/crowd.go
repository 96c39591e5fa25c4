package features

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/window"
)

// A table of values that has grown past distinct_budget keeps the values that
// occurred last, and a sketch of all (S26). A window that holds more values than
// the budget asks the sketch; one that holds fewer is counted exactly: all its
// values are among those that occurred last. So which of the two it is depends
// on the set of events alone, and comes to an end by itself.

// distinctBudgetOf is how many values of a feature of an entity are kept: what
// the most generous view of the spec asks for.
func (c *compiler) distinctBudgetOf(source *spec.Source, entity *spec.Entity) int {
	budget := 1
	for _, v := range c.plan.spec.Views {
		if v.Source == source && v.Entity == entity {
			budget = max(budget, v.DistinctBudget)
		}
	}
	return budget
}

// crowd notes in a table's sketch that a value occurs, where the table has or
// needs one, and forgets values where it has become too large.
func (l *entityLog) crowd(x *tablePlan, w []uint64, word uint64, t int64) {
	n, budget := l.tables.Len(w[x.at:]), l.plan.distinct
	switch sketched := w[x.sketch] != 0; {
	case !sketched && n <= budget:
		return
	case !sketched:
		l.sketch(x, w)
	case n < budget/2: // nothing that is still seen was forgotten
		l.slab.FreeHandle(w[x.sketch:])
		l.slab.FreeHandle(w[x.memories:])
		return
	}
	l.sketches.Put(w[x.sketch:], l.memories(x, w), word, t)
	if x.life == nil {
		l.sketches.Expire(w[x.sketch:], t, purgeSlots, int64(w[atNow])-x.delay-x.keep)
	}
	if n > budget+budget/2+purgeSlots {
		l.thin(x, w)
	}
}

// sketch begins the sketch of a table that holds all values that are seen.
func (l *entityLog) sketch(x *tablePlan, w []uint64) {
	size := len(x.counts) * window.MemoryWords
	w[x.memories], w[x.memories+1] = uint64(l.slab.Alloc(size)), uint64(size)
	clear(l.memories(x, w))
	l.tables.Each(w[x.at:], func(word uint64, n window.Note) {
		l.sketches.Put(w[x.sketch:], nil, word, n.Time())
	})
}

// memories are the registers of a table's windows.
func (l *entityLog) memories(x *tablePlan, w []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[x.memories]))[:w[x.memories+1]]
}

// thin forgets the values of a table that occurred before the newest of them,
// one more than the budget.
func (l *entityLog) thin(x *tablePlan, w []uint64) {
	l.times = l.times[:0]
	l.tables.Each(w[x.at:], func(_ uint64, n window.Note) { l.times = append(l.times, n.Time()) })
	oldest := newestOf(l.times, l.plan.distinct+1)
	l.tables.Revise(w[x.at:], func(_ uint64, n window.Note) window.Note {
		if n.Time() < oldest {
			return 0
		}
		return n
	})
}

// newestOf is the nth largest of more than n times, which it reorders.
func newestOf(times []int64, n int) int64 {
	for at := n - 1; ; {
		pivot := times[len(times)/2]
		above, below := 0, len(times)
		for i := 0; i < below; {
			switch t := times[i]; {
			case t > pivot:
				times[i], times[above] = times[above], t
				above, i = above+1, i+1
			case t < pivot:
				below--
				times[i], times[below] = times[below], t
			default:
				i++
			}
		}
		switch {
		case at < above:
			times = times[:above]
		case at >= below:
			times, at = times[below:], at-below
		default:
			return pivot
		}
	}
}

// crowded reports whether a window holds more values than are kept.
func (x *cellOut) crowded(m *moment, values uint64) bool {
	return values > uint64(m.log.plan.distinct) && !m.scans(x.cursor) && m.state[x.parts[0].table.sketch] != 0
}

// partial reports whether values of a life that was scanned are to be found that
// are not kept: those of its base. What rows hold they say themselves, whatever
// the table has forgotten.
func (e *Engine) partial(x *cellOut, m *moment) bool {
	return x.cursor.life != nil && m.scans(x.cursor) && e.stretch.base && m.state[x.parts[0].table.sketch] != 0
}

// estimate is about how many values a crowded window holds. It begins with its
// tail's tile.
func (e *Engine) estimate(x *cellOut, m *moment, n int64) uint64 {
	p, k, l := x.parts[0], x.cursor, m.log
	from := m.life(k) - 1
	if k.life == nil {
		from = k.tileOf(m.t-k.delay-k.length+1)*k.grid - 1
	}
	memory := e.memory
	if m.standing == at || k.life != nil {
		memory = l.memories(p.table, m.state)[p.nth*window.MemoryWords:][:window.MemoryWords]
	} else {
		memory[0] = 0
	}
	return min(uint64(n), uint64(l.sketches.Count(m.state[p.table.sketch:], memory, from)))
}
