package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad holds that no file makes the loader panic, and that each ends as a
// spec or as an error at a place, which can be printed.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "../../examples/*/*.yaml"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		specs, diags, err := LoadFiles([]File{{Name: "fuzz.yaml", Data: data}})
		if err != nil {
			t.Fatal(err)
		}
		if specs == nil && !diags.HasErrors() {
			t.Fatal("neither a spec nor an error")
		}
		var b bytes.Buffer
		if err := diags.Render(&b); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzExpr holds that no expression makes the compiler or the evaluator panic.
func FuzzExpr(f *testing.F) {
	for _, text := range []string{"amount > 10", "is_new ? amount : other", `at.getHours("Europe/Berlin") in [1, 2]`,
		"max(1, 2, count)", `status.matches("^a")`, "view.count_1h / 0", "present(amount)", "a@1.b > 2"} {
		f.Add(text)
	}
	env, err := NewEnv("test names", testNames)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, findings := env.Compile(text)
		if (e == nil) == (len(findings) == 0) {
			t.Fatal("neither an expression nor a finding")
		}
		if e != nil {
			e.Interpret(lookupTest())
			e.Interpret(lookupTest("amount", "status"))
		}
	})
}
