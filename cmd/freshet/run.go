package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
)

// runFlags are the flags of run that are no settings.
type runFlags struct {
	inputs      []string
	output      string
	deadLetters string
}

func (a *app) runCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run [path...]",
		Short: "Run the pipeline",
		Long: `  freshet run features/ --brokers kafka-1:9092,kafka-2:9092 --online-store redis://redis:6379
  freshet run examples/quickstart --input payments=payments.jsonl --input activity=activity.csv.gz \
      --output scored.jsonl --dead-letters refused.jsonl --online-store none
  zcat day.jsonl.gz | freshet run spec.yaml --input payments=- --output - --online-store none | jq .features

Reads the sources of one namespace, keeps their features in the online store, and writes every event,
enriched and scored, to the output topic of its source.

With --input it reads files instead of topics (JSON lines or CSV, also .gz; - is stdin), writes to the
file of --output, and ends when all inputs have ended.

Without --input, --output and --dead-letters continue their files: a run goes on behind its last commit.
Lines may then come twice, and one that a kill has cut off stays, on a line of its own.

SIGTERM finishes and commits the open batch and exits with 0 within 10 s; a second SIGTERM ends at once.
Exit codes: 1 fatal error, 4 refused by Kafka or Redis, 5 Kafka or Redis unreachable, 70 internal error.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			s, err := a.onlySpec(given, settings)
			if err != nil {
				return err
			}
			p, err := a.newPlant(s, settings, flags)
			if err != nil {
				return err
			}
			return p.logEnd(p.run(cmd.Context()))
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&flags.inputs, "input", nil, "SOURCE=PATH: read a file instead of the source's topic; may be repeated, also for one source")
	f.StringVar(&flags.output, "output", "", "file for the enriched records as JSON lines, - is stdout (default: the output topics; with --input: none)")
	f.StringVar(&flags.deadLetters, "dead-letters", "", "file for the refused records as JSON lines (default: the dead-letter topics; with --input: none)")
	config.AddFlags(f, allSettingFlags...)
	return cmd
}

// checkOutputs refuses files that would be written over while they are read, or
// twice at once.
func (f *runFlags) checkOutputs(inputs []input) error {
	if f.output == "-" && f.deadLetters == "-" {
		return usage("--output - and --dead-letters -: only one of them can be stdout")
	}
	if sameFile(f.output, f.deadLetters) {
		return usage("--output %s and --dead-letters %s: they are one file: give each its own", f.output, f.deadLetters)
	}
	for _, in := range inputs {
		for _, out := range []struct{ flag, path string }{{"--output", f.output}, {"--dead-letters", f.deadLetters}} {
			if sameFile(in.path, out.path) {
				return usage("--input %s=%s and %s %s: they are one file, which would be emptied before it is read: write to another",
					in.source.Name, in.path, out.flag, out.path)
			}
		}
	}
	return nil
}

// sameFile reports whether two paths are one regular file, or will be one.
// Devices and pipes may be written by several.
func sameFile(a, b string) bool {
	if a == "" || b == "" || a == "-" || b == "-" {
		return false
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA != nil || errB != nil {
		return filepath.Clean(a) == filepath.Clean(b)
	}
	return infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
}

// input is one --input: a file in place of a source's topic.
type input struct {
	source *spec.Source
	path   string
}

func parseInputs(s *spec.Spec, texts []string) ([]input, error) {
	var inputs []input
	stdin := false
	for _, text := range texts {
		name, path, ok := strings.Cut(text, "=")
		if !ok || name == "" || path == "" {
			return nil, usage("--input %s: it is SOURCE=PATH, like --input %s=events.jsonl", text, s.Sources[0].Name)
		}
		source, known := s.Source(name)
		if !known {
			var names []string
			for _, other := range s.Sources {
				names = append(names, other.Name)
			}
			if near := config.Nearest(name, append([]string(nil), names...)); near != "" {
				return nil, usage("--input %s: no source %s (did you mean %s?)", text, name, near)
			}
			return nil, usage("--input %s: no source %s: the spec has %s", text, name, strings.Join(names, ", "))
		}
		if path == "-" && stdin {
			return nil, usage("--input %s: stdin is another input already", text)
		}
		stdin = stdin || path == "-"
		inputs = append(inputs, input{source, path})
	}
	return inputs, nil
}

// tellEmpty says which sources have no input.
func (a *app) tellEmpty(s *spec.Spec, inputs []input) {
	has := make(map[*spec.Source]bool)
	for _, in := range inputs {
		has[in.source] = true
	}
	for _, source := range s.Sources {
		if !has[source] {
			fmt.Fprintf(a.errs, "source %s has no --input: it is empty\n", source.Name)
		}
	}
}
