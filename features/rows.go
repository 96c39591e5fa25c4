package features

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// ReadRow is the read of now of one entity's row of a view at t, which is at or
// after its newest event (S6). The view has a row in Plan.Rows; keys are as
// JoinKey makes them. out's slices belong to the engine and live until its next
// call.
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
	e.ofRow = e.ofRow[:0]
	e.lists = &e.ofRow
	m := e.logs[v.log.index].look(e.hash.key(key), t)
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
				e.readRow(v, l.entities.key(slot), l.newest(v, w), &e.row)
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
