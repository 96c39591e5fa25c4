package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config/spec"
)

func (a *app) validateCommand() *cobra.Command {
	var strict bool
	var format string
	cmd := &cobra.Command{
		Use:   "validate [path...]",
		Short: "Check specs: exit 1 on any error",
		Long: `  freshet validate examples/payments
  freshet validate features/ models.yaml --strict
  freshet validate examples/* -o json | jq '.diagnostics[]'

Checks spec files and folders; those of one namespace form one spec. On stderr: errors and warnings,
what this build cannot run yet (run refuses such a spec, test where the engine lacks it), and which
features are not served. Exit 0 without errors, 1 with one; with --strict warnings count too.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			paths, err := specPaths(given, settings)
			if err != nil {
				return err
			}
			return a.validate(paths, strict, format)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 1 on warnings too")
	offerOutput(cmd, &format, "table", "json")
	return cmd
}

func (a *app) validate(paths []string, strict bool, format string) error {
	specs, diags, err := a.loadSpecs(paths)
	if err != nil {
		return err
	}
	specs, _, wrong := withTables(specs)
	diags = append(diags, wrong...)
	errorCount, warnings := count(diags, spec.ErrorSeverity), count(diags, spec.WarningSeverity)
	if format == "json" {
		err = writeJSON(a.out, validation(specs, diags))
	} else {
		if err = diags.Render(a.errs); err != nil {
			return err
		}
		if len(wrong) == 0 {
			err = a.summarise(specs)
		}
	}
	if err != nil {
		return err
	}
	switch {
	case errorCount > 0:
		if format != "json" {
			fmt.Fprintln(a.errs, plural(errorCount, "error")+", "+plural(warnings, "warning"))
		}
		return found(plural(errorCount, "error"))
	case strict && warnings > 0:
		if format != "json" {
			fmt.Fprintln(a.errs, plural(warnings, "warning")+", and --strict counts them")
		}
		return found(plural(warnings, "warning"))
	}
	return nil
}

func (a *app) summarise(specs []*spec.Spec) error {
	ink, errInk := a.ink(a.out), a.ink(a.errs)
	for _, s := range specs {
		for _, m := range unavailable(s, false) {
			fmt.Fprintln(a.errs, errInk.warn(notYet(m)))
		}
		for _, line := range notServed(s) {
			fmt.Fprintln(a.errs, errInk.dim("not served: "+line))
		}
		n := sizesOf(s)
		_, err := fmt.Fprintf(a.out, "%s  %s  %s, %s, %s, %s (%d served), %s, %s, %s\n", ink.bold(s.Namespace), ink.good("ok"),
			plural(n.Sources, "source"), plural(n.Entities, "entity"), plural(n.Views, "view"), plural(n.Features, "feature"), n.Served,
			plural(n.Services, "service"), plural(n.Models, "model"), plural(n.Tests, "test"))
		if err != nil {
			return err
		}
	}
	return nil
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
