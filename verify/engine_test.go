package verify

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// duel runs one history through the engine and the oracle at once.
type duel struct {
	plan    *features.Plan
	spec    *spec.Spec
	engine  *features.Engine
	oracle  *oracle.Oracle
	readers []*features.Reader
	vectors []*features.Vector
	events  []event.Event
	touched map[oracle.Row]bool
	// lagged are the rows that an event has entered which was further behind
	// its source than state is kept for (S9): what a life was may be gone.
	lagged map[oracle.Row]bool
	// mayTouch are the rows that a retracting event carries the key of.
	mayTouch map[oracle.Row]bool
	budgeted map[int]bool // sources with small event budgets
	seed     [16]byte
	counts   *counts
}

// errCut ends a history without a verdict: a record of a lagging partition
// repeats one that is further behind the source's newest than state is kept
// for (S9), so that the engine cannot know it any more (S10 a).
var errCut = errors.New("a duplicate from behind what is kept")

// counts are what a run of duels has compared.
type counts struct {
	records, refused, enriched, asked, values, rows, reads, lagging, degraded, teetering, cut, restored int
	statuses, reasons                                                                                   map[string]int
	// present is how often each aggregation had a value that was none of its
	// defaults: what was put to the test, and not only drawn.
	present map[string]int
	kinds   map[string]int // the same by kind of window
}

func newCounts() *counts {
	return &counts{statuses: map[string]int{}, reasons: map[string]int{}, present: map[string]int{}, kinds: map[string]int{}}
}

func kindOf(f *spec.Feature) string {
	kind := [...]string{spec.Sliding: "sliding", spec.Lifetime: "lifetime", spec.Last: "last", spec.Session: "session", spec.HalfLife: "half-life"}[f.Window.Kind]
	if f.Def.Delay > 0 {
		kind += " delayed"
	}
	if f.Def.By != nil {
		kind += " by"
	}
	return kind
}

// queries is how many vectors and rows were compared.
func (c *counts) queries() int { return c.enriched + c.asked + c.rows + c.reads }

// add counts what another has compared.
func (c *counts) add(o *counts) {
	c.records += o.records
	c.refused += o.refused
	c.enriched += o.enriched
	c.values += o.values
	c.rows += o.rows
	c.reads += o.reads
	c.lagging += o.lagging
	c.asked += o.asked
	c.degraded += o.degraded
	c.teetering += o.teetering
	c.cut += o.cut
	c.restored += o.restored
	for _, m := range [][2]map[string]int{{c.statuses, o.statuses}, {c.reasons, o.reasons}, {c.present, o.present}, {c.kinds, o.kinds}} {
		for k, n := range m[1] {
			m[0][k] += n
		}
	}
}

func newDuel(plan *features.Plan, c *counts, g *genSpec, few int) *duel {
	s := plan.Spec()
	d := &duel{plan: plan, spec: s, counts: c, oracle: oracle.New(s), touched: map[oracle.Row]bool{}, lagged: map[oracle.Row]bool{},
		mayTouch: map[oracle.Row]bool{}, budgeted: map[int]bool{}}
	for _, v := range s.Views {
		d.budgeted[v.Source.Index] = d.budgeted[v.Source.Index] || v.EventBudget < longestHistory
	}
	d.seed = [16]byte{1, 2, 3}
	d.engine = features.NewEngine(plan, features.Options{Seed: d.seed, Few: few})
	tables := d.tables(g)
	for i := range s.Sources {
		d.readers = append(d.readers, plan.NewReader(i))
		d.readers[i].SetTables(tables)
		d.vectors = append(d.vectors, plan.NewVector(i))
	}
	d.events = make([]event.Event, len(s.Sources))
	return d
}

// tables gives both the rows of all tables.
func (d *duel) tables(g *genSpec) []*event.Table {
	tables := make([]*event.Table, len(d.spec.Tables))
	for i, t := range d.spec.Tables {
		tables[i] = event.NewTable(t)
		for _, row := range g.rowsOf(t.Name) {
			rejection := tables[i].AddJSON([]byte(row))
			if err := d.oracle.AddRow(t, []byte(row)); err != nil || rejection != nil {
				panic(fmt.Sprintf("row %s of table %s: engine %v, oracle %v", row, t.Name, rejection, err))
			}
		}
	}
	return tables
}

// run returns the first disagreement.
func (d *duel) run(h history) (err error) {
	at := 0
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("step %d: panic: %v", at, r)
		}
	}()
	for i := range d.spec.Sources {
		d.cover(i, h.since)
		if h.since != 0 {
			d.oracle.ReadSince(i, h.since)
		}
	}
	d.expect(h)
	var snap *snapshot
	if h.crash != nil && h.crash.at < len(h.steps) {
		snap = &snapshot{crash: h.crash}
	}
	for i, s := range h.steps {
		at = i
		if i%withEvery == 0 {
			if err := d.ask(s.record); err != nil {
				return fmt.Errorf("step %d, before it: %w", i, err)
			}
		}
		if err := d.apply(s.record); errors.Is(err, errCut) {
			return nil
		} else if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if i%withEvery == 0 { // about itself, or one that came before it
			if err := d.ask(h.steps[i*7%(i+1)].record); err != nil {
				return fmt.Errorf("step %d, behind it: %w", i, err)
			}
		}
		if s.rows {
			if err := d.rows(); err != nil {
				return fmt.Errorf("step %d: rows: %w", i, err)
			}
		}
		if snap != nil {
			if err := d.follow(snap, h, i); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		for _, r := range s.reads {
			if err := d.read(r); err != nil {
				return fmt.Errorf("step %d: read: %w", i, err)
			}
		}
	}
	return d.rows()
}

// cover tells the engine since when a source is read; 0: from its start.
func (d *duel) cover(source int, since int64) {
	d.engine.SetCoverage(source, features.Coverage{FromStart: since == 0, Since: since})
}

// expect tells the engine which partitions a history has.
func (d *duel) expect(h history) {
	told := map[[2]int]bool{}
	for _, s := range h.steps {
		if at := [2]int{s.record.Source, int(s.record.Partition)}; !told[at] {
			told[at] = true
			d.engine.Expect(s.record.Source, s.record.Partition)
		}
	}
}

func (d *duel) apply(r oracle.Record) error {
	ev := &d.events[r.Source]
	ev.Source, ev.Partition, ev.Offset, ev.RecordTime = r.Source, r.Partition, r.Offset, r.Time
	rejection := d.readers[r.Source].Read(slices.Clone(r.Value), ev)
	if rejection == nil {
		rejection = d.engine.Admit(ev)
	}
	got, detail := oracle.Accepted, ""
	if rejection != nil {
		got, detail = rejection.Reason.String(), rejection.Detail
	} else {
		d.engine.Apply(ev, d.vectors[r.Source])
	}
	want := d.oracle.Apply(r)
	d.counts.records++
	d.counts.reasons[want.Reason]++
	if got != want.Reason && want.Reason == oracle.Duplicate && (d.behindSource(r) || d.budgeted[r.Source]) {
		d.counts.cut++
		return errCut
	}
	if got != want.Reason {
		return fmt.Errorf("%s: engine %s (%s), oracle %s (%s %s)", r.Value, got, detail, want.Reason, want.Field, want.Detail)
	}
	if want.Reason != oracle.Accepted {
		d.counts.refused++
		return nil
	}
	for _, v := range d.spec.Views {
		if key, has := want.Key(v.Entity); has && want.Retracts() && v.Source.Index == r.Source {
			d.mayTouch[oracle.Row{View: v, Key: key}] = true
		}
		if key, entered := want.Entered(v); entered {
			row := oracle.Row{View: v, Key: key}
			d.touched[row] = true
			d.lagged[row] = d.lagged[row] || d.behind(v, want.Time()) || want.Time() <= d.oracle.Folded(v, key)
		}
	}
	d.counts.enriched++
	return d.vector(r.Source, d.vectors[r.Source], want)
}

func (d *duel) vector(source int, got *features.Vector, want *oracle.Outcome) error {
	layout := d.plan.Layout(source)
	for i, c := range layout.Columns {
		expected := want.Value(oracle.Column{Feature: c.Feature, Derived: c.Derived, Category: categoryOf(c.Name)})
		behind := false
		if c.Feature != nil {
			key, _ := want.Key(c.Feature.View.Entity)
			behind = d.doubtful(c.Feature, key, want.Time())
		} else {
			behind = d.doubtfulExpr(c.Derived.Expr, want)
		}
		if err := d.compare(c.Name, c.Feature, got.Values[i], c.Scale, got.Statuses[i], expected, behind); err != nil {
			return err
		}
	}
	for i, e := range layout.Entities {
		if key, _ := want.Key(e); key != got.Keys[i] {
			return fmt.Errorf("key of %s: engine %q, oracle %q", e.Name, got.Keys[i], key)
		}
	}
	for i, m := range layout.Models {
		for j, rule := range m.Model.Rules {
			if d.doubtfulExpr(rule.When, want) {
				continue
			}
			// Where what a rule reads was rounded (S20), it decides as of that.
			switch fired := want.Holds(rule); {
			case fired == got.Fired[i][j]:
			case want.Teeters(rule, leeway):
				d.counts.teetering++
			default:
				return fmt.Errorf("rule %s: engine %v, oracle %v", rule.Code, got.Fired[i][j], fired)
			}
		}
	}
	return nil
}

// categoryOf is the category in the name of a column.
func categoryOf(name string) spec.Category {
	_, rest, has := strings.Cut(name, "[")
	if !has {
		return spec.Category{}
	}
	category, err := strconv.Unquote(strings.TrimSuffix(rest, "]"))
	if err != nil {
		category = "?" + name
	}
	return spec.OfCategory(category)
}

// behind reports whether a reader at t is so far behind a view's source that
// the state it needs may be gone (S9): then the engine may say INCOMPLETE.
func (d *duel) behind(v *spec.View, t int64) bool {
	newest, any := d.oracle.Newest(v.Source.Index)
	return any && newest-t > v.Source.AllowedLateness.Milliseconds()
}

// doubtful reports whether the engine may say INCOMPLETE of a value at t: the
// reader is behind, or it is of a life that a record behind has entered.
func (d *duel) doubtful(f *spec.Feature, key string, t int64) bool {
	folded := d.oracle.Folded(f.View, key) // past the event budget
	switch lagged := d.lagged[oracle.Row{View: f.View, Key: key}]; {
	case d.behind(f.View, t) || t <= folded:
		return true
	case f.Def == nil:
		return lagged || slices.ContainsFunc(slices.Concat(f.Expr.Names, f.Expr.Asked), func(n spec.Name) bool {
			return n.Feature != nil && d.doubtful(n.Feature, key, t)
		})
	case oracle.OfLife(f) || f.Window.Kind == spec.Session:
		// A life of too many values is known to the state only: not to a late
		// reader, behind a delay, or with an event that is not applied.
		if f.View.DistinctBudget < spec.DefaultDistinctBudget && ofValues(f.Def.Aggregation) {
			return true
		}
		// The last n of a late reader may be past the budget, too, and the categories of a life (docs/decisions/0007).
		return lagged || t-f.Def.Delay.Milliseconds() < folded || (f.Window.Kind == spec.Last || f.Def.By != nil) && folded != oracle.NoTime
	}
	return false
}

// ofValues reports whether an aggregation is made of which values occur, of which
// no more than the distinct_budget are kept.
func ofValues(aggregation string) bool {
	switch aggregation {
	case "count_distinct", "approx_count_distinct", "is_new", "novelty":
		return true
	}
	return false
}

// small reports whether a view has a budget that histories exceed: what some of
// its features say past it is open, and what rules make of that.
func small(v *spec.View) bool {
	return v.EventBudget < longestHistory || v.DistinctBudget < longestHistory
}

// doubtfulExpr reports whether an expression reads a doubtful value.
func (d *duel) doubtfulExpr(x *spec.Expr, want *oracle.Outcome) bool {
	for _, n := range slices.Concat(x.Names, x.Asked) {
		if n.Feature == nil {
			continue
		}
		key, _ := want.Key(n.Feature.View.Entity)
		if d.doubtful(n.Feature, key, want.Time()) || small(n.Feature.View) {
			return true
		}
	}
	return false
}

// behindSource is behind for a record that was not applied, by the time that
// the engine has read in it.
func (d *duel) behindSource(r oracle.Record) bool {
	src := d.spec.Sources[r.Source]
	newest, any := d.oracle.Newest(r.Source)
	return any && newest-d.events[r.Source].Time > src.AllowedLateness.Milliseconds()
}

// rows reads all touched rows and compares them with the oracle's.
func (d *duel) rows() error {
	var failed error
	seen := map[oracle.Row]bool{}
	d.engine.Rows(func(row *features.Row) {
		r := oracle.Row{View: row.Layout.View, Key: strings.Clone(row.Key)}
		if failed != nil {
			return
		}
		if seen[r] {
			failed = fmt.Errorf("%s of %s comes twice", r.Key, r.View.Name)
			return
		}
		seen[r] = true
		newest, _ := d.oracle.NewestOf(r.View, r.Key)
		kept, any := d.oracle.TakenBackAt(r.View, r.Key)
		known := max(newest, any)
		newest = max(newest, kept)
		// A row that was forgotten comes back with an event of a lagging
		// partition; what was newer in it is gone.
		forgotten := row.AsOf < newest && d.lagged[r] && d.behind(r.View, newest)
		if (row.AsOf < newest || row.AsOf > known) && !forgotten {
			failed = fmt.Errorf("%s of %s: as of %d, oracle %d", r.Key, r.View.Name, row.AsOf, newest)
			return
		}
		d.counts.rows++
		failed = d.row(row, d.oracle.Read(r.View, r.Key, row.AsOf))
	})
	if failed != nil {
		return failed
	}
	var missing []string
	for r := range d.touched {
		if !seen[r] && d.online(r.View) {
			missing = append(missing, r.View.Name+" "+r.Key)
		}
	}
	sort.Strings(missing)
	if len(missing) > 0 {
		return fmt.Errorf("touched, and not written: %s", strings.Join(missing, "; "))
	}
	for r := range seen {
		if !d.touched[r] && !d.mayTouch[r] {
			return fmt.Errorf("%s of %s was written without an event", r.Key, r.View.Name)
		}
	}
	clear(d.touched)
	clear(d.mayTouch)
	return nil
}

// online reports whether a view has a row in the online store.
func (d *duel) online(v *spec.View) bool {
	for _, l := range d.plan.Rows() {
		if l.View == v {
			return len(l.Columns) > 0
		}
	}
	return false
}

func (d *duel) row(row *features.Row, want *oracle.Reading) error {
	for i, c := range row.Layout.Columns {
		name := fmt.Sprintf("%s of %s at %d", c.Name(), row.Key, row.AsOf)
		expected := want.Value(oracle.Column{Feature: c.Feature, Category: c.Category})
		if c.Feature.Def != nil {
			if known, _ := spec.AggregationOf(c.Feature.Def.Aggregation); c.Moves != known.Moves {
				return fmt.Errorf("%s: engine says moves: %v (S27)", name, c.Moves)
			}
		}
		if err := d.compare(name, c.Feature, row.Values[i], c.Scale, row.Statuses[i], expected, d.doubtful(c.Feature, row.Key, row.AsOf)); err != nil {
			return err
		}
	}
	return nil
}

func (d *duel) read(r read) error {
	v := d.spec.Views[r.view%len(d.spec.Views)]
	if !d.online(v) {
		return nil
	}
	t, ok := d.oracle.NewestOf(v, r.key)
	if !ok {
		t = origin
	}
	t += r.after.Milliseconds()
	if d.behind(v, t) {
		return nil // not now any more: the row may have been swept
	}
	var row features.Row
	d.engine.Read(v, r.key, t, &row)
	d.counts.reads++
	if row.AsOf != t && row.Layout == nil {
		return fmt.Errorf("%s of %s at %d: no row", r.key, v.Name, t)
	}
	row.AsOf, row.Key = t, r.key
	return d.row(&row, d.oracle.Read(v, r.key, t))
}
