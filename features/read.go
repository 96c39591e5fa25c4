package features

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/expr"
)

// frame is where a reading puts its values: a vector, or a row.
type frame struct {
	values   []event.Value
	statuses []Status
}

// moment is what a reading sees of an entity: the rows of its log up to some
// place, as of a time.
type moment struct {
	log     *entityLog
	state   []uint64 // nil: the entity is not known
	rows    []uint64 // of the log; nil: none
	end     int      // how many of them are seen
	t       int64
	current bool // the last row that is seen is the event at hand
}

// enrich fills a vector for the event at hand.
func (e *Engine) enrich(sp *sourcePlan, ev *event.Event, out *Vector) {
	c := &e.current
	f := frame{out.Values, out.Statuses}
	for i, key := range c.keys {
		out.Keys[i] = key
	}
	for _, r := range sp.readings {
		if r.entity < 0 || c.keys[r.entity] == "" {
			r.fillAll(f, NoEntity)
			continue
		}
		m := e.momentOf(sp, r, c.keys[r.entity], ev)
		e.read(r, &m, f, ev)
	}
	env := expr.Env{Fields: ev.Values, Features: f.values}
	for i := range sp.derived {
		sp.derived[i].settle(&env, f, Present)
	}
	for i := range sp.models {
		m := &sp.models[i]
		for j, rule := range m.rules {
			out.Fired[i][j], _ = rule.EvalBool(&env)
		}
		out.Scores[i] = event.Value{}
		if m.score != nil {
			if v, ok := m.score.Eval(&env); ok {
				out.Scores[i] = v
			}
		}
	}
}

// momentOf is what the event at hand sees in a view: of its own source what is
// at or before its place, of another all events of its time (S3, S4).
func (e *Engine) momentOf(sp *sourcePlan, r *viewReading, key string, ev *event.Event) moment {
	l := e.logs[r.view.log.index]
	m := moment{log: l, t: ev.Time}
	if r.own {
		at := e.current.places[r.view.log.order]
		m.state, m.end, m.current = at.state, at.end, at.in
		if at.state != nil {
			m.rows = l.rows.All(at.state[atRows:])
		}
		return m
	}
	l.look(&m, key)
	return m
}

// look fills a moment with all that an entity has at its time.
func (l *entityLog) look(m *moment, key string) {
	if slot, ok := l.entities.find(key); ok {
		m.state = l.entities.state(slot)
		m.rows = l.rows.All(m.state[atRows:])
		m.end = l.rows.FirstAfter(m.rows, m.t)
	}
}

// fillAll gives every column of a view no value.
func (r *viewReading) fillAll(f frame, s Status) {
	for _, out := range r.outs {
		f.values[out], f.statuses[out] = event.Value{}, s
	}
}

// read evaluates the columns of one view at a moment. ev is nil without an
// event.
func (e *Engine) read(r *viewReading, m *moment, f frame, ev *event.Event) {
	row := Present
	width := m.log.plan.width
	newest := int64(0)
	if m.state != nil {
		newest = m.log.newestAt(r.view, m.rows[:m.end*width])
	}
	if newest == 0 || m.t-newest >= r.view.ttl {
		row = NotFound
	}
	for i := range r.groups {
		e.readGroup(r, &r.groups[i], m, f, row)
	}
	for _, out := range r.bound {
		f.values[out], f.statuses[out] = event.Value{}, first(row, NeedsEvent)
	}
	if len(r.derived) == 0 {
		return
	}
	env := expr.Env{Features: f.values}
	if ev != nil {
		env.Fields = ev.Values
	}
	for i := range r.derived {
		d := &r.derived[i]
		if d.feature.EventBound && !r.own {
			continue
		}
		d.settle(&env, f, row)
	}
}

// readGroup evaluates the columns of one window: first those that do not see
// the current event, then the others.
func (e *Engine) readGroup(r *viewReading, g *cellGroup, m *moment, f frame, row Status) {
	l := m.log
	k := &l.plan.cursors[g.cursor]
	c := l.cutAt(k, m.rows, m.end, m.t)
	status := first(row, e.warming(k, m, c))
	seesCurrent := m.current && k.delay == 0 && c.from < c.to
	if seesCurrent {
		c.to--
	}
	e.scan(l, k, m.rows, c)
	for i := range g.before {
		e.finish(&g.before[i], m, f, status)
	}
	if seesCurrent {
		e.scanRow(l, k, m.rows[c.to*l.plan.width:m.end*l.plan.width])
	}
	for i := range g.after {
		e.finish(&g.after[i], m, f, status)
	}
}

// warming says whether a window reaches behind what was read of its source.
func (e *Engine) warming(k *cursorPlan, m *moment, c cut) Status {
	cov := &e.sources[m.log.plan.source.source.Index].coverage
	if cov.FromStart {
		return Present
	}
	from := m.t - k.delay - k.length
	if k.life != nil {
		from = m.t - k.life.ttl
		if c.from < m.end {
			from = int64(m.rows[c.from*m.log.plan.width]) - k.life.ttl
		}
	}
	if cov.Since > from {
		return Warming
	}
	return Present
}

// finish turns the parts in e.scratch into one value (S18).
func (e *Engine) finish(x *cellOut, m *moment, f frame, status Status) {
	args := aggregate.Args{
		N:       int64(e.scratch[x.count.at]),
		Number:  x.number,
		Divisor: x.divisor,
		Unit:    x.unit,
	}
	if len(x.parts) > 0 {
		p := x.parts[0]
		args.A = e.scratch[p.at : p.at+p.size()]
		switch p.part {
		case aggregate.Newest:
			args.Since = m.t - int64(args.A[0])
		case aggregate.Distinct:
			if x.agg.TrueWhenEmpty && e.current.values[x.inputAt].Has() {
				args.Seen = e.sets[p.set].Has(e.current.word(x.inputAt))
			}
		}
	}
	if len(x.parts) > 1 {
		p := x.parts[1]
		args.B = e.scratch[p.at : p.at+p.size()]
	}
	v, failed := e.settle(x.cell, &args)
	if failed {
		status = first(status, Error)
	}
	f.values[x.out], f.statuses[x.out] = v.value, first(status, v.status)
}

// settled is a value and whether it came from a default.
type settled struct {
	value  event.Value
	status Status
}

// settle is S18: too few inputs, no inputs, then the formula. failed is a sum
// beyond int64 (S13).
func (e *Engine) settle(x *cell, args *aggregate.Args) (s settled, failed bool) {
	instead := settled{x.defawlt, Default}
	switch {
	case x.agg.TrueWhenEmpty && !e.current.values[x.inputAt].Has():
		return instead, false // nothing to ask about
	case args.N < x.minCount:
		return instead, false
	case args.N == 0 && x.hasDef:
		return instead, false
	case args.N == 0 && x.agg.ZeroWhenEmpty:
		return settled{event.OfDouble(0), Present}, false
	case args.N == 0 && !x.agg.TrueWhenEmpty:
		return instead, false
	}
	r := x.agg.Finish(args)
	switch r.Verdict {
	case aggregate.Figure:
		return settled{event.OfDouble(r.Num), Present}, false
	case aggregate.Truth:
		return settled{event.OfBool(r.Yes), Present}, false
	case aggregate.Word:
		return settled{x.input.value(r.Word, e.texts), Present}, false
	case aggregate.Overflow:
		e.overflows++
		return settled{event.Value{}, Default}, true
	}
	return instead, false
}

// settle evaluates a derived value. Without one it takes its default. It
// inherits the statuses of what it read, all but DEFAULT: a value made of a
// default is a value (docs/decisions).
func (d *derivedOut) settle(env *expr.Env, f frame, status Status) {
	for _, in := range d.inputs {
		if s := f.statuses[in]; s != Default {
			status = first(status, s)
		}
	}
	v, ok := d.program.Eval(env)
	if !ok {
		v, status = d.defawlt, first(status, Default)
	}
	f.values[d.out], f.statuses[d.out] = v, status
}

// first is the status that is shown of two (S19).
func first(a, b Status) Status { return min(a, b) }

// ReadRow is the read of now of one entity's row of a view at t, which is at or
// after its newest event (S6). Keys are as JoinKey makes them. out's slices
// belong to the engine and live until its next call.
func (e *Engine) ReadRow(view *spec.View, key string, t int64, out *Row) {
	v := e.plan.views[view.Index]
	if v == nil || v.row == nil {
		panic("features: a row of a view that has none: " + view.Name)
	}
	e.readRow(v, key, t, out)
}

func (e *Engine) readRow(v *viewPlan, key string, t int64, out *Row) {
	for len(e.values) < v.row.width {
		e.values, e.statuses = append(e.values, event.Value{}), append(e.statuses, 0)
	}
	l := e.logs[v.log.index]
	m := moment{log: l, t: t}
	l.look(&m, key)
	e.read(v.row.reading, &m, frame{e.values, e.statuses}, nil)
	n := len(v.row.layout.Columns)
	*out = Row{Layout: v.row.layout, Key: key, AsOf: t, Values: e.values[:n], Statuses: e.statuses[:n]}
}

// Rows calls f for every row touched since the last call, each once, in an
// order that depends on the events only, and forgets the touches. A row is read
// as of its newest event. The row is reused.
func (e *Engine) Rows(f func(*Row)) {
	for _, l := range e.logs {
		for _, slot := range l.touched {
			w := l.entities.state(slot)
			for _, v := range l.plan.views {
				if w[atTouched]&v.touch == 0 || v.row == nil {
					continue
				}
				e.readRow(v, l.entities.keys[slot], int64(w[v.state+viewNewest]), &e.row)
				f(&e.row)
			}
			w[atTouched] = 0
		}
		l.touched = l.touched[:0]
	}
}

// DropTouches forgets the touches without reading rows (after a silent replay).
func (e *Engine) DropTouches() {
	for _, l := range e.logs {
		for _, slot := range l.touched {
			l.entities.state(slot)[atTouched] = 0
		}
		l.touched = l.touched[:0]
	}
}
