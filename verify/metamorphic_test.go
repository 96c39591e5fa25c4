package verify

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// way is one way for a set of records to reach an engine.
type way struct {
	name   string
	order  []int
	twice  bool // each record comes again, some records later
	silent bool // a rebuild: nothing is read before all is there
	few    int
	rows   int // touched rows are read after so many records: a batch
	seed   byte
	lost   bool // half way, and restored from what it had written
}

// world is a set of records that every way of arrival leaves accepted: each
// has a partition of its own, so that none is late and all orders are possible.
type world struct {
	spec    *genSpec
	plan    *features.Plan
	records []oracle.Record
	judge   *oracle.Oracle // for the magnitudes of what is compared at 1e-9
	newest  int64
	times   []int64 // of the reads
}

// TestStateIsAFunctionOfTheSet asks, over random specs, whether a set of
// accepted records gives one state: one hash of all reads of all rows, whatever
// the order of arrival, the size of a batch, a rebuild, duplicates, the key of
// the hashes, and what runs beside it on other threads. What S20 compares at
// 1e-9 is compared so instead.
func TestStateIsAFunctionOfTheSet(t *testing.T) { judgeSets(t, allOfIt, 20, 50) }

// The same of many events of one entity that take each other back: whether an event or
// what takes it back comes first, and what runs by then, decides nothing.
func TestStateOfCrowdsOfReversalsIsAFunctionOfTheSet(t *testing.T) { judgeSets(t, reversed, 150, 5) }

// judgeSets judges one set of records for so many cases of a family, and few of them
// in a short run.
func judgeSets(t *testing.T, kind family, share, few int) {
	t.Helper()
	cases := setting(t, "FRESHET_VERIFY_CASES", defaultCases) / share
	first := setting(t, "FRESHET_VERIFY_SEED", 1)
	if testing.Short() {
		cases = min(cases, few)
	}
	dir := t.TempDir()
	reads, ways := 0, 0
	for seed := first; seed < first+cases; seed++ {
		w, all := drawWorld(t, dir, kind, seed)
		results, errs := make([]*reading, len(all)), make([]error, len(all))
		var group sync.WaitGroup // the ways of one world run side by side
		for i, way := range all {
			group.Go(func() { results[i], errs[i] = w.readAll(way) })
		}
		group.Wait()
		for i, got := range results {
			difference := ""
			if errs[i] != nil {
				difference = errs[i].Error()
			} else {
				difference = w.compare(results[0], got)
			}
			if difference != "" {
				t.Fatalf("seed %d, %s: %s\norder %v against %v\n%s\n%s", seed, all[i].name, difference, all[i].order, all[0].order, w.spec.yaml(), w.transcript())
			}
			reads += len(got.items)
		}
		ways += len(all)
	}
	t.Attr("counted", fmt.Sprintf("%d sets of records, %d ways of arrival, %d values read: one state of each set", cases, ways, reads))
}

func drawWorld(t *testing.T, dir string, kind family, seed int) (*world, []way) {
	t.Helper()
	var steps []step
	var all []way
	g := rapid.Custom(func(t *rapid.T) *genSpec {
		g := kind.draw(t)
		for i := range g.sources { // state is kept for all of it
			lines := slices.DeleteFunc(g.sources[i].lines, func(l string) bool { return strings.HasPrefix(l, "allowed_lateness") })
			g.sources[i].lines = append(lines, "allowed_lateness: 24h")
		}
		steps = drawHistory(t, g, rapid.IntRange(kind.shortest, max(kind.longest, 2*longestHistory)).Draw(t, "length"), 1)
		all = drawWays(t, len(steps))
		return g
	}).Example(seed)
	plan, err := compile(dir, g, features.All)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, g.yaml())
	}
	w := &world{spec: g, plan: plan}
	d := newDuel(plan, newCounts(), g, 0)
	w.judge = d.oracle
	for i, s := range steps {
		r := s.record
		r.Partition, r.Offset = int32(i), 0
		if outcome := d.oracle.Apply(r); outcome.Reason == oracle.Accepted {
			w.records = append(w.records, r)
			w.newest = max(w.newest, outcome.Time())
		}
	}
	w.times = []int64{w.newest, w.newest + 1}
	for _, d := range g.instants {
		w.times = append(w.times, w.newest+d.Milliseconds()-1, w.newest+d.Milliseconds())
	}
	for i := range all { // orders of those that were accepted
		all[i].order = slices.DeleteFunc(all[i].order, func(at int) bool { return at >= len(w.records) })
	}
	return w, all
}

func drawWays(t *rapid.T, n int) []way {
	inOrder := make([]int, n)
	for i := range inOrder {
		inOrder[i] = i
	}
	backwards := slices.Clone(inOrder)
	slices.Reverse(backwards)
	shuffled := func() []int { return rapid.Permutation(inOrder).Draw(t, "order") }
	return []way{
		{name: "as drawn", order: inOrder, rows: 1},
		{name: "backwards", order: backwards, rows: 3},
		{name: "shuffled", order: shuffled(), rows: 7, few: 1},
		{name: "shuffled, each twice", order: shuffled(), rows: 2, few: 1, twice: true},
		{name: "shuffled, a rebuild, another key", order: shuffled(), silent: true, seed: 7},
		{name: "shuffled, another key", order: shuffled(), rows: 5, few: 2, seed: 9},
		{name: "backwards, lost half way", order: slices.Clone(backwards), rows: 3, few: 1, lost: true},
		{name: "as drawn, lost half way", order: slices.Clone(inOrder), rows: 2, few: 1, lost: true, seed: 3},
	}
}

// reading is all reads of one engine: the hash of what must be the same, and
// each value for what is only near, and for people.
type reading struct {
	seed  byte // of the hashes
	hash  uint64
	items []item
}

// item is one value that was read.
type item struct {
	row    oracle.Row
	column features.RowColumn
	at     int64
	status features.Status
	value  any
}

func (w *world) readAll(how way) (*reading, error) {
	d := newDuel(w.plan, newCounts(), w.spec, how.few)
	options := features.Options{Seed: [16]byte{how.seed, 1}, Few: how.few}
	d.engine = features.NewEngine(w.plan, options)
	for i, at := range how.order {
		if how.lost && i == len(how.order)/2 {
			engine, err := reborn(w.plan, d.engine, options)
			if err != nil {
				return nil, err
			}
			d.engine = engine
		}
		if got := d.feed(w.records[at], how.silent); got != oracle.Accepted {
			return nil, fmt.Errorf("record %d is %s: %s", at, got, w.records[at].Value)
		}
		again := w.records[how.order[i/2]]
		// Past a budget an id is not known any more (S10).
		if how.twice && w.plan.Spec().Sources[again.Source].IDField != nil && !d.budgeted[again.Source] {
			again.Partition += 1000
			if got := d.feed(again, how.silent); got != oracle.Duplicate {
				return nil, fmt.Errorf("record %d again is %s: %s", how.order[i/2], got, again.Value)
			}
		}
		if how.rows > 0 && i%how.rows == 0 {
			d.engine.Rows(func(*features.Row) {})
		}
	}
	d.engine.DropTouches()
	return w.read(d.engine, how.seed), nil
}

// feed gives one record to the engine alone, and says what became of it.
func (d *duel) feed(r oracle.Record, silent bool) string {
	ev := &d.events[r.Source]
	ev.Source, ev.Partition, ev.Offset, ev.RecordTime = r.Source, r.Partition, r.Offset, r.Time
	rejection := d.readers[r.Source].Read(slices.Clone(r.Value), ev)
	if rejection == nil {
		rejection = d.engine.Admit(ev)
	}
	if rejection != nil {
		return rejection.Reason.String()
	}
	vector := d.vectors[r.Source]
	if silent {
		vector = nil
	}
	d.engine.Apply(ev, vector)
	return oracle.Accepted
}

// read reads every row at every time of the world.
func (w *world) read(engine *features.Engine, seed byte) *reading {
	got, sum := &reading{seed: seed}, fnv.New64a()
	rows := w.judge.Rows()
	slices.SortFunc(rows, func(a, b oracle.Row) int {
		return strings.Compare(a.View.Name+" "+a.Key, b.View.Name+" "+b.Key)
	})
	var row features.Row
	for _, r := range rows {
		if !slices.ContainsFunc(w.plan.Rows(), func(l *features.RowLayout) bool { return l.View == r.View && len(l.Columns) > 0 }) {
			continue
		}
		for _, at := range w.times {
			engine.Read(r.View, r.Key, at, &row)
			for i, c := range row.Layout.Columns {
				it := item{r, c, at, row.Statuses[i], outside(row.Values[i], c.Scale)}
				got.items = append(got.items, it)
				if !near(c.Feature) && !w.open(c.Feature) && !sketched(it) {
					fmt.Fprint(sum, it.row.Key, c.Name(), at, it.status, exact(it.value), "\n")
				}
			}
		}
	}
	got.hash = sum.Sum64()
	return got
}

// exact is a value as text that differs wherever the value does.
func exact(v any) string {
	if x, ok := v.(float64); ok {
		return fmt.Sprint(math.Float64bits(x))
	}
	return fmt.Sprintf("%#v", v)
}

// near reports whether a feature is compared at 1e-9 (S20), or made of one that
// is.
func near(f *spec.Feature) bool {
	if f.Def != nil {
		switch f.Def.Aggregation {
		case "decayed_count", "decayed_sum", "ewma", "entropy", "slope":
			return true
		}
		return false
	}
	return slices.ContainsFunc(slices.Concat(f.Expr.Names, f.Expr.Asked), func(n spec.Name) bool {
		return n.Scope == spec.FeatureScope && near(n.Feature)
	})
}

// open reports whether a feature may be INCOMPLETE by the order of arrival:
// past a small event budget, lives and sessions that have ended are forgotten,
// and a late event that joins one of them to the present cannot say what it
// held (docs/decisions/0005).
func (w *world) open(f *spec.Feature) bool {
	if f.View.EventBudget > longestHistory {
		return false
	}
	if f.Def == nil {
		return slices.ContainsFunc(slices.Concat(f.Expr.Names, f.Expr.Asked), func(n spec.Name) bool {
			return n.Scope == spec.FeatureScope && w.open(n.Feature)
		})
	}
	return f.Window.Kind != spec.Sliding
}

// sketched reports whether a value may be the estimate of a sketch (S26), or be
// derived from one: that is a function of the set and of the key of the hashes.
func sketched(it item) bool {
	return it.status == features.Degraded && it.column.Feature.View.DistinctBudget < spec.DefaultDistinctBudget
}

// compare says where two readings differ, "" where they do not.
func (w *world) compare(want, got *reading) string {
	for i, a := range want.items {
		b := got.items[i]
		differ := a.status != b.status
		if !differ && sketched(a) && want.seed != got.seed {
			continue
		}
		if w.open(a.column.Feature) && (a.status == features.Incomplete || b.status == features.Incomplete) {
			continue
		}
		if near(a.column.Feature) {
			mass := 0.0
			if !differ {
				mass = w.judge.Read(a.row.View, a.row.Key, a.at).Feature(a.column.Feature).Mass
			}
			differ = differ || !same(b.value, a.value, a.column.Feature, mass)
		} else {
			differ = differ || exact(a.value) != exact(b.value)
		}
		if differ {
			return fmt.Sprintf("%s of %s at %d is %v %s, and %v %s", a.column.Feature.Full(), a.row.Key, a.at, b.value, b.status, a.value, a.status)
		}
	}
	if want.hash != got.hash {
		return "the hashes differ"
	}
	return ""
}

// transcript is the set of records for people.
func (w *world) transcript() string {
	var b strings.Builder
	for i, r := range w.records {
		fmt.Fprintf(&b, "%d: source %d, place %d:%d: %s\n", i, r.Source, r.Partition, r.Offset, r.Value)
	}
	return b.String()
}
