package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Views of counts, sums, means and deviations alone have ways of their own through
// the engine, which specs of everything hardly ever take.
var plainOnly = family{"TestPlainViewsEqualOracle", drawPlain, 2, historiesPerSpec, shortestHistory, longestHistory}

func TestPlainViewsEqualOracle(t *testing.T) { judgeFamily(t, plainOnly, 500) }

// drawPlain draws a spec whose views have plain features only, most of them of one
// input without a filter.
func drawPlain(t *rapid.T) *genSpec {
	g := &genSpec{entities: []string{"card: {key: card}", "user: {key: user}"}}
	s := drawSource(t, g, "pay")
	if !chance(t, "late", 3) {
		s.lines = slices.DeleteFunc(s.lines, func(l string) bool { return strings.HasPrefix(l, "filter:") })
	}
	for i := range s.fields {
		if f := &s.fields[i]; f.name == "amt" || f.name == "qty" {
			f.optional = chance(t, "optional", 4)
		}
	}
	g.sources = []genSource{s}
	g.tables = drawTables(t)
	for i := range rapid.IntRange(1, 3).Draw(t, "views") {
		g.views = append(g.views, drawPlainView(t, g, fmt.Sprintf("v%d", i)))
	}
	slices.Sort(g.instants)
	g.instants = slices.Compact(g.instants)
	return g
}

func drawPlainView(t *rapid.T, g *genSpec, name string) genView {
	v := genView{name: name, source: "pay", entity: pick(t, "entity", "card", "user"), lines: []string{"ttl: 2m"}}
	if budget := g.sources[0].budget; budget > 0 {
		v.lines = append(v.lines, fmt.Sprintf("event_budget: %d", rapid.IntRange(1, budget).Draw(t, "event_budget")))
	}
	field := pick(t, "field", "amt", "amt", "qty")
	first := rapid.IntRange(0, len(windowTexts)-1).Draw(t, "first window")
	last := rapid.IntRange(first, len(windowTexts)-1).Draw(t, "last window")
	windows := windowTexts[first : last+1]
	all := []string{"count", "sum", "mean", "stddev"}
	of := all
	if chance(t, "not all", 3) {
		of = all[rapid.IntRange(0, 3).Draw(t, "from"):]
	}
	odd := chance(t, "odd", 5)
	for i, aggregation := range of {
		keys := "aggregation: " + aggregation
		if aggregation != "count" {
			keys += ", field: " + field
		}
		if odd && chance(t, "filter", 3) {
			keys += ", filter: '" + condition(t) + "'"
		}
		f := genFeature{kind: "number", line: fmt.Sprintf("f%d: {%s, windows: [%s]}", i, keys, strings.Join(windows, ", "))}
		for _, w := range windows {
			f.names = append(f.names, fmt.Sprintf("f%d_%s", i, w))
			g.instants = append(g.instants, parseDuration(w))
		}
		v.features = append(v.features, f)
	}
	g.instants = append(g.instants, 2*time.Minute)
	return v
}
