package features

import (
	"slices"

	"github.com/freshet-dev/freshet/config/spec"
)

// Read fills out with the read of now of one entity in a view at t, which is at
// or after its newest event (S6): every feature of Plan.Reads, those that need an
// event as NEEDS_EVENT. Nothing changes by it. Keys are as JoinKey makes them.
// The slices of out are used again where they are large enough; lists and maps in
// them live until the engine's next call.
func (e *Engine) Read(view *spec.View, key string, t int64, out *Row) {
	v := e.plan.views[view.Index]
	if v == nil || v.read == nil {
		panic("features: a read of a view that is not computed: " + view.Name)
	}
	counts := slices.Clone(e.counts) // they are of what was applied
	n := v.read.width
	out.Values, out.Statuses = slices.Grow(out.Values[:0], n)[:n], slices.Grow(out.Statuses[:0], n)[:n]
	m := e.logs[v.log.index].look(e.hash.key(key), t)
	e.readRow(v.read, &m, key, out)
	copy(e.counts, counts)
}

// readRow fills a row, whose slices have room for the plan's width.
func (e *Engine) readRow(p *rowPlan, m *moment, key string, out *Row) {
	e.ofRow.reset()
	e.lists = &e.ofRow
	f := frame{out.Values[:p.width], out.Statuses[:p.width]}
	stamp(f.statuses)
	e.read(p.reading, m, f, nil, nothingDone)
	p.give(key, m.t, out)
}

// give makes a row of what was read into its slices.
func (p *rowPlan) give(key string, t int64, out *Row) {
	n := len(p.layout.Columns)
	*out = Row{Layout: p.layout, Key: key, AsOf: t, Values: out.Values[:n], Statuses: out.Statuses[:n]}
}

// readStored fills a row as the store is to have it.
func (e *Engine) readStored(l *entityLog, p *rowPlan, n slot, out *Row) {
	w, key := l.entities.state(n), l.entities.key(n)
	e.ofRow.reset()
	e.lists = &e.ofRow
	f := frame{out.Values[:p.width], out.Statuses[:p.width]}
	stamp(f.statuses)
	if t, is := e.readNewest(p.reading, l, w, &f); is == allDone {
		e.derive(p.reading, f, nil, Present)
		p.give(key, t, out)
		return
	}
	t := l.asOf(p.reading.view, w)
	if e.again {
		t = l.answerable(p.reading, w, t)
	}
	m := l.lookAt(w, t)
	e.readRow(p, &m, key, out)
}

// answerable is the time that a row is read as of which was due at t. A row that
// is written again may be due before what the log still holds, where a filter
// refuses all events since: it is read as of the newest event of its entity,
// within its life.
func (l *entityLog) answerable(r *viewReading, w []uint64, t int64) int64 {
	if len(w) <= atFirst || t-min(r.reach, l.plan.span) >= int64(w[atDropped]) {
		return t
	}
	now := int64(w[atNow])
	if ttl := r.view.ttl; ttl > 0 {
		now = min(now, l.newest(r.view, w)+ttl-1)
	}
	return max(t, now)
}

// Rows calls f for every row touched since the last call, each once, in an
// order that depends on the events only, and forgets the touches. A row is read
// as of its newest event, or of a later one that took an event back from it; one
// that TouchMore asks for and whose past has left the log, as of a later one of
// its entity. The row is reused.
func (e *Engine) Rows(f func(*Row)) {
	for _, l := range e.logs {
		for _, slot := range l.touched {
			w := l.entities.state(slot)
			for _, v := range l.plan.views {
				if w[atTouched]&v.touch == 0 || v.row == nil {
					continue
				}
				e.row.Values, e.row.Statuses = e.values[:v.row.width], e.statuses[:v.row.width]
				e.readStored(l, v.row, slot, &e.row)
				f(&e.row)
			}
			w[atTouched] = 0
		}
		l.touched = l.touched[:0]
		l.freeLeaving(e)
	}
	e.again = false
}

// DropTouches forgets the touches without reading rows (after a silent replay).
func (e *Engine) DropTouches() {
	for _, l := range e.logs {
		for _, slot := range l.touched {
			l.entities.state(slot)[atTouched] = 0
		}
		l.touched = l.touched[:0]
		l.freeLeaving(e)
	}
	e.again = false
}
