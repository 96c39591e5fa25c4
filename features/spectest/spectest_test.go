package spectest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

const shop = `
version: 1
namespace: shop
sources:
  orders:
    type: kafka
    topic: shop.orders
    format: json
    timestamp_field: at
    id_field: id
    allowed_lateness: 1h
    filter: 'kind != "test"'
    fields:
      id:     {type: string}
      at:     {type: timestamp}
      user:   {type: string}
      shop:   {type: string}
      kind:   {type: string}
      amount: {type: decimal(2), optional: true}
      seen:   {type: timestamp, optional: true}
entities:
  user: {key: user}
  pair: {key: [user, shop]}
feature_views:
  by_user:
    version: 1
    source: orders
    entity: user
    ttl: 1d
    features:
      n:      {aggregation: count, windows: [1m]}
      total:  {aggregation: sum, field: amount, windows: [1m]}
      gifts:  {aggregation: count, filter: 'kind == "gift"', windows: [1m]}
      fresh:  {aggregation: is_new, field: shop, windows: [1h]}
      latest: {aggregation: last, field: kind}
      when:   {aggregation: last, field: seen}
      kinds:  {aggregation: list_last, field: kind, limit: 2, windows: [1m]}
      prev:   {aggregation: lag, field: kind, windows: [1m]}
      run:    {aggregation: streak, filter: 'kind == "gift"', windows: [1m]}
      of:     {aggregation: list_last, field: kind, limit: 2, by: shop, top: 2, windows: [1m]}
      unseen: {aggregation: count, windows: [1h], hidden: true}
    derived:
      mean: {expr: 'total_1m / n_1m', default: -1}
      sure: {expr: 'event.amount > 1', default: false}
  by_pair:
    version: 1
    source: orders
    entity: pair
    ttl: 1d
    features:
      n: {aggregation: count, windows: [1m]}
feature_services:
  risk:
    version: 1
    on: orders
    features:
      - by_user: [n_1m, total_1m]
    derived:
      twice: {expr: 'by_user.n_1m * 2', default: 0}
models:
  risk:
    version: 1
    feature_service: risk
    runtime: expr
    on_error: {band: low}
    bands: [{name: low, min: 0.0}, {name: high, min: 0.5}]
    reason_codes:
      max: 2
      rules:
        MANY: {weight: 0.3, when: 'by_user.n_1m >= 2', text: Two or more}
        RICH: {weight: 0.4, when: 'by_user.total_1m > 100', text: Over a hundred}
        NEVER: {weight: 0.1, when: 'by_user.n_1m < 0', text: Never}
`

// results runs the tests of shop that are given as YAML, indented by two.
func results(t *testing.T, tests string) []Result {
	t.Helper()
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: "shop.yaml", Data: []byte(shop + "tests:\n" + tests)}})
	if err != nil || diags.HasErrors() {
		var b strings.Builder
		_ = diags.Render(&b)
		t.Fatalf("%v\n%s", err, b.String())
	}
	runner, err := New(specs[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []Result
	for _, test := range specs[0].Tests {
		out = append(out, runner.Run(test))
	}
	return out
}

// one is the result of one test whose body is given, indented by four.
func one(t *testing.T, body string) Result {
	t.Helper()
	return results(t, "  - name: it\n    source: orders\n    start: 2026-01-05T10:00:00Z\n    event_defaults: {user: u1, shop: s1, kind: sale}\n"+body)[0]
}

// summary is what differs, in short.
func summary(r Result) string {
	if r.Err != nil {
		return "mistake: " + r.Err.Error()
	}
	var b strings.Builder
	for _, f := range r.Failures {
		for _, m := range f.Mismatches {
			fmt.Fprintf(&b, "%s: %s want %s got %s\n", f.Of, m.Name, m.Want, m.Got)
		}
	}
	return b.String()
}

func mustPass(t *testing.T, r Result, lines int) {
	t.Helper()
	if !r.Passed() || r.Checked != lines {
		t.Errorf("%d lines compared, want %d; differs:\n%s", r.Checked, lines, summary(r))
	}
}

// Rule 5: an event of the entity at that time is what the expectation is about,
// as it was enriched when it arrived; else it is a read of what had arrived.
func TestS35EventAtThatTimeElseARead(t *testing.T) {
	mustPass(t, one(t, `
    given:
      - {at: 30s, id: a}
      - {at: 0s, id: b, arrives: 40s}     # late, still accepted
      - {at: 30s, id: c, arrives: 50s}
      - {at: 30s, id: d, user: u2}
    expect:
      - {at: 0s, entity: {user: u1}, features: {by_user.n_1m: 1}}       # b saw itself only
      - {at: 30s, entity: {user: u1}, features: {by_user.n_1m: 3}}      # c, the last at that time: b, a, c
      - {at: 30s, entity: {user: u2}, features: {by_user.n_1m: 1}}
      - {at: 35s, entity: {user: u1}, features: {by_user.n_1m: 1}}      # a read: only a had arrived
      - {at: 40s, entity: {user: u1}, features: {by_user.n_1m: 2}}      # b arrives at 40s: it counts
      - {at: 50s, entity: {user: u1}, features: {by_user.n_1m: 3}}
      - {at: 60s, entity: {user: u1}, features: {by_user.n_1m: 2}}      # b is exactly one minute old: out
      - {at: 50s, entity: {user: nobody}, features: {by_user.n_1m: 0}, statuses: {by_user.n_1m: NOT_FOUND}}
      - {event: a, features: {by_user.n_1m: 1}}
`), 10)
}

// arrives orders the records, ties by the list; the order is the offset.
func TestS35ArrivalOrderTiesByList(t *testing.T) {
	mustPass(t, one(t, `
    given:
      - {at: 10s, id: late, kind: gift, arrives: 20s}
      - {at: 10s, id: early, kind: sale}
      - {at: 10s, id: tie, kind: gift}
    expect:
      - {event: early, features: {by_user.n_1m: 1, by_user.latest: sale}}
      - {event: tie, features: {by_user.n_1m: 2, by_user.latest: gift}}
      - {event: late, features: {by_user.n_1m: 3}}
`), 5)
}

// A record that arrives before its own event time is not seen by a read before
// that time.
func TestS35AReadSeesNoLaterEvent(t *testing.T) {
	mustPass(t, one(t, `
    given:
      - {at: 50s, id: ahead, arrives: 0s}
      - {at: 10s, id: now}
    expect:
      - {at: 20s, entity: {user: u1}, features: {by_user.n_1m: 1}}
      - {at: 55s, entity: {user: u1}, features: {by_user.n_1m: 2}}
`), 2)
}

func TestS35DroppedCountsAllThatArrivedByThen(t *testing.T) {
	r := one(t, `
    given:
      - {at: 2h, id: a}
      - {at: 2h, id: a, user: u9}                # the same id at the same time
      - {at: 1h, id: edge, arrives: 2h}          # exactly the allowed lateness: accepted
      - {at: 59m, id: b, arrives: 2h}            # a minute more
      - {at: 2h, id: c, kind: test}
      - {at: 2h, id: d, kind: test, arrives: 3h}
    expect:
      - {at: 2h, entity: {user: u1}, features: {by_user.n_1m: 1}, dropped: {duplicate: 1, late: 1, filtered: 1}}
      - {at: 3h, entity: {user: u1}, dropped: {duplicate: 1, late: 1, filtered: 2, schema: 0}}
      - {at: 1h, entity: {user: u1}, dropped: {duplicate: 0, late: 0}}
`)
	mustPass(t, r, 10)
}

func TestS35ReasonsScoresBands(t *testing.T) {
	mustPass(t, one(t, `
    given:
      - {at: 0s, id: a, amount: 60}
      - {at: 10s, id: b, amount: 60}
    expect:
      - {at: 0s, entity: {user: u1}, reasons: {risk: []}, scores: {risk: 0}, band: {risk: low}}
      - {at: 10s, entity: {user: u1}, features: {risk.twice: 4}, reasons: {risk: [MANY, RICH]}, scores: {risk: 0.7}, band: {risk: high}}
`), 7)
	r := one(t, `
    given:
      - {at: 0s, id: a, amount: 60}
      - {at: 10s, id: b, amount: 60}
    expect:
      - {at: 10s, entity: {user: u1}, reasons: {risk: [MANY]}, scores: {risk: {above: 0.7}}, band: {risk: low}}
`)
	want := `at 10s  user=u1: risk reasons want [MANY] got [MANY, RICH]
at 10s  user=u1: risk score want above 0.7 got 0.7
at 10s  user=u1: risk band want low got high
`
	if summary(r) != want {
		t.Errorf("got\n%swant\n%s", summary(r), want)
	}
	why := fmt.Sprint(r.Failures[0].Mismatches[0].Why, r.Failures[0].Mismatches[1].Why)
	if why != "[RICH = by_user.total_1m > 100   with by_user.total_1m = 120] [weights: MANY 0.3 + RICH 0.4]" {
		t.Error(why)
	}
}

// 1.10 item 4: literals within 1e-9 relative, a bool is no number, approx,
// above, below, null; what is not listed is not compared.
func TestS35Values(t *testing.T) {
	given := `
    given:
      - {at: 0s, id: a, amount: 0.1}
      - {at: 1s, id: b, amount: 0.2, seen: 2026-01-05T09:00:00Z}
    expect:
      - {at: 1s, entity: {user: u1}, features: {`
	for _, good := range []string{
		"by_user.total_1m: 0.3", "by_user.total_1m: {approx: 0.31, abs: 0.011}", "by_user.total_1m: {approx: 0.31, rel: 0.04}",
		"by_user.total_1m: {above: 0.2}", "by_user.total_1m: {below: 0.4}", "by_user.n_1m: 2", "by_user.latest: sale",
		"by_user.fresh_1h: false", "by_user.mean: 0.15", "by_user.sure: false", "by_user.when: 2026-01-05T09:00:00Z", "by_user.unseen_1h: 2",
		"by_user.total_1m: 0.30000000001",
	} {
		if r := one(t, given+good+"}}\n"); !r.Passed() {
			t.Errorf("%s: %s", good, summary(r))
		}
	}
	for _, bad := range []string{
		"by_user.total_1m: 0.3001", "by_user.total_1m: {approx: 0.31, abs: 0.009}", "by_user.total_1m: {approx: 0.31, rel: 0.03}",
		"by_user.total_1m: {above: 0.3}", "by_user.total_1m: {below: 0.3}", "by_user.n_1m: null", "by_user.latest: gift",
		"by_user.fresh_1h: true", "by_user.when: 2026-01-05T09:00:00.001Z", "by_user.total_1m: 0.3000001",
	} {
		if r := one(t, given+bad+"}}\n"); r.Passed() {
			t.Errorf("%s passes", bad)
		}
	}
}

func TestS35Mistakes(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"event-bound in a read", "    given: [{at: 0s, id: a}]\n    expect:\n      - {at: 1s, entity: {user: u1}, features: {by_user.fresh_1h: true}}\n",
			"by_user.fresh_1h needs an event, and at 1s  user=u1 is a read"},
		{"derived of the event in a read", "    given: [{at: 0s, id: a}]\n    expect:\n      - {at: 1s, entity: {user: u1}, features: {by_user.sure: true}}\n",
			"by_user.sure needs an event"},
		{"status of a service's derived in a read", "    given: [{at: 0s, id: a}]\n    expect:\n      - {at: 1s, entity: {user: u1}, statuses: {risk.twice: PRESENT}}\n",
			"risk.twice"},
		{"score in a read", "    given: [{at: 0s, id: a}]\n    expect:\n      - {at: 1s, entity: {user: u1}, scores: {risk: 1}}\n", "risk scores events"},
		{"unknown event", "    given: [{at: 0s, id: a}]\n    expect:\n      - {event: zz, features: {by_user.n_1m: 1}}\n", `the id "zz"`},
		{"refused event", "    given: [{at: 0s, id: a, kind: test}]\n    expect:\n      - {event: a, features: {by_user.n_1m: 1}}\n", `the id "a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs, diags, err := spec.LoadFiles([]spec.File{{Name: "shop.yaml", Data: []byte(shop +
				"tests:\n  - name: it\n    source: orders\n    start: 2026-01-05T10:00:00Z\n    event_defaults: {user: u1, shop: s1, kind: sale}\n" + c.body)}})
			if err != nil {
				t.Fatal(err)
			}
			if diags.HasErrors() { // the loader may find it first
				if !strings.Contains(diags.Error(), strings.Fields(c.want)[0]) {
					t.Errorf("got %v", diags)
				}
				return
			}
			runner, err := New(specs[0], nil)
			if err != nil {
				t.Fatal(err)
			}
			r := runner.Run(specs[0].Tests[0])
			if r.Err == nil || !strings.Contains(r.Err.Error(), c.want) || !strings.HasPrefix(r.Err.Error(), "shop.yaml:") {
				t.Errorf("got %v, want %q", r.Err, c.want)
			}
		})
	}
}

// A service's derived value has a status in the record, so a test may ask.
func TestS35StatusOfAServicesDerived(t *testing.T) {
	r := one(t, `
    given: [{at: 0s, id: a}]
    expect:
      - {at: 0s, entity: {user: u1}, statuses: {risk.twice: PRESENT}}
      - {at: 0s, entity: {user: u1}, statuses: {risk.twice: DEFAULT}}
`)
	if got, want := summary(r), "at 0s  user=u1: risk.twice status want DEFAULT got PRESENT\n"; got != want || r.Checked != 2 {
		t.Errorf("%d lines, got\n%swant\n%s", r.Checked, got, want)
	}
	if why := fmt.Sprint(r.Failures[0].Mismatches[0].Why); why != "[= by_user.n_1m * 2   with by_user.n_1m = 1]" {
		t.Error(why)
	}
}

func TestS33AnEmptyTextIsAValue(t *testing.T) {
	mustPass(t, one(t, `
    given:
      - {at: 0s, id: a, kind: sale, shop: ""}
      - {at: 1s, id: b, kind: "", shop: ""}
    expect:
      - {event: b, features: {by_user.n_1m: 2, by_user.latest: "", by_user.fresh_1h: false}}
      - {at: 2s, entity: {user: u1}, features: {by_user.latest: ""}, dropped: {schema: 0}}
`), 5)
}

func TestS15CompositeKeys(t *testing.T) {
	mustPass(t, one(t, `
    given:
      - {at: 0s, id: a, user: "u,1", shop: "50%"}
      - {at: 1s, id: b, user: "u", shop: "1,50%"}
    expect:
      - {at: 0s, entity: {pair: ["u,1", "50%"]}, features: {by_pair.n_1m: 1}}
      - {at: 1s, entity: {pair: ["u", "1,50%"]}, features: {by_pair.n_1m: 1}}
      - {at: 2s, entity: {pair: ["u,1", "50%"]}, features: {by_pair.n_1m: 1}}
`), 3)
}

// Each reason why an event does not count is said, and none else.
func TestWhyNamesEventsAndReasons(t *testing.T) {
	r := one(t, `
    given:
      - {at: 0s, id: old}
      - {at: 60s, id: no, kind: test}
      - {at: 61s, id: plain}
      - {at: 62s, id: good, kind: gift}
      - {at: 62s, id: good, kind: gift}
      - {at: 63s, id: other, user: u2, kind: gift}
      - {at: 90s, id: after, kind: gift, arrives: 95s}
    expect:
      - {at: 62s, entity: {user: u1}, features: {by_user.gifts_1m: 7, by_user.mean: 7}}
      - {at: 70s, entity: {user: u1}, features: {by_user.gifts_1m: 7}}
`)
	if len(r.Failures) != 2 {
		t.Fatal(summary(r))
	}
	got := strings.Join(r.Failures[0].Mismatches[0].Why, "\n")
	want := `in window (10:00:02, 10:01:02]: good (62s)      not counted: old (0s) outside window (by 2s), ` +
		`no (1m) filtered: kind != "test", plain (61s) filtered: kind == "gift", good (62s) duplicate, after (90s) arrived later`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := strings.Join(r.Failures[0].Mismatches[1].Why, "\n"); !strings.HasPrefix(got, "= total_1m / n_1m   with total_1m = 0, n_1m = 2\ntotal_1m in window") {
		t.Error(got)
	}
	if got := strings.Join(r.Failures[1].Mismatches[0].Why, "\n"); !strings.Contains(got, "after (90s) not arrived yet (arrives 95s)") {
		t.Error(got)
	}
}

func TestAbsentModelsAreSkippedByName(t *testing.T) {
	text := strings.Replace(shop, "runtime: expr", "runtime: lightgbm\n    artifact: m.txt\n    sha256: \""+strings.Repeat("0f", 32)+"\"", 1)
	text = strings.NewReplacer("weight: 0.3, ", "", "weight: 0.4, ", "", "weight: 0.1, ", "").Replace(text)
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: "shop.yaml", Data: []byte(text + `tests:
  - name: it
    source: orders
    start: 2026-01-05T10:00:00Z
    given: [{at: 0s, id: a, user: u1, shop: s1, kind: sale, amount: 200}]
    expect:
      - {at: 0s, entity: {user: u1}, reasons: {risk: [RICH]}, scores: {risk: 0.1}, band: {risk: high}}
`)}})
	if err != nil || diags.HasErrors() {
		t.Fatal(err, diags)
	}
	runner, err := New(specs[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	r := runner.Run(specs[0].Tests[0])
	mustPass(t, r, 1)
	if len(r.Skipped) != 2 || r.Skipped[0].What != "score of risk" || r.Skipped[1].What != "band of risk" || r.Skipped[0].Reason != "runtime lightgbm" {
		t.Errorf("%+v", r.Skipped)
	}
}

// New runs what the engine has, and names what it lacks.
func TestWhatTheEngineLacksIsUnavailable(t *testing.T) {
	text := strings.Replace(shop, "{aggregation: is_new, field: shop, windows: [1h]}", "{aggregation: count, by: shop, top: 2, windows: [1h]}", 1)
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: "shop.yaml", Data: []byte(text)}})
	if err != nil || diags.HasErrors() {
		t.Fatal(err, diags)
	}
	want := features.CannotRun(specs[0])
	_, err = New(specs[0], nil)
	var lacks *features.Unavailable
	switch {
	case len(want) == 0 && err != nil:
		t.Errorf("nothing is lacking, but: %v", err)
	case len(want) > 0 && (!errors.As(err, &lacks) || !slices.Equal(lacks.Items, want)):
		t.Errorf("lacking %v, got %v", want, err)
	}
}

// Of an event that is of another key, or that was refused, it says so.
func TestS35AnExpectationOfAnEventAndAnotherKey(t *testing.T) {
	for expect, want := range map[string]string{
		"{event: b, entity: {user: u9}, features: {by_user.n_1m: 1}}":       `event "b" is of user=u1, not of user=u9`,
		"{event: b, entity: {pair: [u9, s1]}, features: {by_user.n_1m: 1}}": `event "b" is of pair=u1,s1, not of pair=u9,s1`,
		"{event: c, entity: {user: u9}, features: {by_user.n_1m: 1}}":       `event "c" has no user`,
		"{event: d, entity: {user: u1}, features: {by_user.n_1m: 1}}":       `no accepted event has the id "d"`,
	} {
		r := one(t, `
    given:
      - {at: 0s, id: b}
      - {at: 0s, id: c, user: ""}
      - {at: 1s, id: d, kind: test}
    expect:
      - `+expect+"\n")
		if r.Err == nil || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("%s: %v, want %q", expect, r.Err, want)
		}
	}
}

// An int that may be a text is given either way (S14).
func TestS14AnIntInATextIsGivenEitherWay(t *testing.T) {
	const text = `version: 1
namespace: x
sources:
  s:
    type: kafka
    topic: t
    timestamp_field: at
    fields:
      at:  {type: timestamp}
      k:   {type: string}
      try: {type: int, text: true}
entities:
  k: {key: k}
feature_views:
  v:
    source: s
    entity: k
    ttl: 1d
    features: {n: {aggregation: sum, field: try}}
tests:
  - name: both
    source: s
    start: 2026-01-05T10:00:00Z
    given: [{at: 0s, k: a, try: 5}, {at: 1s, k: a, try: "7"}]
    expect: [{at: 1s, entity: {k: a}, features: {v.n: 12}}]
`
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: "x.yaml", Data: []byte(text)}})
	if err != nil || diags.HasErrors() {
		t.Fatal(diags, err)
	}
	runner, err := New(specs[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	mustPass(t, runner.Run(specs[0].Tests[0]), 1)
}
