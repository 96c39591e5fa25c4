package expr

import (
	"fmt"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// scale is that of the decimal name in these tests.
const scale = 2

// names are one or two of every type, in all frames.
var names = []spec.Name{
	{Text: "amount", Type: spec.Decimal}, {Text: "tries", Type: spec.Int}, {Text: "lat", Type: spec.Double},
	{Text: "status", Type: spec.String}, {Text: "country", Type: spec.String},
	{Text: "known", Type: spec.Bool}, {Text: "at", Type: spec.Timestamp}, {Text: "due", Type: spec.Timestamp},
	{Text: "event.lon", Type: spec.Double, Scope: spec.EventScope},
	{Text: "card.count_1h", Type: spec.Double, Scope: spec.FeatureScope},
	{Text: "card.new", Type: spec.Bool, Scope: spec.FeatureScope},
	{Text: "request.limit", Type: spec.Double, Scope: spec.RequestScope, Request: "limit"},
	{Text: "request.gone", Type: spec.Double, Scope: spec.RequestScope, Request: "gone"},
}

// binding gives every name a slot: its place in names, in its scope's frame.
func binding(n spec.Name) (Slot, error) {
	for i, known := range names {
		if known.Text != n.Text {
			continue
		}
		s := Slot{Frame: Fields, Index: i}
		switch {
		case n.Text == "request.gone":
			return Slot{}, nil
		case n.Scope == spec.FeatureScope:
			s.Frame = Features
		case n.Scope == spec.RequestScope:
			s.Frame = Request
		}
		if n.Type == spec.Decimal {
			s.Scale = scale
		}
		return s, nil
	}
	return Slot{}, fmt.Errorf("unknown name %s", n.Text)
}

// values is a world by name, which both evaluators can be asked in.
type values map[string]event.Value

func (v values) env() *Env {
	env := &Env{Fields: make([]event.Value, len(names)), Features: make([]event.Value, len(names)), Request: make([]event.Value, len(names))}
	for i, n := range names {
		switch s, _ := binding(n); s.Frame {
		case Fields:
			env.Fields[i] = v[n.Text]
		case Features:
			env.Features[i] = v[n.Text]
		case Request:
			env.Request[i] = v[n.Text]
		}
	}
	return env
}

func (v values) lookup(n spec.Name) (any, bool) {
	x := v[n.Text]
	switch x.Kind() {
	case event.None:
		return nil, false
	case event.String:
		return x.Str(), true
	case event.Bool:
		return x.Bool(), true
	case event.Timestamp:
		return time.UnixMilli(x.Int()).UTC(), true
	}
	f, ok := x.Number(scale)
	return f, ok
}

// agree reports whether the closures and the interpreter say the same.
func agree(e *spec.Expr, v values) error {
	p, err := Compile(e, binding)
	if err != nil {
		return err
	}
	want, wantOK := e.Interpret(v.lookup)
	got, gotOK := p.Eval(v.env())
	if gotOK != wantOK {
		return fmt.Errorf("%s: has a value: %v (%v), the reference says %v (%v)", e.Text, gotOK, got, wantOK, want)
	}
	holds, ok := p.EvalBool(v.env())
	if ok != (gotOK && e.Type == spec.Bool) || holds != (ok && got.Bool()) {
		return fmt.Errorf("%s: EvalBool says %v, %v where Eval says %v", e.Text, holds, ok, got)
	}
	if !gotOK {
		return nil
	}
	var same bool
	switch w := want.(type) {
	case float64:
		same = got.Equal(event.OfDouble(w))
		f, ok := p.EvalNumber(v.env())
		same = same && ok && f == w
	case bool:
		same = got.Equal(event.OfBool(w))
	case string:
		same = got.Equal(event.OfString(w))
	case time.Time:
		same = got.Equal(event.OfTimestamp(w.UnixMilli()))
	}
	if !same {
		return fmt.Errorf("%s = %+v, the reference says %v", e.Text, got, want)
	}
	return nil
}

func world() values {
	return values{
		"amount": event.OfDecimal(1250), "tries": event.OfInt(3), "lat": event.OfDouble(52.52), "status": event.OfString("declined"),
		"country": event.OfString("DÉ"), "known": event.OfBool(true), "at": event.OfTimestamp(1767655815250),
		"due": event.OfTimestamp(1767439815250), "event.lon": event.OfDouble(13.4), "card.count_1h": event.OfDouble(7),
		"card.new": event.OfBool(false), "request.limit": event.OfDouble(1000),
	}
}

func compileText(t testing.TB, text string) *spec.Expr {
	t.Helper()
	e, err := spec.CompileExpr(text, names)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestS31EveryOperation compiles each function and operator once; what each is
// worth, the reference says.
func TestS31EveryOperation(t *testing.T) {
	for _, text := range []string{
		"amount", "status", "known", "at", "tries + 1", "amount - tries * 2 / lat", "-amount", "- -amount",
		"abs(lat)", "floor(lat)", "ceil(lat)", "round(lat)", "log(lat)", "exp(lat)", "sqrt(lat)", "pow(lat, 2)",
		"max(amount, tries, lat)", "min(amount, tries)", "haversine_km(lat, event.lon, 48.1, 11.6)", "days(at - due)",
		"amount < 2", "amount <= 12.5", "amount > tries", "amount >= 12.5", "amount == 12.5", "amount != 12.5", "2 < amount",
		`status < "e"`, `status <= country`, `"e" > status`, `status == "declined"`, `status != "declined"`, `status == country`,
		"known == card.new", "known < card.new", "known >= card.new", "at < due", "at == due", "at != due", "at - due > due - at",
		"at - due == duration(\"2d\")", "known && card.new", "known || card.new", "!known", "known ? amount : lat",
		`known ? status : country`, "known ? at : due", "known ? card.new : known", "(known ? at - due : due - at) > duration(\"1h\")",
		`status in ["a", "declined"]`, `amount in [1, 12.5]`, `known in [true]`, `amount in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12.5]`,
		`status in ["a", "b", "c", "d", "e", "f", "g", "h", "i"]`,
		`status.startsWith("de")`, `status.endsWith("ed")`, `status.contains("cli")`, `status.matches("^d.*d$")`, `status.contains(country)`,
		`size(country)`, `country.size()`, `status + country`, `(status + country).endsWith(country)`,
		"at.getFullYear()", "at.getMonth()", "at.getDayOfYear()", "at.getDayOfMonth()", "at.getDate()", "at.getDayOfWeek()", "at.getHours()",
		"at.getMinutes()", "at.getSeconds()", "at.getMilliseconds()", `at.getHours("Europe/Berlin")`, `at.getDate("Asia/Kathmandu")`,
		`at.getHours("+02:30")`, `at.getMinutes("-03:30")`, `at.getMinutes("-00:30")`, `at.getHours("05:45")`,
		"(at - due).getHours()", `1 / duration("-5m").getHours() < 0`, "(due - at).getMinutes()", "(due - at).getSeconds()", "(at - due).getMilliseconds()",
		`at + duration("1h")`, `duration("1h") + at`, `at - duration("90m")`, `at - (duration("1h") - duration("2h"))`,
		`at > timestamp("2026-01-05T00:00:00Z")`, `timestamp("2026-01-05T00:00:00.123456789+02:00") - at < duration("1ns")`,
		"present(amount)", "present(request.gone)", "present(request.limit) && request.limit > card.count_1h", "1 / 0 > 5", "1 / 0", "0 / 0 == 0 / 0",
		"0 / 0 != 1", "0 / 0 < 1", "log(-1)", "haversine_km(91, 0, 0, 0)", "haversine_km(91, 0, 0, 0) > 3", "-0.0", "1 / -0.0 < 0",
		`at + duration("2500000h") + duration("2500000h") > due`, `(at + duration("2500000h")) - (due - duration("2500000h")) > duration("1h")`,
		`(timestamp("2026-01-05T00:00:00Z") + duration("2562047h47m16.854775807s") + duration("1ns")) - timestamp("2026-01-05T00:00:00Z") > duration("1h")`,
		`duration("2500000h") + duration("2500000h") > duration("1h")`, `duration("1h") - duration("-2500000h") - duration("-2500000h") > duration("1h")`,
	} {
		if err := agree(compileText(t, text), world()); err != nil {
			t.Error(err)
		}
	}
}

// TestS17NoShortCircuitRescues: a name without a value takes the value of the
// whole expression, whichever branch it stands in; so does an error.
func TestS17NoShortCircuitRescues(t *testing.T) {
	for _, c := range []struct {
		text   string
		lacks  string
		exists bool
	}{
		{"known || card.new", "card.new", false}, {"!known && card.new", "card.new", false}, {"known ? amount : lat", "lat", false},
		{"known || haversine_km(91, 0, 0, 0) < 1", "", false}, {"haversine_km(91, 0, 0, 0) < 1 || known", "", false},
		{"!known && haversine_km(91, 0, 0, 0) < 1", "", false}, {"known || 0 / 0 < 1", "", true},
		{"known ? amount : log(-1)", "", true}, {"known ? true : haversine_km(91, 0, 0, 0) < 1", "", true},
		{"present(lat) ? amount : 0", "lat", true}, {"present(lat) ? lat : 0", "lat", false}, {"present(lat) || known", "lat", true},
		{"request.gone > 1", "", false}, {"amount * 0 + 1 / 0", "", false},
	} {
		v := world()
		delete(v, c.lacks)
		e := compileText(t, c.text)
		p, err := Compile(e, binding)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.Eval(v.env()); ok != c.exists {
			t.Errorf("%s without %q: has a value: %v", c.text, c.lacks, ok)
		}
		if err := agree(e, v); err != nil {
			t.Error(err)
		}
	}
}

func TestS13DecimalsAreMajorUnits(t *testing.T) {
	p, err := Compile(compileText(t, "amount"), binding)
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := p.EvalNumber(values{"amount": event.OfDecimal(10)}.env()); !ok || f != 0.1 {
		t.Errorf("got %v, %v", f, ok)
	}
}

func TestCompileRefusesWhatIsNoValue(t *testing.T) {
	if _, err := Compile(compileText(t, "at - due"), binding); err == nil {
		t.Error("a duration was compiled")
	}
	unknown := func(n spec.Name) (Slot, error) { return Slot{}, fmt.Errorf("no place for %s", n.Text) }
	if _, err := Compile(compileText(t, "amount > 1"), unknown); err == nil {
		t.Error("an unbound name was compiled")
	}
	list := append([]spec.Name{{Text: "reasons", Type: spec.List}}, names...)
	e, err := spec.CompileExpr(`"A" in reasons`, list)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(e, func(spec.Name) (Slot, error) { return Slot{Frame: Fields}, nil }); err == nil {
		t.Error("a list was compiled")
	}
}

var manyOperations = `amount < 2 && status in ["approved", "declined"] && at.getHours("Europe/Berlin") < 6 || ` +
	`haversine_km(lat, event.lon, 48.1, 11.6) / max(1, days(at - due)) > 900 && country.matches("^D") && size(status) > 3 && ` +
	`(known ? tries : card.count_1h) + 1 > 2`

func TestEvalAllocatesNothing(t *testing.T) {
	p, err := Compile(compileText(t, manyOperations), binding)
	if err != nil {
		t.Fatal(err)
	}
	env := world().env()
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := p.EvalBool(env); !ok {
			t.Fatal("no value")
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkEvalBool(b *testing.B) {
	env := world().env()
	for _, text := range []string{`status == "declined"`, "amount < 2", manyOperations} {
		p, err := Compile(compileText(b, text), binding)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text[:10], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.EvalBool(env)
			}
		})
	}
}
