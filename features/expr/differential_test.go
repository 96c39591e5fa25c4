package expr

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// drawer writes random expressions of a wanted type.
type drawer struct{ *rapid.T }

func (d drawer) one(of ...string) string { return rapid.SampledFrom(of).Draw(d.T, "pick") }

func (d drawer) number(depth int) string {
	if depth == 0 {
		return d.one("amount", "tries", "lat", "event.lon", "card.count_1h", "request.limit", d.literal())
	}
	a := func() string { return d.number(depth - 1) }
	switch d.one("op", "op", "op", "fn1", "fn2", "if", "time", "len", "size", "km", "neg", "leaf") {
	case "op":
		return "(" + a() + d.one(" + ", " - ", " * ", " / ") + a() + ")"
	case "fn1":
		return d.one("abs", "floor", "ceil", "round", "log", "exp", "sqrt") + "(" + a() + ")"
	case "fn2":
		return d.one("max", "min", "pow") + "(" + a() + ", " + a() + ")"
	case "if":
		return "(" + d.truth(depth-1) + " ? " + a() + " : " + a() + ")"
	case "time":
		return d.moment(depth-1) + "." + d.one("getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek",
			"getHours", "getMinutes", "getSeconds", "getMilliseconds") + "(" + d.one("", `"Europe/Berlin"`, `"+02:30"`, `"-11:45"`, `"America/St_Johns"`) + ")"
	case "len":
		return d.one("days("+d.span(depth-1)+")", d.span(depth-1)+"."+d.one("getHours", "getMinutes", "getSeconds", "getMilliseconds")+"()")
	case "size":
		return "size(" + d.text(depth-1) + ")"
	case "km":
		return "haversine_km(" + a() + ", " + a() + ", " + a() + ", " + a() + ")"
	case "neg":
		return "-(" + a() + ")"
	}
	return d.number(0)
}

func (d drawer) literal() string {
	return d.one("0", "1", "-1", "2.5", "1e308", "1e-300", "90", "12.5", strconv.Itoa(rapid.IntRange(-200, 200).Draw(d.T, "int")))
}

func (d drawer) truth(depth int) string {
	if depth == 0 {
		return d.one("known", "card.new", "true", "false", "present(lat)", "present(request.gone)", "present(card.new)")
	}
	a := func() string { return d.truth(depth - 1) }
	compare := func() string { return d.one(" == ", " != ", " < ", " <= ", " > ", " >= ") }
	switch d.one("logic", "not", "if", "num", "num", "text", "bool", "time", "span", "in", "test", "leaf") {
	case "logic":
		return "(" + a() + d.one(" && ", " || ") + a() + ")"
	case "not":
		return "!(" + a() + ")"
	case "if":
		return "(" + a() + " ? " + a() + " : " + a() + ")"
	case "num":
		return "(" + d.number(depth-1) + compare() + d.number(depth-1) + ")"
	case "text":
		return "(" + d.text(depth-1) + compare() + d.text(depth-1) + ")"
	case "bool":
		return "(" + a() + compare() + a() + ")"
	case "time":
		return "(" + d.moment(depth-1) + compare() + d.moment(depth-1) + ")"
	case "span":
		return "(" + d.span(depth-1) + compare() + d.span(depth-1) + ")"
	case "in":
		if d.one("number", "text") == "text" {
			return "(" + d.text(depth-1) + ` in ["a", "approved", ""` + strings.Repeat(`, "x", "declined"`, rapid.IntRange(0, 5).Draw(d.T, "n")) + "])"
		}
		return "(" + d.number(depth-1) + " in [0, 1, 12.5" + strings.Repeat(", 3", rapid.IntRange(0, 9).Draw(d.T, "n")) + "])"
	case "test":
		if d.one("pattern", "other") == "pattern" {
			return d.text(depth-1) + `.matches("` + d.one("^d.*d$", "a|É", "", "[0-9]+", `\\.`) + `")`
		}
		return d.text(depth-1) + d.one(".startsWith(", ".endsWith(", ".contains(") + d.text(depth-1) + ")"
	}
	return d.truth(0)
}

func (d drawer) text(depth int) string {
	if depth == 0 {
		return d.one("status", "country", `"declined"`, `""`, `"É"`, `"dec"`)
	}
	switch d.one("leaf", "leaf", "if", "plus") {
	case "if":
		return "(" + d.truth(depth-1) + " ? " + d.text(depth-1) + " : " + d.text(depth-1) + ")"
	case "plus":
		return "(" + d.text(depth-1) + " + " + d.text(depth-1) + ")"
	}
	return d.text(0)
}

func (d drawer) moment(depth int) string {
	if depth == 0 {
		return d.one("at", "due", `timestamp("2026-01-05T10:00:00.123456789+01:00")`)
	}
	switch d.one("leaf", "if", "plus", "plus", "minus") {
	case "if":
		return "(" + d.truth(depth-1) + " ? " + d.moment(depth-1) + " : " + d.moment(depth-1) + ")"
	case "plus":
		return d.one("("+d.moment(depth-1)+" + "+d.span(depth-1)+")", "("+d.span(depth-1)+" + "+d.moment(depth-1)+")")
	case "minus":
		return "(" + d.moment(depth-1) + " - " + d.span(depth-1) + ")"
	}
	return d.moment(0)
}

func (d drawer) span(depth int) string {
	if depth == 0 {
		return `duration("` + d.one("1ms", "90s", "24h", "7d", "1ns", "-5m", "2500000h", "-2500000h", "2562047h47m16.854775807s",
			"-2562047h47m16.854775808s") + `")`
	}
	switch d.one("leaf", "if", "plus", "minus", "times", "times") {
	case "if":
		return "(" + d.truth(depth-1) + " ? " + d.span(depth-1) + " : " + d.span(depth-1) + ")"
	case "plus":
		return "(" + d.span(depth-1) + " + " + d.span(depth-1) + ")"
	case "minus":
		return "(" + d.span(depth-1) + " - " + d.span(depth-1) + ")"
	case "times":
		return "(" + d.moment(depth-1) + " - " + d.moment(depth-1) + ")"
	}
	return d.span(0)
}

// value is a random value of a name's type, or none.
func (d drawer) value(n spec.Name) event.Value {
	if n.Text == "request.gone" || rapid.IntRange(0, 19).Draw(d.T, "none") == 0 {
		return event.Value{}
	}
	switch n.Type {
	case spec.String:
		return event.OfString(d.one("", "declined", "approved", "DÉ", "a", "12", "."))
	case spec.Bool:
		return event.OfBool(rapid.Bool().Draw(d.T, "bool"))
	case spec.Timestamp:
		return event.OfTimestamp(rapid.Int64Range(event.MinTime, event.MaxTime-1).Draw(d.T, "ms"))
	case spec.Decimal:
		return event.OfDecimal(rapid.Int64Range(-10000, 10000).Draw(d.T, "minor"))
	case spec.Int:
		return event.OfInt(rapid.Int64Range(-5, 5).Draw(d.T, "int"))
	}
	return event.OfDouble(rapid.OneOf(rapid.Float64Range(-200, 200), rapid.Float64Range(-1e308, 1e308),
		rapid.SampledFrom([]float64{0, 1, -1, 90, 180, 0.1})).Draw(d.T, "double"))
}

// differentialCases is how many random expressions are held against the
// reference, each in worldsPerCase random worlds.
const (
	differentialCases = 6000
	worldsPerCase     = 3
)

// TestClosuresEqualTheInterpreter is the differential test of the expression
// language.
func TestClosuresEqualTheInterpreter(t *testing.T) {
	env, err := spec.NewEnv("the names of the test", names)
	if err != nil {
		t.Fatal(err)
	}
	cases, valued := 0, 0
	one := rapid.MakeCheck(func(rt *rapid.T) {
		d := drawer{rt}
		depth := rapid.IntRange(0, 3).Draw(rt, "depth")
		var text string
		switch d.one("number", "truth", "truth", "text", "moment") {
		case "number":
			text = d.number(depth)
		case "truth":
			text = d.truth(depth)
		case "text":
			text = d.text(depth)
		default:
			text = d.moment(depth)
		}
		e, findings := env.Compile(text)
		if len(findings) > 0 {
			rt.Skipf("%s: %v", text, findings[0])
		}
		for range worldsPerCase {
			v := make(values)
			for _, n := range names {
				v[n.Text] = d.value(n)
			}
			if err := agree(e, v); err != nil {
				rt.Fatalf("%v\nin %v", err, v)
			}
			if _, ok := e.Interpret(v.lookup); ok {
				valued++
			}
		}
		cases++
	})
	for cases < differentialCases && !t.Failed() { // a check is 100 cases
		t.Run(fmt.Sprint(cases), one)
	}
	t.Logf("%d expressions in %d worlds each, %d with a value", cases, worldsPerCase, valued)
	if valued < cases/2 {
		t.Errorf("only %d of the evaluations had a value: the test proves little", valued)
	}
}

// FuzzClosuresEqualTheInterpreter holds any text that the loader accepts.
func FuzzClosuresEqualTheInterpreter(f *testing.F) {
	for _, text := range []string{manyOperations, "at - due > duration(\"1h\")", "1 / 0 > 5 || known", "status + country"} {
		f.Add(text, 12.5, int64(3), "declined", true, int64(1767655815250))
	}
	env, err := spec.NewEnv("the names of the test", names)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, x float64, i int64, s string, b bool, ms int64) {
		e, findings := env.Compile(text)
		if len(findings) > 0 || e.Type == spec.Duration || x-x != 0 {
			return
		}
		ms = event.MinTime + int64(uint64(ms)%uint64(event.MaxTime-event.MinTime))
		v := values{"amount": event.OfDecimal(i), "tries": event.OfInt(i), "lat": event.OfDouble(x), "status": event.OfString(s),
			"country": event.OfString(text), "known": event.OfBool(b), "at": event.OfTimestamp(ms), "due": event.OfTimestamp(event.MinTime),
			"event.lon": event.OfDouble(-x), "card.count_1h": event.OfDouble(x / 2), "card.new": event.OfBool(!b)}
		if err := agree(e, v); err != nil {
			t.Fatal(err)
		}
	})
}
