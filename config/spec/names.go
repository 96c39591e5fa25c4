package spec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The bounds of names (spec-language.md 1.7).
const (
	MaxNamePart = 63
	MaxFullName = 127
)

var (
	nameForm   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	fieldForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	suffixForm = regexp.MustCompile(`_(hl)?[1-9][0-9]*(ms|s|m|h|d)$|_last[1-9][0-9]*$`)
)

// reservedWords cannot be names: they mean something in expressions.
var reservedWords = []string{"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for",
	"function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
	"event", "request"}

// name checks a name that an author chose. That of a field may have capitals:
// it is the producer's word, and the rule of 1.7 is one for features.
func (l *loader) name(n node, name, what string) bool {
	ofField := strings.HasSuffix(what, "field")
	switch {
	case ofField && !fieldForm.MatchString(name):
		l.errorf(n, "choose a name of these, and write path: where the value lies", "%s name `%s` must be letters, digits and _, beginning with a letter", what, name)
	case !ofField && !nameForm.MatchString(name):
		suggestion := ""
		if fixed := snake(name); nameForm.MatchString(fixed) {
			suggestion = "write `" + fixed + "`"
		}
		l.errorf(n, suggestion, "%s name `%s` must be lower-case letters, digits and _, beginning with a letter", what, name)
	case strings.Contains(name, "__"):
		l.errorf(n, "write one _", "%s name `%s` holds `__`, which flat names (view__feature) are cut at", what, name)
	case len(name) > MaxNamePart:
		l.errorf(n, "", "%s name `%s` is longer than %d characters", what, name, MaxNamePart)
	case what != "namespace" && slices.Contains(reservedWords, name):
		l.errorf(n, "choose another name", "%s name `%s` is a word of the expression language", what, name)
	default:
		return true
	}
	return false
}

// snake is a guess at what a name should have been.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
			if i > 0 && !strings.HasSuffix(b.String(), "_") {
				b.WriteByte('_')
			}
			b.WriteRune(r + 'a' - 'A')
		case r == '-' || r == ' ' || r == '.':
			b.WriteByte('_')
		default:
			b.WriteRune(r)
		}
	}
	return strings.Trim(b.String(), "_")
}

// suffix is what a window adds to a definition's name.
func (w Window) suffix() string {
	switch w.Kind {
	case Sliding:
		return "_" + w.Text
	case HalfLife:
		return "_hl" + w.Text
	case Last:
		return "_last" + strconv.Itoa(w.N)
	}
	return ""
}

// Flat is the name of a feature as a column of a data frame: view__short.
func (f *Feature) Flat() string { return f.View.Ref() + "__" + f.Short }

// Full is the name of a service's derived value: service.name.
func (d *ServiceDerived) Full(s *Service) string { return s.Name + "." + d.Name }

// Feature finds a feature by its full (view.short), pinned (view@1.short) or
// flat (view__short) name.
func (s *Spec) Feature(name string) (*Feature, bool) {
	view, short, ok := strings.Cut(name, ".")
	if !ok {
		if view, short, ok = strings.Cut(name, "__"); !ok {
			return nil, false
		}
	}
	v, ok := s.View(view)
	if !ok {
		return nil, false
	}
	return v.Feature(short)
}

// View finds a view by its name, of the highest version, or by name@version.
func (s *Spec) View(ref string) (*View, bool) {
	for _, v := range s.Views {
		if v.Latest && v.Name == ref || v.Pinned() == ref {
			return v, true
		}
	}
	return nil, false
}

// Feature finds a feature of v by its short name.
func (v *View) Feature(short string) (*Feature, bool) {
	for _, f := range v.Features {
		if f.Short == short {
			return f, true
		}
	}
	return nil, false
}

// Source finds a source by its name.
func (s *Spec) Source(name string) (*Source, bool) {
	return find(s.Sources, func(x *Source) bool { return x.Name == name })
}

// Entity finds an entity by its name.
func (s *Spec) Entity(name string) (*Entity, bool) {
	return find(s.Entities, func(x *Entity) bool { return x.Name == name })
}

// Service finds a feature service by its name.
func (s *Spec) Service(name string) (*Service, bool) {
	return find(s.Services, func(x *Service) bool { return x.Name == name })
}

// Model finds a model by its name.
func (s *Spec) Model(name string) (*Model, bool) {
	return find(s.Models, func(x *Model) bool { return x.Name == name })
}

// Field finds a declared or computed field of s by its name.
func (s *Source) Field(name string) (*Field, bool) {
	return find(s.Fields, func(f *Field) bool { return f.Name == name })
}

// HasKey reports whether events of s can carry the key of e.
func (s *Source) HasKey(e *Entity) bool {
	for _, k := range e.Key {
		if _, ok := s.Field(k); !ok {
			return false
		}
	}
	return true
}

func find[T any](all []*T, is func(*T) bool) (*T, bool) {
	for _, x := range all {
		if is(x) {
			return x, true
		}
	}
	return nil, false
}

// namesOf is the names of things, for suggestions.
func namesOf[T any](all []*T, name func(*T) string) []string {
	names := make([]string, len(all))
	for i, x := range all {
		names[i] = name(x)
	}
	return names
}

func sourceName(s *Source) string   { return s.Name }
func entityName(e *Entity) string   { return e.Name }
func serviceName(s *Service) string { return s.Name }
func modelName(m *Model) string     { return m.Name }
func fieldName(f *Field) string     { return f.Name }
func shortName(f *Feature) string   { return f.Short }
func viewRef(v *View) string        { return v.Ref() }

// unknown reports a name that nothing has. what is "entity" or "feature of view
// x".
func (l *loader) unknown(n node, what, name string, known []string) {
	suggestion := didYouMean(name, known)
	if suggestion == "" && len(known) > 0 && len(known) <= 12 {
		suggestion = "there are " + strings.Join(known, ", ")
	}
	if suggestion == "" {
		suggestion = "declare it, or correct the name"
	}
	kind, of, _ := strings.Cut(what, " of ")
	if of != "" {
		of = " of " + of
	}
	l.errorf(n, suggestion, "there is no %s `%s`%s", kind, name, of)
}
