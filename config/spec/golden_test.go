package spec

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each *.bad.yaml holds one mistake. Its first lines say what must be found:
//
//	# error: LINE:COL: message
//	# help: what to write instead
//
// testdata/rendered.golden is what a terminal would show of all of them: it is
// reviewed like a user interface. FRESHET_UPDATE=1 rewrites it.
func TestBadSpecs(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d broken specs, %v", len(files), err)
	}
	var rendered bytes.Buffer
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			if os.Getenv("FRESHET_UPDATE") != "" {
				rewriteHeader(t, name)
			}
			found, shown := findings(t, name)
			if want := header(t, name); found != want {
				t.Errorf("found\n%swant\n%s", found, want)
			}
			rendered.WriteString(shown + "\n")
		})
	}
	compareGolden(t, "testdata/rendered.golden", rendered.Bytes())
}

// findings is the errors of a broken spec, as its header has them and as a
// terminal shows them.
func findings(t *testing.T, name string) (found, shown string) {
	specs, diags, err := Load([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	if specs != nil {
		t.Error("a spec with a mistake was loaded")
	}
	for _, d := range diags {
		if d.Severity != ErrorSeverity {
			continue
		}
		found += fmt.Sprintf("# error: %d:%d: %s\n", d.Pos.Line, d.Pos.Col, d.Message)
		if d.Suggestion != "" {
			found += fmt.Sprintf("# help: %s\n", d.Suggestion)
		}
		shown += d.render()
	}
	return found, shown
}

// rewriteHeader puts what is found into the first lines of a broken spec. The
// header moves the lines below it, so it is written until it stays the same.
func rewriteHeader(t *testing.T, name string) {
	for range 3 {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.TrimPrefix(string(data), header(t, name))
		found, _ := findings(t, name)
		if err := os.WriteFile(name, []byte(found+body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// header is the first lines of a broken spec, as far as they say what to find.
func header(t *testing.T, name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "# error: ") && !strings.HasPrefix(line, "# help: ") {
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	if os.Getenv("FRESHET_UPDATE") != "" {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; FRESHET_UPDATE=1 rewrites it, then read the diff", name)
	}
}

func TestGoodSpecs(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d good specs, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			specs, diags, err := Load([]string{name})
			if err != nil || len(specs) != 1 {
				t.Fatalf("%v, %v", diags, err)
			}
		})
	}
}
