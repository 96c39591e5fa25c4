package spec

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// coreKind is what a scalar is under the YAML 1.2 core schema (S33): NO, off,
// 2026-01-05 and 10:30 are texts, 0123 is an int.
type coreKind uint8

const (
	coreText coreKind = iota
	coreNull
	coreBool
	coreInt
	coreFloat
	coreOther // a mapping or a list
)

var coreNames = [...]string{"a text", "null", "a bool", "a number", "a number", "no scalar"}

func (k coreKind) String() string { return coreNames[k] }

var (
	coreIntForm   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	coreFloatForm = regexp.MustCompile(`^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

// coreOf resolves a scalar from its text, not from the parser's tag, which
// still follows YAML 1.1 in places.
func coreOf(n node) coreKind {
	if n.Kind != yaml.ScalarNode {
		return coreOther
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return coreText
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return coreNull
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return coreBool
	}
	switch {
	case coreIntForm.MatchString(n.Value):
		return coreInt
	case coreFloatForm.MatchString(n.Value):
		return coreFloat
	}
	return coreText
}

// jsonNumberForm is the numbers that records can hold: JSON has no .5, +5, 0x10
// and 0123.
var jsonNumberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// asJSON is how a number that YAML has and JSON has not is written, or "".
func asJSON(n node) string {
	k := coreOf(n)
	v, ok := coreNumber(n)
	if k != coreInt && k != coreFloat || !ok || !finite(v) || jsonNumberForm.MatchString(n.Value) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// coreNumber is the number that a plain scalar spells.
func coreNumber(n node) (float64, bool) {
	switch coreOf(n) {
	case coreInt:
		if strings.HasPrefix(n.Value, "0o") || strings.HasPrefix(n.Value, "0x") {
			i, err := strconv.ParseInt(n.Value, 0, 64)
			return float64(i), err == nil
		}
		f, err := strconv.ParseFloat(n.Value, 64)
		return f, err == nil
	case coreFloat:
		if strings.HasSuffix(strings.ToLower(n.Value), "inf") || strings.ToLower(n.Value) == ".nan" {
			return math.NaN(), true
		}
		f, err := strconv.ParseFloat(n.Value, 64)
		return f, err == nil
	}
	return 0, false
}

// literal reads a default or an expected value of a feature of type t.
func (l *loader) literal(n node, t Type, what string) (Literal, bool) {
	kind := coreOf(n)
	if kind == coreNull {
		return Literal{}, true
	}
	switch t {
	case Bool:
		if kind == coreBool {
			return Literal{Type: Bool, Bool: strings.EqualFold(n.Value, "true")}, true
		}
		l.errorf(n, "write true, false or null", "%s is a bool", what)
	case String:
		if kind == coreText {
			return Literal{Type: String, Str: n.Value}, true
		}
		l.errorf(n, "write it in quotes", "%s is a text", what)
	case Timestamp:
		if kind == coreText {
			at, err := parseTimestamp(n.Value)
			if err == nil {
				return Literal{Type: Timestamp, Num: float64(at.UnixMilli()), Str: n.Value}, true
			}
			l.errorf(n, "", "%s is a time: %s", what, err)
			return Literal{}, false
		}
		l.errorf(n, "write RFC 3339 with a zone, such as 2026-01-05T10:00:00Z", "%s is a time", what)
	case Double, Int, Decimal:
		if v, ok := coreNumber(n); ok && finite(v) {
			return Literal{Type: Double, Num: v}, true
		}
		l.errorf(n, "write a number or null", "%s is a number", what)
	default:
		l.errorf(n, "write null", "%s has no literal but null", what)
	}
	return Literal{}, false
}
