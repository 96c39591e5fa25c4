package spec

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types/ref"
)

// Env is what the names of an expression mean. It is built once per scope and
// is safe for concurrent use.
type Env struct {
	cel   *cel.Env
	names map[string]Name
	what  string // "the fields of transactions": for messages; "" says nothing of them

	several map[string]Type // features that are no single values, and so no names: for messages
}

// NewEnv builds the environment of the given names; what says in a few words
// what they are, for messages ("the fields of transactions", or "").
func NewEnv(what string, names []Name) (*Env, error) {
	base, err := celBase()
	if err != nil {
		return nil, err
	}
	return extendEnv(base, what, names)
}

func extendEnv(base *cel.Env, what string, names []Name) (*Env, error) {
	env := &Env{names: make(map[string]Name, len(names)), what: what}
	variables := make([]cel.EnvOption, 0, len(names))
	for _, n := range names {
		env.names[n.Text] = n
		variables = append(variables, cel.Variable(n.Text, celType(n.Type)))
	}
	var err error
	if env.cel, err = base.Extend(variables...); err != nil {
		return nil, fmt.Errorf("declare %s: %w", what, err)
	}
	return env, nil
}

// extend is env with further names.
func (env *Env) extend(names []Name) (*Env, error) {
	more, err := extendEnv(env.cel, env.what, names)
	if err != nil {
		return nil, err
	}
	maps.Copy(more.names, env.names)
	more.several = env.several
	return more, nil
}

// ExprError is one finding in an expression. Offset and Length count
// characters of its text.
type ExprError struct {
	Offset, Length      int
	Message, Suggestion string
	Unknown             string // the name that is not declared, if that is the finding
}

func (e *ExprError) Error() string {
	if e.Suggestion == "" {
		return fmt.Sprintf("character %d: %s", e.Offset+1, e.Message)
	}
	return fmt.Sprintf("character %d: %s (%s)", e.Offset+1, e.Message, e.Suggestion)
}

// CompileExpr parses and checks text, whose names are given. It is the way in
// for expressions that stand outside a spec file: filters of the command line,
// and tests. The error joins *ExprError values.
func CompileExpr(text string, names []Name) (*Expr, error) {
	env, err := NewEnv("", names)
	if err != nil {
		return nil, err
	}
	expr, findings := env.Compile(text)
	if len(findings) == 0 {
		return expr, nil
	}
	all := make([]error, len(findings))
	for i, f := range findings {
		all[i] = f
	}
	return nil, fmt.Errorf("expression %q: %w", text, errors.Join(all...))
}

// program is the checked tree and its reference evaluator.
type program struct {
	tree *ast.AST
	prog cel.Program
}

// AST is the checked syntax tree with all numbers promoted to doubles. Its
// shape is what a compiler has to cover:
//
//   - identifiers are whole names ("event.lat", "card_velocity.txn_count_1m",
//     "card_behaviour__v1.x" for card_behaviour@1.x): the Text of those of Names and, inside present(), of Asked; ReferenceMap tells an
//     identifier from a literal, TypeMap gives every node's type;
//   - literals are double, string and bool; lists hold literals only and stand
//     only on the right of `in`; a list name may stand there too;
//   - duration("...") and timestamp("...") are calls with a valid string
//     literal, durations in Go's notation; zones of getHours and its like and
//     the pattern of matches are valid literals;
//   - max and min take exactly two arguments;
//   - integer-valued functions (size, getHours ...) stand inside double();
//   - || and && evaluate both sides: no value on one side is no value (S17).
//     Only ?: leaves one side out. haversine_km off the globe has no value, and
//     so has whatever holds it; NaN and infinities on the way are ordinary IEEE
//     numbers (every comparison with NaN but != is false), only as the result
//     they are no value.
func (e *Expr) AST() *ast.AST { return e.tree }

// Compile parses, promotes and checks text. It returns no expression when there
// are findings.
func (env *Env) Compile(text string) (*Expr, []*ExprError) {
	if strings.TrimSpace(text) == "" {
		return nil, []*ExprError{{Message: "the expression is empty"}}
	}
	if len(text) > MaxExprBytes {
		return nil, []*ExprError{{Message: fmt.Sprintf("the expression is longer than %d bytes", MaxExprBytes)}}
	}
	p := &promotion{env: env}
	inner, places := marked(text)
	checked, findings := env.check(inner, p)
	if len(findings) > 0 {
		for _, f := range findings {
			f.Offset = unmarked(f.Offset, places)
		}
		return nil, findings
	}
	result, ok := typeOfCel(checked.OutputType())
	if !ok {
		return nil, []*ExprError{{Length: len([]rune(text)), Message: "the expression is a " + celTypeName(checked.OutputType()) +
			", which is not a value of a feature"}}
	}
	eager, findings := env.check(inner, &promotion{env: env, eager: true})
	if len(findings) > 0 {
		return nil, findings
	}
	prog, err := env.cel.PlanProgram(eager.NativeRep())
	if err != nil {
		return nil, []*ExprError{{Message: err.Error()}}
	}
	e := &Expr{Text: text, Type: result, program: program{tree: checked.NativeRep(), prog: prog}, doubts: p.doubts}
	for _, d := range e.doubts {
		d.Offset = unmarked(d.Offset, places)
	}
	for _, n := range p.mentioned {
		e.Names = append(e.Names, env.names[n])
	}
	for _, n := range p.asked {
		e.Asked = append(e.Asked, env.names[n])
	}
	return e, nil
}

func (env *Env) check(text string, p *promotion) (*cel.Ast, []*ExprError) {
	parsed, issues := env.cel.Parse(text)
	if issues.Err() != nil {
		return nil, syntaxErrors(text, issues)
	}
	tree := parsed.NativeRep()
	if ast.NodeCount(tree) > MaxExprNodes {
		return nil, []*ExprError{{Message: fmt.Sprintf("the expression has more than %d operations, names and literals", MaxExprNodes),
			Suggestion: "split it: a computed field or a derived feature can hold a part"}}
	}
	if ast.ExceedsDepth(tree, MaxExprDepth) {
		return nil, []*ExprError{{Message: fmt.Sprintf("the expression nests deeper than %d operations", MaxExprDepth),
			Suggestion: "split it: a computed field or a derived feature can hold a part"}}
	}
	p.run(tree)
	if len(p.findings) > 0 {
		return nil, p.findings
	}
	checked, issues := env.cel.Check(parsed)
	if issues.Err() != nil {
		return nil, typeErrors(text, tree, issues)
	}
	return checked, nil
}

// Interpret is the reference evaluator: cel-go's interpreter over the promoted
// tree. lookup gives the value of a name: float64, bool, string, time.Time,
// time.Duration or []string; false: no value. The result has the same types;
// false: no value (S17).
func (e *Expr) Interpret(lookup func(Name) (any, bool)) (any, bool) {
	values := make(activation, len(e.Names)+len(e.Asked))
	for _, n := range e.Names {
		v, ok := lookup(n)
		if !ok {
			return nil, false
		}
		values[n.Text] = v
	}
	for _, n := range e.Asked {
		if v, ok := lookup(n); ok {
			values[n.Text] = v
		}
	}
	out, _, err := e.prog.Eval(values)
	if err != nil {
		return nil, false
	}
	return nativeResult(out)
}

// activation is the values of an expression's names. A name without a value is
// absent.
type activation map[string]any

// ResolveName implements cel-go's Activation.
func (a activation) ResolveName(name string) (any, bool) {
	v, ok := a[name]
	return v, ok
}

// Parent implements cel-go's Activation.
func (a activation) Parent() cel.Activation { return nil }

func nativeResult(out ref.Val) (any, bool) {
	switch v := out.Value().(type) {
	case float64:
		return v, finite(v)
	case error:
		return nil, false
	default:
		return v, true
	}
}
