package spectest

import (
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

func TestListsAndMapsAreComparedItemByItem(t *testing.T) {
	num := func(f float64) spec.Literal { return spec.Literal{Type: spec.Double, Num: f} }
	text := func(s string) spec.Literal { return spec.Literal{Type: spec.String, Str: s} }
	list := func(items ...spec.Literal) spec.Literal { return spec.Literal{Type: spec.List, Items: items} }
	object := func(keys []string, items ...spec.Literal) spec.Literal {
		return spec.Literal{Type: spec.Map, Keys: keys, Items: items}
	}
	got := event.OfList([]event.Value{event.OfDecimal(150), event.OfDecimal(100)})
	ab := event.OfMap([]event.Entry{{Key: "b", Value: event.OfDouble(2)}, {Key: "a", Value: event.OfDouble(1)}})
	for _, c := range []struct {
		want spec.Literal
		got  event.Value
		same bool
		text string
	}{
		{list(num(1.5), num(1)), got, true, "[1.5, 1]"},
		{list(num(1), num(1.5)), got, false, "[1, 1.5]"},
		{list(num(1.5)), got, false, "[1.5]"},
		{list(text("x")), event.OfList([]event.Value{event.OfString("x")}), true, `["x"]`},
		{list(), event.Value{}, false, "[]"},
		{spec.Literal{}, got, false, "null"},
		{object([]string{"a", "b"}, num(1), num(2)), ab, true, `{"a": 1, "b": 2}`},
		{object([]string{"a", "b"}, num(1), num(3)), ab, false, `{"a": 1, "b": 3}`},
		{object([]string{"a"}, num(1)), ab, false, `{"a": 1}`},
		{object([]string{"a", "c"}, num(1), num(2)), ab, false, `{"a": 1, "c": 2}`},
	} {
		if same := holds(&spec.Want{Value: c.want}, c.got, 2); same != c.same {
			t.Errorf("%s and %s: %v", c.text, valueText(c.got, 2), same)
		}
		if s := literalText(c.want); s != c.text {
			t.Errorf("written %s, want %s", s, c.text)
		}
	}
	if s := valueText(ab, 0); s != `{"b": 2, "a": 1}` {
		t.Errorf("written %s", s)
	}
}

// A list is written in a spec's test as it is shown, and an explanation knows
// that lag leaves out the current event and that streak's filter leaves out none.
func TestS35ListsLagsAndStreaks(t *testing.T) {
	r := one(t, `
    given:
      - {at: 0s, id: a, kind: plain}
      - {at: 1s, id: b, kind: gift}
      - {at: 2s, id: c, kind: gift}
    expect:
      - {at: 2s, entity: {user: u1}, features: {by_user.kinds_1m: [gift, gift], by_user.prev_1m: gift, by_user.run_1m: 2}}
      - {at: 1s, entity: {user: u1}, features: {by_user.kinds_1m: [plain], by_user.prev_1m: gift, by_user.run_1m: 2}}
      - {at: 5s, entity: {user: u1}, features: {by_user.kinds_1m: [gift, gift], by_user.prev_1m: gift}}
`)
	if len(r.Failures) != 1 || len(r.Failures[0].Mismatches) != 3 {
		t.Fatal(summary(r))
	}
	for i, want := range []string{"a (0s), b (1s)", "b (1s) is the current event", ": a (0s) no match, b (1s)"} {
		m := r.Failures[0].Mismatches[i]
		if got := strings.Join(m.Why, "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", m.Name, got, want)
		}
	}
}

// What a category has of list_last and list_distinct is a list, and is expected
// as one; what --update writes reads as the same.
func TestS25ACategorysListIsExpectedAsAList(t *testing.T) {
	r := one(t, `
    given:
      - {at: 0s, id: a, kind: plain, shop: x}
      - {at: 1s, id: b, kind: gift, shop: x}
      - {at: 2s, id: c, kind: gift, shop: "y: 1"}
    expect:
      - {at: 2s, entity: {user: u1}, features: {by_user.of_1m: {x: [plain, gift], "y: 1": [gift]}}}
      - {at: 2s, entity: {user: u1}, features: {by_user.of_1m: {"x": ["plain", "gift"], "y: 1": ["gift"]}}}
      - {at: 2s, entity: {user: u1}, features: {by_user.of_1m: {x: [gift, plain], "y: 1": [gift]}}}
      - {at: 2s, entity: {user: u1}, features: {by_user.of_1m: }}
`)
	want := `{"x": ["plain", "gift"], "y: 1": ["gift"]}`
	if len(r.Failures) != 2 || len(r.Missing) != 1 || r.Missing[0].Text != want || r.Failures[0].Mismatches[0].Got != want {
		t.Errorf("%s%v", summary(r), r.Missing)
	}
}
