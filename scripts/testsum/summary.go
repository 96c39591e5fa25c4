package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string // "" for the package as a whole
	Output     string
	Key, Value string // of attr
	Elapsed    float64
}

// place is one test, or with Test "" a package.
type place struct{ pkg, test string }

// summary folds the events of one run.
type summary struct {
	out     io.Writer
	output  map[place][]string
	builds  map[string][]string // output of the build, by import path
	started map[string]*counts  // packages that have not finished
	done    counts
	failed  []place
	skipped []place
	counted []string
	reasons map[place]string
	errors  map[place][]string // the first that a failed test logged
}

type counts struct{ passed, failed, skipped int }

func newSummary(out io.Writer) *summary {
	return &summary{
		out:     out,
		output:  map[place][]string{},
		builds:  map[string][]string{},
		started: map[string]*counts{},
		reasons: map[place]string{},
		errors:  map[place][]string{},
	}
}

func (s *summary) add(e event) {
	at := place{e.Package, e.Test}
	switch e.Action {
	case "start":
		s.started[e.Package] = &counts{}
	case "output":
		s.output[at] = append(s.output[at], e.Output)
	case "build-output":
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
	case "build-fail":
		fmt.Fprintf(s.out, "BUILD FAILED  %s\n%s", e.ImportPath, strings.Join(s.builds[e.ImportPath], ""))
	case "attr":
		s.counted = append(s.counted, fmt.Sprintf("%s %s: %s %s", short(e.Package), e.Test, e.Key, e.Value))
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageEnds(e)
			return
		}
		s.testEnds(at, e.Action)
	}
}

func (s *summary) testEnds(at place, action string) {
	c := s.of(at.pkg)
	switch action {
	case "pass":
		c.passed++
		if judge(at.pkg) {
			for _, line := range logged(s.output[at]) {
				s.counted = append(s.counted, fmt.Sprintf("%s %s: %s", short(at.pkg), at.test, line))
			}
		}
		delete(s.output, at)
	case "skip":
		c.skipped++
		s.skipped = append(s.skipped, at)
		s.reasons[at] = reason(s.output[at])
	case "fail":
		c.failed++
		s.failed = append(s.failed, at)
		s.errors[at] = firstOf(logged(s.output[at]))
		fmt.Fprintf(s.out, "FAIL  %s %s\n%s", short(at.pkg), at.test, strings.Join(s.output[at], ""))
	}
}

func (s *summary) packageEnds(e event) {
	at := place{pkg: e.Package}
	c := *s.of(e.Package)
	if e.Action == "fail" && c.failed == 0 {
		// No test of it failed: it did not build, or died outside of a test
		// or in the midst of one, whose output is still here.
		c.failed++
		s.failed = append(s.failed, at)
		for p, lines := range s.output {
			if p.pkg == e.Package && p.test != "" {
				fmt.Fprintf(s.out, "DIED IN  %s %s\n%s", short(p.pkg), p.test, strings.Join(lines, ""))
			}
		}
		fmt.Fprint(s.out, strings.Join(s.output[at], ""))
	}
	s.done.passed += c.passed
	s.done.failed += c.failed
	s.done.skipped += c.skipped
	delete(s.started, e.Package)
	if c != (counts{}) {
		word := "ok  "
		if e.Action == "fail" {
			word = "FAIL"
		}
		fmt.Fprintf(s.out, "%s  %-40s %6.1fs  %s\n", word, short(e.Package), e.Elapsed, c)
	}
	for p := range s.output {
		if p.pkg == e.Package {
			delete(s.output, p)
		}
	}
}

func (s *summary) of(pkg string) *counts {
	c := s.started[pkg]
	if c == nil {
		c = &counts{}
		s.started[pkg] = c
	}
	return c
}

// finish prints what is to be read last, and says whether all went well: that
// tests ran, that none failed, and that every package that began has ended.
func (s *summary) finish() bool {
	for pkg, c := range s.started {
		fmt.Fprintf(s.out, "FAIL  %s did not end\n", short(pkg))
		s.done.passed += c.passed
		s.done.skipped += c.skipped
		s.done.failed += c.failed + 1
		s.failed = append(s.failed, place{pkg: pkg})
	}
	section(s.out, "counted", s.counted)
	section(s.out, "skipped", names(s.skipped, s.reasons))
	section(s.out, "failed", s.failures())
	fmt.Fprintf(s.out, "\n%s\n", s.done)
	return s.done.failed == 0 && s.done.passed > 0
}

// What the end of a run repeats of a failure: whoever sees only the end, as in
// the log of a build, learns at least what kind of failure it was.
const (
	errorLines = 5
	errorBytes = 400
)

// firstOf are the first of the lines that a failed test logged, cut.
func firstOf(lines []string) []string {
	lines = lines[:min(len(lines), errorLines)]
	for i, line := range lines {
		if len(line) > errorBytes {
			lines[i] = line[:errorBytes] + " ..."
		}
	}
	return lines
}

// failures are the failed tests, each with the first lines that it logged.
func (s *summary) failures() []string {
	list := names(s.failed, nil)
	for i, at := range s.failed {
		for _, line := range s.errors[at] {
			list[i] += "\n      " + line
		}
	}
	return list
}

func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

func section(out io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	fmt.Fprintf(out, "\n%s:\n", title)
	for _, line := range lines {
		fmt.Fprintf(out, "  %s\n", line)
	}
}

func names(places []place, reasons map[place]string) []string {
	lines := make([]string, len(places))
	for i, p := range places {
		lines[i] = strings.TrimSpace(short(p.pkg) + " " + p.test)
		if why := reasons[p]; why != "" {
			lines[i] += ": " + why
		}
	}
	return lines
}

// reason is what a test gave to Skip: the last that it logged.
func reason(output []string) string {
	lines := logged(output)
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// logged are the lines that a test logged, without their places. Of rapid's own
// reports nobody learns anything while all is well.
func logged(output []string) []string {
	var lines []string
	for _, line := range output {
		_, text, ok := strings.Cut(line, "_test.go:") // file_test.go:12: text
		if !ok {
			continue
		}
		_, text, ok = strings.Cut(strings.TrimSpace(text), ": ")
		if ok && !strings.HasPrefix(text, "[rapid]") {
			lines = append(lines, text)
		}
	}
	return lines
}

// judge reports whether what a package's passing tests log is a count to show:
// elsewhere it is for whoever seeks a fault. Any test can show one by t.Attr.
func judge(pkg string) bool {
	path := short(pkg)
	return strings.HasPrefix(path, "verify") || strings.HasPrefix(path, "features")
}

// short is a package's path inside the module.
func short(pkg string) string {
	if _, path, ok := strings.Cut(pkg, "/freshet/"); ok {
		return path
	}
	return pkg
}
