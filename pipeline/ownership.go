package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/fault"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// ownership is what one take-over is worth: who we are, how far every
// partition was processed.
type ownership struct {
	batch       uint64 // the last one closed; the next one is open
	seq         uint32 // of the open batch's next record
	records     int    // of the open batch
	bytes       int64  // of these, and of what follows from them
	each        int64  // bytes of a record, as in the last step
	owner       uint32
	incarnation uint32
	parts       map[sources.PartitionID]*partition
	ids         []sources.PartitionID // of parts, sorted
	committed   bool                  // a batch of this ownership was closed

	safeBatch   uint64 // the last one committed
	poison      poison
	rewrite     bool   // the rows of the last owner are behind
	proof       string // of the rows that the last owner has written
	rebuilding  bool
	following   bool                // it is another's, whose way a standby follows (rebuilding is true)
	waiting     int                 // records that wait in queues of the partitions
	ripens      bool                // what was kept may be below the committed offsets by now
	total, done int64               // records of the rebuild
	cover       []features.Coverage // by source, as last told to the engine

	replaying bool     // below the newest cut of the checkpoint that the state is of
	cluster   string   // what the log is, for checkpoints
	topics    []string // their ids, by source
	mark      string   // the same in the metadata of commits
}

// partition is one partition's way through a run.
// Invariant: start <= next; below next everything is in the state or refused.
type partition struct {
	start, committed, end int64 // as assigned; committed is start where it never was
	next                  int64
	moved                 bool             // since the last commit
	waiting               []sources.Record // read, and not yet to be applied; with their own bytes
	kept                  int64            // bytes of these
	held                  bool             // paused for them
	together              int              // how many of them are taken at once
	passed                int64            // behind them, where the last of what was read is no record
	read                  int64            // during the rebuild: behind what was handed over
	applied               int64            // behind the last record that is in the state or was refused
	at                    int64            // running maximum of event time
	first                 int64            // event time of its first record, noTime before
	recordTime            int64            // the log's time of its newest record
	processed             int64            // wall clock of its last commit, ms
	safe                  int64            // committed
	shown                 reach            // of the records that have left
	until                 int64            // while replaying: the newest cut of the checkpoint
	hole                  int64            // wall clock, ms, when records that the state lacks were found to be gone; 0: none
}

// reach is how far a partition has come.
type reach struct{ next, at, recordTime int64 }

func (p *partition) reach() reach { return reach{p.next, p.at, p.recordTime} }

// metadata is what travels with committed offsets, so that the next owner
// continues the numbers.
func metadata(batch uint64, owner, incarnation uint32) string {
	return fmt.Sprintf("v1 batch=%d owner=%d incarnation=%d", batch, owner, incarnation)
}

// Committed reports whether the metadata of a committed offset is that of a run.
func Committed(metadata string) bool {
	_, _, _, ours := parseMetadata(metadata)
	return ours
}

func parseMetadata(s string) (batch uint64, owner, incarnation uint32, ok bool) {
	n, err := fmt.Sscanf(s, "v1 batch=%d owner=%d incarnation=%d", &batch, &owner, &incarnation)
	return batch, owner, incarnation, err == nil && n == 3
}

// newOwnership reads what the consumer knows. first is true for a run without
// committed offsets, or whose offsets someone else has written: its numbers
// begin anew, under a new incarnation.
func newOwnership(assigned []sources.Assigned, numSources int) (o *ownership, first bool) {
	o = &ownership{parts: map[sources.PartitionID]*partition{}, cover: make([]features.Coverage, numSources)}
	first = true
	o.identify(assigned, numSources)
	for _, a := range assigned {
		if batch, owner, incarnation, ok := parseMetadata(a.Metadata); ok && a.Committed >= 0 {
			first = false
			if batch >= o.batch { // the last commit says how it is
				o.rewrite = strings.Contains(a.Metadata, behindMark)
				_, proof, _ := strings.Cut(a.Metadata, proofMark)
				o.proof, _, _ = strings.Cut(proof, " ")
			}
			o.batch, o.owner, o.incarnation = max(o.batch, batch), max(o.owner, owner), max(o.incarnation, incarnation)
		}
		p := &partition{start: a.Start, committed: max(a.Committed, a.Start), end: a.End, next: a.Start,
			at: noTime, first: noTime, recordTime: event.NoTime}
		p.safe = p.committed
		o.parts[a.PartitionID] = p
		o.ids = append(o.ids, a.PartitionID)
	}
	slices.SortFunc(o.ids, func(a, b sources.PartitionID) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Partition, b.Partition))
	})
	return o, first
}

// takeOver makes this instance the owner: it draws a number, and goes on from
// the state that it has as a standby, or rebuilds one from what is retained. Where
// ctx ends first nothing was taken over, and nothing has to be finished.
func (r *Runner) takeOver(ctx, work context.Context, assigned []sources.Assigned) error {
	own, first := newOwnership(assigned, len(r.spec.Sources))
	r.metrics.recovery.given()
	was := r.own
	if was != nil && !was.following {
		r.drop("the partitions were assigned anew")
		was = nil
	}
	warm := was != nil && r.inherit(own, was)
	own.safeBatch, own.mark = own.batch, r.topicsOf(own)
	r.marks(own, assigned)
	if !warm {
		r.forget()
		if err := r.restore(work, own, assigned); err != nil {
			return err
		}
		if err := r.unset(own, assigned); err != nil {
			return err
		}
		r.expect(assigned)
	}
	// Behind all that refuses a start: the number shuts out who has the store now.
	if err := r.drawOwner(ctx, own, first); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			r.Log.Info("told to stop before the online store was taken over")
			return nil
		}
		return err
	}
	fault.At(fault.Claimed)
	if err := r.begin(own); err != nil {
		return err
	}
	r.own = own
	r.metrics.held.skip(r.engine.Stats())
	own.rebuilding = true
	r.metrics.took(len(own.parts))
	r.Log.Info("owner of all partitions", "partitions", len(own.parts), "owner", own.owner,
		"incarnation", own.incarnation, "batch", own.batch, "records_to_rebuild_from", own.total, "warm", warm)
	if first {
		r.warnForeign(assigned)
	}
	if pauser, ok := r.Consumer.(sources.Pauser); ok {
		pauser.Resume() // pauses of an earlier ownership, whose rebuild was cut off
	}
	return r.rebuild(nil, nil)
}

// begin has delivery begin behind what is in the state, or is kept for it.
func (r *Runner) begin(own *ownership) error {
	var from []sources.Position
	own.total = 0
	for _, id := range own.ids {
		p := own.parts[id]
		own.total += max(0, p.committed-p.next)
		p.read = max(p.read, p.next)
		from = append(from, sources.Position{PartitionID: id, Next: p.read})
	}
	beginner, ok := r.Consumer.(sources.Beginner)
	if !ok {
		return nil
	}
	if err := beginner.Begin(from); err != nil {
		return fmt.Errorf("begin to read where the state ends: %w", err)
	}
	return nil
}

// warnForeign tells of committed offsets without our metadata.
func (r *Runner) warnForeign(assigned []sources.Assigned) {
	for _, a := range assigned {
		if a.Committed >= 0 {
			r.Log.Warn("the committed offsets were not written by Freshet: they are kept, the batch numbers begin anew under a new incarnation",
				"source", r.spec.Sources[a.Source].Name, "partition", a.Partition, "offset", a.Committed)
			return
		}
	}
}

// rebuild applies records below the committed offsets silently: no output, no
// row. Records at or above them are kept for later; live work begins once
// every partition has come so far, since a live record must see everything
// that was applied before it.
func (r *Runner) rebuild(records []sources.Record, passed []sources.Position) (err error) {
	own, below := r.own, r.ripe()
	for i := range records {
		rec := &records[i]
		p := own.part(rec)
		p.read = rec.Offset + 1
		switch {
		case rec.Offset < p.next: // in the state that was loaded
		case rec.Offset < own.bound(p):
			below = append(below, *rec)
		default:
			r.hold(rec, p)
		}
	}
	r.read(below)
	at := noSlot
	defer func() { err = r.caught(recover(), at, err) }()
	r.tellCoverage()
	r.cur.in.arrange(r.Merged)
	for n, i := range r.cur.in.order {
		if n%features.StageSize == 0 {
			r.engine.Stage(r.cur.in.accepted(n, features.StageSize))
		}
		s := &r.cur.in.slots[i]
		if s.refusal.Reason != event.Accepted {
			continue
		}
		at = int(i)
		if r.poisoned(&s.rec) {
			continue
		}
		if r.engine.Admit(&s.ev) == nil {
			r.engine.Apply(&s.ev, nil)
		}
	}
	own.done += int64(len(below))
	r.dog.progressed()
	r.cur.reset()
	for _, to := range passed {
		if p := own.parts[to.PartitionID]; p != nil {
			p.read = max(p.read, to.Next)
		}
	}
	own.pass(passed)
	for _, p := range own.parts {
		p.move()
	}
	if r.replayed() {
		return r.rebuild(nil, nil)
	}
	r.rebuilt()
	return nil
}

// pass moves partitions over what will never be handed over. It is committed
// with the next batch.
func (o *ownership) pass(passed []sources.Position) {
	for _, to := range passed {
		if p := o.parts[to.PartitionID]; p != nil {
			p.passed = max(p.passed, to.Next)
			p.move()
		}
	}
}

// move takes a partition over what was passed, once what was read before it is
// applied.
func (p *partition) move() {
	if len(p.waiting) == 0 && p.passed > p.next {
		p.next, p.moved = p.passed, true
	}
}

// rebuilt ends the rebuild when every partition has reached its committed
// offset, or the end of the log: what lies between may be no records.
func (r *Runner) rebuilt() {
	if r.own.following {
		r.standBy()
		return
	}
	if r.own.missing(r.Consumer.Lag()) > 0 {
		r.Config.Health.rebuild(r.own.done, r.own.total)
		r.metrics.restore.Set(ratio(r.own.done, r.own.total))
		return
	}
	for _, p := range r.own.parts {
		p.next, p.moved, p.held = max(p.next, p.committed), false, false
		p.shown = p.reach()
	}
	r.engine.DropTouches()
	fault.At(fault.Rebuilt)
	r.own.rebuilding = false
	if r.Store != nil && r.own.rewrite {
		r.beginRewrite(r.behind.rewriting.loss, "the last owner's rows are behind in the online store: all are written anew")
	}
	if pauser, ok := r.Consumer.(sources.Pauser); ok {
		pauser.Resume()
	}
	r.metrics.restore.Set(1)
	r.metrics.recovery.has()
	r.metrics.active.Set(1)
	r.metrics.held.skip(r.engine.Stats())
	for w := range r.readers { // what was seen in the rebuild was counted when it was new
		for s := range r.readers[w] {
			r.metrics.skip(w, s, r.readers[w][s].Counts())
		}
	}
	r.Log.Info("the state is rebuilt", "records", r.own.done, "read_ahead", r.own.waiting)
	r.Config.Health.phase(running, "running")
}

// missing is how many offsets below the committed ones are not in the state.
func (o *ownership) missing(lag map[sources.PartitionID]int64) (offsets int64) {
	for _, id := range o.ids {
		p := o.parts[id]
		if left, known := lag[id]; p.next < o.bound(p) && len(p.waiting) == 0 && (!known || left > 0) {
			offsets += o.bound(p) - p.next
		}
	}
	return offsets
}

func ratio(done, total int64) float64 {
	if total <= 0 {
		return 1
	}
	return min(1, float64(done)/float64(total))
}

// part is the partition of a record; one that was never assigned is the
// consumer's bug.
func (o *ownership) part(rec *sources.Record) *partition {
	p := o.parts[sources.PartitionID{Source: rec.Source, Partition: rec.Partition}]
	if p == nil {
		panic(fmt.Sprintf("pipeline: a record of source %d, partition %d, which was not assigned", rec.Source, rec.Partition))
	}
	return p
}

// follow moves a partition to behind s, which has just been read. Refused
// records move no time (S8).
func (o *ownership) follow(s *slot) {
	p := o.part(&s.rec)
	p.next, p.applied, p.moved, p.recordTime = s.rec.Offset+1, s.rec.Offset+1, true, s.rec.Time
	if s.refusal.Reason == event.Accepted {
		p.at = max(p.at, s.ev.Time)
		if p.first == noTime {
			p.first = s.ev.Time
		}
	}
	s.at = p.at
}

// coverage says from when on a source has been read (S19). A partition read
// from offset 0 lacks nothing. Of the others the source lacks what is older
// than their first record, and everything until that has come. A partition
// whose records have all expired is not waited for: what it held is older than
// the others' first.
func (o *ownership) coverage(source int) features.Coverage {
	c := features.Coverage{FromStart: true, Since: noTime}
	oldest := int64(math.MaxInt64)
	for _, id := range o.ids {
		p := o.parts[id]
		if id.Source != source {
			continue
		}
		if p.first != noTime {
			oldest = min(oldest, p.first)
		}
		if p.hole != 0 {
			c.Hole = max(c.Hole, p.behindHole())
		}
		if p.start == 0 {
			continue
		}
		c.FromStart = false
		switch {
		case p.first != noTime && p.end > p.start:
			c.Since = max(c.Since, p.first)
		case p.end > p.start:
			c.Since = math.MaxInt64
		}
	}
	if c.FromStart {
		return features.Coverage{FromStart: true, Hole: c.Hole}
	}
	if c.Since == noTime {
		c.Since = oldest
	}
	return c
}

// behindHole is the event time from which on nothing is missing: that of the
// first record behind the hole, and before that has come the time at which what
// is missing was there already.
func (p *partition) behindHole() int64 {
	if p.first != noTime {
		return p.first
	}
	return p.hole
}

func (r *Runner) tellCoverage() {
	for s := range r.spec.Sources {
		if c := r.own.coverage(s); c != r.own.cover[s] {
			r.own.cover[s] = c
			r.engine.SetCoverage(s, c)
		}
	}
}

// noSlot says that no record is being applied.
const noSlot = -1

// PanicError ends a run: the engine has panicked while it changed its state,
// which cannot be trusted any more. Place is the record; Stack holds no data.
type PanicError struct {
	Place string
	Text  string
	Stack []byte

	partition sources.PartitionID
	known     bool // which record it was
}

func (e *PanicError) Error() string { return "panic while applying " + e.Place + ": " + e.Text }

// caught turns a panic into the error that ends the run. at is the slot that
// was being applied.
func (r *Runner) caught(p any, at int, err error) error {
	if p == nil {
		return err
	}
	e := &PanicError{Place: "no record", Text: panicText(p), Stack: debug.Stack()}
	if at != noSlot {
		rec := &r.cur.in.slots[at].rec
		e.Place, e.known = r.placeOf(rec), true
		e.partition = sources.PartitionID{Source: rec.Source, Partition: rec.Partition}
	}
	r.Log.Error("panic while applying a record: the process ends, nothing of the batch is committed",
		"place", e.Place, "err_kind", "panic", "panic", e.Text, "stack", string(e.Stack), "spec", record.SpecRef(r.spec))
	return e
}
