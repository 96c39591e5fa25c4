package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// kinds are the result types of `last` over each field.
var kinds = map[string]string{"card": "string", "user": "number", "amt": "number", "qty": "number", "x": "number",
	"pts": "number", "wei": "number", "ok": "bool", "mcc": "string", "seen": "time", "big": "bool", "num": "number", "txt": "string", "at": "time",
	"tier": "string", "cap": "number", "rank": "number", "fee": "number", "dear": "bool"}

// aggregations are those that this build can run.
var aggregations = runnable()

func runnable() []string {
	var names []string
	for _, a := range spec.Aggregations {
		w := spec.Window{Kind: spec.Sliding}
		if a.HalfLives {
			w.Kind = spec.HalfLife
		}
		if canRun(&spec.Definition{Aggregation: a.Name, Windows: []spec.Window{w}}) {
			names = append(names, a.Name)
		}
	}
	return names
}

// The parts of the language that this build has.
var (
	hasLast     = canRun(&spec.Definition{Aggregation: "count", Windows: []spec.Window{{Kind: spec.Last, N: 1}}})
	hasSessions = canRun(&spec.Definition{Aggregation: "count", Windows: []spec.Window{{Kind: spec.Session}}})
	hasRetracts = len(features.CannotRun(&spec.Spec{Sources: []*spec.Source{{Retracts: &spec.Field{}}}})) == 0
	hasBudgets  = true
	hasBy       = canRun(&spec.Definition{Aggregation: "count", By: &spec.Field{}, Windows: []spec.Window{{Kind: spec.Sliding}}})
)

func canRun(d *spec.Definition) bool {
	return len(features.CannotRun(&spec.Spec{Views: []*spec.View{{Definitions: []*spec.Definition{d}}}})) == 0
}

// wild are those that leave few right digits of numbers that cancel out: what
// is derived from their rounded digits is noise.
var wild = map[string]bool{"variance": true, "zscore": true, "slope": true, "decayed_sum": true, "skewness": true, "ewma": true}

// rough values are numbers that are only near the oracle's.
const rough = "rough"

// drawFeature is one definition over a source, and how far back from now it
// reaches.
func drawFeature(t *rapid.T, s genSource, name string) (genFeature, time.Duration) {
	aggregation := pick(t, "aggregation", aggregations...)
	known, _ := spec.AggregationOf(aggregation)
	if s.retracts && known.Sketch {
		aggregation = "count" // refused there (S16)
	}
	f := genFeature{kind: "number"}
	if wild[aggregation] {
		f.kind = rough
	}
	keys := []string{"aggregation: " + aggregation}
	add := func(format string, args ...any) { keys = append(keys, fmt.Sprintf(format, args...)) }

	switch aggregation {
	case "sum", "mean", "min", "max", "stddev", "variance", "zscore", "slope", "decayed_sum", "skewness", "ewma", "quantile":
		if chance(t, "value", 4) {
			add("value: '%s'", pick(t, "number", numbers...))
			break
		}
		add("field: %s", pick(t, "field", "amt", "amt", "qty", "x", "num", "pts", "wei", "cap", "rank", "fee"))
	case "count_distinct", "is_new", "last", "first", "entropy", "top_share", "approx_count_distinct", "novelty",
		"mode", "lag", "argmax", "list_last", "list_distinct":
		if chance(t, "value", 5) {
			add("value: '%s'", pick(t, "number", numbers...))
			break
		}
		field := pick(t, "field", "card", "user", "amt", "qty", "pts", "wei", "x", "ok", "mcc", "seen", "big", "num", "txt", "tier", "cap", "rank", "dear")
		add("field: %s", field)
		if known, _ := spec.AggregationOf(aggregation); known.Result == spec.InputResult {
			f.kind = kinds[field]
		}
	case "ratio":
		add("numerator: '%s'", condition(t))
	case "time_since_last", "time_since_first", "interarrival_mean", "interarrival_stddev", "interarrival_cv", "decayed_count", "count", "rate":
		if chance(t, "field", 2) {
			add("field: %s", pick(t, "field", "amt", "mcc", "x"))
		} else if chance(t, "value", 6) {
			add("value: '%s'", pick(t, "number", numbers...))
		}
		if known, _ := spec.AggregationOf(aggregation); known.Unit && chance(t, "unit", 2) {
			add("unit: %s", pick(t, "unit", "ms", "seconds", "minutes", "hours", "days"))
		}
	}
	drawParameters(t, &f, aggregation, add)
	if aggregation == "streak" || chance(t, "filter", 3) {
		add("filter: '%s'", condition(t))
	}
	reach := drawWindows(t, &f, name, aggregation, add)
	if hasBy && !known.EventBound && chance(t, "by", 6) {
		add("by: %s, top: %d", pick(t, "category", "mcc", "mcc", "user", "qty", "ok", "txt", "card", "tier"), rapid.IntRange(1, 4).Draw(t, "top"))
		f.kind = "map"
	}
	if chance(t, "min count", 5) {
		add("min_count: %d", rapid.IntRange(1, 3).Draw(t, "min_count"))
	}
	if chance(t, "default", 3) {
		add("default: %s", drawDefault(t, f.kind))
	}
	if chance(t, "hidden", 8) {
		add("hidden: true")
		f.scope = "hidden"
	}
	f.line = fmt.Sprintf("%s: {%s}", name, strings.Join(keys, ", "))
	return f, reach
}

// twinOf is another quantile of the same values and windows.
func twinOf(t *rapid.T, f genFeature, name string) genFeature {
	old, rest, _ := strings.Cut(f.line, ":")
	before, q, _ := strings.Cut(rest, "q: ")
	twin := genFeature{kind: f.kind, scope: f.scope}
	twin.line = name + ":" + before + "q: " + pick(t, "q", "0", "0.05", "0.5", "0.95", "1") + q[strings.IndexAny(q, ",}"):]
	for _, n := range f.names {
		twin.names = append(twin.names, name+strings.TrimPrefix(n, old))
	}
	return twin
}

// drawParameters draws what only some aggregations take.
func drawParameters(t *rapid.T, f *genFeature, aggregation string, add func(string, ...any)) {
	switch aggregation {
	case "slope":
		add("per: %s", pick(t, "per", "1ms", "1s", "5m", "30d"))
	case "rate":
		if chance(t, "per", 2) {
			add("per: %s", pick(t, "per", "1ms", "1s", "5m", "30d"))
		}
	case "is_new":
		f.kind = "bool"
	case "quantile":
		add("q: %s", pick(t, "q", "0", "0.05", "0.5", "0.95", "1"))
		f.kind = rough
	case "lag":
		if chance(t, "lag", 2) {
			add("n: %d", rapid.IntRange(1, 4).Draw(t, "n"))
		}
	case "list_last", "list_distinct":
		add("limit: %s", pick(t, "limit", "1", "2", "3", "5", "1000"))
		f.kind = "list"
	case "argmax":
		add("order_by: %s", pick(t, "order", "amt", "qty", "x", "seen", "num", "at", "wei", "pts"))
	}
}

// drawWindows draws windows, delay and exclude_current.
func drawWindows(t *rapid.T, f *genFeature, name, aggregation string, add func(string, ...any)) time.Duration {
	known, _ := spec.AggregationOf(aggregation)
	kind := "windows"
	switch n := rapid.IntRange(0, 9).Draw(t, "kind of window"); {
	case known.HalfLives:
		kind = "half_lives"
	case known.Windows || n < 4:
	case n < 6 && hasLast:
		kind = "last"
	case n < 8 && hasSessions:
		kind = "session"
	case n > 7:
		kind = "lifetime"
	}
	delay := time.Duration(0)
	if kind != "session" && chance(t, "delayed", 4) {
		text := pick(t, "delay", delayTexts...)
		delay = parseDuration(text)
		add("delay: %s", text)
	} else if !known.PastOnly && chance(t, "exclude current", 3) {
		add("exclude_current: true")
	}
	some := func(texts []string, suffix string, most int) []string {
		first := rapid.IntRange(0, len(texts)-1).Draw(t, "first window")
		last := rapid.IntRange(first, min(first+most-1, len(texts)-1)).Draw(t, "last window")
		for _, w := range texts[first : last+1] {
			f.names = append(f.names, name+suffix+w)
		}
		add("%s: [%s]", kind, strings.Join(texts[first:last+1], ", "))
		return texts[first : last+1]
	}
	switch kind {
	case "half_lives":
		some(halfLifeTexts, "_hl", 2)
	case "last":
		some(lastTexts, "_last", 3)
	case "session":
		gap := pick(t, "gap", windowTexts...)
		add("session: %s", gap)
		f.names = []string{name}
		return parseDuration(gap)
	case "lifetime":
		f.names = []string{name}
	case "windows":
		longest := time.Duration(0)
		for _, w := range some(windowTexts, "_", 3) {
			longest = max(longest, parseDuration(w))
		}
		return delay + longest
	}
	return delay + time.Millisecond
}

func drawDefault(t *rapid.T, kind string) string {
	switch kind {
	case "bool":
		return pick(t, "default", "true", "false", "null")
	case "string":
		return pick(t, "default", "none", "null")
	case "time", "list", "map":
		return "null"
	}
	return pick(t, "default", "0", "-1", "7", "null") // whole: a default has its result's type
}

// drawDerived is an expression over the features of a view and the event.
func drawDerived(t *rapid.T, v genView, name string) genFeature {
	named := func(kind string) string {
		var names []string
		for _, f := range slices.Concat(v.features, v.derived) {
			if f.kind == kind {
				names = append(names, f.names...)
			}
		}
		if len(names) == 0 {
			return map[string]string{"number": "event.amt", "bool": "event.ok", "string": "event.mcc"}[kind]
		}
		return pick(t, "name of "+kind, names...)
	}
	shapes := []struct{ kind, format, a, b string }{
		{"number", "%s / max(%s, 1)", "number", "number"},
		{"number", "%s - %s", "number", "number"},
		{"number", "%s / %s", "number", "number"},
		{"number", "event.amt - %s", "number", ""},
		{"number", "%s ? %s : 0", "bool", "number"},
		{"bool", "%s > 2.25", "number", ""},
		{"bool", "!%s", "bool", ""},
		{"bool", "%s == event.mcc", "string", ""},
		{"bool", "present(%s)", "number", ""},
		{"number", "present(%s) ? 1 : 0", "string", ""},
	}
	s := shapes[rapid.IntRange(0, len(shapes)-1).Draw(t, "shape")]
	text := fmt.Sprintf(s.format, named(s.a))
	if s.b != "" {
		text = fmt.Sprintf(s.format, named(s.a), named(s.b))
	}
	f := genFeature{kind: s.kind, names: []string{name}}
	def := ""
	if chance(t, "default", 2) {
		def = ", default: " + drawDefault(t, s.kind)
	}
	f.line = fmt.Sprintf("%s: {expr: '%s'%s}", name, text, def)
	return f
}

// drawService lists some features for the first source, with a derived value
// and a model of rules.
func drawService(t *rapid.T, g *genSpec) {
	var b strings.Builder
	on := g.sources[rapid.IntRange(0, len(g.sources)-1).Draw(t, "on")].name
	fmt.Fprintf(&b, "  svc:\n    version: 1\n    on: %s\n    features:\n", on)
	number := ""
	for _, v := range g.views {
		var listed []string
		for _, f := range slices.Concat(v.features, v.derived) {
			if f.scope == "hidden" || chance(t, "unlisted", 4) {
				continue
			}
			for _, n := range f.names {
				if f.kind == "map" {
					n = "'" + n + `["` + pick(t, "category", "a", "b", "1", "2", "true", "other", "_other") + `"]'`
				}
				listed = append(listed, n)
			}
			if f.kind == "number" {
				number = v.name + "." + f.names[0]
			}
		}
		if len(listed) > 0 {
			fmt.Fprintf(&b, "      - %s: [%s]\n", v.name, strings.Join(listed, ", "))
		}
	}
	if number == "" {
		return
	}
	if chance(t, "service derived", 2) {
		fmt.Fprintf(&b, "    request_fields: {amt: double}\n    derived:\n      r0: {expr: 'request.amt + %s', default: 1}\n", number)
	}
	g.services = []string{b.String()}
	if !g.all && chance(t, "model", 2) {
		return
	}
	score, weights := "", []string{"weight: 0.5, ", "weight: 0.4, ", "weight: 0.2, "}
	if chance(t, "score", 2) {
		score, weights = fmt.Sprintf("    score: '%s / 4'\n", number), []string{"", "", ""}
	}
	g.models = []string{fmt.Sprintf(`  judge:
    version: 1
    feature_service: svc
    runtime: expr
%s    on_error: {band: review}
    bands: [{name: allow, min: 0.0}, {name: review, min: 0.4}, {name: block, min: 0.8}]
    reason_codes:
      max: 2
      rules:
        FIRST: {%swhen: '%s > 1', text: first}
        SECOND: {%swhen: '%s >= 2', text: second}
        THIRD: {%swhen: '!present(%s)', text: third}
`, score, weights[0], number, weights[1], number, weights[2], number)}
}
