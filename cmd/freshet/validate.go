package main

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/spectest"
)

func (a *app) validateCommand() *cobra.Command {
	var strict, watching bool
	var format string
	var retention []string
	var load expectedFlags
	cmd := &cobra.Command{
		Use:   "validate [path...]",
		Short: "Check specs for errors",
		Long: `  freshet validate examples/payments
  freshet validate features/ models.yaml --strict
  freshet validate features/ --watch
  freshet validate features/ --retention 7d --retention transactions=30d
  freshet validate examples/payments --rate 1000 --keys card=2000000,user=500000 --values 50 --skew 1.1
  freshet validate examples/* -o json | jq '.diagnostics[]'

Checks spec files and folders; files of one namespace form one spec. Prints to stderr errors, warnings, what
this build cannot run yet, and which features are not served. Exits with 1 on any error, with --strict on
any warning, otherwise with 0.

--retention says how long the topics keep their records; features that look further back are warned about.
--rate prints the memory that run needs (docs/sizing.md), and --memory-budget 8GiB warns if that is more.
--watch checks again whenever a file changes and prints what is new or fixed, until Ctrl-C.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			paths, err := specPaths(given, settings)
			if err != nil {
				return err
			}
			c := checks{app: a, paths: paths}
			if c.retention, err = retentions(retention); err != nil {
				return err
			}
			if c.load, err = load.load(); err != nil {
				return err
			}
			if watching && (format == "json" || strict) {
				return usage("--watch prints for people and does not end by what it finds: leave --strict and -o json out")
			}
			if watching {
				return c.watch(cmd.Context())
			}
			return c.validate(strict, format)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 on warnings, too")
	cmd.Flags().StringArrayVar(&retention, "retention", nil, "how long the topics keep their records, or SOURCE=DURATION for one")
	cmd.Flags().Float64Var(&load.rate, "rate", 0, "print the memory that the specs need at this many events per second of each source")
	cmd.Flags().StringSliceVar(&load.keys, "keys", nil, "with --rate: how many entities are known at once: card=1000000,... or one number for all (default 1000000)")
	cmd.Flags().StringSliceVar(&load.values, "values", nil, "with --rate: how many different values of a field the events of one entity have: card=50,... or one number for all (default: each event its own)")
	cmd.Flags().StringSliceVar(&load.skew, "skew", nil, "with --rate: how uneven the keys are (Zipf): the n-th busiest has 1/n^1.1 of the busiest one's events: card=1.1,... or one number for all (default: equally busy)")
	cmd.Flags().StringVar(&load.budget, "memory-budget", "", "with --rate: warn if the specs need more than this, such as 8GiB")
	cmd.Flags().BoolVar(&watching, "watch", false, "check again whenever a file changes")
	offerOutput(cmd, &format, "table", "json")
	return cmd
}

// checks is what validate looks at.
type checks struct {
	app       *app
	paths     []string
	retention map[string]time.Duration // by source; "" is that of the others
	load      expected
}

// retentions reads --retention: 7d, or transactions=30d.
func retentions(given []string) (map[string]time.Duration, error) {
	all := make(map[string]time.Duration)
	for _, text := range given {
		source, length, ok := strings.Cut(text, "=")
		if !ok {
			source, length = "", text
		}
		d, err := spec.ParseDuration(length)
		if err != nil {
			return nil, usage("--retention %s: %v", text, err)
		}
		all[source] = d
	}
	return all, nil
}

// ofSources is the retention of each source of s.
func (c *checks) ofSources(s *spec.Spec) map[string]time.Duration {
	all := make(map[string]time.Duration)
	for _, source := range s.Sources {
		if d, ok := c.retention[source.Name]; ok {
			all[source.Name] = d
		} else if d, ok := c.retention[""]; ok && source.Type != "file" {
			all[source.Name] = d
		}
	}
	return all
}

// checked is what there is to say of some specs.
type checked struct {
	specs            []*spec.Spec
	diags            spec.Diagnostics
	usable           bool // the tables too
	errors, warnings int
}

func (c *checks) check() (*checked, error) {
	specs, diags, err := c.app.loadSpecs(c.paths)
	if err != nil {
		return nil, err
	}
	if !diags.HasErrors() {
		if err := c.known(specs); err != nil {
			return nil, err
		}
		for _, s := range specs {
			diags = append(diags, s.LintRetention(c.ofSources(s))...)
			diags = append(diags, spectest.Vacuous(s)...)
			diags = append(diags, c.load.beyond(s)...)
		}
		diags = diags.Sorted()
	}
	specs, _, wrong := withTables(specs)
	diags = append(diags, wrong...)
	return &checked{specs, diags, len(wrong) == 0, count(diags, spec.ErrorSeverity), count(diags, spec.WarningSeverity)}, nil
}

// known refuses a source of --retention and an entity of --keys, --values or --skew that none of
// the specs has: what was said of it would be said of nothing.
func (c *checks) known(specs []*spec.Spec) error {
	var sources, entities []string
	for _, s := range specs {
		for _, source := range s.Sources {
			sources = append(sources, source.Name)
		}
		for _, entity := range s.Entities {
			entities = append(entities, entity.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.retention)) {
		if name != "" && !slices.Contains(sources, name) {
			return usage("--retention %s=...: no source %s: there are %s", name, name, strings.Join(sources, ", "))
		}
	}
	for _, x := range []struct {
		flag    string
		numbers map[string]float64
	}{{"--keys", c.load.keys}, {"--values", c.load.values}, {"--skew", c.load.skew}} {
		for _, name := range slices.Sorted(maps.Keys(x.numbers)) {
			if name != "" && !slices.Contains(entities, name) {
				return usage("%s %s=...: no entity %s: there are %s", x.flag, name, name, strings.Join(entities, ", "))
			}
		}
	}
	return nil
}

func (c *checks) validate(strict bool, format string) error {
	a := c.app
	seen, err := c.check()
	if err != nil {
		return err
	}
	if format == "json" {
		err = writeJSON(a.out, validation(seen.specs, seen.diags, c.load))
	} else {
		err = a.writeLines(seen.lines(a))
		for i := 0; err == nil && i < len(seen.specs) && c.load.rate > 0 && seen.errors == 0; i++ {
			err = c.load.write(a.out, seen.specs[i])
		}
	}
	if err != nil {
		return err
	}
	switch {
	case seen.errors > 0:
		if format != "json" {
			fmt.Fprint(a.errs, seen.verdict().text)
		}
		return found(plural(seen.errors, "error"))
	case strict && seen.warnings > 0:
		if format != "json" {
			fmt.Fprintln(a.errs, plural(seen.warnings, "warning")+", and --strict counts them")
		}
		return found(plural(seen.warnings, "warning"))
	}
	return nil
}

// lines is the findings, and a summary of each namespace.
func (c *checked) lines(a *app) []line {
	var lines []line
	for i := range c.diags {
		lines = append(lines, diagnosticLine(&c.diags[i]))
	}
	if !c.usable {
		return lines
	}
	ink, errInk := a.ink(a.out), a.ink(a.errs)
	for _, s := range c.specs {
		for _, m := range unavailable(s, false) {
			lines = append(lines, line{key: m.Pos.File + " " + m.What, text: errInk.warn(notYet(m)) + "\n", lint: true})
		}
		for _, text := range notServed(s) {
			lines = append(lines, line{key: s.Namespace + " " + text, text: errInk.dim("not served: "+text) + "\n", lint: true})
		}
		n := sizesOf(s)
		text := fmt.Sprintf("%s  %s  %s, %s, %s, %s (%d served), %s, %s, %s\n", ink.bold(s.Namespace), ink.good("ok"),
			plural(n.Sources, "source"), plural(n.Entities, "entity"), plural(n.Views, "view"), plural(n.Features, "feature"), n.Served,
			plural(n.Services, "service"), plural(n.Models, "model"), plural(n.Tests, "test"))
		lines = append(lines, line{key: text, text: text, out: true})
	}
	return lines
}

// verdict is the last line where there are errors.
func (c *checked) verdict() line {
	if c.errors == 0 {
		return line{}
	}
	text := plural(c.errors, "error") + ", " + plural(c.warnings, "warning") + "\n"
	return line{key: text, text: text}
}

// notServed names, view by view, the features that run does not compute.
func notServed(s *spec.Spec) []string {
	var lines []string
	for _, view := range s.Views {
		var names []string
		for _, f := range view.Features {
			if !f.Served && !f.Hidden {
				names = append(names, f.Short)
			}
		}
		if len(names) > 0 {
			lines = append(lines, view.Ref()+": "+strings.Join(names, ", "))
		}
	}
	return lines
}

type specSizes struct {
	Sources  int `json:"sources"`
	Entities int `json:"entities"`
	Views    int `json:"views"`
	Features int `json:"features"`
	Served   int `json:"served"`
	Services int `json:"services"`
	Models   int `json:"models"`
	Tests    int `json:"tests"`
}

func sizesOf(s *spec.Spec) specSizes {
	n := specSizes{Sources: len(s.Sources), Entities: len(s.Entities), Views: len(s.Views),
		Services: len(s.Services), Models: len(s.Models), Tests: len(s.Tests)}
	for _, view := range s.Views {
		n.Features += len(view.Features)
		for _, f := range view.Features {
			if f.Served {
				n.Served++
			}
		}
	}
	return n
}

type jsonDiagnostic struct {
	Severity   string `json:"severity"`
	File       string `json:"file"`
	Line       int    `json:"line"`
	Column     int    `json:"column"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"`
}

type jsonNamespace struct {
	Namespace    string    `json:"namespace"`
	Hash         string    `json:"hash"`
	Sizes        specSizes `json:"sizes"`
	NotAvailable []string  `json:"not_available_yet"`
	NotServed    []string  `json:"not_served"`
	// Memory is what --rate asks for; what this build cannot run has none.
	Memory []logMemory `json:"memory,omitempty"`
}

type jsonValidation struct {
	Valid       bool             `json:"valid"`
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
	Namespaces  []jsonNamespace  `json:"namespaces"`
}

func validation(specs []*spec.Spec, diags spec.Diagnostics, load expected) jsonValidation {
	v := jsonValidation{Valid: !diags.HasErrors(), Diagnostics: []jsonDiagnostic{}, Namespaces: []jsonNamespace{}}
	for _, d := range diags {
		severity := "error"
		if d.Severity == spec.WarningSeverity {
			severity = "warning"
		}
		v.Diagnostics = append(v.Diagnostics, jsonDiagnostic{severity, d.Pos.File, d.Pos.Line, d.Pos.Col, d.Message, d.Suggestion})
	}
	for _, s := range specs {
		n := jsonNamespace{Namespace: s.Namespace, Hash: s.Hash, Sizes: sizesOf(s), NotAvailable: []string{}, NotServed: []string{}}
		for _, m := range unavailable(s, false) {
			n.NotAvailable = append(n.NotAvailable, strings.TrimPrefix(notYet(m), "not available yet: "))
		}
		for _, view := range s.Views {
			for _, f := range view.Features {
				if !f.Served && !f.Hidden {
					n.NotServed = append(n.NotServed, f.Full())
				}
			}
		}
		sort.Strings(n.NotServed)
		n.Memory, _, _ = load.memory(s)
		v.Namespaces = append(v.Namespaces, n)
	}
	return v
}
