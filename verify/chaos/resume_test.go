package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A long form that was stopped goes on where it was: what was judged counts,
// once, and what was not is made again.
func TestALongFormGoesOnWhereItWasStopped(t *testing.T) {
	dir := t.TempDir()
	track := filepath.Join(dir, "track.md")
	if err := os.WriteFile(track, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &stage{out: dir, commit: "abc"}
	o := options{form: "long", track: track}
	var made []int // trials by their number
	var stop context.CancelFunc
	stopAt, failAt := 6, -1
	r := &row{name: "fake", long: 10, piece: 4, run: func(tr *trials) error {
		for k := range tr.n {
			if tr.from+k == stopAt {
				stop()
				tr.fail("a broker that has died with the run")
				return tr.ctx.Err()
			}
			if tr.from+k == failAt {
				tr.fail("wrong")
			}
			made = append(made, tr.from+k)
			tr.done++
			if k%2 == 1 || k+1 == tr.n { // the others are not judged yet
				tr.judged = tr.done
			}
		}
		return nil
	}}
	run := func() (bool, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stop, made = cancel, nil
		return s.inPieces(ctx, r, o)
	}
	expect := func(when string, want ...int) {
		t.Helper()
		if len(made) != len(want) {
			t.Fatalf("%s: trials %v were made, want %v", when, made, want)
		}
		for i := range want {
			if made[i] != want[i] {
				t.Fatalf("%s: trials %v were made, want %v", when, made, want)
			}
		}
	}
	stopAt = 7
	if _, err := run(); !errors.Is(err, context.Canceled) {
		t.Fatalf("a run that was stopped: %v", err)
	}
	expect("stopped in the second piece", 0, 1, 2, 3, 4, 5, 6)
	stopAt = -1
	if whole, err := run(); err != nil || !whole {
		t.Fatal(whole, err)
	}
	expect("goes on behind what was judged", 6, 7, 8, 9)
	if whole, err := run(); err != nil || !whole {
		t.Fatal(whole, err)
	}
	expect("nothing is left")
	raw, err := os.ReadFile(track)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(raw), "| abc | fake |"); lines != 3 || strings.Contains(string(raw), "| 7 |") {
		t.Errorf("%d lines, want one for each piece, of 4, 2 and 4 trials:\n%s", lines, raw)
	}

	s.commit, failAt = "def", 5
	if whole, err := run(); err != nil || whole {
		t.Fatalf("a failure: %v %v", whole, err)
	}
	expect("another commit, to the end of the piece that failed", 0, 1, 2, 3, 4, 5, 6, 7)
	failAt = -1
	if whole, err := run(); err != nil || !whole {
		t.Fatal(whole, err)
	}
	expect("after a failure it begins anew", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	s.commit = "def+"
	if whole, err := run(); err != nil || !whole {
		t.Fatal(whole, err)
	}
	expect("what was not committed begins anew", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
}

// A row adds to the record, and whoever runs it commits that: what was tried is
// the same, and the next row goes on.
func TestTheRecordIsNoChangeOfWhatIsTried(t *testing.T) {
	t.Chdir(t.TempDir())
	git := func(args ...string) {
		t.Helper()
		args = append([]string{"-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"}, args...)
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("verify/trackrecord.md", "")
	write("engine.go", "a")
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "first")
	first := commitHash()
	write("verify/trackrecord.md", "a row")
	if got := commitHash(); got != first || strings.HasSuffix(got, "+") {
		t.Errorf("with a new line in the record: %s, want %s", got, first)
	}
	git("commit", "-qam", "the record")
	if got := commitHash(); got != first {
		t.Errorf("with the record committed: %s, want %s", got, first)
	}
	write("engine.go", "b")
	if got := commitHash(); got != first+"+" {
		t.Errorf("with another engine: %s, want %s+", got, first)
	}
	git("commit", "-qam", "second")
	if got := commitHash(); got == first || strings.HasSuffix(got, "+") {
		t.Errorf("another commit is %s as well", got)
	}
}
