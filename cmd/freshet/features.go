package main

import (
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
)

func (a *app) featuresCommand() *cobra.Command {
	var format string
	var paths []string
	var aggregations bool
	cmd := &cobra.Command{
		Use:   "features [pattern]",
		Short: "List the features that the specs define",
		Long: `  freshet features --specs examples/quickstart
  freshet features 'card_velocity.*' --specs examples/payments
  freshet features txn_count -o json | jq -r '.[] | select(.served) | .name'
  freshet features --aggregations interarrival

Lists every feature that the specs define. The pattern matches a part of the name, or, if it contains
* or ?, the whole name. With --aggregations it lists the aggregations of the spec language instead: formula,
value of an empty window, error bound, memory, cost, and whether a retraction can take an event back.`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			pattern := ""
			if len(given) == 1 {
				pattern = given[0]
			}
			if aggregations {
				return a.writeAggregations(pattern, format)
			}
			if format == "markdown" {
				return usage("-o markdown is for --aggregations: the reference page")
			}
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if paths, err = specPaths(paths, settings); err != nil {
				if _, missing := os.Stat(pattern); missing == nil { // the specs where the pattern goes
					return usage("no spec: %s is taken for a pattern of names; freshet features --specs %s", pattern, pattern)
				}
				return err
			}
			specs, err := a.soundSpecs(paths)
			if err != nil {
				return err
			}
			list := []featureLine{}
			for _, s := range specs {
				if settings.Namespace == "" || s.Namespace == settings.Namespace {
					list = append(list, featureLines(s, pattern)...)
				}
			}
			if len(list) == 0 && pattern != "" {
				return failed(fmt.Errorf("no feature matches %q", pattern), "freshet features")
			}
			return a.writeFeatures(list, format)
		},
	}
	cmd.Flags().StringArrayVar(&paths, "specs", nil, "spec file or folder; may be repeated  [FRESHET_SPECS]")
	cmd.Flags().BoolVar(&aggregations, "aggregations", false, "list the aggregations of the spec language instead")
	offerOutput(cmd, &format, "table", "wide", "json", "name", "markdown")
	return cmd
}

// featureLine is one feature of the catalogue.
type featureLine struct {
	Name        string   `json:"name"`
	Flat        string   `json:"flat"`
	Namespace   string   `json:"namespace"`
	View        string   `json:"view"`
	Version     int      `json:"version"`
	Entity      string   `json:"entity"`
	Source      string   `json:"source"`
	Type        string   `json:"type"`
	Unit        string   `json:"unit,omitempty"`
	Aggregation string   `json:"aggregation,omitempty"`
	Of          string   `json:"of,omitempty"`
	Window      string   `json:"window,omitempty"`
	Delay       string   `json:"delay,omitempty"`
	Expr        string   `json:"expr,omitempty"`
	Default     any      `json:"default"`
	Served      bool     `json:"served"`
	Hidden      bool     `json:"hidden"`
	EventBound  bool     `json:"event_bound"`
	Owner       string   `json:"owner,omitempty"`
	Description string   `json:"description,omitempty"`
	Consumers   []string `json:"consumers"`
	MostSteps   int      `json:"most_steps,omitempty"`
	Place       string   `json:"place"`
}

func featureLines(s *spec.Spec, pattern string) []featureLine {
	used := consumers(s)
	var lines []featureLine
	for _, view := range s.Views {
		for _, f := range view.Features {
			if matches(pattern, f.Full()) {
				lines = append(lines, describe(s, f, used[f]))
			}
		}
	}
	return lines
}

func matches(pattern, name string) bool {
	if strings.ContainsAny(pattern, "*?[") {
		ok, err := path.Match(pattern, name)
		return err == nil && ok
	}
	return strings.Contains(name, pattern)
}

func describe(s *spec.Spec, f *spec.Feature, consumers []string) featureLine {
	view := f.View
	line := featureLine{
		Name: f.Full(), Flat: strings.Replace(f.Full(), ".", "__", 1), Namespace: s.Namespace,
		View: view.Name, Version: view.Version, Entity: view.Entity.Name, Source: view.Source.Name,
		Type: typeName(f.Type, f.Scale), Served: f.Served, Hidden: f.Hidden, EventBound: f.EventBound,
		Owner: view.Owner, Description: f.Description, Consumers: consumers,
		Place: fmt.Sprintf("%s:%d", f.Pos.File, f.Pos.Line),
	}
	if line.Owner == "" {
		line.Owner = s.Owner
	}
	if line.Consumers == nil {
		line.Consumers = []string{}
	}
	if f.HasDefault {
		line.Default = literalValue(f.Default)
	}
	if f.Expr != nil {
		line.Expr = f.Expr.Text
	}
	if f.Def != nil {
		describeDefinition(&line, f)
		line.MostSteps = aggregate.MostSteps(budgetOf(s, view), f.Def.Top)
	}
	return line
}

// budgetOf is how many events of an entity the log holds that a view reads: what the
// views of the log ask for.
func budgetOf(s *spec.Spec, view *spec.View) int {
	budget := 1
	for _, v := range s.Views {
		if v.Source == view.Source && v.Entity == view.Entity {
			budget = max(budget, v.EventBudget)
			for _, d := range v.Definitions {
				for _, w := range d.Windows {
					budget = max(budget, w.N)
				}
			}
		}
	}
	return budget
}

func describeDefinition(line *featureLine, f *spec.Feature) {
	def := f.Def
	line.Aggregation = def.Aggregation
	switch {
	case def.Numerator != nil:
		line.Of = def.Numerator.Text
	case def.Value != nil:
		line.Of = def.Value.Text
	case def.Field != nil:
		line.Of, line.Unit = def.Field.Name, def.Field.Unit
	}
	switch f.Window.Kind {
	case spec.Lifetime:
		line.Window = "lifetime"
	case spec.Last:
		line.Window = "last " + f.Window.Text
	case spec.Session:
		line.Window = "session " + f.Window.Text
	case spec.HalfLife:
		line.Window = "half-life " + f.Window.Text
	default:
		line.Window = f.Window.Text
	}
	if def.Delay > 0 {
		line.Delay = spec.FormatDuration(def.Delay)
	}
}

// consumers maps each feature to who reads it: services, derived values,
// rules and scores.
func consumers(s *spec.Spec) map[*spec.Feature][]string {
	used := make(map[*spec.Feature][]string)
	note := func(e *spec.Expr, who string) {
		if e == nil {
			return
		}
		for _, names := range [][]spec.Name{e.Names, e.Asked} {
			for _, name := range names {
				if name.Feature != nil {
					used[name.Feature] = append(used[name.Feature], who)
				}
			}
		}
	}
	for _, service := range s.Services {
		for _, f := range service.Features {
			used[f] = append(used[f], service.Name)
		}
		for _, d := range service.Derived {
			note(d.Expr, service.Name+"."+d.Name)
		}
	}
	for _, view := range s.Views {
		for _, f := range view.Features {
			note(f.Expr, f.Full())
		}
	}
	for _, model := range s.Models {
		note(model.Score, model.Name)
		for _, rule := range model.Rules {
			note(rule.When, model.Name+":"+rule.Code)
		}
	}
	return used
}

func (a *app) writeFeatures(list []featureLine, format string) error {
	switch format {
	case "json":
		return writeJSON(a.out, list)
	case "name":
		for _, line := range list {
			if _, err := fmt.Fprintln(a.out, line.Name); err != nil {
				return err
			}
		}
		return nil
	}
	ink := a.ink(a.out)
	var t table
	head := []string{"FEATURE", "TYPE", "WHAT", "WINDOW", "OWNER", "USED BY"}
	if format == "wide" {
		head = append(head, "ENTITY", "SOURCE", "STEPS", "DESCRIPTION")
	}
	t.add(head...)
	for _, line := range list {
		used := strings.Join(line.Consumers, " ")
		switch {
		case line.Hidden:
			used += ink.dim(" (hidden)")
		case !line.Served:
			used += ink.dim(" (not served)")
		}
		what := strings.TrimSpace(line.Aggregation + " " + line.Of)
		if line.Expr != "" {
			what = "= " + line.Expr
		}
		row := []string{ink.key(line.Name), line.Type, clip(what, 44), line.Window, line.Owner, strings.TrimSpace(used)}
		if format == "wide" {
			row = append(row, line.Entity, line.Source, steps(line.MostSteps), line.Description)
		}
		t.add(row...)
	}
	return t.write(a.out, ink)
}

// steps is how many rows and the like an event looks at at most.
func steps(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("<= %d", n)
}

func typeName(t spec.Type, scale int) string {
	switch t {
	case spec.String:
		return "string"
	case spec.Int:
		return "int"
	case spec.Double:
		return "double"
	case spec.Bool:
		return "bool"
	case spec.Timestamp:
		return "timestamp"
	case spec.Decimal:
		return fmt.Sprintf("decimal(%d)", scale)
	case spec.Duration:
		return "duration"
	case spec.List:
		return "list"
	case spec.Map:
		return "map"
	}
	return "none"
}

func literalValue(l spec.Literal) any {
	switch l.Type {
	case spec.NoType:
		return nil
	case spec.Bool:
		return l.Bool
	case spec.String, spec.Timestamp:
		return l.Str
	}
	return l.Num
}
