package expr

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// Program is a compiled expression. It is immutable.
type Program struct {
	eval func(*Env) (event.Value, bool)
}

// Compile turns a checked expression into closures. An error is a bug in the
// binder or a function that this package does not know; it is not the user's
// fault, whose expression the loader has checked.
func Compile(e *spec.Expr, bind Binder) (*Program, error) { panic("stub") }

// Eval is the value of the expression: a Double, Bool, String or Timestamp. It
// reports false where the expression has no value (S17).
func (p *Program) Eval(env *Env) (event.Value, bool) { return p.eval(env) }

// EvalBool is Eval of a Bool expression: a filter, a numerator, a rule. holds
// is false where ok is.
func (p *Program) EvalBool(env *Env) (holds, ok bool) {
	v, ok := p.eval(env)
	return ok && v.Bool(), ok
}

// EvalNumber is Eval of a Double expression.
func (p *Program) EvalNumber(env *Env) (float64, bool) {
	v, ok := p.eval(env)
	return v.Float(), ok
}
