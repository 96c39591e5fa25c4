package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/spectest"
)

func (a *app) testCommand() *cobra.Command {
	var pattern, format string
	var failFast bool
	cmd := &cobra.Command{
		Use:   "test [path...]",
		Short: "Run the tests written in the specs",
		Long: `  freshet test examples/quickstart
  freshet test features/ --run 'duplicate|late' --fail-fast
  freshet test examples/quickstart -o json | jq '.tests[] | select(.passed | not)'

Runs the tests: of specs on the engine alone: in memory, in event time, without broker or store.
A failure names the events that made the value what it is. Exit 0 if all pass, 1 otherwise.
Scores and bands of a model that this build cannot score are skipped, by name and counted.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			only, err := regexp.Compile(pattern)
			if err != nil {
				return usage("--run %q is no regular expression: %v", pattern, err)
			}
			paths, err := specPaths(given, settings)
			if err != nil {
				return err
			}
			specs, err := a.soundSpecs(paths)
			if err != nil {
				return err
			}
			t := tester{app: a, only: only, failFast: failFast, quiet: format == "json"}
			return t.run(specs, settings.Namespace, format)
		},
	}
	cmd.Flags().StringVar(&pattern, "run", "", "run only tests whose name matches this regular expression")
	cmd.Flags().BoolVar(&failFast, "fail-fast", false, "stop at the first failure")
	offerOutput(cmd, &format, "table", "json")
	return cmd
}

// tester runs the tests of several specs and counts.
type tester struct {
	app      *app
	only     *regexp.Regexp
	failFast bool
	quiet    bool

	passed, failed, skippedLines, lines int
	report                              []jsonTest
}

type jsonTest struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Place     string        `json:"place"`
	Passed    bool          `json:"passed"`
	Error     string        `json:"error,omitempty"`
	Checked   int           `json:"checked"`
	Skipped   []string      `json:"skipped"`
	Failures  []jsonFailure `json:"failures"`
}

type jsonFailure struct {
	Of    string   `json:"of"`
	Place string   `json:"place"`
	Name  string   `json:"name"`
	Want  string   `json:"want"`
	Got   string   `json:"got"`
	Why   []string `json:"why"`
}

func (t *tester) run(specs []*spec.Spec, namespace, format string) error {
	for _, s := range specs {
		if namespace != "" && s.Namespace != namespace {
			continue
		}
		if err := t.spec(s); err != nil {
			return err
		}
		if t.failFast && t.failed > 0 {
			break
		}
	}
	if format == "json" {
		err := writeJSON(t.app.out, struct {
			Passed       int        `json:"passed"`
			Failed       int        `json:"failed"`
			SkippedLines int        `json:"skipped_lines"`
			Tests        []jsonTest `json:"tests"`
		}{t.passed, t.failed, t.skippedLines, append([]jsonTest{}, t.report...)})
		if err != nil {
			return err
		}
	} else if err := t.summary(); err != nil {
		return err
	}
	if t.failed > 0 {
		return found(plural(t.failed, "test") + " failed")
	}
	return nil
}

func (t *tester) spec(s *spec.Spec) error {
	s, tables, err := t.app.runningSpec(s)
	if err != nil {
		return err
	}
	runner, err := spectest.New(s, tables)
	var lacks *features.Unavailable
	if errors.As(err, &lacks) {
		return refuse("test", inOrder(lacks.Items))
	}
	if err != nil {
		return err
	}
	for _, test := range s.Tests {
		if !t.only.MatchString(test.Name) {
			continue
		}
		result := runner.Run(test)
		t.count(s, &result)
		if !t.quiet {
			if err := t.print(&result); err != nil {
				return err
			}
		}
		if t.failFast && !result.Passed() {
			break
		}
	}
	return nil
}

func (t *tester) count(s *spec.Spec, result *spectest.Result) {
	if result.Passed() {
		t.passed++
	} else {
		t.failed++
	}
	t.skippedLines += len(result.Skipped)
	t.lines += result.Checked
	entry := jsonTest{Namespace: s.Namespace, Name: result.Test.Name, Place: place(result.Test.Pos), Passed: result.Passed(),
		Checked: result.Checked, Skipped: []string{}, Failures: []jsonFailure{}}
	if result.Err != nil {
		entry.Error = result.Err.Error()
	}
	for _, skip := range result.Skipped {
		entry.Skipped = append(entry.Skipped, skip.What+": "+skip.Reason)
	}
	for _, failure := range result.Failures {
		for _, m := range failure.Mismatches {
			entry.Failures = append(entry.Failures, jsonFailure{failure.Of, place(m.Pos), m.Name, m.Want, m.Got, append([]string{}, m.Why...)})
		}
	}
	t.report = append(t.report, entry)
}

// print shows one test: a line if it passed, what differs and why if not.
func (t *tester) print(result *spectest.Result) error {
	ink := t.app.ink(t.app.out)
	var b strings.Builder
	if result.Passed() {
		fmt.Fprintf(&b, "%s   %s\n", ink.good("ok"), result.Test.Name)
	} else {
		fmt.Fprintf(&b, "%s %s  %s\n", ink.bad("FAIL"), place(result.Test.Pos), ink.bold(result.Test.Name))
	}
	if result.Err != nil {
		fmt.Fprintf(&b, "  the test is wrong: %s\n", result.Err.Error())
	}
	for _, failure := range result.Failures {
		fmt.Fprintf(&b, "  %s\n", failure.Of)
		wide := 0
		for _, m := range failure.Mismatches {
			wide = max(wide, len(m.Name))
		}
		for _, m := range failure.Mismatches {
			fmt.Fprintf(&b, "    %s%s   want %s   got %s\n", ink.key(m.Name), strings.Repeat(" ", wide-len(m.Name)), ink.good(m.Want), ink.bad(m.Got))
			for _, line := range m.Why {
				fmt.Fprintf(&b, "      %s\n", ink.dim(line))
			}
		}
		what := "lines"
		if failure.Total == len(failure.Expect.Features) {
			what = "features"
		}
		fmt.Fprintf(&b, "  %d of %d %s matched\n", failure.Matched, failure.Total, what)
	}
	for _, skip := range result.Skipped {
		fmt.Fprintf(&b, "     skipped: %s (%s), %s\n", skip.What, skip.Reason, place(skip.Pos))
	}
	_, err := fmt.Fprint(t.app.out, b.String())
	return err
}

func (t *tester) summary() error {
	ink := t.app.ink(t.app.out)
	words := []string{fmt.Sprintf("%d passed", t.passed)}
	if t.failed > 0 {
		words = append(words, ink.bad(fmt.Sprintf("%d failed", t.failed)))
	}
	words = append(words, plural(t.lines, "line")+" compared")
	if t.skippedLines > 0 {
		words = append(words, plural(t.skippedLines, "line")+" of absent models skipped")
	}
	_, err := fmt.Fprintln(t.app.out, strings.Join(words, ", "))
	return err
}

func place(pos spec.Position) string { return fmt.Sprintf("%s:%d", pos.File, pos.Line) }
