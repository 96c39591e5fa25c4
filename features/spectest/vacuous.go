package spectest

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// Vacuous warns of tests that show nothing (spec-language.md 1.8, "a test that
// would pass with the feature removed"). A removed feature is one that always
// has the value of no events: its default, else 0 where S18 has 0, else null.
// Found are features all of whose expectations, in all tests together, hold for
// that value: one line that another line of the same feature outweighs, like
// "and then the window is empty", is none; and tests every line of which holds
// so.
func Vacuous(s *spec.Spec) spec.Diagnostics {
	v := vacuous{spec: s, lines: map[any][]*spec.Want{}, shown: map[any]bool{}}
	for _, t := range s.Tests {
		v.test(t)
	}
	for _, of := range v.order {
		if v.shown[of] {
			continue
		}
		want := v.lines[of][0]
		v.found = append(v.found, s.Warning(want.Key, "expect a value that only the given events can make",
			"the tests show nothing of %s: without any event it would be as expected", fullName(want.Feature, want.Derived, want.Service)))
	}
	return v.found.Sorted()
}

// vacuous is by *spec.Feature and *spec.ServiceDerived.
type vacuous struct {
	spec  *spec.Spec
	order []any
	lines map[any][]*spec.Want
	shown map[any]bool // an expectation of it does not hold without events
	found spec.Diagnostics
}

func (v *vacuous) test(t *spec.Test) {
	empty := true
	for i := range t.Expect {
		e := &t.Expect[i]
		for j := range e.Features {
			empty = v.line(&e.Features[j]) && empty
		}
		for _, w := range e.Statuses {
			if w.Missing || !emptyStatus(w.Status) {
				empty = false
				v.shown[keyOf(w.Feature, w.Derived)] = true
			}
		}
		for _, w := range e.Reasons {
			empty = empty && !w.Missing && len(w.Codes) == 0
		}
		for _, w := range e.Dropped {
			empty = empty && !w.Missing && w.Count == 0
		}
		empty = empty && len(e.Scores)+len(e.Bands) == 0
	}
	if empty {
		v.found = append(v.found, v.spec.Warning(t.Pos, "expect something that only its events can make", "the test would pass without its events"))
	}
}

// emptyStatus reports whether a value that no event made can have the status.
func emptyStatus(status string) bool {
	return status == "NOT_FOUND" || status == "NO_ENTITY" || status == "NEEDS_EVENT" || status == "DEFAULT"
}

func keyOf(f *spec.Feature, d *spec.ServiceDerived) any {
	if f != nil {
		return f
	}
	return d
}

// line notes one expected value, and reports whether it holds without events.
func (v *vacuous) line(w *spec.Want) bool {
	of := keyOf(w.Feature, w.Derived)
	if v.lines[of] == nil {
		v.order = append(v.order, of)
	}
	v.lines[of] = append(v.lines[of], w)
	got, scale := event.Value{}, 0
	if w.Feature != nil {
		got, scale = emptyValue(w.Feature), w.Feature.Scale
	} else {
		got = emptyExpr(w.Derived.Expr, w.Derived.HasDefault, w.Derived.Default)
	}
	holds := !w.Missing && (holds(w, got, scale) || !got.Has() && w.Op == "" && emptyCollection(w.Value))
	if !holds {
		v.shown[of] = true
	}
	return holds
}

func emptyCollection(l spec.Literal) bool {
	return (l.Type == spec.List || l.Type == spec.Map) && len(l.Items) == 0
}

// emptyValue is what f is over no events (S18).
func emptyValue(f *spec.Feature) event.Value {
	if f.Expr != nil {
		return emptyExpr(f.Expr, f.HasDefault, f.Default)
	}
	if f.HasDefault {
		return literalValue(f.Default)
	}
	agg, _ := spec.AggregationOf(f.Def.Aggregation)
	if agg.ZeroEmpty && f.Def.MinCount == 0 && f.Def.By == nil {
		return event.OfDouble(0)
	}
	return event.Value{}
}

// emptyExpr is a derived value of features without events.
func emptyExpr(e *spec.Expr, hasDefault bool, otherwise spec.Literal) event.Value {
	got, ok := e.Interpret(func(name spec.Name) (any, bool) {
		if name.Feature == nil {
			return nil, false
		}
		return native(emptyValue(name.Feature), name.Feature.Scale)
	})
	if ok {
		switch x := got.(type) {
		case float64:
			return event.OfDouble(x)
		case bool:
			return event.OfBool(x)
		case string:
			return event.OfString(x)
		}
	}
	if hasDefault {
		return literalValue(otherwise)
	}
	return event.Value{}
}

func literalValue(l spec.Literal) event.Value {
	switch l.Type {
	case spec.Bool:
		return event.OfBool(l.Bool)
	case spec.String:
		return event.OfString(l.Str)
	case spec.Timestamp:
		return event.OfTimestamp(int64(l.Num))
	case spec.NoType, spec.List, spec.Map:
		return event.Value{}
	}
	return event.OfDouble(l.Num)
}
