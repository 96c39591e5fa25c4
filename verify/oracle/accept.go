package oracle

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
)

// refusal is the one reason why a record was not applied (S8).
type refusal struct{ reason, field, detail string }

// read decides everything about a record that its own bytes and record time
// decide: decode, schema, future, computed fields, source filter.
func (o *Oracle) read(src *spec.Source, r Record) (*event, *refusal) {
	e, refused := decode(src, r)
	if refused != nil {
		return nil, refused
	}
	summed := o.summed[r.Source]
	ofDeclared := func(d *spec.Definition) bool { return d.Field != nil && d.Field.Expr == nil && d.Field.Table == "" }
	if r := tooLarge(summed, e, ofDeclared); r != nil {
		return nil, r
	}
	if r.Time != NoTime && e.time > r.Time+src.MaxAhead.Milliseconds() {
		return nil, &refusal{reason: Future}
	}
	for _, f := range src.Fields { // each behind those that it mentions
		if f.Expr != nil {
			e.fields[f.Index] = computed(f, evaluate(f.Expr, e))
		}
		if f.Table != "" {
			e.fields[f.Index] = o.lookedUp(src, f, e)
		}
	}
	if r := tooLarge(summed, e, func(d *spec.Definition) bool { return true }); r != nil {
		return nil, r
	}
	if src.Filter != nil && !holds(src.Filter, e) {
		return nil, &refusal{reason: Filtered}
	}
	return e, nil
}

// decode reads the declared fields of a record.
func decode(src *spec.Source, r Record) (*event, *refusal) {
	o, err := parse(r.Value)
	if errors.Is(err, errNoObject) {
		return nil, &refusal{reason: Schema, detail: err.Error()}
	}
	if err != nil {
		return nil, &refusal{reason: Decode, detail: err.Error()}
	}
	for _, f := range src.Fields {
		if _, err := lookUp(o, pathOf(f)); errors.Is(err, errTwice) {
			return nil, &refusal{Decode, f.Name, err.Error()}
		}
	}
	e := &event{record: r, fields: make([]any, len(src.Fields))}
	e.record.Value = nil
	for _, f := range src.Fields {
		if f.Expr != nil || f.Table != "" {
			continue
		}
		if e.fields[f.Index], err = declared(f, o); err != nil {
			return nil, &refusal{Schema, f.Name, err.Error()}
		}
		if e.fields[f.Index] == nil && !f.Optional {
			return nil, &refusal{Schema, f.Name, "required, and missing"}
		}
	}
	e.time = int64(e.fields[src.TimestampField.Index].(instant))
	if src.IDField != nil {
		e.id, e.hasID = text(e.fields[src.IDField.Index])
	}
	e.retracting = src.Retracts != nil && e.fields[src.Retracts.Index] != nil
	return e, nil
}

// tooLarge refuses a double beyond 1e15 that some definition sums up (S20).
func tooLarge(summed []*spec.Definition, e *event, asked func(*spec.Definition) bool) *refusal {
	for _, d := range summed {
		if !asked(d) || d.Field != nil && d.Field.Type != spec.Double {
			continue
		}
		value := valueOf(d, e)
		if d.Value != nil {
			value = inputOf(d, e).value // only where the filter lets it in
		}
		if x, ok := value.(float64); ok && math.Abs(x) > maxSummed {
			return &refusal{reason: Schema, detail: "a summed value beyond 1e15"}
		}
	}
	return nil
}

func declared(f *spec.Field, o object) (any, error) {
	raw, err := lookUp(o, pathOf(f))
	if err != nil || raw == nil {
		return nil, err
	}
	return typed(f, raw)
}

// pathOf is where a declared field lies in a record.
func pathOf(f *spec.Field) []string {
	if len(f.Path) == 0 {
		return []string{f.Name}
	}
	return f.Path
}

// sums are the definitions over a source whose value is summed up.
func sums(s *spec.Spec, src *spec.Source) []*spec.Definition {
	var summed []*spec.Definition
	for _, v := range s.Views {
		for _, d := range v.Definitions {
			switch d.Aggregation {
			case "sum", "mean", "stddev", "variance", "zscore", "slope", "decayed_sum", "skewness", "ewma":
				if v.Source == src {
					summed = append(summed, d)
				}
			}
		}
	}
	return summed
}

// computed is the result of a computed field's expression by its declared
// type.
func computed(f *spec.Field, v any) any {
	if x, ok := v.(float64); ok && f.Type == spec.Int {
		return int64(x)
	}
	return v
}

// admit decides late and duplicate (S9, S10), which need what was accepted
// before.
func (o *Oracle) admit(src *spec.Source, e *event) *refusal {
	p := partition{e.record.Source, e.record.Partition}
	newest, seen := o.newest[p]
	if seen && newest-e.time > src.AllowedLateness.Milliseconds() {
		return &refusal{reason: Late}
	}
	if !e.hasID {
		return nil
	}
	for _, other := range o.byID[idKey{e.record.Source, e.id}] {
		sameTime := other.time == e.time
		retry := other.record.Partition == e.record.Partition && newest-other.newest <= src.DedupWindow.Milliseconds()
		if sameTime || retry {
			return &refusal{reason: Duplicate}
		}
	}
	return nil
}

// text is a value as key text (S15): strings as they are, ints in decimal,
// bools true and false.
func text(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case int64:
		return strconv.FormatInt(x, 10), true
	case bool:
		return strconv.FormatBool(x), true
	}
	return "", false
}

// keyOf is the key of an entity that an event carries; false where a part of
// it is missing or empty, or the source has no such field.
func keyOf(src *spec.Source, entity *spec.Entity, e *event) (string, bool) {
	var parts []string
	for _, name := range entity.Key {
		f := field(src, name)
		if f == nil {
			return "", false
		}
		part, has := text(e.fields[f.Index])
		if !has || part == "" {
			return "", false
		}
		parts = append(parts, part)
	}
	return Key(parts), true
}

// Key joins the parts of an entity's key: of a composite one "%" and "," are
// percent-encoded (S15).
func Key(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	encode := strings.NewReplacer("%", "%25", ",", "%2C")
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = encode.Replace(p)
	}
	return strings.Join(out, ",")
}

func field(src *spec.Source, name string) *spec.Field {
	for _, f := range src.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// evaluate is the value of an expression over an event's own fields; nil is
// no value (S17).
func evaluate(x *spec.Expr, e *event) any {
	v, ok := x.Interpret(func(n spec.Name) (any, bool) {
		if n.Field == nil || e.fields[n.Field.Index] == nil {
			return nil, false
		}
		return outside(e.fields[n.Field.Index], n.Field.Scale), true
	})
	if !ok {
		return nil
	}
	return v
}

// holds reports whether a condition is true; without a value it is not (S17).
func holds(x *spec.Expr, e *event) bool {
	b, ok := evaluate(x, e).(bool)
	return ok && b
}
