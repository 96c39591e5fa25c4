package spec

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// promotion rewrites a parsed expression so that every number is a double, and
// refuses on the way what the language does not have (spec-language.md 1.6).
// CEL itself would make `amount > 10` an error and `count_24h / distinct_24h`
// an integer division.
type promotion struct {
	env       *Env
	eager     bool // || and && become their eager forms: for the reference evaluator
	tree      *ast.AST
	factory   ast.ExprFactory
	nextID    int64
	mentioned []string
	asked     []string
	findings  []*ExprError
	doubts    []*ExprError // what is allowed and probably not meant
}

func (p *promotion) run(tree *ast.AST) {
	p.tree, p.factory, p.nextID = tree, ast.NewExprFactory(), ast.MaxID(tree)
	p.visit(tree.Expr())
}

// newID numbers a node that stands in for the node id, at its place in the text.
func (p *promotion) newID(id int64) int64 {
	p.nextID++
	if r, ok := p.tree.SourceInfo().GetOffsetRange(id); ok {
		p.tree.SourceInfo().SetOffsetRange(p.nextID, r)
	}
	return p.nextID
}

func (p *promotion) refuse(e ast.Expr, suggestion, format string, args ...any) {
	offset := 0
	if r, ok := p.tree.SourceInfo().GetOffsetRange(e.ID()); ok {
		offset = int(r.Start)
	}
	p.findings = append(p.findings, &ExprError{Offset: offset, Length: 1,
		Message: fmt.Sprintf(format, args...), Suggestion: suggestion})
}

func (p *promotion) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.LiteralKind:
		p.literal(e)
	case ast.IdentKind, ast.SelectKind:
		if name, root, ok := qualifiedName(e); ok {
			if p.name(e, name, root) && !slices.Contains(p.mentioned, name) {
				p.mentioned = append(p.mentioned, name)
			}
			return
		}
		p.refuse(e, "", "only names have parts: .%s cannot follow this", e.AsSelect().FieldName())
	case ast.CallKind:
		p.call(e)
	case ast.ListKind:
		p.refuse(e, "write: field in [1, 2]", "a list may stand only on the right of `in`")
	case ast.MapKind, ast.StructKind:
		p.refuse(e, "", "maps and messages are not part of the language")
	case ast.ComprehensionKind:
		p.refuse(e, "", "loops over lists are not part of the language")
	default:
		p.refuse(e, "", "this is not part of the language")
	}
}

func (p *promotion) literal(e ast.Expr) {
	switch v := e.AsLiteral().(type) {
	case types.Int:
		f := float64(v)
		p.setDouble(e, f, f < 1<<63 && int64(f) == int64(v), strconv.FormatInt(int64(v), 10))
	case types.Uint:
		f := float64(v)
		p.setDouble(e, f, f < 1<<64 && uint64(f) == uint64(v), strconv.FormatUint(uint64(v), 10))
	case types.Double:
		if !finite(float64(v)) {
			p.refuse(e, "", "the number is too large")
		}
	case types.String, types.Bool:
	default:
		p.refuse(e, "to ask whether a name has a value, write present(name)", "%s is not a value of the language", literalName(v))
	}
}

// setDouble makes an int literal the double v, unless that is another number
// than the one that is written.
func (p *promotion) setDouble(e ast.Expr, v float64, exact bool, text string) {
	if !exact {
		p.refuse(e, fmt.Sprintf("write %.1f, the double next to it", v), "%s is no double: all numbers are doubles, which hold every int up to 2^53 and few beyond", text)
		p.findings[len(p.findings)-1].Length = len(text)
		return
	}
	e.SetKindCase(p.factory.NewLiteral(e.ID(), types.Double(v)))
}

func literalName(v ref.Val) string {
	if v.Type() == types.NullType {
		return "null"
	}
	return "a literal of " + v.Type().TypeName()
}

// qualifiedName is the name that a chain of selections spells, and its first part.
func qualifiedName(e ast.Expr) (name, root string, ok bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), e.AsIdent(), true
	case ast.SelectKind:
		s := e.AsSelect()
		if s.IsTestOnly() {
			return "", "", false
		}
		name, root, ok = qualifiedName(s.Operand())
		return name + "." + s.FieldName(), root, ok
	}
	return "", "", false
}

// name checks that a name is declared; the place of a selection is its dot, so
// the finding is put where its first part stands.
func (p *promotion) name(e ast.Expr, name, root string) bool {
	if _, ok := p.env.names[name]; ok {
		return true
	}
	first := e
	for first.Kind() == ast.SelectKind {
		first = first.AsSelect().Operand()
	}
	suggestion := p.env.suggest(name)
	if t, ok := p.env.several[name]; ok {
		p.refuse(first, "use an aggregation that gives one value", "%s is %s: an expression reads single values", pinnedText(name), t.withArticle())
	} else if n, ok := p.env.names[root]; ok && root != name {
		p.refuse(first, suggestion, "%s is %s and has no parts", root, n.Type.withArticle())
	} else {
		known := ""
		if p.env.what != "" {
			known = ": known here are " + p.env.what
		}
		p.refuse(first, suggestion, "unknown name `%s`%s", pinnedText(name), known)
	}
	last := p.findings[len(p.findings)-1]
	last.Length, last.Unknown = len([]rune(pinnedText(name))), name
	return false
}

// known is the declared names in order.
func (env *Env) known() []string {
	names := make([]string, 0, len(env.names))
	for n := range env.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (p *promotion) call(e ast.Expr) {
	call := e.AsCall()
	name := call.FunctionName()
	if _, isOperator := operators.FindReverse(name); isOperator || name == operators.Conditional {
		p.operator(e, name)
		return
	}
	kind, known := functions[name]
	if !known {
		p.unknownFunction(e, name)
		return
	}
	if kind == presenceFunction {
		p.presence(e, call)
		return
	}
	if call.IsMemberFunction() {
		p.visit(call.Target())
	}
	for _, a := range call.Args() {
		p.visit(a)
	}
	switch kind {
	case integerFunction:
		p.wrapDouble(e)
	case zoneFunction:
		p.zone(e, call)
		p.wrapDouble(e)
	case foldedFunction:
		p.fold(e, call)
	case durationLiteral:
		p.duration(e, call)
	case timestampLiteral:
		p.timestamp(e, call)
	case regexFunction:
		p.pattern(e, call)
	}
}

func (p *promotion) unknownFunction(e ast.Expr, name string) {
	switch name {
	case "has":
		p.refuse(e, "write present(name)", "has() is not part of the language")
	case "all", "exists", "exists_one", "map", "filter":
		p.refuse(e, "", "%s(): loops over lists are not part of the language", name)
	case "now":
		p.refuse(e, "use the event's own time", "there is no clock in expressions")
	case "double", "int", "uint", "float":
		p.refuse(e, "leave it out; floor() cuts fractions off", "%s() is not part of the language: all numbers are doubles", name)
	default:
		known := make([]string, 0, len(functions))
		for f := range functions {
			known = append(known, f)
		}
		slices.Sort(known)
		p.refuse(e, cmp.Or(otherFunctions[name], didYouMean(name, known)), "unknown function %s()", name)
	}
}

func (p *promotion) operator(e ast.Expr, name string) {
	args := e.AsCall().Args()
	switch name {
	case operators.Modulo:
		p.refuse(e, "write x - floor(x / n) * n", "%% does not exist: all numbers are doubles")
	case operators.Index, operators.OptIndex, operators.OptSelect:
		p.refuse(e, "", "%s is not part of the language: nothing here has elements", "[]")
	case operators.In, operators.OldIn:
		p.visit(args[0])
		p.members(args[1])
		if args[1].Kind() == ast.ListKind {
			for _, m := range args[1].AsList().Elements() {
				p.amongEnum(args[0], m)
			}
		}
		return
	case operators.Equals, operators.NotEquals:
		p.amongEnum(args[0], args[1])
		p.amongEnum(args[1], args[0])
	}
	for _, a := range args {
		p.visit(a)
	}
	if p.eager && (name == operators.LogicalOr || name == operators.LogicalAnd) {
		to := eagerOr
		if name == operators.LogicalAnd {
			to = eagerAnd
		}
		e.SetKindCase(p.factory.NewCall(e.ID(), to, args...))
	}
}

// amongEnum doubts a text that a field is compared with and that is none of the
// values it is declared to have.
func (p *promotion) amongEnum(field, text ast.Expr) {
	name, _, isName := qualifiedName(field)
	if !isName || text.Kind() != ast.LiteralKind {
		return
	}
	value, isText := text.AsLiteral().(types.String)
	f := p.env.names[name].Field
	if !isText || f == nil || len(f.Enum) == 0 || slices.Contains(f.Enum, string(value)) {
		return
	}
	offset := 0
	if r, ok := p.tree.SourceInfo().GetOffsetRange(text.ID()); ok {
		offset = int(r.Start)
	}
	hint := didYouMean(string(value), f.Enum)
	if hint == "" {
		hint = "add it to the enum of " + f.Name + ", or correct it"
	}
	p.doubts = append(p.doubts, &ExprError{Offset: offset, Length: 1, Suggestion: hint,
		Message: fmt.Sprintf("%q is none of the values that %s is declared to have", string(value), name)})
}

// members is the right side of `in`: literals, or the name of a list.
func (p *promotion) members(list ast.Expr) {
	if name, _, ok := qualifiedName(list); ok {
		if n, known := p.env.names[name]; known && n.Type != List {
			p.refuse(list, "write: field in [\"a\", \"b\"]", "%s is %s, not a list", name, n.Type.withArticle())
			return
		}
		p.visit(list)
		return
	}
	if list.Kind() != ast.ListKind {
		p.refuse(list, "write: field in [\"a\", \"b\"]", "the right side of `in` must be a list of literals")
		return
	}
	elements := list.AsList().Elements()
	for _, m := range elements {
		if m.Kind() != ast.LiteralKind {
			p.refuse(m, "compare with == and ||", "a list may hold only literals")
			return
		}
		p.literal(m)
		if m.AsLiteral().Type() != elements[0].AsLiteral().Type() {
			p.refuse(m, "", "a list holds values of one type")
			return
		}
	}
	if len(elements) == 0 {
		p.refuse(list, "", "the list is empty: nothing is in it")
	}
}

func (p *promotion) presence(e ast.Expr, call ast.CallExpr) {
	if call.IsMemberFunction() || len(call.Args()) != 1 {
		p.refuse(e, "write present(name)", "present() asks one name")
		return
	}
	arg := call.Args()[0]
	name, root, ok := qualifiedName(arg)
	if !ok {
		p.refuse(arg, "write present(name)", "present() asks one name, not an expression")
		return
	}
	if p.name(arg, name, root) && !slices.Contains(p.asked, name) {
		p.asked = append(p.asked, name)
	}
}

// wrapDouble makes f(x) double(f(x)).
func (p *promotion) wrapDouble(e ast.Expr) {
	call := e.AsCall()
	var inner ast.Expr
	if call.IsMemberFunction() {
		inner = p.factory.NewMemberCall(p.newID(e.ID()), call.FunctionName(), call.Target(), call.Args()...)
	} else {
		inner = p.factory.NewCall(p.newID(e.ID()), call.FunctionName(), call.Args()...)
	}
	e.SetKindCase(p.factory.NewCall(e.ID(), "double", inner))
}

// fold makes max(a, b, c) max(max(a, b), c).
func (p *promotion) fold(e ast.Expr, call ast.CallExpr) {
	args := call.Args()
	if call.IsMemberFunction() || len(args) < 2 {
		p.refuse(e, fmt.Sprintf("write %s(a, b)", call.FunctionName()), "%s() takes two or more numbers", call.FunctionName())
		return
	}
	folded := args[0]
	for _, a := range args[1 : len(args)-1] {
		folded = p.factory.NewCall(p.newID(e.ID()), call.FunctionName(), folded, a)
	}
	e.SetKindCase(p.factory.NewCall(e.ID(), call.FunctionName(), folded, args[len(args)-1]))
}

// soleText is the one string literal that a call must have as its argument.
func (p *promotion) soleText(e ast.Expr, call ast.CallExpr, example string) (ast.Expr, string, bool) {
	args := call.Args()
	if len(args) == 1 && args[0].Kind() == ast.LiteralKind {
		if s, ok := args[0].AsLiteral().(types.String); ok {
			return args[0], string(s), true
		}
	}
	p.refuse(e, "write "+example, "%s() takes one literal in quotes, so that it can be checked here", call.FunctionName())
	return nil, "", false
}

func (p *promotion) duration(e ast.Expr, call ast.CallExpr) {
	arg, text, ok := p.soleText(e, call, `duration("24h")`)
	if !ok {
		return
	}
	d, err := parseDuration(text)
	if err != nil {
		if d, err = time.ParseDuration(text); err != nil {
			p.refuse(arg, cmp.Or(meantLiteral(text), `write duration("24h")`), "%q is not a duration", text)
			return
		}
	}
	arg.SetKindCase(p.factory.NewLiteral(arg.ID(), types.String(d.String())))
}

// meantLiteral is meantDuration as a literal of an expression.
func meantLiteral(text string) string {
	if meant, ok := strings.CutPrefix(meantDuration(text), "write "); ok && !strings.Contains(meant, " ") {
		return "write duration(" + strconv.Quote(meant) + ")"
	}
	return ""
}

func (p *promotion) timestamp(e ast.Expr, call ast.CallExpr) {
	const example = `timestamp("2026-01-05T10:00:00Z")`
	arg, text, ok := p.soleText(e, call, example)
	if !ok {
		return
	}
	if _, err := parseTimestamp(text); err != nil {
		p.refuse(arg, "write "+example, "%q is not a time: %s", text, err)
	}
}

func (p *promotion) zone(e ast.Expr, call ast.CallExpr) {
	if !call.IsMemberFunction() {
		p.refuse(e, fmt.Sprintf("write event_time.%s()", call.FunctionName()), "%s() follows a time", call.FunctionName())
		return
	}
	if len(call.Args()) == 0 {
		return
	}
	arg, text, ok := p.soleText(e, call, call.FunctionName()+`("Europe/Berlin")`)
	if !ok {
		return
	}
	if err := parseZone(text); err != nil {
		p.refuse(arg, `write a name such as "Europe/Berlin", or "+02:00"`, "%q is not a time zone", text)
	}
}

func (p *promotion) pattern(e ast.Expr, call ast.CallExpr) {
	arg, text, ok := p.soleText(e, call, `name.matches("^a.*z$")`)
	if !ok {
		return
	}
	if _, err := regexp.Compile(text); err != nil {
		p.refuse(arg, "", "the pattern is wrong: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
