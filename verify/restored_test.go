package verify

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// crash is a restart of the engine in the middle of a history, from a snapshot:
// begun behind some step, ended behind a later one, its groups written in
// between, each at a time of its own; at last the engine is lost, and another
// one goes on.
type crash struct {
	begin, end, at int // steps
	groups         uint64
	rebuilt        int  // which log the snapshot does not have; none where there is no such log
	byPartition    bool // the records come again one partition after the other
}

// crashOf is the crash of one history of a seed, nil: it has none.
func crashOf(seed, nth, steps int) *crash {
	r := rand.New(rand.NewPCG(uint64(seed), uint64(nth)))
	if nth%2 == 0 || steps < 3 {
		return nil
	}
	at := []int{r.IntN(steps), r.IntN(steps), r.IntN(steps)}
	slices.Sort(at)
	return &crash{begin: at[0], end: at[1], at: at[2], groups: r.Uint64(), rebuilt: r.IntN(8) - 2, byPartition: r.IntN(2) == 0}
}

// step is behind which step a group is written.
func (c *crash) step(group int) int {
	x := (c.groups ^ uint64(group)) * 0x9e3779b97f4a7c15
	return c.begin + int(x>>32)%(c.end-c.begin+1)
}

// snapshot is one that is being written.
type snapshot struct {
	*crash
	seen                 []step // so far
	admission, refused   []byte
	groups               [features.NumGroups][]byte
	cuts                 [features.NumGroups]features.Cuts
	first, last, reached features.Cuts
	writing              int
	open                 bool // a group is being written
}

// finish writes the group that is being written to its end.
func (s *snapshot) finish(e *features.Engine) {
	for s.open {
		s.groups[s.writing], s.open = e.AppendSome(s.groups[s.writing], 1<<20)
	}
}

// follow writes what is due behind step i, and loses the engine where it is
// lost.
func (d *duel) follow(s *snapshot, h history, i int) error {
	record := h.steps[i].record
	s.seen = append(s.seen, h.steps[i])
	s.reached = reach(s.reached, record)
	if i == s.begin {
		s.admission, s.first = d.engine.BeginSnapshot().Append(nil), copyOf(s.reached)
	}
	for g := range s.groups {
		if i == s.step(g) {
			s.finish(d.engine)
			d.engine.BeginGroup(g)
			s.writing, s.open, s.cuts[g] = g, true, copyOf(s.reached)
		}
	}
	if s.open { // the last of them is written while the next steps are made
		s.groups[s.writing], s.open = d.engine.AppendSome(s.groups[s.writing], 1+i%600)
	}
	if i == s.end {
		s.finish(d.engine)
		s.refused, s.last = d.engine.EndSnapshot(nil), copyOf(s.reached)
	}
	if i != s.at {
		return nil
	}
	if err := d.rows(); err != nil {
		return err
	}
	return d.restore(s, h)
}

func reach(c features.Cuts, r oracle.Record) features.Cuts {
	for len(c) <= r.Source {
		c = append(c, nil)
	}
	for len(c[r.Source]) <= int(r.Partition) {
		c[r.Source] = append(c[r.Source], 0)
	}
	c[r.Source][r.Partition] = max(c[r.Source][r.Partition], r.Offset+1)
	return c
}

func copyOf(c features.Cuts) features.Cuts {
	var other features.Cuts
	for _, of := range c {
		other = append(other, slices.Clone(of))
	}
	return other
}

func below(c features.Cuts, r oracle.Record) bool {
	return r.Source < len(c) && int(r.Partition) < len(c[r.Source]) && r.Offset < c[r.Source][r.Partition]
}

// restore goes on with another engine, which has the snapshot and reads the
// records from its first cuts on again.
func (d *duel) restore(s *snapshot, h history) error {
	d.engine = features.NewEngine(d.plan, features.Options{Seed: d.seed, Few: h.few})
	ids := d.plan.LogIDs()
	if s.rebuilt >= 0 && s.rebuilt < len(ids) {
		ids[s.rebuilt].Hash = "of another definition"
	}
	r := features.NewRestore(d.engine, ids)
	if err := r.Admission(bytes.NewReader(s.admission), s.refused, s.first, s.last); err != nil {
		return fmt.Errorf("restore: engine: %w", err)
	}
	for i := range s.groups {
		g, err := r.Check(i, s.groups[i])
		if err != nil {
			return fmt.Errorf("restore: engine: %w", err)
		}
		r.Attach(g, s.cuts[i])
	}
	for i := range d.spec.Sources {
		d.cover(i, h.since)
		if !r.FromStart(i) { // this engine has read only the end of it
			d.engine.SetCoverage(i, features.Coverage{Since: math.MaxInt64})
		}
	}
	d.expect(h)
	steps := slices.Clone(s.seen)
	// Which of two twins comes first decides which is the duplicate, where that is
	// not known: before the snapshot.
	if s.byPartition && len(r.Rebuilt()) == 0 {
		slices.SortStableFunc(steps, func(a, b step) int { return int(a.record.Partition) - int(b.record.Partition) })
	}
	for _, again := range steps {
		if r := again.record; below(s.last, r) && (!below(s.first, r) || s.fromStart(d, r.Source)) {
			d.feed(r, true)
		}
	}
	d.engine.EndReplay()
	for _, again := range s.seen {
		if r := again.record; !below(s.last, r) {
			d.feed(r, true)
		}
	}
	d.engine.DropTouches()
	d.counts.restored++
	return nil
}

// fromStart reports whether a log of a source is rebuilt.
func (s *snapshot) fromStart(d *duel, source int) bool {
	ids := d.plan.LogIDs()
	return s.rebuilt >= 0 && s.rebuilt < len(ids) && ids[s.rebuilt].Source == d.spec.Sources[source].Name
}

// reborn is another engine with the state of one, as its snapshot says it.
func reborn(plan *features.Plan, e *features.Engine, o features.Options) (*features.Engine, error) {
	other := features.NewEngine(plan, o)
	r := features.NewRestore(other, plan.LogIDs())
	admission := e.BeginSnapshot().Append(nil)
	for i := range features.NumGroups {
		g, err := r.Check(i, e.AppendGroup(nil, i))
		if err != nil {
			return nil, err
		}
		r.Attach(g, nil)
	}
	if err := r.Admission(bytes.NewReader(admission), e.EndSnapshot(nil), nil, nil); err != nil {
		return nil, err
	}
	other.EndReplay()
	return other, nil
}
