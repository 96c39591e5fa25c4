package expr

import (
	"fmt"
	"math"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// Program is a compiled expression. It is immutable.
type Program struct {
	needs []Slot // of every name outside present(): without one there is no value (S17)

	// One of them, by the expression's type.
	number number
	truth  truth
	text   text
	moment moment
}

// The typed closures. They report false for an error; that a name may have no
// value has been asked before they run.
type (
	number func(*Env) (float64, bool)
	truth  func(*Env) (bool, bool)
	text   func(*Env) (string, bool)
)

// Compile turns a checked expression into closures. An error is not the user's
// fault, whose expression the loader has checked: the binder does not know a
// name, or the result is of a type that no value has (a duration, a list).
func Compile(e *spec.Expr, bind Binder) (*Program, error) {
	c := &compiler{tree: e.AST(), slots: make(map[string]Slot, len(e.Names)+len(e.Asked))}
	p := &Program{}
	for _, n := range e.Names {
		if err := c.bind(n, bind); err != nil {
			return nil, fmt.Errorf("compile %q: %w", e.Text, err)
		}
		p.needs = append(p.needs, c.slots[n.Text])
	}
	for _, n := range e.Asked {
		if err := c.bind(n, bind); err != nil {
			return nil, fmt.Errorf("compile %q: %w", e.Text, err)
		}
	}
	root := e.AST().Expr()
	switch e.Type {
	case spec.Double:
		p.number = c.number(root)
	case spec.Bool:
		p.truth = c.truth(root)
	case spec.String:
		p.text = c.text(root)
	case spec.Timestamp:
		p.moment = c.moment(root)
	default:
		return nil, fmt.Errorf("compile %q: a %s is not a value", e.Text, e.Type)
	}
	if c.err != nil {
		return nil, fmt.Errorf("compile %q: %w", e.Text, c.err)
	}
	return p, nil
}

// Eval is the value of the expression: a Double, Bool, String or Timestamp. It
// reports false where the expression has no value (S17). Timestamps are floored
// to the millisecond.
func (p *Program) Eval(env *Env) (event.Value, bool) {
	switch {
	case p.number != nil:
		if f, ok := p.EvalNumber(env); ok {
			return event.OfDouble(f), true
		}
	case p.truth != nil:
		if b, ok := p.EvalBool(env); ok {
			return event.OfBool(b), true
		}
	case !p.ready(env):
	case p.text != nil:
		if s, ok := p.text(env); ok {
			return event.OfString(s), true
		}
	default:
		if t, ok := p.moment(env); ok {
			return event.OfTimestamp(t.UnixMilli()), true
		}
	}
	return event.Value{}, false
}

// EvalBool is Eval of a Bool expression: a filter, a numerator, a rule. holds
// is false where ok is, and for an expression of another type.
func (p *Program) EvalBool(env *Env) (holds, ok bool) {
	if p.truth == nil || !p.ready(env) {
		return false, false
	}
	holds, ok = p.truth(env)
	return holds && ok, ok
}

// EvalNumber is Eval of a Double expression; the number is finite. It reports
// false for an expression of another type.
func (p *Program) EvalNumber(env *Env) (float64, bool) {
	if p.number == nil || !p.ready(env) {
		return 0, false
	}
	f, ok := p.number(env)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	return f + 0, true // -0 and 0 are one value (S21)
}

// ready reports whether every mentioned name has a value.
func (p *Program) ready(env *Env) bool {
	for _, s := range p.needs {
		if !env.has(s) {
			return false
		}
	}
	return true
}

// at is the value in a slot.
func (env *Env) at(s Slot) event.Value {
	switch s.Frame {
	case Fields:
		return env.Fields[s.Index]
	case Features:
		return env.Features[s.Index]
	case Request:
		return env.Request[s.Index]
	}
	return event.Value{}
}

func (env *Env) has(s Slot) bool {
	switch s.Frame {
	case Fields:
		return env.Fields[s.Index].Has()
	case Features:
		return env.Features[s.Index].Has()
	case Request:
		return env.Request[s.Index].Has()
	}
	return false
}
