package spec

import (
	"os"
	"path/filepath"
	"testing"
)

// A field has its producer's name; 1.7 is a rule for what authors name.
func TestFieldsMayHaveCapitals(t *testing.T) {
	s := mustLoad(t, base(t, "is_test: {type: bool", "isTest: {type: bool",
		"status:  {type: string", "TX_STATUS: {type: string",
		oneFeature, oneFeature+"\n      m: {aggregation: count, filter: 'TX_STATUS == \"declined\" && !isTest', windows: [1h]}",
		"status: approved", "TX_STATUS: approved"))
	for _, name := range []string{"isTest", "TX_STATUS"} {
		if _, ok := s.Sources[0].Field(name); !ok {
			t.Errorf("no field %s", name)
		}
	}
	mustRefuse(t, "feature name `N` must be lower-case", base(t, oneFeature, oneFeature+"\n      N: {aggregation: count, windows: [1h]}"))
}

func TestHiddenFilesOfAFolderAreNotRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"base.yaml": string(base(t).Data), ".base.yaml": "an editor's", ".git/x.yaml": "another's"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if specs, diags, err := Load([]string{dir}); err != nil || len(specs) != 1 || len(specs[0].Files) != 1 {
		t.Errorf("%d specs, %v, %v", len(specs), diags, err)
	}
	if _, diags, err := Load([]string{filepath.Join(dir, ".base.yaml")}); err != nil || !diags.HasErrors() {
		t.Errorf("a file that was named is read whatever its name: %v, %v", diags, err)
	}
}

func TestPercentilesOfOtherSystemsAreQuantiles(t *testing.T) {
	for name, want := range map[string]string{
		"p95": "quantile, q: 0.95", "p5": "quantile, q: 0.05", "p999": "quantile, q: 0.999", "p99_9": "quantile, q: 0.999", "p99.9": "quantile, q: 0.999",
		"percentile_50": "quantile, q: 0.5", "q1": "quantile, q: 0.01", "median": "quantile, q: 0.5", "p100": "", "p": "", "p95x": "", "price": "",
	} {
		if got := usualName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
