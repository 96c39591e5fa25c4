package features

import (
	"math"

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
	log      *entityLog
	state    []uint64
	rows     []uint64 // what is seen of the log
	t        int64
	place    uint64 // and of the events at t those up to this place
	standing standing
	small    bool  // the entity has no running state
	lost     bool  // it is before events that were folded
	whole    bool  // all parts are in the words at hand
	current  bool  // the last row that is seen is the event at hand
	apart    bool  // the rows are not the log's
	unplaced bool  // some rows of its time may not be seen
	gone     bool  // the view's row does not exist: windows are empty, tiles or not
	shifted  bool  // the parts at hand are the state's, moved back
	ripe     bool  // or those that count values are what is counted of ripe events
	newest   int64 // when the view's newest event was; 0: never
}

// enrich fills a vector for the event at hand, whose statuses are stamped.
func (e *Engine) enrich(sp *sourcePlan, ev *event.Event, out *Vector) {
	c := &e.current
	f := frame{out.Values, out.Statuses}
	copy(out.Keys, c.keys)
	for _, r := range sp.readings {
		if r.even && e.readEven(r, ev.Time, &f) {
			e.derive(r, f, ev, Present)
			continue
		}
		if r.entity < 0 || c.keys[r.entity] == "" {
			r.fillAll(f, NoEntity)
			if r.view != nil {
				e.counts[r.view.view.Index].noEntity++
			}
			continue
		}
		done := e.readOwn(r, &f)
		if done == allDone {
			e.derive(r, f, ev, Present)
			continue
		}
		m := e.momentOf(r, c.hashes[r.entity], ev)
		e.read(r, &m, f, ev, done)
	}
	env := &e.env
	*env = expr.Env{Fields: ev.Values, Features: f.values}
	for i := range sp.derived {
		sp.derived[i].settle(env, f, Present)
	}
	for i := range sp.models {
		m := &sp.models[i]
		for j, rule := range m.rules {
			out.Fired[i][j], _ = rule.EvalBool(env)
		}
		out.Scores[i] = event.Value{}
		if m.score != nil {
			if v, ok := m.score.Eval(env); ok {
				out.Scores[i] = v
			}
		}
	}
}

// momentOf is what the event at hand sees in a view: of its own source what is
// at or before its place, of another all events of its time (S3, S4).
func (e *Engine) momentOf(r *viewReading, key hash128, ev *event.Event) moment {
	l := e.logs[r.view.log.index]
	if !r.own {
		return l.look(key, ev.Time)
	}
	p := &e.current.places[r.view.log.order]
	m := moment{log: l, t: ev.Time, place: e.current.place, state: p.state, standing: p.standing}
	if p.state == nil {
		m.state = l.unknown(key)
	} else {
		m.state, m.small = l.facing(p.state)
	}
	if p.lost {
		m.lost = true
		return m
	}
	if p.instead {
		m.rows, m.current, m.apart, m.unplaced = p.rows, p.in, p.made, p.unplaced
		return m
	}
	if p.state == nil {
		return m
	}
	m.rows = l.rows.All(p.state[atRows:])
	m.current = p.in
	if p.standing == at {
		return m
	}
	end := p.index
	if p.in {
		end++
	}
	m.rows = l.plan.upTo(m.rows, end)
	return m
}

// look is what an entity has at t, all events of that time among it.
func (l *entityLog) look(key hash128, t int64) moment {
	if k := l.entities.find(key); k.state != nil {
		return l.lookAt(k.state, t)
	}
	return moment{log: l, t: t, place: math.MaxUint64, standing: at, state: l.unknown(key)}
}

// lookAt is what an entity has at t that has a state.
func (l *entityLog) lookAt(w []uint64, t int64) moment {
	m := moment{log: l, t: t, place: math.MaxUint64, standing: at}
	m.state, m.small = l.facing(w)
	m.rows = l.rows.All(m.state[atRows:])
	switch now := int64(m.state[atNow]); {
	case m.small:
		m.standing = behind
		m.rows = l.plan.upTo(m.rows, l.rows.FirstAfter(m.rows, t))
	case t > now:
		m.standing = forward
	case t < now:
		m.standing = behind
		m.rows = l.plan.upTo(m.rows, l.rows.FirstAfter(m.rows, t))
		m.lost = t < l.foldedAt(m.state)
	}
	return m
}

// readBefore evaluates what does not see the current event, before it is put
// into the log: the running state is then just what such columns see.
func (e *Engine) readBefore(sp *sourcePlan, l *entityLog, p *placed, ev *event.Event, out *Vector) {
	f := frame{out.Values, out.Statuses}
	m := moment{log: l, t: ev.Time, state: p.state, standing: at}
	if m.state == nil {
		m.state = l.unknown(e.current.hashes[sp.entity[l.plan.order]])
	}
	m.rows = l.rows.All(m.state[atRows:])
	for _, r := range sp.readings {
		if !r.own || r.view == nil || r.view.log != l.plan {
			continue
		}
		if r.direct.bound && e.readDirectBefore(r, l, m.state, m.t, &f) {
			continue
		}
		m.gone = l.foldedAt(m.state) != 0 && p.views&r.view.touch == 0 && e.found(r.view, &m) == NotFound
		for i := range r.groups {
			if g := &r.groups[i]; !m.scans(g.cursor) && !g.cursor.by {
				if g.cursor.walks {
					e.stretch = m.running(g.cursor, m.life(g.cursor))
				}
				words := m.state
				if g.cursor.isSpan() {
					words = e.lift(l, g.cursor, m.state)
				}
				e.finishAll(g.before, g.cursor, &m, words, f, Present)
			}
		}
	}
}

// scans reports whether the parts of a window are made of its rows.
func (m *moment) scans(k *cursorPlan) bool {
	return k.scanned || m.standing == behind || k.points && (m.isDue(k) || m.folded(k))
}

// fillAll gives every column of a view no value.
func (r *viewReading) fillAll(f frame, s Status) {
	for _, out := range r.outs {
		f.values[out], f.statuses[out] = event.Value{}, s
	}
}

// read evaluates what is left of the columns of one view at a moment. ev is nil
// without an event.
func (e *Engine) read(r *viewReading, m *moment, f frame, ev *event.Event, is done) {
	e.stand(m)
	row := e.found(r.view, m)
	if is == nothingDone && row == Present {
		is = e.readThere(r, m, &f)
	}
	groups := [...][]cellGroup{r.groups, r.rest, r.others, nil}[is]
	for i := range groups {
		e.readGroup(r.view, &groups[i], m, f, row)
	}
	for _, out := range r.bound {
		f.values[out], f.statuses[out] = event.Value{}, first(row, NeedsEvent)
	}
	e.fall(m)
	e.derive(r, f, ev, row)
}

// derive evaluates the derived columns of one view.
func (e *Engine) derive(r *viewReading, f frame, ev *event.Event, row Status) {
	if len(r.derived) == 0 {
		return
	}
	env := &e.env
	*env = expr.Env{Features: f.values}
	if ev != nil {
		env.Fields = ev.Values
	}
	for i := range r.derived {
		r.derived[i].settle(env, f, row)
	}
}

// found says whether the view's row exists: its newest event is younger than
// ttl. Of what has left the log, or of an entity that was forgotten, that is
// not known for times before it left.
func (e *Engine) found(v *viewPlan, m *moment) Status {
	switch {
	case m.standing != behind:
		m.newest = int64(m.state[v.state+viewNewest])
	case m.lost, m.t <= int64(m.state[atDropped]):
		return Incomplete
	default:
		m.newest = m.log.newestAt(v, m.state, m.rows)
	}
	if m.unplaced {
		return Incomplete
	}
	if m.newest != 0 && m.t-m.newest < v.ttl {
		return Present
	}
	if born, why := bornAt(m.state); born != 0 && m.t-v.ttl < born {
		return why
	}
	m.gone = true
	return NotFound
}

// readGroup evaluates the columns of one window.
func (e *Engine) readGroup(v *viewPlan, g *cellGroup, m *moment, f frame, row Status) {
	k, l := g.cursor, m.log
	m.shifted, m.ripe = false, false
	if k.by {
		e.readBy(g, m, f, row)
		return
	}
	if k.last > 0 {
		e.readLast(g, m, f, row)
		return
	}
	words := e.scratch
	var life int64 // the life's first event
	switch {
	case m.scans(k):
		life = e.scanGroup(g, m, f)
	case k.life != nil:
		words = m.state
		if life = int64(m.state[k.life.state+chainLife]); m.t-m.newest >= k.life.gap {
			words, life = l.nobody, 0
		}
	case m.isDue(k):
		e.carry(l, k, m)
	default:
		words = e.lift(l, k, m.state)
	}
	if len(g.after) > 0 && k.walks && !m.scans(k) {
		e.stretch = m.running(k, life)
	}
	complete := m.complete(k, life)
	switch complete {
	case Incomplete:
		e.counts[v.view.Index].incomplete += int64(len(g.before) + len(g.after))
	case Degraded:
		e.counts[v.view.Index].degraded += int64(len(g.before) + len(g.after))
	}
	status := first(row, first(e.warming(k, m, life), complete))
	for i := range g.before {
		out := g.before[i].out
		f.statuses[out] = first(status, f.statuses[out])
	}
	e.finishAll(g.after, k, m, words, f, status)
}

// scanGroup makes the parts of a window in e.scratch by a scan, and evaluates
// on the way the columns that do not see the current event. It returns when the
// life that was scanned began.
func (e *Engine) scanGroup(g *cellGroup, m *moment, f frame) int64 {
	k, l := g.cursor, m.log
	if s, life, ok := l.lifeShiftOf(k, m); ok {
		e.shiftGroup(g, m, &s, m.current, f)
		return life
	}
	c, life := l.cutAt(k, m, m.rows)
	seesCurrent := m.current && k.delay == 0 && c.from < c.to
	if s, ok := l.shiftOf(k, m, c); ok {
		e.shiftGroup(g, m, &s, seesCurrent, f)
		return 0
	}
	if m.ripe = l.ripe(k, m, c, life); m.ripe {
		e.readRipe(g, m, c, f)
		return life
	}
	if seesCurrent {
		c.to--
	}
	e.scan(l, k, m.state, m.rows, c)
	e.finishAll(g.before, k, m, e.scratch, f, Present)
	if seesCurrent {
		e.scanRow(l, k.parts, l.plan.row(m.rows, c.to))
		e.tally(l.plan, k)
		e.stretch.to++
	}
	return life
}

// complete says whether the log still holds all of a window. Of a life, what
// has left the log is in the base, but the base cannot be read as of a time
// before that; and an entity that was forgotten or evicted and came again has no
// base.
func (m *moment) complete(k *cursorPlan, life int64) Status {
	dropped := int64(m.state[atDropped])
	born, why := bornAt(m.state)
	if k.life == nil {
		from := m.t - k.delay - k.length // may be before 1970
		switch {
		case dropped != 0 && from < dropped:
			return Incomplete
		case m.folded(k):
			return Degraded
		case born != 0 && from < born:
			return why
		}
		return Present
	}
	if dropped = m.log.left(m.state); dropped == 0 && born == 0 {
		return Present // nothing was
	}
	if life == 0 {
		life = m.t
	}
	switch {
	case m.log.outgrown(k.life, m.state, life):
		return Incomplete
	case dropped != 0 && (m.t-k.delay < dropped || m.standing == behind && m.t <= dropped || k.life.lacks(m.state, life)):
		return Incomplete
	case born != 0 && life-k.life.gap < born:
		return why
	}
	return Present
}

// warming says whether a window reaches behind what was read of its source, or
// behind a hole in it. A
// life is known once ttl before its first event was.
func (e *Engine) warming(k *cursorPlan, m *moment, life int64) Status {
	cov := e.coverageOf(m.log)
	from := m.t - k.delay - k.length
	if k.life != nil {
		if from = m.t; life != 0 {
			from = life
		}
		from -= k.life.gap
	}
	return cov.status(from)
}

// finish turns the parts in words into one value (S18).
func (e *Engine) finish(x *cellOut, m *moment, words []uint64, f frame, status Status) {
	if x.plain != notPlain && x.finishPlain(words, f, status) {
		return
	}
	args := &e.args
	args.N, args.Seen = int64(words[x.count]), false
	args.Number, args.Divisor, args.Unit = x.number, x.divisor, x.unit
	args.Limit = x.limit
	args.Delay, args.Per, args.Length = x.cursor.delay, x.per, x.length
	if x.agg.Own {
		args.Own, args.HasOwn = e.current.words[x.inputAt], e.current.values[x.inputAt].Has()
	}
	if len(x.parts) > 0 && args.N > 0 {
		args.A = e.part(x, x.parts[0], m, words)
		switch x.parts[0].part {
		case aggregate.Newest, aggregate.Oldest, aggregate.DecayedOnes, aggregate.DecayedInts, aggregate.DecayedDoubles:
			args.Since = m.t - int64(args.A[0])
		case aggregate.Distinct:
			partial := e.partial(x, m, words)
			if partial {
				status = first(status, Incomplete)
			}
			args.Seen = x.agg.TrueWhenEmpty && e.seen(x, m, partial)
			if x.crowded(m, args.A[0]) {
				e.about[0], status = e.estimate(x, m, args.N), first(status, Degraded)
				args.A = e.about[:]
			}
		}
		if len(x.parts) > 1 {
			args.B = e.part(x, x.parts[1], m, words)
		}
		if len(x.parts) > 2 {
			args.C = e.part(x, x.parts[2], m, words)
		}
	}
	v, own := e.settle(x.cell, args)
	f.values[x.out], f.statuses[x.out] = v, first(status, own)
}

// finishPlain is finish for the formulas that most features are. It reports
// false where there is more to say than the formula.
func (x *cellOut) finishPlain(words []uint64, f frame, status Status) bool {
	n := int64(words[x.count])
	if n < x.least {
		return false
	}
	var v float64
	switch x.plain {
	case plainCount:
		v = float64(n)
	case plainSum:
		sum, ok := aggregate.SumOfInts(words[x.a : x.a+2])
		if !ok {
			return false
		}
		v = aggregate.Major(sum, x.divisor)
	case plainMean:
		sum, ok := aggregate.SumOfInts(words[x.a : x.a+2])
		if !ok {
			return false
		}
		v = float64(sum) / (float64(n) * float64(x.divisor))
	case plainRatio:
		v = float64(words[x.a]) / float64(n)
	case plainDev:
		v = aggregate.DeviationOfInts(n, words[x.a:x.a+2], words[x.b:x.b+3], x.divisor)
	}
	f.values[x.out], f.statuses[x.out] = event.OfDouble(v), status
	return true
}

// settle is S18: too few inputs, no inputs, then the formula. The status is the
// value's own: DEFAULT, ERROR (a sum beyond int64, S13) or PRESENT.
func (e *Engine) settle(x *cell, args *aggregate.Args) (event.Value, Status) {
	switch {
	case x.agg.TrueWhenEmpty && !e.current.values[x.inputAt].Has():
		return x.defawlt, Default // nothing to ask about
	case args.N < x.minCount:
		return x.defawlt, Default
	case args.N == 0 && x.hasDef && !x.agg.TrueWhenEmpty:
		return x.defawlt, Default
	case args.N == 0 && x.agg.ZeroWhenEmpty:
		return event.OfDouble(0), Present
	case args.N == 0 && !x.agg.TrueWhenEmpty:
		return x.defawlt, Default
	}
	return e.result(x, x.agg.Finish(args))
}

// result is what a formula says as a value, with its own status.
func (e *Engine) result(x *cell, r aggregate.Result) (event.Value, Status) {
	switch r.Verdict {
	case aggregate.Figure:
		return event.OfDouble(r.Num), Present
	case aggregate.Truth:
		return event.OfBool(r.Yes), Present
	case aggregate.Word:
		return x.input.value(r.Word, e.texts), Present
	case aggregate.Items:
		return e.list(x, r.Items), Present
	case aggregate.Overflow:
		e.counts[x.feature.View.Index].overflows++
		return event.Value{}, Error
	}
	return x.defawlt, Default
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
