package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// loadExample loads the specs of one folder under examples/.
func loadExample(t *testing.T, name string) *Spec {
	t.Helper()
	specs, diags, err := Load([]string{filepath.Join("..", "..", "examples", name)})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := diags.Render(&b); err != nil {
		t.Fatal(err)
	}
	if diags.HasErrors() || len(specs) != 1 {
		t.Fatalf("%d specs\n%s", len(specs), b.String())
	}
	t.Logf("%d warnings\n%s", len(diags), b.String())
	return specs[0]
}

// The counts are those of spec-language.md, "Checked".
func TestGeneratedNamesOfTheWorkedExamples(t *testing.T) {
	for name, want := range map[string]int{"payments": 109, "streaming": 36, "credit": 34} {
		s := loadExample(t, name)
		count := 0
		for _, v := range s.Views {
			count += len(v.Features)
		}
		if count != want {
			t.Errorf("%s has %d features, want %d", name, count, want)
		}
	}
}

// A shell's * names other files too; and the namespaces are independent.
func TestAllExamplesAtOnce(t *testing.T) {
	names, err := filepath.Glob("../../examples/*")
	if err != nil {
		t.Fatal(err)
	}
	readme := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(readme, []byte("# not a spec"), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, diags, err := Load(append(names, readme))
	if err != nil || len(specs) < 4 {
		t.Fatalf("%d specs, %v, %v", len(specs), diags, err)
	}
	if last := diags[len(diags)-1]; last.Pos.File != readme || last.Severity != WarningSeverity {
		t.Errorf("the README: %v", last)
	}
	if _, _, err := Load([]string{readme}); err == nil {
		t.Error("a README is no spec")
	}
	if _, _, err := Load([]string{filepath.Join(t.TempDir(), "none.yaml")}); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestQuickstartLoads(t *testing.T) {
	s := loadExample(t, "quickstart")
	if len(s.Tests) < 6 {
		t.Errorf("quickstart has %d tests", len(s.Tests))
	}
}
