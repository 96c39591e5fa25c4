package main

import (
	"bytes"
	"encoding/xml"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/spectest"
)

// The shape is that of the JUnit schema that Jenkins, GitLab and GitHub read:
// counts that add up, one outcome a test, times in seconds.
func TestJUnitShape(t *testing.T) {
	test := func(name string) *spec.Test {
		return &spec.Test{Name: name, Pos: spec.Position{File: "x.yaml", Line: 3}}
	}
	one := &suite{spec: &spec.Spec{Namespace: "shop"}, results: []spectest.Result{
		{Test: test(`a < b & "c" ` + "\x01]]>"), Checked: 1},
		{Test: test("wrong"), Err: &spectest.Mistake{Message: "no such event"}},
		{Test: test("differs"), Checked: 2, Failures: []spectest.Failure{{Of: "at 1m", Mismatches: []spectest.Mismatch{{Name: "v.n", Want: "<1>", Got: "2", Why: []string{"t1"}}}}}},
		{Test: test("left out"), Skipped: []spectest.Skip{{What: "score of m", Reason: "runtime onnx"}}},
	}, took: []time.Duration{1500 * time.Millisecond, time.Microsecond, 0, 0}}
	var b bytes.Buffer
	if err := writeJUnit(&b, []*suite{one, {spec: &spec.Spec{Namespace: "empty"}}}); err != nil {
		t.Fatal(err)
	}
	var read junitSuites
	if err := xml.Unmarshal(b.Bytes(), &read); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if len(read.Suites) != 2 || read.junitCounts != (junitCounts{4, 1, 1, 1, "1.500001"}) || read.Suites[0].junitCounts != read.junitCounts {
		t.Errorf("%+v\n%s", read, b.String())
	}
	for i, c := range read.Suites[0].Cases {
		outcomes := 0
		for _, p := range []*junitProblem{c.Error, c.Failure, c.Skipped} {
			if p != nil {
				outcomes++
			}
		}
		if c.File != "x.yaml" || c.Line != 3 || c.Class != "shop" || outcomes != min(i, 1) {
			t.Errorf("case %d: %+v", i, c)
		}
	}
	if f := read.Suites[0].Cases[2].Failure; f.Message != "at 1m  v.n: want <1>, got 2" || !bytes.Contains([]byte(f.Text), []byte("  t1\n")) {
		t.Errorf("%+v", f)
	}
}
