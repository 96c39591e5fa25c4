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
	if l.plan.retracts {
		return // a sketch cannot take a value back
	}
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
	return values > uint64(m.log.plan.distinct) && x.by == nil && !m.scans(x.cursor) && m.state[x.parts[0].table.sketch] != 0
}

// partial reports whether not all values of a life that was scanned are known: it
// reaches back to what may have left the log, and since it began more values
// occurred than are kept. Then the window is made anew of what the log surely
// holds: what a table has forgotten, and which rows have really left, depends on
// the order of arrival; neither the status nor the value does.
func (e *Engine) partial(x *cellOut, m *moment, words []uint64) bool {
	c, s, l := x.cursor.life, &e.stretch, m.log
	if c == nil || !m.scans(x.cursor) || m.small || m.state[x.parts[0].table.sketch] == 0 {
		return false
	}
	life, kept := l.lifeSince(c, m.state, s.rows, s.from, s.base), l.surely(m.state)
	if life > kept || !l.crowdedSince(x.parts[0].table, m.state, life) {
		return false
	}
	set := e.sets[x.parts[0].set]
	set.Reset()
	e.args.N = 0
	from := max(s.from, l.rows.FirstAfter(s.rows, kept))
	l.steps += int64(max(0, s.to-from))
	for i := from; i < s.to; i++ {
		row := l.plan.row(s.rows, i)
		if l.plan.has(row, x.cell.count.bit) {
			e.args.N++
		}
		if l.plan.has(row, x.parts[0].bit) {
			set.Add(l.plan.word(row, x.parts[0].lane))
		}
	}
	words[x.parts[0].at] = uint64(set.Len())
	return true
}

// crowdedSince reports whether more values occurred since a time than are kept:
// those of them that are kept are one more.
func (l *entityLog) crowdedSince(x *tablePlan, w []uint64, t int64) bool {
	values := 0
	l.tables.Each(w[x.at:], func(_ uint64, n window.Note) {
		if n.Time() >= t {
			values++
		}
	})
	l.steps += int64(l.tables.Len(w[x.at:]))
	return values > l.plan.distinct
}

// surely is the time behind which an entity's log holds all rows, whenever those
// before it leave.
func (l *entityLog) surely(w []uint64) int64 {
	rows := l.rows.All(w[atRows:])
	newest := l.plan.timeAt(rows, l.plan.len(rows)-1)
	return max(l.foldedAt(w), newest-l.plan.span-l.plan.lateness)
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
