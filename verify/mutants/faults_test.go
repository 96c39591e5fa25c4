package mutants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// faultMutant is a planted bug of the protocol, the store or the checkpoints,
// and the test that has to fail with it.
type faultMutant struct {
	mutant
	pkg   string
	run   string // of the tests
	cases string // that they draw, where they do; none: 400
	real  bool   // they need the real servers
}

// TestProtocolMutantsAreCaught plants the twelve bugs of the reliability page, in
// what delivers, commits, repairs and keeps. Four of them, which ones follows from
// the commit, or all where FRESHET_VERIFY_MUTANTS=all asks for them.
func TestProtocolMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: each mutant is a build")
	}
	planted := catchAll(t, faultTable, 4)
	t.Attr("counted", fmt.Sprintf("%d of %d bugs of the protocol planted, each to be caught", planted, len(faultTable)))
}

// TestMendedFaultsAreCaughtAgain plants what the engine once had wrong: three of
// them, or all.
func TestMendedFaultsAreCaughtAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: each mutant is a build")
	}
	planted := catchAll(t, mendedTable, 3)
	t.Attr("counted", fmt.Sprintf("%d of %d mended faults planted, each to be caught", planted, len(mendedTable)))
}

// TestBugsOfReversalsAreCaught plants two of what could be wrong where events are taken
// back, or all.
func TestBugsOfReversalsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: each mutant is a build")
	}
	planted := catchAll(t, reversalTable, 2)
	t.Attr("counted", fmt.Sprintf("%d of %d bugs of reversals planted, each to be caught", planted, len(reversalTable)))
}

// catchAll plants so many mutants of a table, which ones follows from the commit,
// and requires their tests to fail. It returns how many it has planted.
func catchAll(t *testing.T, table []faultMutant, n int) int {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	if os.Getenv("FRESHET_VERIFY_MUTANTS") == "all" {
		n = len(table)
	} else {
		first = int(commitNumber(root) % uint64(len(table)))
	}
	for i := range n {
		m := table[(first+i)%len(table)]
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
	return n
}

// TestFaultsAreOfTodaysCode finds the text of each mutant, in no time.
func TestFaultsAreOfTodaysCode(t *testing.T) {
	for _, m := range slices.Concat(faultTable, mendedTable, reversalTable) {
		if _, err := m.changed(filepath.Join("..", "..")); err != nil {
			t.Error(err)
		}
	}
}

// try runs the tests that have to fail.
func (m *faultMutant) try(t *testing.T, root, overlay string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	args := []string{"test", "-count=1", "-failfast", "-timeout=4m", "-overlay", overlay, "-run", m.run, m.pkg}
	if strings.HasPrefix(m.pkg, "./features") { // whose tests draw: what fails is not kept
		args = append(args, "-rapid.nofailfile")
	}
	test := exec.CommandContext(ctx, "go", args...)
	test.Dir = root
	test.Env = append(os.Environ(), "FRESHET_VERIFY_CASES="+cmp.Or(m.cases, "400"), "FRESHET_VERIFY_SHRINK=no")
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
