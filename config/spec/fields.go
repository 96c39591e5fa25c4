package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxScale is the most digits after the point that a decimal may have: money
// of int64 minor units must still hold a billion.
const MaxScale = 9

var decimalForm = regexp.MustCompile(`^decimal\(([0-9]+)\)$`)

var fieldTypes = []string{"string", "int", "double", "bool", "timestamp", "decimal(2)"}

func (r *resolver) fields(s *Source, n node) {
	for _, e := range r.bounded(r.mapping(n, "`fields` of source "+s.Name).entries, MaxFields, n, "fields of source "+s.Name) {
		r.name(e.key, e.name, "field")
		f := &Field{Index: len(s.Fields), Name: e.name, Pos: e.key.pos()}
		s.Fields = append(s.Fields, f)
		m := r.object(e.value, fieldBlock, "field "+e.name)
		f.Description = m.text("description")
		r.fieldType(f, m)
		f.Optional = m.boolean("optional")
		r.pii(f, m)
		f.Path = []string{f.Name}
		if n, ok := m.get("path"); ok {
			r.path(f, n)
		}
		r.reading(f, m)
		m.finish()
	}
}

// fieldType reads a type's name.
func (r *resolver) fieldType(f *Field, m *mapping) {
	n, ok := m.need("type", "type: string")
	f.Type = String // where the author's is wrong, so that the rest can be checked
	if !ok {
		return
	}
	text, ok := r.text(n, "`type`")
	if !ok {
		return
	}
	var found bool
	if f.Type, f.Scale, found = typeOf(text); !found {
		var suggestion string
		f.Type, suggestion = meantType(text)
		r.errorf(n, suggestion, "`%s` is not a type", text)
	}
}

// meantType guesses what a wrong type should have been.
func meantType(text string) (t Type, suggestion string) {
	switch text {
	case "float", "number":
		return Double, "write double; money is decimal(2)"
	case "integer", "long", "int64":
		return Int, "write int"
	case "decimal", "money":
		return Decimal, "write decimal(2): with the digits after the point"
	case "date", "datetime", "time":
		return Timestamp, "write timestamp"
	}
	if decimalForm.MatchString(text) {
		return Decimal, fmt.Sprintf("write decimal(2); at most %d digits may follow the point", MaxScale)
	}
	if near, _, ok := typeOf(nearest(text, fieldTypes)); ok {
		return near, oneOf(text, fieldTypes)
	}
	return String, oneOf(text, fieldTypes)
}

func typeOf(text string) (t Type, scale int, ok bool) {
	if d := decimalForm.FindStringSubmatch(text); d != nil {
		scale, err := strconv.Atoi(d[1])
		return Decimal, scale, err == nil && scale <= MaxScale
	}
	for _, t := range []Type{String, Int, Double, Bool, Timestamp} {
		if t.String() == text {
			return t, 0, true
		}
	}
	return NoType, 0, false
}

// defaultMask hides a pii field for which the author chose none.
const defaultMask = "hash"

func (r *resolver) pii(f *Field, m *mapping) {
	f.PII = m.boolean("pii")
	f.Mask = m.word("mask", "")
	f.KeepCardNumbers = m.word("card_numbers", "hide") == "keep"
	if n, ok := m.nullable("mask"); ok && !f.PII {
		r.errorf(n, "write pii: true beside it", "`mask` of field %s means something only with `pii: true`", f.Name)
	} else if ok && f.Type != String && (f.Mask == "last4" || f.Mask == "ip24") {
		r.errorf(n, "write mask: hash or mask: drop", "`mask: %s` is for texts, and field %s is %s", f.Mask, f.Name, f.Type.withArticle())
	}
	if f.PII && f.Mask == "" {
		f.Mask = defaultMask
	}
}

func (r *resolver) path(f *Field, n node) {
	text, ok := r.text(n, "`path`")
	if !ok {
		return
	}
	f.Path = strings.Split(text, ".")
	if rest, isJSONPath := strings.CutPrefix(text, "$."); isJSONPath {
		r.errorf(n, "write path: "+rest, "`%s`: a path begins at the record itself, without $", text)
	} else if slices.Contains(f.Path, "") || strings.ContainsAny(text, "[]") {
		r.errorf(n, "write path: card.id", "`%s` is not a path: names with dots between them (arrays cannot be addressed)", text)
	}
}

// reading reads what only some types have.
func (r *resolver) reading(f *Field, m *mapping) {
	f.Unit = m.text("unit")
	if f.Type == Timestamp {
		f.TimeUnit = "ms"
		if n, ok := m.nullable("unit"); ok {
			f.TimeUnit = f.Unit
			if !slices.Contains([]string{"s", "ms", "us", "ns"}, f.Unit) {
				r.errorf(n, "write unit: s, ms, us or ns", "the unit of a timestamp is that of its epoch, and `%s` is none", f.Unit)
			}
		}
	}
	f.Enum = m.texts("enum")
	if n, ok := m.nullable("enum"); ok && f.Type != String {
		r.errorf(n, "leave it out", "`enum` is for texts, and field %s is %s", f.Name, f.Type.withArticle())
	}
	f.Strict = m.boolean("strict")
	if n, ok := m.nullable("strict"); ok && len(f.Enum) == 0 {
		r.errorf(n, "write enum: [...] beside it", "`strict` of field %s means something only with `enum`", f.Name)
	}
	f.Text = m.boolean("text")
	if n, ok := m.nullable("text"); ok && f.Type != Int {
		r.errorf(n, "leave it out", "`text` is for ints inside strings, and field %s is %s", f.Name, f.Type.withArticle())
	}
}

// fieldEnv is what the fields of s mean in expressions; computed fields belong
// to it once they are resolved.
func (r *resolver) fieldEnv(s *Source) *Env {
	if env := r.fieldEnvs[s]; env != nil {
		return env
	}
	names := make([]Name, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = Name{Text: f.Name, Scope: FieldScope, Field: f, Type: f.Type}
	}
	env := r.environment("the fields of "+s.Name, names)
	r.fieldEnvs[s] = env
	return env
}

// environment panics only where cel-go refuses a declaration of ours.
func (l *loader) environment(what string, names []Name) *Env {
	env, err := extendEnv(l.base, what, names)
	if err != nil {
		panic("config/spec: " + err.Error())
	}
	return env
}

// expression reads an expression that must be of one of the wanted types. It
// is nil where there is an error.
func (l *loader) expression(env *Env, n node, what string, wanted ...Type) *Expr {
	if coreOf(n) == coreOther || coreOf(n) == coreNull {
		l.errorf(n, "", "%s must be an expression, not %s", what, shape(n))
		return nil
	}
	e, findings := env.Compile(n.Value)
	for _, f := range findings {
		if root, _, ok := strings.Cut(f.Unknown, "."); ok && l.broken[root] {
			continue // what is wrong with that view was reported there
		}
		l.inExpression(ErrorSeverity, n, what, f)
	}
	if len(findings) > 0 {
		return nil
	}
	for _, d := range e.doubts {
		l.inExpression(WarningSeverity, n, what, d)
	}
	e.Pos = n.pos()
	if !slices.Contains(wanted, e.Type) {
		words := make([]string, len(wanted))
		for i, t := range wanted {
			words[i] = t.withArticle()
		}
		suggestion := ""
		if e.Type == Duration && slices.Contains(wanted, Double) {
			suggestion = "days(...) makes a number of a duration"
		}
		l.errorf(n, suggestion, "%s must be %s, and this is %s", what, strings.Join(words, " or "), e.Type.withArticle())
		return nil
	}
	return e
}

// inExpression reports a finding at its place in the expression n.
func (l *loader) inExpression(severity Severity, n node, what string, f *ExprError) {
	line, col := placeOf(n, f.Offset)
	l.at(n.file, line, col, f.Suggestion, "%s: %s", what, f.Message)
	last := &l.diags[len(l.diags)-1]
	last.Severity = severity
	if f.Length > 1 {
		last.End = col + f.Length - 1
	}
}
