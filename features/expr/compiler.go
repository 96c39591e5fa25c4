package expr

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// compiler walks a checked tree. The first error is kept; what is compiled
// after it is thrown away.
type compiler struct {
	tree  *ast.AST
	slots map[string]Slot
	err   error
}

func (c *compiler) bind(n spec.Name, bind Binder) error {
	s, err := bind(n)
	if err != nil {
		return err
	}
	if s.Frame >= numFrames || s.Frame != Absent && s.Index < 0 {
		return fmt.Errorf("%s is bound to no place", n.Text)
	}
	c.slots[n.Text] = s
	return nil
}

// fail keeps the first error. Its result stands for a closure.
func (c *compiler) fail(e ast.Expr, want string) {
	if c.err != nil {
		return
	}
	what := "this"
	switch e.Kind() {
	case ast.CallKind:
		what = e.AsCall().FunctionName()
	case ast.IdentKind:
		what = e.AsIdent()
	}
	c.err = fmt.Errorf("%s cannot be compiled as a %s", what, want)
}

// slot is the place of an identifier.
func (c *compiler) slot(e ast.Expr) Slot {
	s, ok := c.slots[e.AsIdent()]
	if !ok {
		c.fail(e, "name")
	}
	return s
}

func (c *compiler) typeOf(e ast.Expr) *types.Type { return c.tree.GetType(e.ID()) }

// operands are the target and the arguments of a call in one list.
func operands(call ast.CallExpr) []ast.Expr {
	if call.IsMemberFunction() {
		return append([]ast.Expr{call.Target()}, call.Args()...)
	}
	return call.Args()
}

// literalText is the string literal that a call is given as its n-th operand.
func literalText(args []ast.Expr, n int) (string, bool) {
	if n >= len(args) || args[n].Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := args[n].AsLiteral().(types.String)
	return string(s), ok
}

// either compiles ?: of any type: the one operation that leaves a side out.
func either[T any](cond truth, yes, no func(*Env) (T, bool)) func(*Env) (T, bool) {
	return func(env *Env) (T, bool) {
		holds, ok := cond(env)
		if !ok {
			var none T
			return none, false
		}
		if holds {
			return yes(env)
		}
		return no(env)
	}
}

// text compiles an expression of type string.
func (c *compiler) text(e ast.Expr) text {
	switch e.Kind() {
	case ast.LiteralKind:
		if s, ok := e.AsLiteral().(types.String); ok {
			return func(*Env) (string, bool) { return string(s), true }
		}
	case ast.IdentKind:
		s := c.slot(e)
		return func(env *Env) (string, bool) {
			v := env.at(s)
			return v.Str(), v.Kind() == event.String
		}
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch call.FunctionName() {
		case operators.Conditional:
			return either(c.truth(args[0]), c.text(args[1]), c.text(args[2]))
		case operators.Add:
			a, b := c.text(args[0]), c.text(args[1])
			return func(env *Env) (string, bool) { // the one operation that allocates
				x, okx := a(env)
				y, oky := b(env)
				return x + y, okx && oky
			}
		}
	}
	c.fail(e, "string")
	return nil
}
