package verify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// A case is one (spec, history): a few histories share a spec, because loading
// one costs as much as running several. What the judge counts is a triple (spec,
// history, query), where a query is one reading of a whole vector or row at
// one place: of an event that was enriched, of a row that was touched, of some
// row at some later time. Each compares all the values of that vector or row.
const (
	defaultCases     = 3_000
	historiesPerSpec = 10
	shortestHistory  = 5
	longestHistory   = 40
	shrinkTime       = 20 * time.Second
	// A run of so many cases is one of a million triples, and says so.
	manyCases, manyTriples = 40_000, 1_000_000
)

// TestEngineEqualsOracle compares every enriched value and status, every
// reason for a refusal, the touched rows and reads of now of the engine with
// the oracle's, on random specs and histories. FRESHET_VERIFY_CASES says how
// many, FRESHET_VERIFY_SEED where to begin. Each seed is one spec with its
// histories, whoever runs it: what fails does not depend on the number of
// cores.
func TestEngineEqualsOracle(t *testing.T) {
	cases := setting(t, "FRESHET_VERIFY_CASES", defaultCases)
	seed := setting(t, "FRESHET_VERIFY_SEED", 1)
	if testing.Short() {
		cases = min(cases, 1_000)
	}
	start := time.Now()
	c, failed := judge(t, allOfIt, seed, cases)
	if failed != nil {
		t.Fatal(failed.explain(t.TempDir()))
	}
	t.Attr("counted", fmt.Sprintf("%d triples (spec, history, query) equal the oracle's: %d specs, %d histories, %d records, %d values",
		c.queries(), (cases+historiesPerSpec-1)/historiesPerSpec, cases, c.records, c.values))
	t.Logf("%d enriched events, %d asked about, %d rows, %d reads; %d refused, %d values of lagging readers INCOMPLETE, %d past a budget DEGRADED, %d rules at a threshold decided otherwise, %d histories cut, %d engines lost and restored; %s",
		c.enriched, c.asked, c.rows, c.reads, c.refused, c.lagging, c.degraded, c.teetering, c.cut, c.restored, time.Since(start).Round(time.Second))
	t.Logf("reasons %v, statuses %v", c.reasons, c.statuses)
	t.Logf("present values by aggregation %v, by window %v", c.present, c.kinds)
	if cases >= manyCases && c.queries() < manyTriples {
		t.Errorf("%d triples, fewer than %d: draw longer histories, or more", c.queries(), manyTriples)
	}
}

// judge runs the seeds of so many cases on all cores, and returns what was
// compared and the failure of the smallest seed that failed.
func judge(t *testing.T, kind family, seed, cases int) (*counts, *failure) {
	var (
		next   atomic.Int64
		mu     sync.Mutex
		sum    = newCounts()
		failed *failure
		group  sync.WaitGroup
	)
	specs := (cases + kind.histories - 1) / kind.histories
	stopped := func(i int) bool {
		mu.Lock()
		defer mu.Unlock()
		return failed != nil && failed.seed < seed+i
	}
	for range min(runtime.GOMAXPROCS(0), specs) {
		dir := t.TempDir()
		group.Go(func() {
			c := newCounts()
			for i := int(next.Add(1)) - 1; i < specs && !stopped(i); i = int(next.Add(1)) - 1 {
				f := runSpec(dir, kind, seed+i, min(kind.histories, cases-i*kind.histories), c)
				mu.Lock()
				if f != nil && (failed == nil || f.seed < failed.seed) {
					failed = f
				}
				mu.Unlock()
			}
			mu.Lock()
			sum.add(c)
			mu.Unlock()
		})
	}
	group.Wait()
	return sum, failed
}

func setting(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: not a number", name, text)
	}
	return n
}

// drawn is what one seed makes.
type example struct {
	spec      *genSpec
	histories []history
	what      features.What
}

// family is what specs are drawn from, the test that judges them, for how many of the
// cases that are asked for it judges one, how many histories each spec has, and how
// long these are.
type family struct {
	test              string
	draw              func(*rapid.T) *genSpec
	share             int
	histories         int
	shortest, longest int
}

var allOfIt = family{"TestEngineEqualsOracle", drawSpec, 1, historiesPerSpec, shortestHistory, longestHistory}

// judgeFamily judges a family other than that of everything, and few cases of it in a
// short run.
func judgeFamily(t *testing.T, kind family, few int) {
	t.Helper()
	cases := setting(t, "FRESHET_VERIFY_CASES", defaultCases) / kind.share
	if testing.Short() {
		cases = min(cases, few)
	}
	c, failed := judge(t, kind, setting(t, "FRESHET_VERIFY_SEED", 1), cases)
	if failed != nil {
		t.Fatal(failed.explain(t.TempDir()))
	}
	t.Attr("counted", fmt.Sprintf("%d triples equal the oracle's", c.queries()))
	t.Logf("%d enriched events, %d asked about, %d rows, %d reads; %d engines lost and restored; present values by aggregation %v, by window %v",
		c.enriched, c.asked, c.rows, c.reads, c.restored, c.present, c.kinds)
}

func draw(kind family, seed, histories int) example {
	return rapid.Custom(func(t *rapid.T) example { return drawn(t, kind, histories) }).Example(seed)
}

func drawn(t *rapid.T, kind family, histories int) example {
	d := example{spec: kind.draw(t), what: features.Served}
	if chance(t, "all", 2) || d.spec.all {
		d.what = features.All
	}
	for range histories {
		length, partitions := rapid.IntRange(kind.shortest, kind.longest).Draw(t, "length"), rapid.IntRange(1, 3).Draw(t, "partitions")
		h := history{steps: drawHistory(t, d.spec, length, partitions)}
		if chance(t, "read from later on", 6) {
			h.since = origin + int64(rapid.IntRange(-3, 10).Draw(t, "since"))*1000
		}
		h.few = pick(t, "few", 0, 1, 2, 4)
		d.histories = append(d.histories, h)
	}
	return d
}

// failure is the first disagreement of one seed.
type failure struct {
	kind            family
	seed, histories int
	spec            *genSpec
	what            features.What
	history         history
	err             error
	loads           bool // the spec compiles
}

func runSpec(dir string, kind family, seed, histories int, c *counts) *failure {
	d := draw(kind, seed, histories)
	f := &failure{kind: kind, seed: seed, histories: histories, spec: d.spec, what: d.what}
	plan, err := compile(dir, d.spec, d.what)
	if f.err = err; err != nil {
		return f
	}
	for i, h := range d.histories {
		if h.crash = crashOf(seed, i, len(h.steps)); h.crash != nil && h.crash.groups%8 != 0 {
			h.few = 1 // states that run have more to restore
		}
		if err := newDuel(plan, c, d.spec, h.few).run(h); err != nil {
			f.history, f.err, f.loads = h, err, true
			return f
		}
	}
	return nil
}

// explain is the failure, made smaller, and how to run it alone.
func (f *failure) explain(dir string) string {
	if f.loads && os.Getenv("FRESHET_VERIFY_SHRINK") != "no" {
		f.spec, f.history, f.err = shrink(dir, f.spec, f.what, f.history, f.err)
	}
	return fmt.Sprintf("seed %d (FRESHET_VERIFY_SEED=%d FRESHET_VERIFY_CASES=%d go test -run %s ./verify): %v\n\n%s\n%s",
		f.seed, f.seed, f.histories*f.kind.share, f.kind.test, f.err, f.spec.yaml(), f.spec.tableRows()+transcript(f.history))
}

func compile(dir string, g *genSpec, what features.What) (*features.Plan, error) {
	path := filepath.Join(dir, "judged.freshet.yaml")
	if err := os.WriteFile(path, []byte(g.yaml()), 0o600); err != nil {
		return nil, err
	}
	specs, diagnostics, err := spec.Load([]string{path})
	if err != nil {
		return nil, err
	}
	if diagnostics.HasErrors() || len(specs) != 1 {
		var text strings.Builder
		for _, d := range diagnostics {
			if d.Severity == spec.ErrorSeverity {
				fmt.Fprintf(&text, "%d:%d: %s\n", d.Pos.Line, d.Pos.Col, d.Message)
			}
		}
		return nil, errors.New(text.String())
	}
	return features.Compile(specs[0], what)
}

// shrink leaves out steps and parts of the spec as long as the two still
// disagree.
func shrink(dir string, g *genSpec, what features.What, h history, failure error) (*genSpec, history, error) {
	fails := func(g *genSpec, h history) error {
		plan, err := compile(dir, g, what)
		if err != nil {
			return nil // not a spec any more
		}
		return newDuel(plan, newCounts(), g, h.few).run(h)
	}
	deadline := time.Now().Add(shrinkTime)
	for again := true; again && time.Now().Before(deadline); {
		again = false
		for i := len(h.steps) - 1; i >= 0; i-- {
			fewer := history{slices.Delete(slices.Clone(h.steps), i, i+1), h.since, h.few, h.crash}
			if err := fails(g, fewer); err != nil {
				h, failure, again = fewer, err, true
			}
		}
		for _, smaller := range parts(g) {
			if err := fails(smaller, h); err != nil {
				g, failure, again = smaller, err, true
				break
			}
		}
	}
	return g, h, failure
}

// parts are the specs that lack one part of g.
func parts(g *genSpec) []*genSpec {
	var smaller []*genSpec
	without := func(change func(*genSpec)) {
		h := *g
		h.views = slices.Clone(g.views)
		h.sources = slices.Clone(g.sources)
		change(&h)
		smaller = append(smaller, &h)
	}
	if len(g.services) > 0 {
		without(func(h *genSpec) { h.services, h.models = nil, nil })
	}
	if len(g.models) > 0 {
		without(func(h *genSpec) { h.models = nil })
	}
	for i := range g.tables {
		without(func(h *genSpec) { h.tables = slices.Delete(slices.Clone(h.tables), i, i+1) })
	}
	for i := range g.views {
		without(func(h *genSpec) { h.views = slices.Delete(h.views, i, i+1) })
		for j := range g.views[i].features {
			without(func(h *genSpec) { h.views[i].features = slices.Delete(slices.Clone(h.views[i].features), j, j+1) })
		}
		for j := range g.views[i].derived {
			without(func(h *genSpec) { h.views[i].derived = slices.Delete(slices.Clone(h.views[i].derived), j, j+1) })
		}
		for j := range g.views[i].lines {
			without(func(h *genSpec) { h.views[i].lines = slices.Delete(slices.Clone(h.views[i].lines), j, j+1) })
		}
	}
	for i := range g.sources {
		for j := range g.sources[i].lines {
			without(func(h *genSpec) { h.sources[i].lines = slices.Delete(slices.Clone(h.sources[i].lines), j, j+1) })
		}
		for j := range g.sources[i].computed {
			without(func(h *genSpec) { h.sources[i].computed = slices.Delete(slices.Clone(h.sources[i].computed), j, j+1) })
		}
	}
	return smaller
}

// transcript is a history for people.
func transcript(h history) string {
	var b strings.Builder
	if h.since != 0 {
		fmt.Fprintf(&b, "all sources read since %d\n", h.since)
	}
	if h.crash != nil {
		fmt.Fprintf(&b, "a snapshot: %+v\n", *h.crash)
	}
	for i, s := range h.steps {
		r := s.record
		fmt.Fprintf(&b, "%d: source %d, place %d:%d, log time %d: %s", i, r.Source, r.Partition, r.Offset, r.Time, r.Value)
		if s.rows {
			b.WriteString("  [rows]")
		}
		for _, read := range s.reads {
			fmt.Fprintf(&b, "  [read view %d %s +%s]", read.view, read.key, read.after)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The command that a failure prints makes its whole spec again, whatever share of the
// cases its test judges.
func TestAFailureIsRunAloneByItsCommand(t *testing.T) {
	for _, kind := range []family{allOfIt, plainOnly, crowded, reversed} {
		f := &failure{kind: kind, seed: 9, histories: kind.histories, spec: draw(kind, 9, 1).spec}
		_, after, _ := strings.Cut(f.explain(t.TempDir()), "FRESHET_VERIFY_CASES=")
		text, _, _ := strings.Cut(after, " ")
		if cases, err := strconv.Atoi(text); err != nil || cases/kind.share != kind.histories {
			t.Errorf("%s: %q cases, which are not %d histories", kind.test, text, kind.histories)
		}
	}
}
