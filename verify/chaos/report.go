package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// row is one line of the scorecard.
type row struct {
	name  string
	what  string
	short int // trials in CI
	long  int
	piece int // of the long form, of which each leaves its own result; 0: all at once
	run   func(*trials) error
	// byCommit: the seed of the short form follows from the commit, so that CI
	// goes through all of the row in time.
	byCommit bool
}

// trials is one run of a row. A trial is what the row counts: a kill, a freeze,
// a case.
type trials struct {
	ctx      context.Context
	stage    *stage
	row      *row
	n        int
	from     int // trials of this row that were made before, of this commit
	long     bool
	seed     uint64
	rng      *rand.Rand
	done     int
	judged   int // of those done, up to the last quiet point
	named    int // kills at named places
	recovery recoveries
	failures []string
	mu       sync.Mutex       // of join
	counts   map[string]int64 // what shows that the row was not too easy
}

// part is a share of the row's trials that runs beside others.
func (t *trials) part(i, n int) *trials {
	seed := t.seed + uint64(i)*1_000_003
	return &trials{ctx: t.ctx, stage: t.stage, row: t.row, n: n, long: t.long, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int64{}}
}

// join takes what a part has found.
func (t *trials) join(part *trials) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += part.done
	t.judged += part.judged
	t.recovery = append(t.recovery, part.recovery...)
	t.failures = append(t.failures, part.failures...)
	for name, n := range part.counts {
		t.counts[name] += n
	}
}

// fail notes a trial that went wrong. What goes wrong when the run is stopped
// from outside is no trial.
func (t *trials) fail(format string, args ...any) {
	if t.ctx.Err() != nil {
		return
	}
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
	fmt.Fprintf(os.Stderr, "%s: FAILED after %d trials: %s\n", t.row.name, t.done, t.failures[len(t.failures)-1])
}

// say tells who watches how far the row has come.
func (t *trials) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", t.row.name, fmt.Sprintf(format, args...))
}

// result is what a row leaves behind.
type result struct {
	Row      string           `json:"row"`
	N        int              `json:"n"`
	Failures int              `json:"failures"`
	Seed     uint64           `json:"seed"`
	Upper    float64          `json:"upper_bound_95"` // of the rate of failure: 3/n, at most 1
	Seconds  float64          `json:"seconds"`
	Commit   string           `json:"commit"`
	Form     string           `json:"form"`
	When     string           `json:"when"`
	Counts   map[string]int64 `json:"counts,omitempty"`
	What     []string         `json:"what,omitempty"` // the first failures
	Replay   string           `json:"replay,omitempty"`
}

// mostTold bounds what a result spells out.
const mostTold = 10

// runRow runs a row, or a piece of it, to its end.
func (s *stage) runRow(ctx context.Context, r *row, before, n int, o options) *result {
	seed := s.seedOf(r, before, o)
	t := &trials{ctx: ctx, stage: s, row: r, n: n, from: before, long: o.form == "long", seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int64{}}
	began := time.Now()
	t.say("%d trials, seed %d", t.n, seed)
	if err := r.run(t); err != nil {
		t.fail("%v", err)
	}
	if ctx.Err() != nil {
		t.done = t.judged
	}
	t.publishRecoveries()
	out := &result{Row: r.name, N: t.done, Failures: len(t.failures), Seed: seed, Seconds: float64(time.Since(began).Milliseconds()) / 1000,
		Commit: s.commit, Form: o.form, When: began.UTC().Format(time.RFC3339), Counts: t.counts, What: t.failures[:min(len(t.failures), mostTold)]}
	if t.done > 0 && len(t.failures) == 0 {
		out.Upper = min(1, 3/float64(t.done)) // of less than three trials it says nothing
	}
	if t.done == 0 && len(t.failures) == 0 && ctx.Err() == nil {
		out.Failures, out.What = 1, []string{"no trial was made"}
	}
	if out.Failures > 0 {
		out.Replay = fmt.Sprintf("go run ./verify/chaos -row %s -form %s -seed %d -from %d -n %d   (at %s)", r.name, o.form, seed, before, t.n, s.commit)
	}
	return out
}

// before is how many trials of a row in full were made of this commit without
// a failure: a long form that was stopped goes on there.
func (s *stage) before(r *row, o options) int {
	if o.from > 0 {
		return o.from
	}
	if o.form != "long" || o.n > 0 || strings.HasSuffix(s.commit, "+") {
		return 0
	}
	var last result
	raw, err := os.ReadFile(s.file(r.name, o))
	if err != nil || json.Unmarshal(raw, &last) != nil || last.Commit != s.commit || last.Failures > 0 {
		return 0
	}
	return last.N
}

// file is where the result of a row lies.
func (s *stage) file(row string, o options) string {
	return filepath.Join(s.out, row+"-"+o.form+".json")
}

// publish prints a result, keeps it, and adds it to the track record. before is
// how many trials of this commit it adds to.
func (s *stage) publish(r *result, before int, o options) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", line)
	all := *r
	all.N += before
	kept, err := json.Marshal(&all)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file(r.Row, o), append(kept, '\n'), 0o600); err != nil {
		return err
	}
	if o.track == "" || r.N == 0 && r.Failures == 0 {
		return nil
	}
	f, err := os.OpenFile(o.track, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("the track record is a file that exists: %w", err)
	}
	upper := "-"
	if r.Failures == 0 {
		upper = fmt.Sprintf("%.2g", r.Upper)
	}
	_, err = fmt.Fprintf(f, "| %s | %s | %s | %d | %d | %s | %d | %.0f | %s |\n", r.When, r.Commit, r.Row, r.N, r.Failures, upper, r.Seed, r.Seconds, notes(r.Counts))
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// notes are the counts in the order of their names.
func notes(counts map[string]int64) string {
	raw, err := json.Marshal(counts) // sorts its keys
	if err != nil {
		return ""
	}
	return strings.NewReplacer(`"`, "", "{", "", "}", "", ",", ", ", ":", " ").Replace(string(raw))
}

// commitHash names what was tried; "+" where the folder held more than it. The
// record itself counts as neither: a row that adds to it, and whoever commits it
// between two rows, have changed nothing that is tried.
func commitHash() string {
	others := []string{"--", ".", ":(exclude)verify/trackrecord.md"}
	out, err := exec.Command("git", append([]string{"log", "-1", "--format=%h"}, others...)...).Output()
	if err != nil {
		return "unknown"
	}
	hash := string(bytes.TrimSpace(out))
	if dirty, err := exec.Command("git", append([]string{"status", "--porcelain", "--untracked-files=no"}, others...)...).Output(); err != nil || len(dirty) > 0 {
		hash += "+"
	}
	return hash
}
