package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// genSpec is a random spec as text in parts, so that a failing one can be
// shrunk by leaving parts out.
type genSpec struct {
	sources  []genSource
	tables   []genTable
	entities []string // YAML lines
	views    []genView
	services []string // YAML blocks
	models   []string

	// instants are the durations of the spec that have edges: histories aim
	// at them.
	instants []time.Duration
	all      bool          // to be run whole: budgets are those of all views
	pace     time.Duration // how far apart most events of a crowd are at most; 0: as the instants say
}

type genSource struct {
	name     string
	fields   []genField
	hasID    bool
	retracts bool
	budget   int           // the largest event_budget of its views; 0: the default
	distinct int           // the largest distinct_budget of its views; 0: the default
	lateness time.Duration // 0: the default
	lines    []string      // settings
	computed []string
}

// genTable is one table with its rows, each a JSON object.
type genTable struct {
	name string
	yaml string
	rows []string
}

// tableRows are the rows of all tables for people.
func (g *genSpec) tableRows() string {
	var b strings.Builder
	for _, t := range g.tables {
		for _, row := range t.rows {
			b.WriteString("table " + t.name + ": " + row + "\n")
		}
	}
	return b.String()
}

func (g *genSpec) rowsOf(table string) []string {
	for _, t := range g.tables {
		if t.name == table {
			return t.rows
		}
	}
	return nil
}

type genField struct {
	name, kind string
	optional   bool
	scale      int
	unit       string // of an epoch timestamp
	strict     bool
}

type genView struct {
	name     string
	source   string
	entity   string
	lines    []string
	features []genFeature
	derived  []genFeature
}

// genFeature is one line under features: or derived:, with the names and the
// result type that it makes.
type genFeature struct {
	line  string
	names []string
	kind  string // number, bool, string, time
	scope string // hidden: cannot be listed by a service
}

func (g *genSpec) yaml() string {
	var b strings.Builder
	b.WriteString("version: 1\nnamespace: judged\nsources:\n")
	for _, s := range g.sources {
		fmt.Fprintf(&b, "  %s:\n    type: kafka\n    topic: %s\n    format: json\n    timestamp_field: at\n", s.name, s.name)
		for _, l := range s.lines {
			b.WriteString("    " + l + "\n")
		}
		b.WriteString("    fields:\n")
		for _, f := range s.fields {
			b.WriteString("      " + f.yaml() + "\n")
		}
		if len(s.computed) > 0 {
			b.WriteString("    computed_fields:\n")
		}
		for _, c := range s.computed {
			b.WriteString("      " + c + "\n")
		}
	}
	if len(g.tables) > 0 {
		b.WriteString("tables:\n")
	}
	for _, t := range g.tables {
		b.WriteString("  " + t.yaml + "\n")
	}
	b.WriteString("entities:\n")
	for _, e := range g.entities {
		b.WriteString("  " + e + "\n")
	}
	b.WriteString("feature_views:\n")
	for _, v := range g.views {
		fmt.Fprintf(&b, "  %s:\n    version: 1\n    source: %s\n    entity: %s\n", v.name, v.source, v.entity)
		for _, l := range v.lines {
			b.WriteString("    " + l + "\n")
		}
		b.WriteString("    features:\n")
		for _, f := range v.features {
			b.WriteString("      " + f.line + "\n")
		}
		if len(v.derived) > 0 {
			b.WriteString("    derived:\n")
		}
		for _, f := range v.derived {
			b.WriteString("      " + f.line + "\n")
		}
	}
	if len(g.services) > 0 {
		b.WriteString("feature_services:\n" + strings.Join(g.services, ""))
	}
	if len(g.models) > 0 {
		b.WriteString("models:\n" + strings.Join(g.models, ""))
	}
	return b.String()
}

func (f genField) yaml() string {
	kind := f.kind
	if f.kind == "decimal" {
		kind = fmt.Sprintf("decimal(%d)", f.scale)
	}
	more := ""
	if f.optional {
		more += ", optional: true"
	}
	if f.unit != "" {
		more += ", unit: " + f.unit
	}
	if f.name == "mcc" {
		more += ", enum: [a, b, c]"
	}
	if f.strict {
		more += ", strict: true"
	}
	return fmt.Sprintf("%s: {type: %s%s}", f.name, kind, more)
}

// chance is true in about one of n draws.
func chance(t *rapid.T, label string, n int) bool {
	return rapid.IntRange(1, n).Draw(t, label) == n/2+1
}

func pick[V any](t *rapid.T, label string, of ...V) V {
	return of[rapid.IntRange(0, len(of)-1).Draw(t, label)]
}

var (
	windowTexts   = []string{"1s", "2s", "5s", "10s", "1m"}
	delayTexts    = []string{"1s", "2s", "5s", "1m"}
	halfLifeTexts = []string{"1ms", "700ms", "1s", "5s", "1m", "1h", "90d"}
	lastTexts     = []string{"1", "2", "3", "5", "8", "40"}
	ttlTexts      = []string{"1s", "2s", "5s", "10s", "1m", "2m", "3m"}
	lateTexts     = []string{"1ms", "1s", "2s", "5s", "10s", "1m"}
	conditions    = []string{
		`amt > 2`, `amt <= 1.5`, `ok`, `!ok`, `mcc == "a"`, `mcc in ["a", "b"]`, `qty >= 2 && ok`, `present(x)`,
		`!present(x) || amt > 1`, `x * 2 > amt`, `seen < at`, `at - seen < duration("5s")`, `qty > 1 ? ok : !ok`,
		`card.startsWith("c1")`, `amt / qty > 1`, `mcc != "c" || x > 0`,
	}
	numbers = []string{`amt * 2`, `qty + x`, `abs(x)`, `amt / qty`, `max(amt, qty)`, `ok ? 1 : qty`, `min(x, 1, amt)`, `floor(x)`}
)

func drawSpec(t *rapid.T) *genSpec {
	g := &genSpec{}
	g.sources = append(g.sources, drawSource(t, g, "pay"))
	if chance(t, "two sources", 2) {
		g.sources = append(g.sources, drawSource(t, g, "act"))
	}
	g.tables = drawTables(t)
	g.entities = []string{"card: {key: card}", "user: {key: user}", "pair: {key: [card, user]}", "yes: {key: ok}"}
	for i := range rapid.IntRange(1, 4).Draw(t, "views") {
		g.views = append(g.views, drawView(t, g, fmt.Sprintf("v%d", i)))
	}
	if g.all || chance(t, "service", 2) {
		drawService(t, g)
	}
	slices.Sort(g.instants)
	g.instants = slices.Compact(g.instants)
	return g
}

func drawSource(t *rapid.T, g *genSpec, name string) genSource {
	optional := func(field string) bool { return chance(t, field+" optional", 2) }
	s := genSource{name: name, hasID: !chance(t, "no id", 4)}
	if s.hasID {
		s.fields = append(s.fields, genField{name: "id", kind: pick(t, "id kind", "string", "int")})
		s.lines = append(s.lines, "id_field: id")
	}
	s.fields = append(s.fields,
		genField{name: "at", kind: "timestamp", unit: pick(t, "unit", "", "", "s", "us", "ns")},
		genField{name: "card", kind: "string", optional: true},
		genField{name: "user", kind: "int", optional: optional("user")},
		genField{name: "amt", kind: "decimal", scale: rapid.IntRange(0, 3).Draw(t, "scale"), optional: optional("amt")},
		genField{name: "qty", kind: "int", optional: optional("qty")},
		genField{name: "pts", kind: "int", optional: true},
		genField{name: "wei", kind: "decimal", scale: 2, optional: true},
		genField{name: "x", kind: "double", optional: optional("x")},
		genField{name: "ok", kind: "bool", optional: optional("ok")},
		genField{name: "mcc", kind: "string", optional: optional("mcc"), strict: chance(t, "strict", 4)},
		genField{name: "seen", kind: "timestamp", optional: true},
	)
	if s.hasID && hasRetracts && chance(t, "retracts", 3) {
		s.retracts = true
		s.fields = append(s.fields, genField{name: "undo", kind: s.fields[0].kind, optional: true})
		s.lines = append(s.lines, "retracts: undo")
		if chance(t, "retracts time", 2) {
			s.fields = append(s.fields, genField{name: "undone", kind: "timestamp", optional: true})
			s.lines = append(s.lines, "retracts_time_field: undone")
		}
	}
	if hasBudgets && !s.retracts && chance(t, "small budget", 5) {
		s.budget = pick(t, "budget", 1, 2, 4, 16)
		g.all = true
	} else if chance(t, "few values", 6) {
		s.distinct = rapid.IntRange(1, 3).Draw(t, "distinct")
	}
	duration := func(key string, texts []string) {
		text := pick(t, key, texts...)
		s.lines = append(s.lines, key+": "+text)
		g.instants = append(g.instants, parseDuration(text))
		if key == "allowed_lateness" {
			s.lateness = parseDuration(text)
		}
	}
	if !chance(t, "default lateness", 4) {
		duration("allowed_lateness", lateTexts)
	}
	if chance(t, "dedup window", 2) {
		duration("dedup_window", lateTexts)
	}
	if chance(t, "max ahead", 2) {
		duration("max_ahead", lateTexts)
	}
	if chance(t, "source filter", 5) {
		s.lines = append(s.lines, "filter: '"+pick(t, "condition", conditions...)+"'")
	}
	s.computed = []string{
		"big: {type: bool, expr: '" + pick(t, "condition", conditions...) + "'}",
		"num: {type: double, expr: '" + pick(t, "number", numbers...) + "'}",
		`txt: {type: string, expr: 'mcc + "z"'}`,
		`tier: {type: string, table: tiers, key: mcc, column: tier}`,
		`cap: {type: decimal(1), table: tiers, key: tier, column: cap}`, // looked up by what was looked up
		`rank: {type: int, table: ranks, key: user, column: rank}`,
		`fee: {type: double, table: ranks, key: user, column: fee}`,
		`dear: {type: bool, expr: 'fee > 1 || rank > 2'}`,
	}
	return s
}

// drawTables are small reference data; some rows and cells are not there.
func drawTables(t *rapid.T) []genTable {
	tiers := genTable{name: "tiers", yaml: "tiers: {path: tiers.csv, key: mcc, fields: {tier: {type: string}, cap: {type: decimal(1)}}}"}
	for _, key := range []string{"a", "b", "c", "other"} {
		if !chance(t, "no row", 4) {
			tiers.rows = append(tiers.rows, fmt.Sprintf(`{"mcc":%q,"tier":%s,"cap":%s}`, key,
				pick(t, "tier", `"a"`, `"b"`, `"x"`, "null"), pick(t, "cap", "0.5", "1", `"-2"`, "null")))
		}
	}
	ranks := genTable{name: "ranks", yaml: "ranks: {path: ranks.jsonl, key: user, fields: {rank: {type: int}, fee: {type: double}}}"}
	quote := `"`
	if chance(t, "key declared", 2) {
		quote = ""
		ranks.yaml = "ranks: {path: ranks.jsonl, key: user, fields: {user: {type: int}, rank: {type: int}, fee: {type: double}}}"
	}
	for _, key := range []string{"1", "2"} {
		if !chance(t, "no row", 4) {
			ranks.rows = append(ranks.rows, fmt.Sprintf(`{"user":%s%s%s,"rank":%s,"fee":%s,"more":1}`, quote, key, quote,
				pick(t, "rank", "0", "1", "3", "null"), pick(t, "fee", "0.25", "2", "1e15", "2e15", "null")))
		}
	}
	return []genTable{tiers, ranks}
}

func drawView(t *rapid.T, g *genSpec, name string) genView {
	source := g.sources[rapid.IntRange(0, len(g.sources)-1).Draw(t, "source")]
	v := genView{
		name:   name,
		source: source.name,
		entity: pick(t, "entity", "card", "card", "user", "user", "pair", "yes"),
	}
	if chance(t, "view filter", 3) {
		v.lines = append(v.lines, "filter: '"+condition(t)+"'")
	}
	if source.budget > 0 {
		v.lines = append(v.lines, fmt.Sprintf("event_budget: %d", rapid.IntRange(1, source.budget).Draw(t, "event_budget")))
	}
	if source.distinct > 0 {
		v.lines = append(v.lines, fmt.Sprintf("distinct_budget: %d", rapid.IntRange(1, source.distinct).Draw(t, "distinct_budget")))
	}
	needed := time.Millisecond
	for i := range rapid.IntRange(1, 6).Draw(t, "features") {
		f, reach := drawFeature(t, source, fmt.Sprintf("f%d", i))
		needed = max(needed, reach)
		v.features = append(v.features, f)
		g.instants = append(g.instants, reach)
		if strings.Contains(f.line, "aggregation: quantile") && !chance(t, "alone", 3) {
			v.features = append(v.features, twinOf(t, f, fmt.Sprintf("t%d", i)))
		}
	}
	grains := 8
	if g.all { // small budgets: tiles that histories can hit the edges of
		grains = 2
	}
	if chance(t, "granularity", grains) {
		tiles := slices.DeleteFunc([]string{"1ms", "7ms", "100ms", "1s"}, func(text string) bool { return needed > 1440*parseDuration(text) })
		v.lines = append(v.lines, "granularity: "+pick(t, "tile", tiles...))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "derived") {
		v.derived = append(v.derived, drawDerived(t, v, fmt.Sprintf("d%d", i)))
	}
	ttl := ""
	for _, text := range ttlTexts {
		if d := parseDuration(text); d >= needed {
			ttl = text
			if chance(t, "ttl", 2) {
				break
			}
		}
	}
	g.instants = append(g.instants, parseDuration(ttl))
	v.lines = append(v.lines, "ttl: "+ttl)
	return v
}

func condition(t *rapid.T) string {
	return pick(t, "condition", append(conditions, "big", "num > 1", "!big", `tier == "a"`, "dear", "present(rank)")...)
}

func parseDuration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}
