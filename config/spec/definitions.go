package spec

import (
	"slices"
	"strconv"
	"time"
)

// The bounds of one definition.
const (
	MaxWindows  = 64   // per definition
	MaxLast     = 1e6  // events of a `last` window
	MaxList     = 1000 // values of a list (S20)
	MaxTop      = 1000 // categories of `by`
	MaxLag      = 1000
	maxMinCount = 1_000_000_000
)

var timeUnits = map[string]time.Duration{
	"ms": time.Millisecond, "seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour,
}

// definition reads one entry under features:. It always returns one, so that
// the names it makes are known even where it is wrong.
func (r *resolver) definition(e entry, s *Source) *Definition {
	d := &Definition{Name: e.name, Pos: e.key.pos(), Unit: time.Second}
	m := r.object(e.value, featureBlock, "feature "+e.name)
	d.Description, _, _ = m.about(defaults{})
	agg, known := r.aggregation(d, m)
	r.input(d, m, agg, s)
	env := r.fieldEnv(s)
	if n, ok := m.get("filter"); ok {
		d.Filter = r.expression(env, n, "`filter` of feature "+d.Name, Bool)
	}
	if n, ok := m.get("numerator"); ok {
		d.Numerator = r.expression(env, n, "`numerator` of feature "+d.Name, Bool)
		if known && !agg.Numerator {
			r.errorf(n, "write it as `filter`, or aggregation: ratio", "`numerator` is for aggregation: ratio, and %s is a %s", d.Name, agg.Name)
		}
	}
	r.windows(d, m, agg)
	r.cut(d, m, agg)
	r.parameters(d, m, agg, known, s)
	r.category(d, m, s)
	if n, ok := m.nullable("aggregation"); ok && agg.Sketch && s.Retracts != nil {
		r.errorf(n, "use an exact aggregation, or remove `retracts` from source "+s.Name,
			"%s cannot take a retracted event back, and source %s has `retracts`", agg.Name, s.Name)
	}
	t, _ := resultOf(agg, d)
	if t == Map {
		t, _ = itemOf(agg, d) // of each category
	}
	r.defaultOf(m, t, "feature "+d.Name, &d.HasDefault, &d.Default)
	m.finish()
	return d
}

func (r *resolver) aggregation(d *Definition, m *mapping) (Aggregation, bool) {
	n, ok := m.need("aggregation", "aggregation: count")
	if !ok {
		return Aggregation{}, false
	}
	if d.Aggregation, ok = r.text(n, "`aggregation`"); !ok {
		return Aggregation{}, false
	}
	agg, known := AggregationOf(d.Aggregation)
	if !known {
		suggestion := oneOf(d.Aggregation, aggregationNames())
		if ours := usualName(d.Aggregation); ours != "" {
			suggestion = "write " + ours
		}
		r.errorf(n, suggestion, "there is no aggregation `%s`", d.Aggregation)
	}
	return agg, known
}

// input reads what is aggregated: a field, or an expression.
func (r *resolver) input(d *Definition, m *mapping, agg Aggregation, s *Source) {
	field, hasField := m.get("field")
	value, hasValue := m.get("value")
	input := NoType
	at := field
	if hasField {
		if d.Field = r.field(s, field); d.Field != nil {
			input = d.Field.Type
		}
	}
	if hasValue {
		at = value
		d.Value = r.expression(r.fieldEnv(s), value, "`value` of feature "+d.Name, Double, Bool, String, Timestamp)
		if d.Value != nil {
			input = d.Value.Type
		}
	}
	switch {
	case agg.Name == "":
		return
	case hasField && hasValue:
		r.errorf(value, "remove one of them", "feature %s has a `field` and a `value`", d.Name)
	case agg.Input == InputRequired && !hasField && !hasValue:
		r.errorf(m.at, "write field: FIELD", "aggregation %s of feature %s needs a `field` or a `value`", agg.Name, d.Name)
	case agg.Input == InputNone && (hasField || hasValue):
		r.errorf(at, "leave it out; `filter` chooses events", "aggregation %s takes no `field` and no `value`", agg.Name)
	case input != NoType:
		r.inputType(at, d, agg, input)
	}
}

func (r *resolver) inputType(n node, d *Definition, agg Aggregation, t Type) {
	number := slices.Contains([]Type{Int, Double, Decimal}, t)
	switch {
	case agg.Types == AnyType || number, agg.Types == OrderedType && t == Timestamp:
		return
	case t == Bool:
		r.errorf(n, "use aggregation: ratio with numerator: "+n.Value, "aggregation %s does not take a bool", agg.Name)
	default:
		r.errorf(n, "", "aggregation %s of feature %s takes numbers, and this is %s", agg.Name, d.Name, t.withArticle())
	}
}

// cut reads what changes which events of a window count.
func (r *resolver) cut(d *Definition, m *mapping, agg Aggregation) {
	d.Delay = m.duration("delay", 0)
	if n, ok := m.nullable("delay"); ok && len(d.Windows) > 0 && d.Windows[0].Kind == Session {
		r.errorf(n, "leave one of them out", "a session with `delay` is refused: it would not be the current one")
	}
	d.ExcludeCurrent = m.boolean("exclude_current")
	if n, ok := m.nullable("exclude_current"); ok && d.ExcludeCurrent {
		if d.Delay > 0 {
			r.warnf(n, "leave it out", "`exclude_current` has nothing to exclude behind a delay")
		} else if agg.PastOnly {
			r.warnf(n, "leave it out", "%s never counts the current event", agg.Name)
		}
	}
	d.MinCount = m.whole("min_count", 0)
	d.Hidden = m.boolean("hidden")
}

// parameters reads what only some aggregations take.
func (r *resolver) parameters(d *Definition, m *mapping, agg Aggregation, known bool, s *Source) {
	only := func(key string, takes bool) {
		if n, ok := m.nullable(key); ok && known && !takes {
			r.errorf(n, "leave it out", "aggregation %s takes no `%s`", agg.Name, key)
		}
	}
	if n, ok := m.get("unit"); ok {
		word, _ := r.text(n, "`unit`")
		if unit, ok := timeUnits[word]; ok {
			d.Unit = unit
		} else if agg.Unit {
			r.errorf(n, oneOf(word, m.key("unit").value.words), "`%s` is not a unit of time", word)
		}
	}
	only("unit", agg.Unit)
	if agg.Per == "optional" {
		d.Per = time.Second
	}
	d.Per = m.duration("per", d.Per)
	only("per", agg.Per != "")
	if q, at, ok := m.number("q"); ok {
		if d.Q = q; q < 0 || q > 1 {
			r.errorf(at, "write q: 0.95", "`q` of feature %s must be from 0 to 1", d.Name)
		}
	}
	only("q", agg.Q)
	if agg.N {
		d.N = 1
	}
	d.N = m.whole("n", d.N)
	only("n", agg.N)
	d.Limit = m.whole("limit", 0)
	only("limit", agg.Limit)
	if n, ok := m.get("order_by"); ok {
		r.orderBy(d, n, s)
	}
	only("order_by", agg.OrderBy)
	r.required(d, m, agg)
}

func (r *resolver) orderBy(d *Definition, n node, s *Source) {
	if d.OrderBy = r.field(s, n); d.OrderBy != nil && (d.OrderBy.Type == String || d.OrderBy.Type == Bool) {
		r.errorf(n, "choose a number or a timestamp", "`order_by` %s is %s", d.OrderBy.Name, d.OrderBy.Type.withArticle())
	}
}

func (r *resolver) required(d *Definition, m *mapping, agg Aggregation) {
	for _, need := range []struct {
		is           bool
		key, example string
	}{
		{agg.Numerator, "numerator", `numerator: 'status == "declined"'`}, {agg.Filter, "filter", `filter: 'status == "declined"'`},
		{agg.Per == "required", "per", "per: 30d"}, {agg.Q, "q", "q: 0.95"}, {agg.Limit, "limit", "limit: 10"},
		{agg.OrderBy, "order_by", "order_by: amount"},
	} {
		if need.is && !m.has(need.key) {
			r.errorf(m.at, "write "+need.example, "aggregation %s of feature %s needs `%s`", agg.Name, d.Name, need.key)
		}
	}
}

// category reads `by` and `top` (S25).
func (r *resolver) category(d *Definition, m *mapping, s *Source) {
	if n, ok := m.get("by"); ok {
		if d.By = r.field(s, n); d.By != nil {
			r.keyType(n, d.By, "a category")
		}
		if !m.has("top") {
			r.errorf(n, "write top: 8", "`by` of feature %s needs `top`: how many categories are kept", d.Name)
		}
	}
	d.Top = m.whole("top", 0)
	if n, ok := m.nullable("top"); ok && !m.has("by") {
		r.errorf(n, "write by: FIELD", "`top` of feature %s means something only with `by`", d.Name)
	}
}

// defaultOf reads a default, which is of the type of what it stands for.
func (l *loader) defaultOf(m *mapping, t Type, what string, has *bool, out *Literal) {
	if n, ok := m.nullable("default"); ok {
		if v, ok := l.literal(n, t, "the default of "+what); ok {
			*has, *out = true, v
		}
	}
}

// windows reads over which events a definition looks.
func (r *resolver) windows(d *Definition, m *mapping, agg Aggregation) {
	keys := []string{"windows", "last", "session", "half_lives"}
	chosen := ""
	for _, key := range keys {
		n, ok := m.get(key)
		if !ok {
			continue
		}
		if chosen != "" {
			r.errorf(n, "write two features", "feature %s has both `%s` and `%s`", d.Name, chosen, key)
			continue
		}
		chosen = key
		if key == "session" {
			if gap, ok := r.duration(n, "`session` of feature "+d.Name); ok {
				d.Windows = []Window{{Kind: Session, Length: gap, Text: n.Value}}
			}
			continue
		}
		r.windowList(d, key, n)
	}
	switch {
	case agg.HalfLives && chosen != "half_lives":
		r.errorf(m.at, "write half_lives: [1h]", "aggregation %s of feature %s needs `half_lives`", agg.Name, d.Name)
	case agg.Windows && chosen != "windows":
		r.errorf(m.at, "write windows: [1h]", "aggregation %s of feature %s needs `windows`", agg.Name, d.Name)
	case agg.Name != "" && !agg.HalfLives && chosen == "half_lives":
		n, _ := m.nullable(chosen)
		r.errorf(n, "write windows: [...], or use decayed_count, decayed_sum or ewma", "aggregation %s takes no `half_lives`", agg.Name)
	case chosen == "":
		d.Windows = []Window{{Kind: Lifetime}}
	}
}

func (r *resolver) windowList(d *Definition, key string, n node) {
	elements, ok := r.list(n, "`"+key+"` of feature "+d.Name)
	if ok && (len(elements) == 0 || len(elements) > MaxWindows) {
		r.errorf(n, "leave `"+key+"` out for a lifetime value", "`%s` of feature %s has %d elements; it takes 1 to %d", key, d.Name, len(elements), MaxWindows)
		return
	}
	for _, e := range elements {
		w := Window{Text: e.Value}
		if key == "last" {
			count, err := strconv.Atoi(e.Value)
			if coreOf(e) != coreInt || err != nil || count < 1 || count > MaxLast {
				hint := "write last: [5]"
				if _, err := parseDuration(e.Value); err == nil {
					hint = "write windows: [" + e.Value + "]"
				}
				r.errorf(e, hint, "an element of `last` must be a whole number of events, from 1 to %d", int(MaxLast))
				continue
			}
			w.Kind, w.N, w.Text = Last, count, strconv.Itoa(count)
		} else {
			length, ok := r.duration(e, "an element of `"+key+"`")
			if !ok {
				continue
			}
			if w.Length = length; key == "half_lives" {
				w.Kind = HalfLife
			}
		}
		if i := slices.IndexFunc(d.Windows, func(o Window) bool { return o.Length == w.Length && o.N == w.N }); i >= 0 {
			r.errorf(e, "remove one of them", "`%s` is the same window as `%s`", w.Text, d.Windows[i].Text)
			continue
		}
		d.Windows = append(d.Windows, w)
	}
}
