package spec

import (
	"math"
	"strings"
	"testing"
	"time"
)

// names are what the tests of expressions may mention.
var testNames = []Name{
	{Text: "amount", Type: Decimal}, {Text: "count", Type: Int}, {Text: "other", Type: Double},
	{Text: "status", Type: String}, {Text: "is_new", Type: Bool}, {Text: "at", Type: Timestamp},
	{Text: "due", Type: Timestamp}, {Text: "event.lat", Type: Double}, {Text: "event.lon", Type: Double},
	{Text: "view.count_1h", Type: Double}, {Text: "reasons", Type: List},
}

var testValues = map[string]any{
	"amount": 12.5, "count": 3.0, "other": -2.0, "status": "declined", "is_new": true,
	"at": time.Date(2026, 1, 5, 23, 30, 15, 250e6, time.UTC), "due": time.Date(2026, 1, 3, 11, 30, 15, 250e6, time.UTC),
	"event.lat": 52.52, "event.lon": 13.40, "view.count_1h": 7.0, "reasons": []string{"A", "B"},
}

func lookupTest(without ...string) func(Name) (any, bool) {
	return func(n Name) (any, bool) {
		for _, w := range without {
			if n.Text == w {
				return nil, false
			}
		}
		v, ok := testValues[n.Text]
		return v, ok
	}
}

func TestS31Values(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"amount > 10", true}, {"amount / 2", 6.25}, {"count / 2", 1.5}, {"count / 2 == 1", false},
		{"size(status)", 8.0}, {"size(status) == 8", true}, {"status.size() / 3", 8.0 / 3},
		{"at.getHours()", 23.0}, {`at.getHours("Europe/Berlin")`, 0.0}, {`at.getHours("Europe/Berlin") < 6`, true},
		{"at.getDayOfWeek() in [0, 1]", true}, {"at.getFullYear() - 2000", 26.0}, {`at.getHours("+02:00")`, 1.0},
		{"days(at - due)", 2.5}, {`at - due > duration("2d")`, true}, {`at - due > duration("60h")`, false},
		{`at - duration("7d") < due`, true}, {`at == timestamp("2026-01-05T23:30:15.250Z")`, true},
		{"max(1, 2, count)", 3.0}, {"min(1, other)", -2.0}, {"max(amount, 1, 2, 50)", 50.0}, {"abs(other)", 2.0},
		{"floor(2.7) + ceil(2.1) + round(2.5)", 8.0}, {"sqrt(16) + pow(2, 3) + exp(0) + log(1)", 13.0},
		{`status.startsWith("de") && status.endsWith("ed") && status.contains("cli")`, true},
		{`status.matches("^d.*d$")`, true}, {`status in ["approved", "declined"]`, true}, {`!(status in ["x"])`, true},
		{`is_new ? amount : 0`, 12.5}, {`"B" in reasons`, true}, {"-amount + 0.5", -12.0}, {"view.count_1h * 2", 14.0},
		{"present(amount)", true}, {`status + "|" + status`, "declined|declined"}, {"at", testValues["at"]}, {"at - due", 60 * time.Hour},
	} {
		e, err := CompileExpr(c.text, testNames)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got, ok := e.Interpret(lookupTest())
		if wt, isTime := c.want.(time.Time); isTime && ok {
			if !wt.Equal(got.(time.Time)) {
				t.Errorf("%s = %v, want %v", c.text, got, wt)
			}
			continue
		}
		if !ok || got != c.want {
			t.Errorf("%s = %v (%v), want %v", c.text, got, ok, c.want)
		}
	}
}

func TestS31HaversineUsesMeanRadiusAndRefusesPlacesOffTheGlobe(t *testing.T) {
	e, err := CompileExpr("haversine_km(0, 0, 0, 180)", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := e.Interpret(lookupTest())
	if want := math.Pi * 6371.0088; math.Abs(got.(float64)-want) > 1e-6 {
		t.Errorf("half the globe = %v, want %v", got, want)
	}
	e, err = CompileExpr("haversine_km(0, 0, 90.5, 0) > 1 || is_new", testNames)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := e.Interpret(lookupTest()); ok {
		t.Errorf("a place off the globe gave %v", got)
	}
}

func TestS17MissingNamesAndInfiniteResultsAreNoValue(t *testing.T) {
	for _, c := range []struct{ text, without string }{
		{"amount > 1", "amount"}, {"is_new || amount > 1", "amount"}, {"!is_new && amount > 1", "amount"},
		{"is_new ? 1 : amount", "amount"}, {"count / 0", ""}, {"log(other)", ""}, {"is_new || haversine_km(0, 0, 0, 181) > 1", ""},
		{"exp(1000)", ""}, {"present(amount) && amount > 1", "amount"},
	} {
		e, err := CompileExpr(c.text, testNames)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if got, ok := e.Interpret(lookupTest(c.without)); ok {
			t.Errorf("%s without %q = %v, want no value", c.text, c.without, got)
		}
	}
}

func TestS17PresentAsks(t *testing.T) {
	e, err := CompileExpr("present(amount) || is_new", testNames)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Names) != 1 || len(e.Asked) != 1 || e.Asked[0].Text != "amount" {
		t.Fatalf("names %v, asked %v", e.Names, e.Asked)
	}
	if got, ok := e.Interpret(lookupTest("amount")); !ok || got != true {
		t.Errorf("got %v %v", got, ok)
	}
	e, _ = CompileExpr("!present(amount)", testNames)
	if got, ok := e.Interpret(lookupTest("amount")); !ok || got != true {
		t.Errorf("without: got %v %v", got, ok)
	}
}

// Ints that a double holds exactly are numbers however large; the others would
// silently be the number beside them.
func TestS31IntLiteralsAreExact(t *testing.T) {
	names := []Name{{Text: "x", Type: Double}}
	for _, text := range []string{"9007199254740991", "9007199254740992", "-9007199254740992", "9007199254740994", "9007199254740993.0",
		"1000000000000000000", "-9223372036854775808", "9223372036854774784", "0x20000000000000", "9223372036854775808u"} {
		if _, err := CompileExpr("x < "+text, names); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"9007199254740993", "-9007199254740993", "9223372036854775807", "0x20000000000001", "18446744073709551615u"} {
		for _, expr := range []string{"x < " + text, "x in [1, " + text + "]"} {
			if _, err := CompileExpr(expr, names); err == nil || !strings.Contains(err.Error(), "is no double") {
				t.Errorf("%s: %v", expr, err)
			}
		}
	}
}

func TestRefusedExpressions(t *testing.T) {
	for _, c := range []struct{ text, message string }{
		{"", "empty"}, {"amout > 1", "did you mean `amount`"}, {"amount >", "does not parse"}, {"amount = 1", "=="},
		{`amount > "a"`, "`>` does not take (double, string)"}, {"amount % 2", "floor"}, {"reasons[0]", "no"},
		{"reasons.all(r, r == status)", "loops"}, {"amount == null", "present"}, {"has(event.lat)", "present(name)"},
		{"now() > at", "clock"}, {"int(amount)", "doubles"}, {"sqr(amount)", "did you mean `sqrt`"},
		{`duration("7w")`, "not a duration"}, {`timestamp("2026-01-05")`, "RFC 3339"}, {`at.getHours("Mars/Base")`, "time zone"},
		{`status.matches("(")`, "pattern"}, {"[1, 2]", "only on the right"}, {"max(amount)", "two or more"},
		{"status in amount", "not a list"}, {"amount in [count]", "only literals"}, {"event.lot", "did you mean `event.lat`"},
		{"amount.x", "no parts"}, {`status in ["a", 1]`, "of one type"}, {`is_new ? 1 : "a"`, "`? :` takes"}, {"present(1 + 1)", "one name"},
		{strings.Repeat("(", 40) + "1" + strings.Repeat(")", 40) + strings.Repeat("+1", 40), "deeper"},
		{strings.Repeat("a", 5000), "longer than"}, {"reasons", "not a value"}, {`duration(status)`, "literal"}, {`b"a" == b"a"`, "not a value of the language"},
	} {
		_, err := CompileExpr(c.text, testNames)
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%.40s: %v, want %q", c.text, err, c.message)
		}
	}
}
