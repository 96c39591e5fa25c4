package features

import (
	"slices"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// lookup compiles a field that is looked up in a table.
func (c *compiler) lookup(src *spec.Source, f *spec.Field) computedPlan {
	tables := c.plan.spec.Tables
	at := slices.IndexFunc(tables, func(t *spec.Table) bool { return t.Name == f.Table })
	return computedPlan{field: f, table: at, key: fieldNamed(src, f.TableKey).Index,
		column: slices.IndexFunc(tables[at].Columns, func(c spec.TableColumn) bool { return c.Name == f.TableColumn })}
}

// SetTables gives the reader the content of the spec's tables, by Spec.Tables,
// from the next record on. Without it, no lookup has a value. The caller does
// not change the slice afterwards.
func (r *Reader) SetTables(tables []*event.Table) { r.tables = tables }

// lookup is the value of a looked-up field in an event: None where the key has
// no value, where the table has no row of it, and where the cell is empty (S17).
func (r *Reader) lookup(c *computedPlan, ev *event.Event) event.Value {
	r.keys.reset()
	key := r.keys.text(ev.Values[c.key])
	if key == "" {
		return event.Value{}
	}
	if c.table < len(r.tables) {
		if v, found := r.tables[c.table].Find(key, c.column); found {
			return v
		}
	}
	r.unmatched[c.field.Index]++
	return event.Value{}
}
