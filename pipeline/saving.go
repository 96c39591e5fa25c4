package pipeline

import (
	"context"
	"encoding/hex"
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
	// AcceptGap goes on where records that the state lacks are gone from the log.
	AcceptGap bool
	// Copies is where whole checkpoints are copied to, and fetched from where the
	// store has none; nil: nowhere.
	Copies Copies
}

// DefaultCheckpointInterval bounds what a start reads again.
const DefaultCheckpointInterval = time.Minute

const (
	// momentBytes is how much is encoded at one moment: it holds the loop up by a
	// few milliseconds.
	momentBytes = 8 << 20
	// queuedBytes is how much may wait for the disk: behind a slow one nothing is
	// encoded, and the cycle takes longer.
	queuedBytes = 64 << 20
	// spread is the part of an interval in which the groups are encoded: a cycle
	// ends before the next one is due.
	spread = 0.8
)

// saving is the loop's side of checkpoints. A cycle notes what was admitted,
// then takes the groups of keys one after the other, each at a moment when the
// state is exactly what some batch has made of it: behind its last record and
// before the next one's first. Encoding happens beside the flight that commits
// the batch; only when that has landed does anything go to the disk, so a
// checkpoint never holds what was not committed. Nothing waits for the disk.
type saving struct {
	saver  *saver  // nil: no checkpoints
	copier *copier // nil: no copies
	began  time.Time
	cycle  *cycle
	number int    // of cycles begun
	last   uint64 // the batch that the last whole cycle began at
	near   bool   // retention comes near what the oldest checkpoint needs
}

// cycle is one cycle under way.
type cycle struct {
	number int
	batch  uint64 // when it began
	begin  map[sources.PartitionID]reach
	next   int // the group to take next
	cuts   [][][]int64
	ended  bool
}

// moment takes what is due of the state, which is as after a batch, whose
// positions are cut. What it gives must not be kept unless that batch is
// committed.
func (r *Runner) moment(batch uint64, cut func(sources.PartitionID) int64) (pieces []piece) {
	s := &r.saving
	defer func(began time.Time) {
		if len(pieces) > 0 {
			r.metrics.stage("moment", began)
		}
	}(time.Now())
	if s.saver == nil || !s.saver.ready() {
		return nil
	}
	if s.cycle != nil && s.saver.failed(s.cycle.number) {
		r.giveUp()
	}
	if s.cycle == nil {
		if batch == s.last || time.Since(s.began) < r.Checkpoints.Interval {
			return nil
		}
		return r.beginCycle(batch, cut)
	}
	due := int(float64(checkpoint.Groups) * float64(time.Since(s.began)) / (spread * float64(r.Checkpoints.Interval)))
	return r.takeGroups(min(due, checkpoint.Groups), momentBytes, batch, cut)
}

// beginCycle notes what was admitted.
func (r *Runner) beginCycle(batch uint64, cut func(sources.PartitionID) int64) []piece {
	s := &r.saving
	s.number++
	s.began = time.Now()
	s.cycle = &cycle{number: s.number, batch: batch, begin: map[sources.PartitionID]reach{}, cuts: make([][][]int64, checkpoint.Groups)}
	for id, p := range r.own.parts {
		s.cycle.begin[id] = reach{next: cut(id), at: p.at}
	}
	head := checkpoint.Head{Namespace: r.spec.Namespace, Group: r.Group, Cluster: r.own.cluster, Owner: r.own.owner}
	return []piece{{cycle: s.number, head: &head, bytes: r.engine.BeginSnapshot(s.saver.buffer())}}
}

// takeGroups encodes the groups up to due, at least one of them and not many
// more than most bytes, and with the last one ends the cycle.
func (r *Runner) takeGroups(due, most int, batch uint64, cut func(sources.PartitionID) int64) (pieces []piece) {
	c := r.saving.cycle
	for size := 0; c.next < due && (size == 0 || size < most); c.next++ {
		b := r.engine.AppendGroup(r.saving.saver.buffer(), c.next)
		size += len(b)
		c.cuts[c.next] = r.cutsNow(cut)
		pieces = append(pieces, piece{cycle: c.number, group: c.next, bytes: b})
	}
	if c.next == checkpoint.Groups && !c.ended {
		c.ended = true
		pieces = append(pieces, piece{cycle: c.number, bytes: r.engine.EndSnapshot(r.saving.saver.buffer()), manifest: r.manifest(batch, cut)})
	}
	return pieces
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

// landedMoment hands over what was taken at a batch that is committed now.
func (r *Runner) landedMoment(pieces []piece) {
	for _, p := range pieces {
		r.saving.saver.put(p)
		if p.manifest != nil {
			r.saving.last = r.saving.cycle.batch
			r.saving.cycle = nil
		}
	}
}

// committedNow is the cut of a moment at which everything is committed.
func (r *Runner) committedNow(id sources.PartitionID) int64 { return r.own.parts[id].safe }

// quietMoment takes what is due while nothing is under way: then the state is
// as after the last batch.
func (r *Runner) quietMoment() {
	if r.saving.saver == nil || r.flight != nil || r.inHand() > 0 || r.own == nil || r.own.rebuilding || !r.own.committed {
		return
	}
	r.landedMoment(r.moment(r.own.batch, r.committedNow))
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
	s.cycle = nil
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
	if clean && r.own != nil && !r.own.rebuilding && r.inHand() == 0 && r.own.committed && s.last != r.own.batch {
		for _, p := range r.beginCycle(r.own.batch, r.committedNow) {
			s.saver.put(p)
		}
		for s.cycle != nil && s.saver.wait(deadline) && !s.saver.failed(s.cycle.number) {
			r.landedMoment(r.takeGroups(checkpoint.Groups, momentBytes, r.own.batch, r.committedNow))
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
