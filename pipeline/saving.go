package pipeline

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/sources"
)

// Checkpoints says where state is kept between runs, and how.
type Checkpoints struct {
	Store *checkpoint.Store // nil: nowhere, each start reads the log from its beginning
	// Interval is how long a cycle takes: all groups of keys are written once.
	// 0: DefaultCheckpointInterval.
	Interval time.Duration
	Build    string // version of the binary, for people
	// AcceptGap goes on where records that the state lacks are gone from the log, and
	// takes offsets that someone has set as they are.
	AcceptGap bool
	// Copies is where whole checkpoints are copied to, and fetched from where it has
	// newer ones than the store; nil: nowhere.
	Copies Copies
}

// DefaultCheckpointInterval bounds what a start reads again.
const DefaultCheckpointInterval = time.Minute

const (
	// sliceBytes is how much of a group is written at once, between two steps, or
	// what takes as long: some 2 ms.
	sliceBytes = 1 << 20
	// lastBytes is the same once nobody waits for the loop any more.
	lastBytes = 8 << 20
	// leastGroup is what a group costs beside its entities.
	leastGroup = 4 << 10
	// queuedBytes is how much may wait for the disk: behind a slow one nothing is
	// encoded, and the cycle takes longer.
	queuedBytes = 64 << 20
	// spread is the part of an interval in which the groups are encoded: a cycle
	// ends before the next one is due.
	spread = 0.8
)

// saving is the loop's side of checkpoints. A cycle notes what was admitted,
// then takes the groups of keys one after the other, each as it is at a moment
// when the state is exactly what some batch has made of it: behind its last record
// and before the next one's first. Encoding happens beside the flight that
// commits the batch, and what takes long goes on between the steps that follow;
// only when the batch has landed does anything go to the disk, so a checkpoint
// never holds what was not committed. Nothing waits for the disk.
type saving struct {
	saver  *saver  // nil: no checkpoints
	copier *copier // nil: no copies
	began  time.Time
	cycle  *cycle
	ready  []piece // encoded, in order; their batches may not be committed yet
	number int     // of cycles begun
	last   uint64  // the batch that the last whole cycle began at, or that a checkpoint was of which has all there is
	near   bool    // retention comes near what the oldest checkpoint needs
	slice  int     // sliceBytes, but in tests
	room   int     // for the next group: growing a buffer of megabytes would hold the loop up
}

// cycle is one cycle under way.
type cycle struct {
	number int
	batch  uint64 // when it began
	begin  map[sources.PartitionID]reach
	next   int    // the group to take next
	group  *piece // the one that is being encoded; nil: none
	cuts   [][][]int64
	ended  bool
}

// moment takes what is due of the state, which is as after a batch, whose
// positions are cut. What it takes is not kept unless that batch is committed.
func (r *Runner) moment(batch uint64, cut func(sources.PartitionID) int64) {
	s := &r.saving
	if s.saver == nil || !s.saver.ready() {
		return
	}
	if s.cycle != nil && s.saver.failed(s.cycle.number) {
		r.giveUp()
	}
	if s.cycle == nil {
		if batch != s.last && time.Since(s.began) >= r.Checkpoints.Interval {
			r.beginCycle(batch, cut)
		}
		return
	}
	due := int(float64(checkpoint.Groups) * float64(time.Since(s.began)) / (spread * float64(r.Checkpoints.Interval)))
	r.takeGroups(min(due, checkpoint.Groups), s.slice, batch, cut)
}

// beginCycle notes what was admitted.
func (r *Runner) beginCycle(batch uint64, cut func(sources.PartitionID) int64) {
	s := &r.saving
	defer r.metrics.stage("moment", time.Now())
	s.number++
	s.began = time.Now()
	s.cycle = &cycle{number: s.number, batch: batch, begin: map[sources.PartitionID]reach{}, cuts: make([][][]int64, checkpoint.Groups)}
	for id, p := range r.own.parts {
		s.cycle.begin[id] = reach{next: cut(id), at: p.at}
	}
	head := checkpoint.Head{Namespace: r.spec.Namespace, Group: r.Group, Cluster: r.own.cluster, Owner: r.own.owner, Batch: batch}
	s.ready = append(s.ready, piece{cycle: s.number, batch: batch, head: &head, admission: r.engine.BeginSnapshot()})
}

// takeGroups encodes the groups up to due, about most bytes of them at once, and
// behind the last one ends the cycle. One that is larger is of this moment too;
// saveMore goes on with it.
func (r *Runner) takeGroups(due, most int, batch uint64, cut func(sources.PartitionID) int64) {
	c, s := r.saving.cycle, &r.saving
	most = r.encode(most)
	for began := time.Now(); c.group == nil && c.next < due && most > 0; began = time.Now() {
		r.engine.BeginGroup(c.next)
		c.cuts[c.next] = r.cutsNow(cut)
		c.group = &piece{cycle: c.number, batch: batch, group: c.next, bytes: slices.Grow(s.saver.buffer(), s.room)}
		c.next++
		most = r.encode(most)
		r.metrics.stage("moment", began)
	}
	if c.group == nil && c.next == checkpoint.Groups && !c.ended {
		c.ended = true
		s.ready = append(s.ready, piece{cycle: c.number, batch: batch, bytes: r.engine.EndSnapshot(s.saver.buffer()), manifest: r.manifest(batch, cut)})
	}
}

// encode goes on with the group that is being encoded, by about so many bytes. It
// says how many are left.
func (r *Runner) encode(most int) (left int) {
	c := r.saving.cycle
	if c.group == nil {
		return most
	}
	n, more := len(c.group.bytes), false
	if c.group.bytes, more = r.engine.AppendSome(c.group.bytes, most); more {
		return 0
	}
	r.saving.ready = append(r.saving.ready, *c.group)
	r.saving.room = max(r.saving.room, len(c.group.bytes)*9/8)
	n = len(c.group.bytes) - n
	c.group = nil
	return most - n - leastGroup
}

// encoding reports whether a group is being encoded.
func (s *saving) encoding() bool { return s.cycle != nil && s.cycle.group != nil }

// saveMore goes on with the group that is being encoded, between two steps.
func (r *Runner) saveMore() {
	if r.saving.encoding() {
		defer r.metrics.stage("moment", time.Now())
		r.encode(r.saving.slice)
		r.handOver()
	}
}

// cutsNow are the positions by source and partition.
func (r *Runner) cutsNow(cut func(sources.PartitionID) int64) [][]int64 {
	cuts := make([][]int64, len(r.spec.Sources))
	for _, id := range r.own.ids { // sorted
		cuts[id.Source] = append(cuts[id.Source], cut(id))
	}
	return cuts
}

func (r *Runner) manifest(batch uint64, cut func(sources.PartitionID) int64) *checkpoint.Manifest {
	c := r.saving.cycle
	m := &checkpoint.Manifest{Build: r.Checkpoints.Build, Written: r.Clock().UnixMilli(), Batch: batch,
		Incarnation: r.own.incarnation, Layout: features.SnapshotFormat, Cuts: c.cuts}
	if r.Checkpoints.Store.Key().ID() == "" {
		m.Seed = hex.EncodeToString(r.Seed[:])
	}
	for _, l := range r.Plan.LogIDs() {
		m.Logs = append(m.Logs, checkpoint.Log{Source: l.Source, Entity: l.Entity, Hash: l.Hash})
	}
	for _, s := range r.spec.Sources {
		m.Sources = append(m.Sources, checkpoint.Source{Name: s.Name, TopicID: r.own.topics[s.Index]})
	}
	for _, id := range r.own.ids {
		s := &m.Sources[id.Source]
		s.Partitions = append(s.Partitions, checkpoint.Partition{Begin: c.begin[id].next, End: cut(id), At: c.begin[id].at})
	}
	return m
}

// handOver gives the saver what is encoded and of batches that are committed.
func (r *Runner) handOver() {
	s := &r.saving
	for len(s.ready) > 0 && s.ready[0].batch <= r.own.safeBatch {
		p := s.ready[0]
		s.ready = slices.Delete(s.ready, 0, 1)
		s.saver.put(p)
		if p.manifest != nil {
			s.last = s.cycle.batch
			s.cycle = nil
		}
	}
}

// committedNow is the cut of a moment at which everything is committed.
func (r *Runner) committedNow(id sources.PartitionID) int64 { return r.own.parts[id].safe }

// atCommit reports whether the state is as after the last batch, this owner's or
// the one before's: what was rebuilt is as good to keep as what has just come.
func (r *Runner) atCommit() bool {
	return r.own != nil && !r.own.rebuilding && r.inHand() == 0
}

// quietMoment takes what is due while nothing is under way: then the state is
// as after the last batch.
func (r *Runner) quietMoment() {
	if r.saving.saver == nil || r.flight != nil || !r.atCommit() {
		return
	}
	r.moment(r.own.batch, r.committedNow)
	r.handOver()
}

// giveUp ends a cycle that will not become whole.
func (r *Runner) giveUp() {
	s := &r.saving
	if s.cycle == nil {
		return
	}
	if r.engine != nil && !s.cycle.ended {
		r.engine.EndSnapshot(nil)
	}
	s.saver.put(piece{cycle: s.cycle.number, abandoned: true})
	s.cycle, s.ready = nil, nil
}

// startSaving starts the goroutine that writes.
func (r *Runner) startSaving() {
	if r.Checkpoints.Store != nil {
		r.saving.saver = newSaver(r.Checkpoints.Store, r.Log, r.metrics.saves, r.Clock)
		if r.Checkpoints.Copies != nil {
			r.saving.copier = newCopier(r.Checkpoints.Copies, r.Checkpoints.Store, r.Log, r.metrics.saves)
			r.saving.saver.whole = r.saving.copier.offer
			r.saving.copier.start()
		}
		r.metrics.saves.keeps(r.Checkpoints.Store.Oldest())
		go r.saving.saver.run()
	}
}

// saveLast writes a last checkpoint, all of it behind the last batch, so that
// the next start has nothing to read again. It is given up when work is done or
// lastBudget has passed: those that are there are good enough.
func (r *Runner) saveLast(work context.Context, clean bool) {
	s := &r.saving
	if s.saver == nil {
		return
	}
	ctx, cancel := context.WithTimeout(work, lastBudget)
	defer cancel()
	deadline := ctx.Done()
	r.giveUp()
	if clean && r.atCommit() && s.last != r.own.batch {
		r.beginCycle(r.own.batch, r.committedNow)
		r.handOver()
		for s.cycle != nil && s.saver.wait(deadline) && !s.saver.failed(s.cycle.number) {
			r.takeGroups(checkpoint.Groups, lastBytes, r.own.batch, r.committedNow)
			r.handOver()
		}
		r.giveUp()
	}
	s.saver.close(deadline)
	if s.copier != nil {
		s.copier.close(deadline)
	}
}

// lastBudget is how long the last checkpoint may take, of the time that a drain
// has.
const lastBudget = 4 * time.Second
