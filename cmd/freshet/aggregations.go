package main

import (
	"fmt"
	"io"
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
- **cost** is that of one event with all windows of a view. It does not grow with how many events a window holds, but for what stands at the
  end of this page.
- **retractable**: a retraction (S16) takes the whole contribution back.
- Keys in brackets may be left out. Every feature takes ` + "`filter`, `delay`, `exclude_current`, `min_count`, `default`, `hidden`, `description`" + `.
`

const growthPage = `
## What grows

A test counts what one event makes the engine look at, over all aggregations, kinds of windows and kinds of data, with few events and with five
times as many, and of what seems to grow with four times as many again, and again. These cases grow, and nothing else does, but by steps of a tree, which are a few more
where there are four times as many events. *Rare* is a filter that lets few events in, *unlike* values of which no two are equal, *changing*
such values of categories of which, with every event, others are those with the most, *many categories* a quarter as many as events, *categories apart*
one for each event, *late* an event a few
places behind the newest of its entity, or a reader of another source at such a place. *Taken back* is one event in ten that takes back another one of the window. Whatever the key and whatever came before, one
event looks at no more than 3 x (` + "`event_budget`" + ` + 64) rows, values, nodes and tiles for each window of a feature, with ` + "`by`" + ` at (13 + 2 x ` + "`top`" + `) times as many as the
budget and 64: 196,800 for the default budget, as ` + "`freshet features -o json`" + ` says of each feature (` + "`most_steps`" + `), and a test holds it to. Whoever wants less sets a smaller
budget. Also: an event behind a silence takes out what has left since; an event that takes another one back, and one that is late
by so much that such events are behind it, has as much to do again for each of them ([decision 17](decisions/0017-retraction.md)); a life with a delay that reaches out of the log is put together from its rows past ` + "`distinct_budget`" + `; ` + "`last: n`" + ` looks at what the view's filter keeps out between the n; a streak is walked, and so is a list of
different values to its end where the window has fewer than ` + "`limit`" + `; past the budget some 61 tiles are put together for each window.

| over | aggregations | data | when | looks at |
|---|---|---|---|---|
`

// writeAggregationPage writes docs/aggregations.md.
func writeAggregationPage(w io.Writer, lines []aggregationLine) error {
	var b strings.Builder
	b.WriteString(aggregationPage)
	var absent []string
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

// writeGrowths writes what is not flat.
func writeGrowths(b *strings.Builder) {
	b.WriteString(growthPage)
	for _, g := range aggregate.Growths {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", listed(g.Over, "; ", "-"), listed(g.Of, ", ", "all"), listed(g.Data, ", ", "any"), listed(g.When, ", ", "always"), g.What)
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
