package mutants

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// faultMutant is a planted bug of the protocol, the store or the checkpoints,
// and the test that has to fail with it.
type faultMutant struct {
	mutant
	pkg  string
	run  string // of the tests
	real bool   // they need the real servers
}

// TestProtocolMutantsAreCaught plants the twelve bugs of the reliability page, in
// what delivers, commits, repairs and keeps. Four of them, which ones follows from
// the commit, or all where FRESHET_VERIFY_MUTANTS=all asks for them.
func TestProtocolMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: each mutant is a build")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	first, n := 0, len(faultTable)
	if os.Getenv("FRESHET_VERIFY_MUTANTS") != "all" {
		first, n = int(commitNumber(root)%uint64(len(faultTable))), 4
	}
	for i := range n {
		m := faultTable[(first+i)%len(faultTable)]
		t.Run(m.name, func(t *testing.T) {
			if m.real && (os.Getenv("FRESHET_TEST_KAFKA") == "" || os.Getenv("FRESHET_TEST_REDIS") == "") {
				t.Skip("needs a real Kafka and Redis")
			}
			out, err := m.try(t, root, m.plant(t, root))
			var failed *exec.ExitError
			switch {
			case err == nil:
				t.Errorf("not caught by %s of %s", m.run, m.pkg)
			case !errors.As(err, &failed) || !strings.Contains(out, "--- FAIL") && !strings.Contains(out, "panic:"):
				t.Fatalf("the mutant does not run: %v\n%s", err, out)
			}
		})
	}
	t.Attr("counted", fmt.Sprintf("%d of %d bugs of the protocol planted, each to be caught", n, len(faultTable)))
}

// TestProtocolMutantsAreOfTodaysCode finds the text of each mutant, in no time.
func TestProtocolMutantsAreOfTodaysCode(t *testing.T) {
	for _, m := range faultTable {
		if _, err := m.changed(filepath.Join("..", "..")); err != nil {
			t.Error(err)
		}
	}
}

// try runs the tests that have to fail.
func (m *faultMutant) try(t *testing.T, root, overlay string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	test := exec.CommandContext(ctx, "go", "test", "-count=1", "-failfast", "-timeout=4m", "-overlay", overlay, "-run", m.run, m.pkg)
	test.Dir = root
	test.Env = append(os.Environ(), "FRESHET_VERIFY_CASES=400", "FRESHET_VERIFY_SHRINK=no")
	out, err := test.CombinedOutput()
	return string(out), err
}

// commitNumber is a number of the commit.
func commitNumber(root string) uint64 {
	git := exec.Command("git", "rev-parse", "HEAD")
	git.Dir = root
	out, err := git.Output()
	if err != nil {
		return 0 // no repository: the first ones
	}
	sum := fnv.New64a()
	_, _ = sum.Write(out)
	return sum.Sum64()
}
