package features

import "github.com/freshet-dev/freshet/features/aggregate"

// The direct cells of an entity without running state are made of its rows: one
// walk back over all sliding windows, in which they end one after the other, and
// one for each life.

// directFew evaluates the direct cells of a reading from few rows. It reports
// false where something special may have to be said.
func (e *Engine) directFew(r *viewReading, l *entityLog, w, rows []uint64, current bool, t int64, f *frame) bool {
	earlier := rows
	if current {
		earlier = l.plan.upTo(rows, l.plan.len(rows)-1)
	}
	return e.cellsOfFew(&r.direct.before, l, w, earlier, t, f) && e.cellsOfFew(&r.direct.after, l, w, rows, t, f)
}

func (e *Engine) cellsOfFew(d *directCells, l *entityLog, w, rows []uint64, t int64, f *frame) bool {
	n := l.plan.len(rows)
	for i := range d.lives {
		x := &d.lives[i]
		begin, life := l.lifeOfFew(x.cursor.life, rows, t)
		if !e.knowsLife(l, w, x.cursor.life, life, t) {
			return false
		}
		words := e.clearSums(x.sets, x.size)
		e.sumRows(l.plan, x.sums, words, rows, begin, n)
		e.settleFewDirect(x, x.sums, words, t, f)
	}
	if len(d.spans) == 0 {
		return true
	}
	words, begin := e.clearSums(d.sets, d.size), n
	for i := range d.spans {
		x, end := &d.spans[i], begin
		for from := t - x.cursor.length; begin > 0 && l.plan.timeAt(rows, begin-1) > from; {
			begin--
		}
		e.sumRows(l.plan, d.sums, words, rows, begin, end)
		e.settleFewDirect(x, d.sums, words, t, f)
	}
	return true
}

// lifeOfFew is the first of few rows of the life of a chain at t, and when it began; 0:
// there is none, and the row is behind them all.
func (l *entityLog) lifeOfFew(c *chainPlan, rows []uint64, t int64) (begin int, life int64) {
	begin = l.plan.len(rows)
	for i, next := begin-1, t; i >= 0; i-- {
		row := l.plan.row(rows, i)
		if !l.plan.has(row, c.view.entered) {
			continue
		}
		at := l.plan.time(row)
		if next-at >= c.gap {
			break
		}
		begin, life, next = i, at, at
	}
	return begin, life
}

// clearSums are the words of sums over no rows.
func (e *Engine) clearSums(sets, size int) []uint64 {
	for _, s := range e.sets[:sets] {
		s.Reset()
	}
	words := e.summed[:size]
	clear(words)
	return words
}

// sumRows puts rows into sums, the newest one first. A row has the bit of a sum only
// if it entered the view.
func (e *Engine) sumRows(l *logPlan, sums []directSum, words, rows []uint64, from, to int) {
	for at := to - 1; at >= from; at-- {
		row := l.row(rows, at)
		for i := range sums {
			s := &sums[i]
			if !s.certain && row[s.flags]>>s.shift&1 == 0 {
				continue
			}
			switch {
			case s.part <= aggregate.Matches:
				words[s.at]++
			case s.part.Decays():
				s.part.AddDecayed(words[s.at:], l.time(row), row[s.lane], s.half)
			case s.set >= 0:
				e.sets[s.set].Add(row[s.lane])
				words[s.at] = uint64(e.sets[s.set].Len()) // of Counts, until it is summed up
			default:
				s.part.Add(words[s.at:s.at+s.part.Words()], l.seen(&s.op, row), s.number)
			}
		}
	}
}

// settleFewDirect evaluates the cells of a window from sums over its rows.
func (e *Engine) settleFewDirect(k *directWindow, sums []directSum, words []uint64, t int64, f *frame) {
	figures(k.few, words, 0, t, 0, f)
	args := &e.args
	for i := range k.cells {
		x := &k.cells[i]
		args.N = int64(words[sums[x.countSum].at])
		if len(x.parts) > 0 && args.N > 0 {
			s := &sums[x.parts[0].sum]
			if x.agg.TrueWhenEmpty {
				args.Seen = e.sets[s.set].Has(e.current.words[x.inputAt])
			}
			args.A = e.summedUp(s, words)
			if len(x.parts) > 1 {
				args.B = e.summedUp(&sums[x.parts[1].sum], words)
			}
			if len(x.parts) > 2 {
				args.C = e.summedUp(&sums[x.parts[2].sum], words)
			}
		}
		e.settleDirect(x, t, f)
	}
}

// summedUp is the words of a sum. How often its values occur is counted now.
func (e *Engine) summedUp(s *directSum, words []uint64) []uint64 {
	w := words[s.at : s.at+s.part.Words()]
	if s.part == aggregate.Counts {
		e.sets[s.set].Tally(w)
	}
	return w
}
