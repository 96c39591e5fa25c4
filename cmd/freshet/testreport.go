package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/features/spectest"
)

type jsonTests struct {
	Passed       int            `json:"passed"`
	Failed       int            `json:"failed"`
	SkippedLines int            `json:"skipped_lines"`
	Tests        []jsonTest     `json:"tests"`
	Coverage     []jsonCoverage `json:"coverage,omitempty"`
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

type jsonCoverage struct {
	Namespace string   `json:"namespace"`
	Named     []string `json:"named"`
	Through   []string `json:"through"`
	None      []string `json:"none"`
}

func (t *tester) document(suites []*suite) jsonTests {
	n := sum(suites)
	out := jsonTests{Passed: n.passed, Failed: n.failed, SkippedLines: n.skippedLines, Tests: []jsonTest{}}
	for _, s := range suites {
		for i := range s.results {
			out.Tests = append(out.Tests, jsonOf(s.spec.Namespace, &s.results[i]))
		}
		if t.coverage {
			c := spectest.CoverageOf(s.spec, s.ran())
			out.Coverage = append(out.Coverage, jsonCoverage{s.spec.Namespace,
				append([]string{}, c.Named...), append([]string{}, c.Through...), append([]string{}, c.None...)})
		}
	}
	return out
}

func jsonOf(namespace string, result *spectest.Result) jsonTest {
	entry := jsonTest{Namespace: namespace, Name: result.Test.Name, Place: place(result.Test.Pos), Passed: result.Passed(),
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
	return entry
}

// The elements of JUnit XML that CI systems read.
type (
	junitSuites struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		junitCounts
		Suites []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name string `xml:"name,attr"`
		junitCounts
		Cases []junitCase `xml:"testcase"`
	}
	junitCounts struct {
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Time     string `xml:"time,attr"` // seconds
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Class     string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		File      string        `xml:"file,attr"`
		Line      int           `xml:"line,attr"`
		Skipped   *junitProblem `xml:"skipped"`
		Error     *junitProblem `xml:"error"`
		Failure   *junitProblem `xml:"failure"`
		SystemOut string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }

// writeJUnit writes one test suite a namespace.
func writeJUnit(w io.Writer, suites []*suite) error {
	all := junitSuites{Name: "freshet"}
	var whole time.Duration
	for _, s := range suites {
		one := junitSuite{Name: s.spec.Namespace}
		var took time.Duration
		for i := range s.results {
			one.Cases = append(one.Cases, junitOf(s, i))
			one.add(&one.Cases[i])
			took += s.took[i]
		}
		one.Time = seconds(took)
		whole += took
		all.Suites = append(all.Suites, one)
		all.Tests, all.Failures = all.Tests+one.Tests, all.Failures+one.Failures
		all.Errors, all.Skipped = all.Errors+one.Errors, all.Skipped+one.Skipped
	}
	all.Time = seconds(whole)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (n *junitCounts) add(c *junitCase) {
	n.Tests++
	switch {
	case c.Error != nil:
		n.Errors++
	case c.Failure != nil:
		n.Failures++
	case c.Skipped != nil:
		n.Skipped++
	}
}

// junitOf is one test. A test of which every line was left out is skipped.
func junitOf(s *suite, i int) junitCase {
	result := &s.results[i]
	c := junitCase{Name: result.Test.Name, Class: s.spec.Namespace, Time: seconds(s.took[i]), File: result.Test.Pos.File, Line: result.Test.Pos.Line}
	var skipped []string
	for _, skip := range result.Skipped {
		skipped = append(skipped, fmt.Sprintf("skipped: %s (%s), %s", skip.What, skip.Reason, place(skip.Pos)))
	}
	c.SystemOut = strings.Join(skipped, "\n")
	switch {
	case result.Err != nil:
		c.Error = &junitProblem{Message: result.Err.Error(), Type: "mistake"}
	case len(result.Failures) > 0:
		c.Failure = failureOf(result)
	case result.Checked == 0 && len(skipped) > 0:
		c.Skipped = &junitProblem{Message: skipped[0]}
	}
	return c
}

func failureOf(result *spectest.Result) *junitProblem {
	p := &junitProblem{Type: "mismatch"}
	var b strings.Builder
	for _, failure := range result.Failures {
		for _, m := range failure.Mismatches {
			text := fmt.Sprintf("%s  %s: want %s, got %s", failure.Of, m.Name, m.Want, m.Got)
			if p.Message == "" {
				p.Message = text
			}
			fmt.Fprintf(&b, "%s: %s\n", place(m.Pos), text)
			for _, why := range m.Why {
				b.WriteString("  " + why + "\n")
			}
		}
	}
	p.Text = b.String()
	return p
}
