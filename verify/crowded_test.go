package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/config/spec"
)

// A crowd is an entity with hundreds of events close together, few or many of whose
// values are different, and many features over the same few windows: what an engine
// keeps beside the rows is begun only there, shared there, and turned back there for
// late events. Short histories of specs of everything hardly ever come to it.
var crowded = family{"TestCrowdsEqualOracle", drawCrowded, crowdCosts, 3, shortestHistory, 300}

// Of the other family, events are taken back, some of them far back. No history is
// short: most numbers that are drawn are small ones.
var reversed = family{"TestCrowdsOfReversalsEqualOracle", drawReversed, reversalsCost, 3, 180, 360}

// A case of a crowd takes as long as about so many others.
const crowdCosts, reversalsCost = 10, 40

func TestCrowdsEqualOracle(t *testing.T) { judgeFamily(t, crowded, 50) }

func TestCrowdsOfReversalsEqualOracle(t *testing.T) { judgeFamily(t, reversed, 30) }

// drawCrowded draws a spec whose features share windows, delays and fields.
func drawCrowded(t *rapid.T) *genSpec { return drawCrowd(t, false) }

// drawReversed draws such a spec of a source whose events take others back.
func drawReversed(t *rapid.T) *genSpec { return drawCrowd(t, true) }

func drawCrowd(t *rapid.T, retracts bool) *genSpec {
	s := genSource{name: "pay", hasID: true, lines: []string{"id_field: id"}, fields: []genField{
		{name: "id", kind: "string"},
		{name: "at", kind: "timestamp"},
		{name: "card", kind: "string"},
		{name: "item", kind: "int"},
		{name: "user", kind: "int", optional: chance(t, "user optional", 3)},
		{name: "amt", kind: "decimal", scale: 2, optional: chance(t, "amt optional", 3)},
		{name: "x", kind: "double"},
		{name: "shop", kind: "string"},
		{name: "ok", kind: "bool"},
	}}
	if retracts {
		s.retracts = true
		s.fields = append(s.fields, genField{name: "undo", kind: "string", optional: true})
		s.lines = append(s.lines, "retracts: undo")
		if chance(t, "retracts time", 2) {
			s.fields = append(s.fields, genField{name: "undone", kind: "timestamp", optional: true})
			s.lines = append(s.lines, "retracts_time_field: undone")
		}
	}
	lateness := pick(t, "lateness", "2s", "5s", "10s", "60s")
	s.lateness = parseDuration(lateness)
	s.lines = append(s.lines, "allowed_lateness: "+lateness)
	if chance(t, "few values", 6) {
		s.distinct = rapid.IntRange(1, 30).Draw(t, "distinct")
	}
	g := &genSpec{entities: []string{"card: {key: card}"}, sources: []genSource{s}, pace: parseDuration(pick(t, "pace", "20ms", "200ms", "600ms"))}
	g.instants = append(g.instants, s.lateness)
	delay := pick(t, "delay of all", "", "", "1s", "5s")
	for i := range rapid.IntRange(1, 2).Draw(t, "views") {
		g.views = append(g.views, drawCrowdedView(t, g, fmt.Sprintf("v%d", i), delay))
	}
	slices.Sort(g.instants)
	g.instants = slices.Compact(g.instants)
	return g
}

func drawCrowdedView(t *rapid.T, g *genSpec, name, delay string) genView {
	v := genView{name: name, source: "pay", entity: "card"}
	if distinct := g.sources[0].distinct; distinct > 0 {
		v.lines = append(v.lines, fmt.Sprintf("distinct_budget: %d", distinct))
	}
	ttl := pick(t, "ttl", "1m", "2m")
	v.lines = append(v.lines, "ttl: "+ttl)
	g.instants = append(g.instants, parseDuration(ttl))
	for i := range rapid.IntRange(2, 8).Draw(t, "features") {
		v.features = append(v.features, drawCrowdedFeature(t, g, fmt.Sprintf("f%d", i), delay))
	}
	return v
}

// drawCrowdedFeature draws an aggregation over one of the few windows that all
// features of a crowd share. They are not always in the order of their lengths.
func drawCrowdedFeature(t *rapid.T, g *genSpec, name, delay string) genFeature {
	aggregation := pick(t, "aggregation", aggregations...)
	known, _ := spec.AggregationOf(aggregation)
	if known.Sketch && g.sources[0].retracts {
		aggregation = "count_distinct" // which validate does not refuse
		known, _ = spec.AggregationOf(aggregation)
	}
	f := genFeature{kind: "number"}
	if wild[aggregation] {
		f.kind = rough
	}
	keys := []string{"aggregation: " + aggregation}
	add := func(format string, args ...any) { keys = append(keys, fmt.Sprintf(format, args...)) }
	if known.Input == spec.InputRequired {
		field := pick(t, "field", "item", "item", "item", "amt", "user")
		if known.Types == spec.AnyType {
			field = pick(t, "any field", field, field, "shop", "x")
			if known.Result == spec.InputResult && field == "shop" {
				f.kind = "string"
			}
		}
		add("field: %s", field)
	}
	if aggregation == "ratio" {
		add("numerator: 'amt > 2'")
	}
	drawParameters(t, &f, aggregation, add)
	if aggregation == "argmax" {
		keys[len(keys)-1] = "order_by: " + pick(t, "order", "amt", "item", "x")
	}
	if aggregation == "streak" || chance(t, "filter", 5) {
		add("filter: '%s'", pick(t, "condition", "ok", "amt > 2", "item < 3", "user == 1"))
	}
	g.instants = append(g.instants, drawCrowdedWindows(t, &f, name, known, delay, add))
	if hasBy && !known.EventBound && chance(t, "by", 4) {
		add("by: %s, top: %d", pick(t, "category", "shop", "shop", "item", "user"), rapid.IntRange(1, 4).Draw(t, "top"))
		f.kind = "map"
	}
	f.line = fmt.Sprintf("%s: {%s}", name, strings.Join(keys, ", "))
	return f
}

// drawCrowdedWindows draws the windows of a feature and returns one of their edges.
func drawCrowdedWindows(t *rapid.T, f *genFeature, name string, known spec.Aggregation, delay string, add func(string, ...any)) time.Duration {
	kind := pick(t, "kind of window", "windows", "windows", "windows", "windows", "lifetime", "lifetime", "session", "last")
	switch {
	case known.HalfLives:
		kind = "half_lives"
	case known.Windows:
		kind = "windows"
	}
	edge := time.Duration(0)
	switch {
	case delay != "" && kind != "session":
		add("delay: %s", delay)
		edge = parseDuration(delay)
	case !known.PastOnly && chance(t, "exclude current", 4):
		add("exclude_current: true")
	}
	f.names = []string{name}
	switch kind {
	case "half_lives":
		f.names[0] += "_hl5s"
		add("half_lives: [5s]")
	case "last":
		f.names[0] += "_last40"
		add("last: [40]")
	case "session":
		add("session: 5s")
		return 5 * time.Second
	case "windows":
		f.names = nil
		texts := pick(t, "windows", []string{"20s"}, []string{"5s", "20s"}, []string{"20s", "5s"}, []string{"5s"}, []string{"5s", "40s", "20s"}, []string{"40s"})
		for _, w := range texts {
			f.names = append(f.names, name+"_"+w)
			edge = max(edge, parseDuration(w))
		}
		add("windows: [%s]", strings.Join(texts, ", "))
	}
	return edge
}

// crowdedTime is the time of a record of a crowd: a little behind the newest of its
// partition, or as much before it as may be late.
func (h *historian) crowdedTime(id [2]int) int64 {
	t := h.t
	newest := slices.Max(h.times)
	if h.spec.sources[id[0]].retracts && chance(t, "peer", 6) {
		return h.times[len(h.times)-rapid.IntRange(1, min(20, len(h.times))).Draw(t, "of which")]
	}
	if chance(t, "late", 6) {
		return newest - int64(rapid.IntRange(0, int(h.spec.sources[id[0]].lateness.Milliseconds())).Draw(t, "how late"))
	}
	return newest + int64(rapid.IntRange(0, int(h.spec.pace.Milliseconds())).Draw(t, "later"))
}

// crowdedValue is one of few or many values, the smaller ones more often, or mostly
// the same card.
func (h *historian) crowdedValue(f genField) string {
	t := h.t
	if f.name == "card" {
		return pick(t, "card", `"c1"`, `"c1"`, `"c1"`, `"c12"`)
	}
	if h.wide == 0 {
		h.wide = pick(t, "how many values", 2, 8, 40, 1000)
	}
	n := rapid.IntRange(0, h.wide).Draw(t, "value")
	if chance(t, "often", 2) {
		n = min(n, rapid.IntRange(0, h.wide).Draw(t, "another"))
	}
	if f.name == "item" {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%q", pick(t, "shop", "s"+strconv.Itoa(n), "s"+strconv.Itoa(n/4), "other"))
}
