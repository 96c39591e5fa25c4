package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config/spec"
)

func (a *app) validateCommand() *cobra.Command {
	var strict, watching bool
	var format string
	cmd := &cobra.Command{
		Use:   "validate [path...]",
		Short: "Check specs: exit 1 on any error",
		Long: `  freshet validate examples/payments
  freshet validate features/ models.yaml --strict
  freshet validate features/ --watch
  freshet validate examples/* -o json | jq '.diagnostics[]'

Checks spec files and folders; those of one namespace form one spec. On stderr: errors and warnings,
what this build cannot run yet (run refuses such a spec, test where the engine lacks it), and which
features are not served. Exit 0 without errors, 1 with one; with --strict warnings count too.
--watch goes on: it checks again whenever a file changes and prints what is new or fixed. Ctrl-C ends it (exit 0).`,
		RunE: func(cmd *cobra.Command, given []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			paths, err := specPaths(given, settings)
			if err != nil {
				return err
			}
			if watching && (format == "json" || strict) {
				return usage("--watch prints for people and does not end by what it finds: leave --strict and -o json out")
			}
			if watching {
				return a.watchSpecs(cmd.Context(), paths)
			}
			return a.validate(paths, strict, format)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 1 on warnings too")
	cmd.Flags().BoolVar(&watching, "watch", false, "check again whenever a file changes")
	offerOutput(cmd, &format, "table", "json")
	return cmd
}

// checked is what there is to say of some specs.
type checked struct {
	specs            []*spec.Spec
	diags            spec.Diagnostics
	usable           bool // the tables too
	errors, warnings int
}

func (a *app) check(paths []string) (*checked, error) {
	specs, diags, err := a.loadSpecs(paths)
	if err != nil {
		return nil, err
	}
	specs, _, wrong := withTables(specs)
	diags = append(diags, wrong...)
	return &checked{specs, diags, len(wrong) == 0, count(diags, spec.ErrorSeverity), count(diags, spec.WarningSeverity)}, nil
}

func (a *app) validate(paths []string, strict bool, format string) error {
	c, err := a.check(paths)
	if err != nil {
		return err
	}
	if format == "json" {
		err = writeJSON(a.out, validation(c.specs, c.diags))
	} else {
		err = a.writeLines(c.lines(a))
	}
	if err != nil {
		return err
	}
	switch {
	case c.errors > 0:
		if format != "json" {
			fmt.Fprint(a.errs, c.verdict().text)
		}
		return found(plural(c.errors, "error"))
	case strict && c.warnings > 0:
		if format != "json" {
			fmt.Fprintln(a.errs, plural(c.warnings, "warning")+", and --strict counts them")
		}
		return found(plural(c.warnings, "warning"))
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
			lines = append(lines, line{key: m.Pos.File + " " + m.What, text: errInk.warn(notYet(m)) + "\n"})
		}
		for _, text := range notServed(s) {
			lines = append(lines, line{key: s.Namespace + " " + text, text: errInk.dim("not served: "+text) + "\n"})
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
}

type jsonValidation struct {
	Valid       bool             `json:"valid"`
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
	Namespaces  []jsonNamespace  `json:"namespaces"`
}

func validation(specs []*spec.Spec, diags spec.Diagnostics) jsonValidation {
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
		v.Namespaces = append(v.Namespaces, n)
	}
	return v
}
