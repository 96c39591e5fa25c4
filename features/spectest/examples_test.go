package spectest

import (
	"path/filepath"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
)

// TestWorkedExamples runs every inline test of every spec under examples/:
// their expectations were worked out by hand.
func TestWorkedExamples(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "*.freshet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 4 {
		t.Fatalf("%d examples: payments, streaming, credit and quickstart are wanted", len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			specs, diagnostics, err := spec.Load([]string{path})
			if err != nil || diagnostics.HasErrors() || len(specs) != 1 {
				t.Fatal(err, diagnostics)
			}
			runner, err := New(specs[0], nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(specs[0].Tests) == 0 {
				t.Fatal("an example without tests")
			}
			checked := 0
			for _, test := range specs[0].Tests {
				result := runner.Run(test)
				checked += result.Checked
				if result.Err != nil {
					t.Errorf("%s: %v", test.Name, result.Err)
				}
				for _, s := range result.Skipped {
					t.Errorf("%s: %s skipped: %s", test.Name, s.What, s.Reason)
				}
				for _, f := range result.Failures {
					for _, m := range f.Mismatches {
						t.Errorf("%s: %s: %s is %s, want %s %v", test.Name, f.Of, m.Name, m.Got, m.Want, m.Why)
					}
				}
			}
			t.Logf("%d tests, %d lines compared", len(specs[0].Tests), checked)
		})
	}
}
