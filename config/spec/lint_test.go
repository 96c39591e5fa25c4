package spec

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const linted = `version: 1
namespace: x
sources:
  s:
    description: Events.
    owner: a@example.com
    type: kafka
    topic: t
    timestamp_field: at
    fields:
      at:   {type: timestamp}
      user: {type: string, pii: true}
      shop: {type: string}
      n:    {type: double}
entities:
  user: {key: user}
  shop: {key: shop}
feature_views:
  "{entity}_view":
    source: s
    entities: [user, shop]
    ttl: 30d
    features:
      n:       {aggregation: count, windows: [1h, 30d]}
      late:    {aggregation: sum, field: n, windows: [1d], delay: 7d}
      life:    {aggregation: sum, field: n}
      names:   {aggregation: list_last, field: user, limit: 3, windows: [1h]}
      upper:   {aggregation: last, value: 'user + "x"', windows: [1h]}
      by_user: {aggregation: count, windows: [1h], by: user, top: 3}
      safe:    {aggregation: count_distinct, field: user, windows: [1h]}
      hushed:  {aggregation: last, field: user, hidden: true}
      slow:    {hidden: true, aggregation: count_distinct, field: n, delay: 1d}
      habit:   {hidden: true, aggregation: mode, field: shop}
      slower:  {hidden: true, aggregation: count_distinct, field: user, session: 1h, by: user, top: 3}
      slowest: {hidden: true, aggregation: max, field: n, windows: [1h], by: user, top: 3}
      ok:      {hidden: true, aggregation: sum, field: n, windows: [1h], delay: 1d, by: user, top: 3}
    derived:
      used:   {expr: 'n_1h * 2'}
      part:   {expr: 'n_1h * 3'}
      whole:  {expr: 'part + 1'}
      unused: {expr: 'n_1h * 4'}
feature_services:
  risk:
    on: s
    description: Inputs.
    features:
      - user_view: [n_1h, n_30d, late_1d, life, safe_1h, used, names_1h, upper_1h]
      - shop_view: [whole]
`

func lintsOf(t *testing.T, text string) (*Spec, []string) {
	t.Helper()
	specs, diags, err := LoadFiles([]File{{Name: "x.yaml", Data: []byte(text)}})
	if err != nil || len(specs) != 1 {
		t.Fatalf("%v %v", diags, err)
	}
	return specs[0], strings.Split(strings.TrimSpace(messages(diags)), "\n")
}

func TestS36Lints(t *testing.T) {
	_, got := lintsOf(t, linted)
	want := []string{
		"feature view {entity}_view has no description",
		"feature view {entity}_view has no owner",
		"feature slow looks at all events that are kept of the entity, for each one that comes: up to event_budget (65536)",
		"feature habit keeps a count of each value for as long as a row lives, however many there are: distinct_budget does not bound it",
		"feature habit is used by no service, rule, model or derived feature",
		"feature slow is used by no service, rule, model or derived feature", "feature slower is used by no service, rule, model or derived feature",
		"feature slowest is used by no service, rule, model or derived feature", "feature ok is used by no service, rule, model or derived feature",
		"feature slower looks at all events that are kept of the entity, for each one that comes: up to event_budget (65536)",
		"feature slowest looks at all events that are kept of the entity, for each one that comes: up to event_budget (65536)",
		"feature names serves the personal field user as it is",
		"feature upper serves the personal field user as it is",
		"feature by_user serves the personal field user as it is",
		"feature by_user is used by no service, rule, model or derived feature",
		"feature hushed is used by no service, rule, model or derived feature",
		"derived feature unused is used by no service, rule, model or other derived feature",
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRetentionLint(t *testing.T) {
	s, _ := lintsOf(t, linted)
	for kept, want := range map[time.Duration]string{
		30 * 24 * time.Hour:   "",
		30*24*time.Hour - 1e6: "n life hushed slow habit slower",
		8 * 24 * time.Hour:    "n life hushed slow habit slower",
		8*24*time.Hour - 1e6:  "n late life hushed slow habit slower",
	} {
		var names []string
		for _, d := range s.LintRetention(map[string]time.Duration{"s": kept}) {
			name, _, _ := strings.Cut(strings.TrimPrefix(d.Message, "feature "), ":")
			names = append(names, name)
			if d.Severity != WarningSeverity || !strings.Contains(d.Line, name) || d.End-d.Pos.Col+1 != len(name) {
				t.Errorf("%+v", d)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("retention %v: %q, want %q", kept, got, want)
		}
	}
	if found := s.LintRetention(nil); found != nil {
		t.Errorf("nothing is known of the topics: %v", found)
	}
	s, _ = lintsOf(t, strings.Replace(linted, "    topic: t\n", "    topic: t\n    history: {path: \"s3://x\"}\n", 1))
	if found := s.LintRetention(map[string]time.Duration{"s": time.Hour}); found != nil {
		t.Errorf("with history: %v", found)
	}
}

// What is compared with a field that has an enum, and is none of it, is
// probably misspelt; so is a test's value that is nearly one of it.
func TestEnumLints(t *testing.T) {
	const text = `version: 1
namespace: x
owner: a@example.com
sources:
  s:
    description: Events.
    type: kafka
    topic: t
    timestamp_field: at
    filter: 'kind != "tset"'
    fields:
      at:   {type: timestamp}
      user: {type: string}
      kind: {type: string, enum: [good, bad, test]}
      free: {type: string}
entities:
  user: {key: user}
feature_views:
  "{entity}_v":
    source: s
    entities: [user]
    ttl: 1d
    description: V.
    features:
      ok:    {aggregation: count, windows: [1h], filter: 'kind == "bad" || free == "worse" || "good" == kind || kind in ["good", "bad"]'}
      typo:  {aggregation: count, windows: [1h], filter: '"bda" == kind'}
      other: {aggregation: count, windows: [1h], filter: 'kind in ["bad", "ugly"]'}
    derived:
      is_bad: {expr: 'event.kind == "Bad"'}
tests:
  - name: a value that is meant, and one that is not
    source: s
    start: 2026-01-05T10:00:00Z
    event_defaults: {user: u}
    given:
      - {at: 0s, kind: goood}
      - {at: 0s, kind: unheard_of}
    expect:
      - {at: 1m, entity: {user: u}, features: {user_v.ok_1h: 0, user_v.typo_1h: 0, user_v.other_1h: 0}}
`
	_, diags, err := LoadFiles([]File{{Name: "x.yaml", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range diags {
		if strings.Contains(d.Message, "declared to have") {
			got = append(got, d.Pos.String()+" "+d.Message+" "+d.Suggestion)
			if d.Severity != WarningSeverity {
				t.Errorf("not a warning: %v", d)
			}
		}
	}
	want := []string{
		"x.yaml:10:22 `filter` of source s: \"tset\" is none of the values that kind is declared to have did you mean `test`?",
		"x.yaml:26:59 `filter` of feature typo: \"bda\" is none of the values that kind is declared to have did you mean `bad`?",
		"x.yaml:27:75 `filter` of feature other: \"ugly\" is none of the values that kind is declared to have add it to the enum of kind, or correct it",
		"x.yaml:29:37 derived feature is_bad: \"Bad\" is none of the values that event.kind is declared to have did you mean `bad`?",
		"x.yaml:36:24 `goood` is none of the values that field kind is declared to have did you mean `good`?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
