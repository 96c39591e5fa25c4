package spectest

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// maxNamed is how many events a line of an explanation names.
const maxNamed = 8

// why says which events made a feature what it is, and why others of the same
// entity did not count. It decides that by the rules alone, with the reference
// evaluator of expressions, so that a bug of the engine shows as a difference.
func (c *check) why(f *spec.Feature) []string {
	if f.Expr != nil {
		lines := []string{c.formula(f.Expr)}
		for _, name := range f.Expr.Names {
			if name.Feature != nil && name.Feature.Def != nil {
				for _, line := range c.why(name.Feature) {
					lines = append(lines, name.Text+" "+line)
				}
			}
		}
		return lines
	}
	w := c.windowOf(f)
	var counted, not []string
	for _, rec := range c.play.records {
		if rec.given.Source != f.View.Source || c.play.keyOf(rec, f.View.Entity) != c.key(f.View.Entity) {
			continue
		}
		label := rec.name(c.play)
		if reason := c.excluded(f, w, rec); reason != "" {
			not = append(not, label+" "+reason)
			continue
		}
		if said := hitOf(f.Def); said != nil && !holdsFor(said, rec) {
			label += " no match"
		}
		counted = append(counted, label)
	}
	line := w.text + ": " + few(counted)
	if len(not) > 0 {
		line += "      not counted: " + few(not)
	}
	return []string{line}
}

// hitOf is what tells the events of a feature apart that all count: a
// numerator, or the filter of a streak; nil: nothing does.
func hitOf(d *spec.Definition) *spec.Expr {
	if agg, _ := spec.AggregationOf(d.Aggregation); agg.Filter {
		return d.Filter
	}
	return d.Numerator
}

// key is the entity's key that a feature is read for.
func (c *check) key(entity *spec.Entity) string {
	if c.current != nil {
		return c.play.keyOf(c.current, entity)
	}
	return features.JoinKey(c.expect.Key)
}

// window is the part of event time that a feature looks at.
type window struct {
	after, until int64 // (after, until], ms
	bounded      bool  // after means something
	text         string
}

func (c *check) windowOf(f *spec.Feature) window {
	t := c.play.at(c.expect.At)
	if c.current != nil {
		t = c.current.time
	}
	w := window{until: t - f.Def.Delay.Milliseconds()}
	switch f.Window.Kind {
	case spec.Sliding:
		w.bounded = true
		w.after = w.until - f.Window.Length.Milliseconds()
		w.text = "in window (" + clock(w.after, w.until) + ", " + clock(w.until, w.after) + "]"
	case spec.Last:
		w.text = "of the last " + f.Window.Text + " events"
	case spec.Session:
		w.text = "in the session (gap " + f.Window.Text + ")"
	case spec.HalfLife:
		w.text = "weighed with half-life " + f.Window.Text
	default:
		w.text = "in this life (ttl " + offset(f.View.TTL) + ")"
	}
	return w
}

// excluded says why a record does not count for a feature; "" if it does.
func (c *check) excluded(f *spec.Feature, w window, rec *record) string {
	agg, _ := spec.AggregationOf(f.Def.Aggregation)
	switch {
	case rec.refused == event.Filtered:
		return "filtered: " + text(f.View.Source.Filter)
	case rec.refused != event.Accepted:
		return rec.why()
	case c.current != nil && rec.offset > c.current.offset:
		return "arrived later"
	case c.current == nil && rec.arrives > c.expect.At:
		return "not arrived yet (arrives " + offset(rec.arrives) + ")"
	case f.View.Filter != nil && !holdsFor(f.View.Filter, rec):
		return "filtered: " + f.View.Filter.Text
	case rec.time > w.until:
		return "later than the window's end"
	case w.bounded && rec.time == w.after:
		return "outside window (at its open edge)"
	case w.bounded && rec.time < w.after:
		return "outside window (by " + span(w.after-rec.time) + ")"
	case c.current != nil && rec.time == c.current.time && rec.offset > c.current.offset:
		return "behind this event in order"
	case rec == c.current && (f.Def.ExcludeCurrent || agg.PastOnly) && f.Def.Delay == 0:
		return "is the current event"
	case f.Def.Filter != nil && !agg.Filter && !holdsFor(f.Def.Filter, rec): // streak's takes nothing away
		return "filtered: " + f.Def.Filter.Text
	case f.Def.Field != nil && !rec.values[f.Def.Field.Index].Has():
		return "has no " + f.Def.Field.Name
	case f.Def.OrderBy != nil && !rec.values[f.Def.OrderBy.Index].Has():
		return "has no " + f.Def.OrderBy.Name
	}
	return ""
}

func text(e *spec.Expr) string {
	if e == nil {
		return ""
	}
	return e.Text
}

// holdsFor evaluates a condition over a record's fields by the reference.
func holdsFor(e *spec.Expr, rec *record) bool {
	value, ok := e.Interpret(func(name spec.Name) (any, bool) {
		if name.Field == nil || name.Field.Index >= len(rec.values) {
			return nil, false
		}
		return native(rec.values[name.Field.Index], name.Field.Scale)
	})
	truth, isBool := value.(bool)
	return ok && isBool && truth
}

// formula is an expression with the values that its names had.
func (c *check) formula(e *spec.Expr) string {
	line := "= " + e.Text
	var values []string
	for _, name := range e.Names {
		values = append(values, name.Text+" = "+c.nameValue(name))
	}
	if len(values) > 0 {
		line += "   with " + strings.Join(values, ", ")
	}
	return line
}

func (c *check) nameValue(name spec.Name) string {
	switch name.Scope {
	case spec.FeatureScope:
		got, mistake := c.value(name.Feature, nil, nil, spec.Position{})
		if mistake != nil {
			return "?"
		}
		return valueText(got.value, got.scale)
	case spec.EventScope, spec.FieldScope:
		if c.current != nil && name.Field != nil && name.Field.Index < len(c.current.values) {
			return valueText(c.current.values[name.Field.Index], name.Field.Scale)
		}
	case spec.RequestScope:
		if c.current != nil {
			for _, f := range c.current.given.Source.Fields {
				if f.Name == name.Request {
					return valueText(c.current.values[f.Index], f.Scale)
				}
			}
		}
	}
	return "null"
}

// whyReasons puts the numbers into the rules that should have fired and did
// not, or the other way round.
func (c *check) whyReasons(m *spec.Model, want, got []string) []string {
	var lines []string
	for _, rule := range m.Rules {
		if has(want, rule.Code) != has(got, rule.Code) {
			lines = append(lines, rule.Code+" "+c.formula(rule.When))
		}
	}
	return lines
}

// whyScore shows what a score is made of.
func (c *check) whyScore(m *spec.Model) []string {
	if m.Score != nil {
		return []string{c.formula(m.Score)}
	}
	var parts []string
	for i, layout := range c.runner.plan.Layout(c.current.given.Source.Index).Models {
		if layout.Model != m {
			continue
		}
		for j, rule := range m.Rules {
			if c.current.fired[i][j] {
				parts = append(parts, fmt.Sprintf("%s %s", rule.Code, number(rule.Weight)))
			}
		}
	}
	if len(parts) == 0 {
		return []string{"no rule fired"}
	}
	return []string{"weights: " + strings.Join(parts, " + ")}
}

func has(items []string, item string) bool {
	for _, other := range items {
		if other == item {
			return true
		}
	}
	return false
}

// why says the reason of a refusal, and of a bad record what was wrong with it.
func (r *record) why() string {
	if r.refused == event.Duplicate || r.refused == event.Late || r.refused == event.Filtered {
		return r.refused.String()
	}
	return strings.TrimSpace(r.refused.String() + " " + r.detail)
}

// name is how an explanation calls a record: t1 (0s).
func (r *record) name(p *play) string {
	id := r.id
	if id == "" {
		id = fmt.Sprintf("#%d", r.offset)
	}
	return id + " (" + offset(time.Duration(r.time-p.start)*time.Millisecond) + ")"
}

// few joins the first names, and counts the rest.
func few(items []string) string {
	if len(items) == 0 {
		return "none"
	}
	if len(items) > maxNamed {
		return strings.Join(items[:maxNamed], ", ") + fmt.Sprintf(" and %d more", len(items)-maxNamed)
	}
	return strings.Join(items, ", ")
}

// clock writes an instant for reading: the time of day, with the date where
// the other end lies on another one.
func clock(ms, other int64) string {
	at, end := time.UnixMilli(ms).UTC(), time.UnixMilli(other).UTC()
	layout := "15:04:05"
	if ms%1000 != 0 || other%1000 != 0 {
		layout = "15:04:05.000"
	}
	if at.Format(time.DateOnly) != end.Format(time.DateOnly) {
		layout = time.DateOnly + " " + layout
	}
	return at.Format(layout)
}

// span writes how far something is outside: 1m51s, 0s for the exact edge.
func span(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
