// Package spectest runs the tests that authors write in their specs, on the
// engine alone: in memory, one partition a source, event time only
// (spec-language.md 1.10, S35). It says what differs and which events made the
// value what it is; it prints nothing.
package spectest

import (
	"fmt"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
)

// Runner runs the tests of one spec. It may be used for many tests, one at a
// time.
type Runner struct {
	plan    *features.Plan
	tables  []*event.Table
	scorers map[*spec.Model]models.Scorer
	absent  map[*spec.Model]string // models this build cannot score, and why
}

// New compiles every feature of s, served or not. tables is the content of its
// Tables. The error is a *features.Unavailable where the engine lacks something.
func New(s *spec.Spec, tables []*event.Table) (*Runner, error) {
	plan, err := features.Compile(s, features.All)
	if err != nil {
		return nil, err
	}
	r := &Runner{plan: plan, tables: tables, scorers: make(map[*spec.Model]models.Scorer), absent: make(map[*spec.Model]string)}
	for _, m := range s.Models {
		if m.Runtime != "expr" {
			r.absent[m] = "runtime " + m.Runtime
			continue
		}
		scorer, err := models.NewExpr(Definition(m))
		if err != nil {
			return nil, fmt.Errorf("model %s, %s:%d: %w", m.Name, m.Pos.File, m.Pos.Line, err)
		}
		r.scorers[m] = scorer
	}
	return r, nil
}

// Definition is what a scorer of m is built from.
func Definition(m *spec.Model) models.Definition {
	d := models.Definition{Name: m.Name, Runtime: m.Runtime, HasScore: m.Score != nil, MaxReasons: m.MaxReasons, OnError: m.OnError}
	for _, rule := range m.Rules {
		d.Weights = append(d.Weights, rule.Weight)
	}
	for _, band := range m.Bands {
		d.Bands = append(d.Bands, models.Band{Name: band.Name, Min: band.Min})
	}
	return d
}

// Result is how one test went.
type Result struct {
	Test *spec.Test
	// Err is why the test itself is wrong: a required field without a value,
	// a read of what needs an event. Then nothing else is set.
	Err      *Mistake
	Failures []Failure   // expectations of which something differs
	Checked  int         // lines compared
	Skipped  []Skip      // lines not compared, because the model is absent
	Missing  []spec.Fill // what comes out where the test has no value yet
}

// Passed reports whether nothing differs.
func (r *Result) Passed() bool { return r.Err == nil && len(r.Failures) == 0 }

// Mistake is a test that asks for what has no answer.
type Mistake struct {
	Pos     spec.Position
	Message string
}

func (m *Mistake) Error() string {
	return fmt.Sprintf("%s:%d: %s", m.Pos.File, m.Pos.Line, m.Message)
}

// Skip is one line that was not compared.
type Skip struct {
	Pos    spec.Position
	What   string // score of payment_risk_gbdt
	Reason string // runtime lightgbm
}

// Failure is an expectation of which something differs.
type Failure struct {
	Expect     *spec.Expect
	Of         string // "at 40s  card=c1", "event t3"
	Mismatches []Mismatch
	Matched    int
	Total      int
}

// Mismatch is one line that differs: what was wanted, what there is, and why.
type Mismatch struct {
	Pos  spec.Position
	Name string
	Want string
	Got  string
	Why  []string // one line each
}

// Run runs one test.
func (r *Runner) Run(t *spec.Test) Result {
	result := Result{Test: t}
	play, mistake := r.play(t)
	if mistake != nil {
		result.Err = mistake
		return result
	}
	for i := range t.Expect {
		expect := &t.Expect[i]
		c := check{runner: r, play: play, expect: expect, result: &result}
		if mistake := c.run(); mistake != nil {
			return Result{Test: t, Err: mistake}
		}
	}
	return result
}
