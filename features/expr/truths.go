package expr

import (
	"cmp"
	"regexp"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/features/event"
)

// truth compiles an expression of type bool.
func (c *compiler) truth(e ast.Expr) truth {
	switch e.Kind() {
	case ast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			return func(*Env) (bool, bool) { return bool(b), true }
		}
	case ast.IdentKind:
		s := c.slot(e)
		return func(env *Env) (bool, bool) {
			v := env.at(s)
			return v.Bool(), v.Kind() == event.Bool
		}
	case ast.CallKind:
		return c.logic(e, e.AsCall())
	}
	c.fail(e, "bool")
	return nil
}

// logic compiles a call whose result is a bool.
func (c *compiler) logic(e ast.Expr, call ast.CallExpr) truth {
	args := operands(call)
	switch name := call.FunctionName(); name {
	case operators.Conditional:
		return either(c.truth(args[0]), c.truth(args[1]), c.truth(args[2]))
	case operators.LogicalNot:
		a := c.truth(args[0])
		return func(env *Env) (bool, bool) {
			x, ok := a(env)
			return !x, ok
		}
	case operators.LogicalAnd, operators.LogicalOr:
		return both(name == operators.LogicalAnd, c.truth(args[0]), c.truth(args[1]))
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals,
		operators.Greater, operators.GreaterEquals:
		return c.comparison(name, args[0], args[1])
	case operators.In, operators.OldIn:
		return c.member(args[0], args[1])
	case "present":
		s := c.slot(args[0])
		return func(env *Env) (bool, bool) { return env.has(s), true }
	case "startsWith":
		return textTest(strings.HasPrefix, c.text(args[0]), c.text(args[1]))
	case "endsWith":
		return textTest(strings.HasSuffix, c.text(args[0]), c.text(args[1]))
	case "contains":
		return textTest(strings.Contains, c.text(args[0]), c.text(args[1]))
	case "matches":
		return c.matches(e, args)
	}
	c.fail(e, "bool")
	return nil
}

// both is && and ||. Both sides are evaluated: an error on one side is an error
// whatever the other says (S17).
func both(and bool, a, b truth) truth {
	if and {
		return func(env *Env) (bool, bool) {
			x, okx := a(env)
			y, oky := b(env)
			return x && y, okx && oky
		}
	}
	return func(env *Env) (bool, bool) {
		x, okx := a(env)
		y, oky := b(env)
		return x || y, okx && oky
	}
}

func textTest(f func(s, t string) bool, a, b text) truth {
	return func(env *Env) (bool, bool) {
		x, okx := a(env)
		y, oky := b(env)
		return okx && oky && f(x, y), okx && oky
	}
}

func (c *compiler) matches(e ast.Expr, args []ast.Expr) truth {
	pattern, ok := literalText(args, 1)
	if !ok {
		c.fail(e, "bool")
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.fail(e, "bool")
		return nil
	}
	a := c.text(args[0])
	return func(env *Env) (bool, bool) {
		x, ok := a(env)
		return ok && re.MatchString(x), ok
	}
}

// comparison compiles == != < <= > >= of two operands of one type.
func (c *compiler) comparison(op string, a, b ast.Expr) truth {
	switch t := c.typeOf(a); {
	case t.IsExactType(types.DoubleType):
		if f, ok := literalNumber(b); ok {
			return againstNumber(op, c.number(a), f)
		}
		return numbersCompared(op, c.number(a), c.number(b))
	case t.IsExactType(types.StringType):
		if s, ok := literalText([]ast.Expr{b}, 0); ok && (op == operators.Equals || op == operators.NotEquals) {
			return againstText(op == operators.Equals, c.text(a), s)
		}
		return compared(op, c.text(a), c.text(b), cmp.Compare[string])
	case t.IsExactType(types.BoolType):
		return compared(op, c.truth(a), c.truth(b), compareBools)
	case t.IsExactType(types.TimestampType):
		return compared(op, c.moment(a), c.moment(b), compareTimes)
	case t.IsExactType(types.DurationType):
		return compared(op, c.span(a), c.span(b), cmp.Compare[duration])
	}
	c.fail(a, "comparable value")
	return nil
}

// compared compares two ordered values of one type. Numbers have NaN, and go
// another way.
func compared[T any](op string, a, b func(*Env) (T, bool), order func(x, y T) int) truth {
	holds := orders[op]
	return func(env *Env) (bool, bool) {
		x, okx := a(env)
		y, oky := b(env)
		if !okx || !oky {
			return false, false
		}
		return holds[order(x, y)+1], true
	}
}

// orders says, by operator, what holds for less, equal and greater.
var orders = map[string][3]bool{
	operators.Equals: {false, true, false}, operators.NotEquals: {true, false, true},
	operators.Less: {true, false, false}, operators.LessEquals: {true, true, false},
	operators.Greater: {false, false, true}, operators.GreaterEquals: {false, true, true},
}

func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

// numbersCompared compares numbers as IEEE does: every comparison with NaN but
// != is false.
func numbersCompared(op string, a, b number) truth {
	holds := orders[op]
	return func(env *Env) (bool, bool) {
		x, okx := a(env)
		y, oky := b(env)
		return okx && oky && ieee(holds, x, y), okx && oky
	}
}

// againstNumber is numbersCompared with a literal, which most filters are.
func againstNumber(op string, a number, y float64) truth {
	holds := orders[op]
	return func(env *Env) (bool, bool) {
		x, ok := a(env)
		return ok && ieee(holds, x, y), ok
	}
}

func ieee(holds [3]bool, x, y float64) bool {
	switch {
	case x < y:
		return holds[0]
	case x == y:
		return holds[1]
	case x > y:
		return holds[2]
	}
	return holds[0] && holds[2] // NaN: true for != only
}

func againstText(equal bool, a text, y string) truth {
	return func(env *Env) (bool, bool) {
		x, ok := a(env)
		return (x == y) == equal, ok
	}
}

func literalNumber(e ast.Expr) (float64, bool) {
	if e.Kind() != ast.LiteralKind {
		return 0, false
	}
	f, ok := e.AsLiteral().(types.Double)
	return float64(f), ok
}

// member compiles `in` with a list of literals. Literals of another type than
// the left side equal nothing.
func (c *compiler) member(a, list ast.Expr) truth {
	if list.Kind() != ast.ListKind {
		c.fail(list, "list of literals")
		return nil
	}
	elements := list.AsList().Elements()
	switch t := c.typeOf(a); {
	case t.IsExactType(types.DoubleType):
		return among(c.number(a), literals(elements, func(v types.Double) float64 { return float64(v) }))
	case t.IsExactType(types.StringType):
		return among(c.text(a), literals(elements, func(v types.String) string { return string(v) }))
	case t.IsExactType(types.BoolType):
		return among(c.truth(a), literals(elements, func(v types.Bool) bool { return bool(v) }))
	case t.IsExactType(types.TimestampType):
		return nowhere(c.moment(a))
	case t.IsExactType(types.DurationType):
		return nowhere(c.span(a))
	}
	c.fail(a, "member of a list")
	return nil
}

func literals[L, T any](elements []ast.Expr, native func(L) T) []T {
	var out []T
	for _, e := range elements {
		if v, ok := any(e.AsLiteral()).(L); ok {
			out = append(out, native(v))
		}
	}
	return out
}

// setFrom is the number of literals from which on a set is faster than looking
// at each.
const setFrom = 9

func among[T comparable](a func(*Env) (T, bool), list []T) truth {
	if len(list) >= setFrom {
		set := make(map[T]struct{}, len(list))
		for _, v := range list {
			set[v] = struct{}{}
		}
		return func(env *Env) (bool, bool) {
			x, ok := a(env)
			if !ok {
				return false, false
			}
			_, in := set[x]
			return in, true
		}
	}
	return func(env *Env) (bool, bool) {
		x, ok := a(env)
		if !ok {
			return false, false
		}
		for _, v := range list {
			if v == x {
				return true, true
			}
		}
		return false, true
	}
}

// nowhere is `in` for a type that has no literals: never true, but an error on
// its left is one still.
func nowhere[T any](a func(*Env) (T, bool)) truth {
	return func(env *Env) (bool, bool) {
		_, ok := a(env)
		return false, ok
	}
}
