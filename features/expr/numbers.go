package expr

import (
	"math"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet-dev/freshet/config/spec"
)

// unary and binary are the functions of numbers (S31).
var unary = map[string]func(float64) float64{
	"abs": math.Abs, "floor": math.Floor, "ceil": math.Ceil, "round": math.Round,
	"log": math.Log, "exp": math.Exp, "sqrt": math.Sqrt,
	operators.Negate: func(a float64) float64 { return -a },
}

var binary = map[string]func(a, b float64) float64{"pow": math.Pow, "max": math.Max, "min": math.Min}

// number compiles an expression of type double.
func (c *compiler) number(e ast.Expr) number {
	switch e.Kind() {
	case ast.LiteralKind:
		if f, ok := e.AsLiteral().(types.Double); ok {
			return func(*Env) (float64, bool) { return float64(f), true }
		}
	case ast.IdentKind:
		s := c.slot(e)
		return func(env *Env) (float64, bool) {
			v := env.at(s)
			return v.Number(s.Scale)
		}
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch name := call.FunctionName(); name {
		case operators.Conditional:
			return either(c.truth(args[0]), c.number(args[1]), c.number(args[2]))
		case operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
			return arithmetic(name, c.number(args[0]), c.number(args[1]))
		case "haversine_km":
			return haversine(c.number(args[0]), c.number(args[1]), c.number(args[2]), c.number(args[3]))
		case "days":
			d := c.span(args[0])
			return func(env *Env) (float64, bool) {
				x, ok := d(env)
				return spec.Days(x), ok
			}
		case "double":
			return c.whole(args[0])
		default:
			if f, ok := unary[name]; ok {
				return apply1(f, c.number(args[0]))
			}
			if f, ok := binary[name]; ok {
				return apply2(f, c.number(args[0]), c.number(args[1]))
			}
		}
	}
	c.fail(e, "number")
	return nil
}

// whole compiles what stands inside double(): the functions whose result is an
// int in CEL.
func (c *compiler) whole(e ast.Expr) number {
	if e.Kind() != ast.CallKind {
		c.fail(e, "whole number")
		return nil
	}
	call := e.AsCall()
	args := operands(call)
	name := call.FunctionName()
	switch {
	case name == "size" && c.typeOf(args[0]).IsExactType(types.StringType):
		s := c.text(args[0])
		return func(env *Env) (float64, bool) {
			x, ok := s(env)
			return float64(utf8.RuneCountInString(x)), ok
		}
	case len(args) > 0 && c.typeOf(args[0]).IsExactType(types.TimestampType):
		return c.calendar(e, name, args)
	case len(args) == 1 && c.typeOf(args[0]).IsExactType(types.DurationType):
		return c.lengthIn(e, name, args[0])
	}
	c.fail(e, "whole number")
	return nil
}

// arithmetic is one operation. Each is its own closure, so that no two of them
// can be fused into one rounding, on any machine.
func arithmetic(name string, a, b number) number {
	switch name {
	case operators.Add:
		return func(env *Env) (float64, bool) {
			x, okx := a(env)
			y, oky := b(env)
			return x + y, okx && oky
		}
	case operators.Subtract:
		return func(env *Env) (float64, bool) {
			x, okx := a(env)
			y, oky := b(env)
			return x - y, okx && oky
		}
	case operators.Multiply:
		return func(env *Env) (float64, bool) {
			x, okx := a(env)
			y, oky := b(env)
			return x * y, okx && oky
		}
	}
	return func(env *Env) (float64, bool) {
		x, okx := a(env)
		y, oky := b(env)
		return x / y, okx && oky
	}
}

func apply1(f func(float64) float64, a number) number {
	return func(env *Env) (float64, bool) {
		x, ok := a(env)
		return f(x), ok
	}
}

func apply2(f func(a, b float64) float64, a, b number) number {
	return func(env *Env) (float64, bool) {
		x, okx := a(env)
		y, oky := b(env)
		return f(x, y), okx && oky
	}
}

// haversine is an error off the globe, not a NaN that a comparison would hide.
func haversine(lat1, lon1, lat2, lon2 number) number {
	return func(env *Env) (float64, bool) {
		a, oka := lat1(env)
		b, okb := lon1(env)
		c, okc := lat2(env)
		d, okd := lon2(env)
		km := spec.HaversineKm(a, b, c, d)
		return km, oka && okb && okc && okd && !math.IsNaN(km)
	}
}
