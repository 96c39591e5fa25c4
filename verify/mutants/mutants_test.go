package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The duel that each mutant has to lose: a few thousand cases, from a place
// where the seeds of make test do not begin.
const (
	cases = "4000"
	seed  = "100001"
	limit = 15 * time.Minute // of one mutant, built and run: what hangs, not what a busy machine slows
)

// TestMutantsAreCaught builds the judge's test with each planted bug and
// requires it to fail, and to pass without any. FRESHET_VERIFY_MUTANTS=all asks
// for those too that take longer to prove the same.
func TestMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: each mutant is a build")
	}
	all := os.Getenv("FRESHET_VERIFY_MUTANTS") == "all"
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		if out, err := duel(t, root, ""); err != nil {
			t.Fatalf("without a planted bug: %v\n%s", err, out)
		}
	})
	planted := 0
	for _, m := range table {
		if m.more && !all {
			continue
		}
		planted++
		t.Run(m.name, func(t *testing.T) {
			overlay := m.plant(t, root)
			t.Parallel()
			out, err := duel(t, root, overlay)
			var failed *exec.ExitError
			switch {
			case err == nil:
				t.Errorf("not caught by %s cases", cases)
			case !errors.As(err, &failed) || !strings.Contains(out, "engine ") && !strings.Contains(out, "panic"):
				t.Fatalf("the mutant does not run: %v\n%s", err, out)
			default:
				t.Log(verdict(out))
			}
		})
	}
	t.Attr("counted", fmt.Sprintf("%d of %d mutants planted, each to be caught", planted, len(table)))
}

// TestMutantsAreOfTodaysEngine finds the text of each mutant in the engine, in
// no time: a mutant that is not planted catches nothing.
func TestMutantsAreOfTodaysEngine(t *testing.T) {
	for _, m := range table {
		if _, err := m.changed(filepath.Join("..", "..")); err != nil {
			t.Error(err)
		}
	}
}

// plant writes the changed file beside the repository and returns the overlay
// that shows it to the compiler.
func (m *mutant) plant(t *testing.T, root string) string {
	t.Helper()
	text, err := m.changed(root)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, filepath.FromSlash(m.file))
	dir := t.TempDir()
	changed := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// changed is the text of the file with the bug in it.
func (m *mutant) changed(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.name, err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s: its text occurs %d times in %s, not once: give the mutant the text of today's engine", m.name, n, m.file)
	}
	return strings.Replace(string(text), m.old, m.new, 1), nil
}

// duel builds and runs the differential test, with the overlay if there is one.
func duel(t *testing.T, root, overlay string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	binary := filepath.Join(t.TempDir(), "duel.test")
	args := []string{"test", "-c", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	build := exec.CommandContext(ctx, "go", append(args, "./verify")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	run := exec.CommandContext(ctx, binary, "-test.run", "^TestEngineEqualsOracle$")
	run.Dir = filepath.Join(root, "verify")
	run.Env = append(os.Environ(), "FRESHET_VERIFY_CASES="+cases, "FRESHET_VERIFY_SEED="+seed, "FRESHET_VERIFY_SHRINK=no")
	out, err := run.CombinedOutput()
	return string(out), err
}

// verdict is the line of the output that says what differed.
func verdict(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "engine ") || strings.Contains(line, "panic") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
