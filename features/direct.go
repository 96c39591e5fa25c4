package features

import (
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
)

// Of the cells that are not plain, most are of sliding windows that end now and
// of lives, and their parts are at hand: words of the state, the top of a stack,
// or a few rows. Where nothing special is to be said of any of them, they are
// read one after the other, without asking of each window how it stands to the
// state. Everything else is left to readGroup.

// directReading is those cells of a reading: what is read without the current
// event, and what is read with it.
type directReading struct {
	before, after directCells
	bound         bool  // all that is read without the current event is in before
	longest       int64 // ms, of the sliding windows
}

// directCells are cells by window.
type directCells struct {
	figures []figure // of all sliding windows
	spans   []directWindow
	lives   []directWindow
}

// directWindow is the cells of one window that are no figures, and the figures of
// a life.
type directWindow struct {
	cursor  *cursorPlan
	figures []figure
	cells   []directCell
}

// directCell is a cell and where its parts are.
type directCell struct {
	*cellOut
	countAt int // offset in the state of how many events reach it; -1: every row does
	parts   []directPart
}

// directPart is a part of a cell.
type directPart struct {
	*partPlan
	from directSource
	size int // words
}

// directSource is where the words of a part are that has a running state.
type directSource uint8

const (
	fromState directSource = iota
	fromLift               // the state has them in another form
	fromStack
	fromNewest
	fromTail // the first row of the window that has the bit
)

// liftedWords is the most that a part has whose words have to be made.
const liftedWords = 3

// layDirect finds the cells of a reading that can be read so, and what is left.
func (r *viewReading) layDirect() {
	r.direct, r.others = directReading{bound: true}, nil
	for i := range r.rest {
		g := &r.rest[i]
		if !g.isDirect() {
			r.others = append(r.others, *g)
			r.direct.bound = r.direct.bound && len(g.before) == 0
			continue
		}
		if g.cursor.life == nil {
			r.direct.longest = max(r.direct.longest, g.cursor.length)
		}
		r.direct.before.add(r.view.log, g.cursor, g.before)
		r.direct.after.add(r.view.log, g.cursor, g.after)
	}
}

// isDirect reports whether all cells of a window can be read so.
func (g *cellGroup) isDirect() bool {
	k := g.cursor
	if !k.isSpan() && (k.life == nil || k.scanned || k.delay > 0) {
		return false
	}
	for _, cells := range [...][]cellOut{g.before, g.after} {
		for i := range cells {
			if slices.ContainsFunc(cells[i].parts, func(p *partPlan) bool { return !p.isDirect() }) {
				return false
			}
		}
	}
	return true
}

// isDirect reports whether a part is at hand: those that are not are looked for.
func (p *partPlan) isDirect() bool {
	return !p.part.Walks() && p.part != aggregate.Mode && p.part != aggregate.Buckets && p.part != aggregate.Best
}

// add adds the cells of a window, as figures where they are.
func (d *directCells) add(l *logPlan, k *cursorPlan, cells []cellOut) {
	if len(cells) == 0 {
		return
	}
	x := directWindow{cursor: k}
	for i := range cells {
		count := cells[i].cell.count
		c := directCell{cellOut: &cells[i], countAt: count.run}
		if count.implied {
			c.countAt = -1
		}
		for _, p := range c.cellOut.parts {
			c.parts = append(c.parts, l.directPart(k, p))
		}
		if y, ok := c.asFigure(k); ok {
			x.figures = append(x.figures, y)
		} else {
			x.cells = append(x.cells, c)
		}
	}
	if k.life != nil {
		d.lives = append(d.lives, x)
		return
	}
	d.figures, x.figures = append(d.figures, x.figures...), nil
	if len(x.cells) > 0 {
		d.spans = append(d.spans, x)
	}
}

// any reports whether there are such cells.
func (d *directCells) any() bool { return len(d.figures)+len(d.spans)+len(d.lives) > 0 }

// directPart says where a part is in the state.
func (l *logPlan) directPart(k *cursorPlan, p *partPlan) directPart {
	x := directPart{partPlan: p, size: p.size()}
	switch {
	case p.narrow, p.implied:
		x.from = fromLift
	case p.runs(k):
	case p.newest != nil:
		x.from = fromNewest
	case p.part == aggregate.Oldest:
		x.from = fromTail
	default:
		x.from = fromStack
	}
	return x
}

// lifeNow is when the life of a chain began that it is in at t, at or after the
// time of the state; 0: it is in none.
func (l *entityLog) lifeNow(c *chainPlan, w []uint64, t int64) int64 {
	if t-int64(w[c.view.state+viewNewest]) >= c.gap {
		return 0
	}
	return int64(w[c.state+chainLife])
}

// knowsLife reports whether all is known of the life of a chain at t, at or after
// the newest event of an entity, which began at life (0: there is none).
func (e *Engine) knowsLife(l *entityLog, w []uint64, c *chainPlan, life, t int64) bool {
	left := int64(w[atDropped])
	if len(w) > atFirst {
		left = l.left(w)
	}
	if left != 0 && t <= left {
		return false
	}
	if life == 0 {
		life = t
	}
	if len(w) > atFirst && (left != 0 && c.lacks(w, life) || l.outgrown(c, w, life)) {
		return false
	}
	born, _ := bornAt(w)
	return (born == 0 || life-c.gap >= born) && e.coverageOf(l).reaches(life-c.gap)
}

// directState evaluates the cells of a reading that see all events from the
// running state of an entity, as of t, when no row leaves a sliding window.
func (e *Engine) directState(r *viewReading, l *entityLog, w []uint64, t int64, f *frame) bool {
	for i := range r.direct.before.lives {
		c := r.direct.before.lives[i].cursor.life
		if !e.knowsLife(l, w, c, l.lifeNow(c, w, t), t) {
			return false
		}
	}
	d := &r.direct.after
	for i := range d.lives {
		x := &d.lives[i]
		life := l.lifeNow(x.cursor.life, w, t)
		if !e.knowsLife(l, w, x.cursor.life, life, t) || !e.directLife(x, l, w, t, life, f) {
			return false
		}
	}
	return e.directSpans(d, l, w, t, f)
}

// directSpans evaluates the cells of sliding windows at the time of the state.
func (e *Engine) directSpans(d *directCells, l *entityLog, w []uint64, t int64, f *frame) bool {
	rows := int64(l.rows.Len(w[atRows:]))
	if !figures(d.figures, w, rows, t, l.plan.distinct, f) {
		return false
	}
	for i := range d.spans {
		x := &d.spans[i]
		if !e.directWindow(x, l, w, rows, t, t-x.cursor.length+1, f) {
			return false
		}
	}
	return true
}

// directLife evaluates the cells of a life that began at some time; 0: there is
// none.
func (e *Engine) directLife(k *directWindow, l *entityLog, w []uint64, t, life int64, f *frame) bool {
	if life == 0 {
		without(k.figures, f)
	} else if !figures(k.figures, w, 0, t, l.plan.distinct, f) {
		return false
	}
	return e.directWindow(k, l, w, 0, t, life, f)
}

// directWindow evaluates the cells of one window that are no figures, of a log of
// so many rows. It begins at a time; 0: it is a life that is over.
func (e *Engine) directWindow(k *directWindow, l *entityLog, w []uint64, rows, t, from int64, f *frame) bool {
	args := &e.args
	for i := range k.cells {
		x := &k.cells[i]
		switch args.N = 0; {
		case from == 0 && k.cursor.life != nil:
		case x.countAt < 0:
			args.N = rows - int64(w[k.cursor.at]&tailMask)
		default:
			args.N = int64(w[x.countAt])
		}
		if len(x.parts) > 0 && args.N > 0 {
			p := &x.parts[0]
			args.A = e.directWords(p, k.cursor, l, w, t, 0)
			if p.part == aggregate.Distinct && !e.countDirect(x, l, w, from) {
				return false
			}
			if len(x.parts) > 1 {
				args.B = e.directWords(&x.parts[1], k.cursor, l, w, t, 1)
			}
			if len(x.parts) > 2 {
				args.C = e.directWords(&x.parts[2], k.cursor, l, w, t, 2)
			}
		}
		e.settleDirect(x.cellOut, t, f)
	}
	return true
}

// countDirect finds out what else a cell asks of the values of a window. It
// reports false where there are too many.
func (e *Engine) countDirect(x *directCell, l *entityLog, w []uint64, from int64) bool {
	args, table := &e.args, x.parts[0].table
	if w[table.sketch] != 0 && args.A[0] > uint64(l.plan.distinct) {
		return false
	}
	args.Seen = false
	if x.agg.TrueWhenEmpty {
		n := l.tables.Get(w[table.at:], e.current.words[x.inputAt])
		args.Seen = n != 0 && n.Time() >= from
	}
	return true
}

// settleDirect evaluates a cell, whose number of events and parts are in e.args,
// of a window that nothing special is to be said of.
func (e *Engine) settleDirect(x *cellOut, t int64, f *frame) {
	args := &e.args
	args.Number, args.Divisor, args.Unit, args.Delay = x.number, x.divisor, x.unit, 0
	args.Per, args.Length = x.per, x.length
	if x.agg.Own {
		args.Own, args.HasOwn = e.current.words[x.inputAt], e.current.values[x.inputAt].Has()
	}
	if args.N < x.least || x.agg.TrueWhenEmpty {
		args.Seen = args.Seen && args.N > 0
		f.values[x.out], f.statuses[x.out] = e.settle(x.cell, args)
		return
	}
	if len(x.parts) > 0 {
		args.Since = t - int64(args.A[0]) // of parts that begin with a time
	}
	if r := x.agg.Finish(args); r.Verdict == aggregate.Figure {
		event.SetDouble(&f.values[x.out], r.Num)
		f.statuses[x.out] = Present
	} else {
		f.values[x.out], f.statuses[x.out] = e.result(x.cell, r)
	}
}

// directWords are the words of a part of a window with a running state. Those
// that have to be made are in the nth place of e.lifted.
func (e *Engine) directWords(p *directPart, k *cursorPlan, l *entityLog, w []uint64, t int64, nth int) []uint64 {
	switch p.from {
	case fromState:
		return w[p.run : p.run+p.size]
	case fromNewest:
		return w[p.newest.at : p.newest.at+p.size]
	}
	to := &e.lifted[nth]
	switch p.from {
	case fromStack:
		if l.takenAt(w) > t-k.length {
			copy(to[:], e.ownExtreme(l, k, p.partPlan, w, t))
			return to[:p.size]
		}
		code, ok := l.stacks.Best(w[p.stack.at:], t-k.length)
		if !ok {
			panic("features: a window has events and no extreme")
		}
		to[0], to[1] = 1, code
	case fromLift:
		l.lift(k, p.partPlan, w, to[:p.size])
	default:
		rows := l.rows.All(w[atRows:])
		l.steps++
		row := l.plan.row(rows, l.firstWith(p.partPlan, w, rows, k.tail(w)))
		to[0], to[1], to[2] = uint64(l.plan.time(row)), l.plan.place(row), 0
		if p.lane >= 0 {
			to[2] = l.plan.word(row, p.lane)
		}
	}
	return to[:p.size]
}

// readDirectBefore evaluates what does not see the current event, before it is
// put into the log. Its statuses are found when the rest is read.
func (e *Engine) readDirectBefore(r *viewReading, l *entityLog, w []uint64, t int64, f *frame) bool {
	folded := l.foldedAt(w)
	if folded != 0 && t-r.direct.longest < folded {
		return false
	}
	d := &r.direct.before
	for i := range d.lives {
		x := &d.lives[i]
		life := int64(w[x.cursor.life.state+chainLife])
		if !e.directLife(x, l, w, t, life, f) {
			return false
		}
	}
	return e.directSpans(d, l, w, t, f)
}
