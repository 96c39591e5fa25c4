package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
)

//go:generate go test . -run TestAggregationsPage -update

// aggregationLine is one aggregation as the catalogue knows it: what the
// language asks for, and what the engine says of itself.
type aggregationLine struct {
	Name       string   `json:"name"`
	Keys       []string `json:"keys"` // of the feature, as they are written
	Windows    string   `json:"windows"`
	Formula    string   `json:"formula"`
	Result     string   `json:"result"`
	Empty      string   `json:"empty"`
	Bound      string   `json:"bound"`
	Memory     string   `json:"memory"`
	Cost       string   `json:"cost"`
	Retracts   string   `json:"retractable"`
	EventBound bool     `json:"event_bound"`
	PastOnly   bool     `json:"past_only"`
	Moves      bool     `json:"moves"`
	Available  bool     `json:"available"`
}

// aggregationLines is the whole vocabulary in the order of the language's table.
func aggregationLines(pattern string) []aggregationLine {
	lines := []aggregationLine{}
	for _, word := range spec.Aggregations {
		if !matches(pattern, word.Name) {
			continue
		}
		line := aggregationLine{Name: word.Name, Keys: aggregationKeys(&word), Windows: "windows, last, session, or the row's life",
			EventBound: word.EventBound, PastOnly: word.PastOnly, Moves: word.Moves}
		switch {
		case word.HalfLives:
			line.Windows = "half_lives"
		case word.Windows:
			line.Windows = "windows"
		}
		if a := aggregate.Find(word.Name); a != nil {
			line.Available = true
			line.Formula, line.Result, line.Empty, line.Bound, line.Memory, line.Cost = a.Formula, a.Result, a.Empty, a.Exact, a.Memory, a.Cost
			line.Retracts = "yes, within the event budget"
			if a.Retractable {
				line.Retracts = "yes"
			}
			if word.Sketch {
				line.Retracts = "no: refused where the source has retracts"
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// aggregationKeys are the keys that an aggregation takes beside those of every
// feature; the optional ones in brackets.
func aggregationKeys(word *spec.Aggregation) []string {
	keys := []string{}
	add := func(has bool, key string) {
		if has {
			keys = append(keys, key)
		}
	}
	add(word.Input == spec.InputRequired, "field or value")
	add(word.Input == spec.InputOptional, "[field or value]")
	add(word.Numerator, "numerator")
	add(word.Filter, "filter")
	add(word.OrderBy, "order_by")
	add(word.Q, "q")
	add(word.Limit, "limit")
	add(word.N, "[n]")
	add(word.Per == "required", "per")
	add(word.Per == "optional", "[per]")
	add(word.Unit, "[unit]")
	return keys
}

func (a *app) writeAggregations(pattern, format string) error {
	lines := aggregationLines(pattern)
	if len(lines) == 0 {
		return failed(fmt.Errorf("no aggregation matches %q", pattern), "freshet features --aggregations -o name")
	}
	switch format {
	case "json":
		return writeJSON(a.out, lines)
	case "markdown":
		return writeAggregationPage(a.out, lines)
	case "name":
		for _, line := range lines {
			if _, err := fmt.Fprintln(a.out, line.Name); err != nil {
				return err
			}
		}
		return nil
	}
	return a.listAggregations(lines)
}

// listAggregations prints a block for each: the texts are too long for columns.
func (a *app) listAggregations(lines []aggregationLine) error {
	ink := a.ink(a.out)
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "%s  %s\n", ink.bold(line.Name), ink.dim(strings.Join(append([]string{line.Windows}, line.Keys...), "; ")))
		if !line.Available {
			fmt.Fprintf(&b, "  %s\n", ink.warn("not available yet"))
			continue
		}
		for _, part := range line.parts() {
			fmt.Fprintf(&b, "  %s%s\n", ink.dim(fmt.Sprintf("%-12s", part[0])), part[1])
		}
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}

// parts are what is said of an aggregation, each with its word.
func (l *aggregationLine) parts() [][2]string {
	parts := [][2]string{{"formula", l.Formula}, {"result", l.Result}, {"empty", l.Empty}, {"bound", l.Bound},
		{"memory", l.Memory}, {"cost", l.Cost}, {"retractable", l.Retracts}}
	var notes []string
	if l.EventBound {
		notes = append(notes, "event-bound: null with NEEDS_EVENT in a read without an event")
	}
	if l.PastOnly {
		notes = append(notes, "never sees the event at hand")
	}
	if l.Moves {
		notes = append(notes, "changes with time alone: Redis holds <name>_at beside it")
	}
	if len(notes) > 0 {
		parts = append(parts, [2]string{"note", strings.Join(notes, "; ")})
	}
	return parts
}

const aggregationPage = `# Aggregations

Made from the engine's own table by ` + "`go generate ./cmd/freshet`" + `, and shown by ` + "`freshet features --aggregations`" + `: do not edit.

- **empty** is the value of a window that nothing reaches, without a ` + "`default`" + ` (S18).
- **bound** is how far the value may lie from the formula over the same events.
- **memory** is per entity and window, beside the event itself in the log that all views of the entity over the source share.
- **cost** is that of one event with all windows of a view. It does not grow with how many events a window holds: [what grows](#what-grows).
- **retractable**: a retraction (S16) takes the whole contribution back.
- Keys in brackets may be left out. Every feature takes ` + "`filter`, `delay`, `exclude_current`, `min_count`, `default`, `hidden`, `description`" + `.
`

const growthPage = `
## What grows

**For everybody.** What an event costs depends on the features of its entities, and not on how many events, values or categories their windows
hold, with the exceptions below. What is searched for in a tree takes a few steps more where there are four times as many.

**The bound.** Whatever the key and whatever came before, an event looks at no more than 3 x (''event_budget'' + 64) rows, values, nodes and tiles
for each window of a feature: 196,800 at the default budget. With ''by'' at the default budget it is 13 + 2 x ''top'' times and not 3.
''freshet features -o json'' says it of each feature (''most_steps''), and a test holds the engine to it. A smaller budget is a smaller bound.

**Once in a while**, or with certain features, an event looks at more than usual, within the bound:

- The first event after a silence takes out all that has left the windows since.
- Past ''event_budget'', some 61 tiles are put together for each window.
- ''streak'' walks back to the event that breaks the run, and ''list_distinct'' to the beginning of the window if that has fewer than ''limit'' different
  values. ''last: n'' passes the events between the n that the view's filter keeps out.
- A life with a delay that reaches out of the log is put together from its rows if it has more than ''distinct_budget'' values.

**With ''retracts''** an event does as much again, bound included, for each event that it takes back; one that is late, for each event behind it that takes
back another ([decision 17](decisions/0017-retraction.md)).

**The exceptions** grow with what is in the last column, up to the bound. A test counts what an event looks at, over all aggregations, kinds of windows
and kinds of data, with few events and with five times as many (of what seems to grow, with four times as many again, twice). It finds these
cases and no others:

`

// dataWords say what the kinds of data of the table are.
var dataWords = map[aggregate.Data]string{
	aggregate.Excluding: "the feature has ''exclude_current''",
	aggregate.Rare:      "the filter lets few events in",
	aggregate.Unlike:    "no two values are equal",
	aggregate.Various:   "a quarter as many categories as events",
	aggregate.Apart:     "no two events are of one category",
	aggregate.Changing:  "no two values are equal, and with every event other categories are those with the most events",
	aggregate.Reversed:  "one event in ten takes back another one of the window",
}

// code puts what stands between doubled quotes in code font.
func code(text string) string { return strings.ReplaceAll(text, "''", "`") }

// writeAggregationPage writes docs/aggregations.md.
func writeAggregationPage(w io.Writer, lines []aggregationLine) error {
	var b strings.Builder
	b.WriteString(aggregationPage)
	var absent, contents []string
	for _, line := range lines {
		if line.Available {
			contents = append(contents, fmt.Sprintf("[%s](#%s)", line.Name, line.Name))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", strings.Join(contents, " · "))
	for _, line := range lines {
		if !line.Available {
			absent = append(absent, "`"+line.Name+"`")
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", line.Name, line.Formula)
		keys := "none of its own"
		if len(line.Keys) > 0 {
			keys = "`" + strings.Join(line.Keys, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| | |\n|---|---|\n| keys | %s |\n| over | %s |\n", keys, line.Windows)
		for _, part := range line.parts()[1:] {
			fmt.Fprintf(&b, "| %s | %s |\n", part[0], strings.ReplaceAll(part[1], "|", `\|`))
		}
	}
	if len(absent) > 0 {
		fmt.Fprintf(&b, "\n## Not available yet\n\n%s\n", strings.Join(absent, ", "))
	}
	writeGrowths(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeGrowths writes what is not flat, and the words of the table.
func writeGrowths(b *strings.Builder) {
	b.WriteString(code(growthPage))
	b.WriteString("| over | aggregations | data | when | looks at |\n|---|---|---|---|---|\n")
	var data []aggregate.Data
	late := false
	for _, g := range aggregate.Growths {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", listed(g.Over, "; ", "-"), listed(g.Of, ", ", "all"), listed(g.Data, ", ", "any"), listed(g.When, ", ", "always"), g.What)
		data = append(data, g.Data...)
		late = late || slices.Contains(g.When, aggregate.Late)
	}
	b.WriteString("\nThe words of the table:\n\n")
	slices.Sort(data)
	for _, d := range slices.Compact(data) {
		if words := dataWords[d]; words != "" {
			fmt.Fprintf(b, "- *%s*: %s.\n", d, code(words))
		}
	}
	if late {
		b.WriteString("- *late*: the event is a few places behind the newest of its entity, or is read there by a view of another source.\n")
	}
}

// listed are words one after the other; none where there are none.
func listed[T ~string](words []T, between, none string) string {
	if len(words) == 0 {
		return none
	}
	text := string(words[0])
	for _, w := range words[1:] {
		text += between + string(w)
	}
	return text
}
