package record

import (
	"strconv"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// AppendJSON appends a value as the records show it: a list as an array, a map
// as an object in the order of its entries. The scale is that of decimals.
func AppendJSON(dst []byte, v event.Value, scale int) []byte { return appendValue(dst, v, scale) }

// appendValue appends one typed value as JSON; no value is null.
func appendValue(dst []byte, v event.Value, scale int) []byte {
	switch v.Kind() {
	case event.String:
		return appendString(dst, v.Str())
	case event.Int:
		return strconv.AppendInt(dst, v.Int(), 10)
	case event.Double, event.Decimal:
		f, _ := v.Number(scale)
		return appendNumber(dst, f)
	case event.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case event.Timestamp:
		return appendTime(dst, v.Int())
	case event.List:
		dst = append(dst, '[')
		for i, item := range v.Items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, item, scale)
		}
		return append(dst, ']')
	case event.Map:
		dst = append(dst, '{')
		for i, entry := range v.Entries() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, entry.Key), ':')
			dst = appendValue(dst, entry.Value, scale)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// text is a value as the text that a mask works on.
func text(v event.Value, scale int) string {
	switch v.Kind() {
	case event.String:
		return v.Str()
	case event.Timestamp:
		return string(AppendTime(nil, v.Int()))
	}
	return string(appendValue(nil, v, scale))
}

// hashField stands for what is personal without being one declared field: a
// derived text over PII, the key of a refused record. It leaves as a keyed hash.
var hashField = &spec.Field{Name: "personal", Type: spec.String, PII: true, Mask: "hash"}

// personalKeys tells which PII field a column's categories are copies of.
func personalKeys(c features.Column) *spec.Field {
	if c.Feature == nil || c.Feature.Def == nil || c.Feature.Def.By == nil || !c.Feature.Def.By.PII {
		return nil
	}
	return c.Feature.Def.By
}

// personal tells which PII field a column's values are copies of: the field of
// a last, min or max, and for a derived text whatever it reads. Counts and sums
// over PII fields are no copies.
func personal(c features.Column) *spec.Field {
	if c.Feature != nil {
		return personalFeature(c.Feature)
	}
	if c.Derived != nil && c.Derived.Type == spec.String && personalExpr(c.Derived.Expr) {
		return hashField
	}
	return nil
}

func personalFeature(f *spec.Feature) *spec.Field {
	if f.Def == nil {
		if f.Type == spec.String && personalExpr(f.Expr) {
			return hashField
		}
		return nil
	}
	switch f.Def.Aggregation {
	case "last", "first", "min", "max", "mode", "lag", "argmax", "list_last", "list_distinct":
	default:
		return nil
	}
	if f.Def.Field != nil && f.Def.Field.PII {
		return f.Def.Field
	}
	if f.Def.Value != nil && f.Def.Value.Type == spec.String && personalExpr(f.Def.Value) {
		return hashField
	}
	return nil
}

func personalExpr(e *spec.Expr) bool {
	if e == nil {
		return false
	}
	for _, n := range e.Names {
		if n.Field != nil && n.Field.PII {
			return true
		}
		if n.Feature != nil && personalFeature(n.Feature) != nil {
			return true
		}
	}
	return false
}
