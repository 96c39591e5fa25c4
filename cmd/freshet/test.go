package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/spectest"
)

func (a *app) testCommand() *cobra.Command {
	var pattern, format string
	var update bool
	t := tester{app: a}
	cmd := &cobra.Command{
		Use:   "test [path...]",
		Short: "Run the tests written in the specs",
		Long: `  freshet test examples/quickstart
  freshet test features/ --run 'duplicate|late' --fail-fast
  freshet test features/ --coverage -o json | jq -r '.coverage[].none[]'

Runs the tests in the tests section of specs, in memory and in event time, without a broker or a store. A
failure lists the events that led to the value. Exits with 0 if all tests pass, otherwise with 1. Scores and
bands of a model that this build cannot score are skipped, named and counted.

--update fills in expectations without a value (features: {card_velocity.txn_count_1h: }), marks each line
with "# review", and changes nothing else. --coverage lists the features that no test checks. -o junit prints
JUnit XML for CI.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if t.only, err = regexp.Compile(pattern); err != nil {
				return usage("--run %q is no regular expression: %v", pattern, err)
			}
			if t.coverage && format == "junit" {
				return usage("JUnit XML has no place for coverage: use --coverage with -o table or json")
			}
			paths, err := specPaths(given, settings)
			if err != nil {
				return err
			}
			t.namespace, t.format = settings.Namespace, format
			if update {
				if err := t.update(paths); err != nil {
					return err
				}
			}
			specs, err := a.soundSpecs(paths)
			if err != nil {
				return err
			}
			return t.test(specs)
		},
	}
	cmd.Flags().StringVar(&pattern, "run", "", "run only tests whose name matches this regular expression")
	cmd.Flags().BoolVar(&t.failFast, "fail-fast", false, "stop at the first failure")
	cmd.Flags().BoolVar(&update, "update", false, "fill in expectations that have no value yet")
	cmd.Flags().BoolVar(&t.coverage, "coverage", false, "list the features that no test checks")
	offerOutput(cmd, &format, "table", "json", "junit")
	return cmd
}

// tester runs the tests of several specs.
type tester struct {
	app       *app
	only      *regexp.Regexp
	failFast  bool
	coverage  bool
	namespace string
	format    string
}

// suite is the tests of one namespace, as they went.
type suite struct {
	spec    *spec.Spec
	results []spectest.Result
	took    []time.Duration
}

// ran is the tests of a suite that ran.
func (s *suite) ran() []*spec.Test {
	var tests []*spec.Test
	for i := range s.results {
		tests = append(tests, s.results[i].Test)
	}
	return tests
}

func (t *tester) test(specs []*spec.Spec) error {
	show := t.print
	if t.format != "table" {
		show = func(*spectest.Result) error { return nil }
	}
	suites, err := t.run(specs, show)
	if err != nil {
		return err
	}
	total := sum(suites)
	switch t.format {
	case "json":
		err = writeJSON(t.app.out, t.document(suites))
	case "junit":
		err = writeJUnit(t.app.out, suites)
	default:
		if err = t.summary(total); err == nil && t.coverage {
			err = t.uncovered(suites)
		}
	}
	if err != nil {
		return err
	}
	if total.failed > 0 {
		return found(plural(total.failed, "test") + " failed")
	}
	if total.passed == 0 && t.only.String() != "" {
		fmt.Fprintf(t.app.errs, "no test has a name like %s\n", t.only)
	}
	return nil
}

// run runs the tests of all namespaces that are asked for, and shows each as
// it ends.
func (t *tester) run(specs []*spec.Spec, show func(*spectest.Result) error) ([]*suite, error) {
	var suites []*suite
	for _, s := range specs {
		if t.namespace != "" && s.Namespace != t.namespace {
			continue
		}
		one, err := t.suite(s, show)
		if err != nil {
			return nil, err
		}
		suites = append(suites, one)
		if t.failFast && sum(suites).failed > 0 {
			break
		}
	}
	return suites, nil
}

func (t *tester) suite(s *spec.Spec, show func(*spectest.Result) error) (*suite, error) {
	s, tables, err := t.app.runningSpec(s)
	if err != nil {
		return nil, err
	}
	runner, err := spectest.New(s, tables)
	var lacks *features.Unavailable
	if errors.As(err, &lacks) {
		return nil, refuse("test", inOrder(lacks.Items))
	}
	if err != nil {
		return nil, err
	}
	out := &suite{spec: s}
	for _, test := range s.Tests {
		if !t.only.MatchString(test.Name) {
			continue
		}
		start := time.Now()
		result := runner.Run(test)
		out.results, out.took = append(out.results, result), append(out.took, time.Since(start))
		if err := show(&result); err != nil {
			return nil, err
		}
		if t.failFast && !result.Passed() {
			break
		}
	}
	return out, nil
}

// totals counts tests and the lines of their expectations.
type totals struct{ passed, failed, skippedLines, missing, lines int }

func sum(suites []*suite) totals {
	var n totals
	for _, s := range suites {
		for i := range s.results {
			result := &s.results[i]
			if result.Passed() {
				n.passed++
			} else {
				n.failed++
			}
			n.skippedLines += len(result.Skipped)
			n.lines += result.Checked
			n.missing += len(result.Missing)
		}
	}
	return n
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

func (t *tester) summary(n totals) error {
	ink := t.app.ink(t.app.out)
	words := []string{fmt.Sprintf("%d passed", n.passed)}
	if n.failed > 0 {
		words = append(words, ink.bad(fmt.Sprintf("%d failed", n.failed)))
	}
	words = append(words, plural(n.lines, "line")+" compared")
	if n.skippedLines > 0 {
		words = append(words, plural(n.skippedLines, "line")+" of absent models skipped")
	}
	if n.missing > 0 {
		words = append(words, plural(n.missing, "line")+" without a value (freshet test --update writes what comes out)")
	}
	_, err := fmt.Fprintln(t.app.out, strings.Join(words, ", "))
	return err
}

// uncovered lists, view by view, what no test looks at.
func (t *tester) uncovered(suites []*suite) error {
	var b strings.Builder
	for _, s := range suites {
		c := spectest.CoverageOf(s.spec, s.ran())
		fmt.Fprintf(&b, "%s  tests name %d of %s, and %d more are part of one\n", s.spec.Namespace,
			len(c.Named), plural(len(c.Named)+len(c.Through)+len(c.None), "value"), len(c.Through))
		last := ""
		for _, name := range c.None {
			view, short, _ := strings.Cut(name, ".")
			if view != last {
				if last != "" {
					b.WriteString("\n")
				}
				fmt.Fprintf(&b, "  in no test: %s: %s", view, short)
				last = view
				continue
			}
			b.WriteString(", " + short)
		}
		if last != "" {
			b.WriteString("\n")
		}
	}
	_, err := fmt.Fprint(t.app.out, b.String())
	return err
}

func place(pos spec.Position) string { return fmt.Sprintf("%s:%d", pos.File, pos.Line) }
