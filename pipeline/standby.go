package pipeline

import (
	"cmp"
	"context"
	"fmt"

	"github.com/freshet-dev/freshet/sources"
)

// A standby follows the owner: it loads what a start loads and then applies,
// silently, every record below the offsets that the owner has committed, and
// none beyond: those still owe their output. It is a rebuild whose end moves
// on. What was read ahead is kept, so a take-over has little to do: the rest
// below the last commit is applied, and what was kept is the first live work.

// follow takes what a standby is told.
func (r *Runner) follow(work context.Context, p sources.Poll) error {
	r.metrics.recovery.stands()
	if p.Standing != nil && r.own != nil && r.own.following && !r.heed(p.Standing) {
		r.drop("the committed offsets went back behind what it has applied")
	}
	switch {
	case r.own != nil && r.own.following:
		return r.rebuild(p.Records, p.Passed)
	case r.own != nil:
		return nil // an owner yet, as far as it knows
	case p.Standing != nil:
		return r.beginToFollow(work, p.Standing)
	}
	if _, able := r.Consumer.(sources.Beginner); !able {
		r.Config.Health.phase(standby, "standby: another instance owns the partitions; this one rebuilds its state when it takes over")
	}
	return nil
}

// beginToFollow loads what a start would load.
func (r *Runner) beginToFollow(work context.Context, standing []sources.Assigned) error {
	own, _ := newOwnership(standing, len(r.spec.Sources))
	own.rebuilding, own.following = true, true
	r.mark(own, standing)
	if err := r.restore(work, own, standing); err != nil {
		return err
	}
	r.expect(standing)
	if err := r.begin(own); err != nil {
		return err
	}
	r.own = own
	r.Log.Info("standby: another instance owns the partitions; this one follows it", "partitions", len(own.parts), "batch", own.batch,
		"records_to_rebuild_from", own.total)
	return r.rebuild(nil, nil)
}

// heed moves the committed offsets on. It reports false where they went back
// behind what is applied: then the state holds what still owes its output.
func (r *Runner) heed(standing []sources.Assigned) bool {
	own := r.own
	for _, a := range standing {
		p := own.parts[a.PartitionID]
		if p == nil || p.applied > max(a.Committed, p.start) {
			return false
		}
	}
	own.total = 0
	for _, a := range standing {
		p := own.parts[a.PartitionID]
		p.committed = max(a.Committed, p.start)
		own.total += p.committed - p.start
	}
	own.ripens = true
	r.mark(own, standing)
	return true
}

// standBy is after every step of a standby: it says how far it is.
func (r *Runner) standBy() {
	r.engine.DropTouches()
	own, left := r.own, r.own.missing(r.Consumer.Lag())
	r.metrics.standbyLag.Set(float64(left))
	r.metrics.restore.Set(ratio(own.total-left, own.total))
	r.Config.Health.follow(own.total-left, own.total)
}

// lagBehind gives up what a standby has, because it cannot go on from there.
func (r *Runner) lagBehind(why string) {
	r.Log.Warn("this standby begins anew", "why", why, "batch", r.own.batch, "records_applied", r.own.done)
	r.metrics.restarts.Inc()
	r.forget()
	r.metrics.standbyLag.Set(0)
	r.Config.Health.phase(waiting, "standby: begins anew")
}

// inherit gives a new owner what it has as a standby: the state stays. It
// reports false where that cannot be gone on with.
func (r *Runner) inherit(own, was *ownership) bool {
	if len(own.parts) != len(was.parts) {
		r.lagBehind("other partitions were assigned")
		return false
	}
	for _, id := range own.ids {
		p, w := own.parts[id], was.parts[id]
		if w == nil || w.applied > p.committed || w.until > p.committed || len(w.waiting) == 0 && w.next < p.start && p.start <= p.committed {
			r.lagBehind(fmt.Sprintf("source %s, partition %d: it has come to %d, the log begins at %d and is committed up to %d",
				r.spec.Sources[id.Source].Name, id.Partition, cmp.Or(w, &partition{}).next, p.start, p.committed))
			return false
		}
	}
	own.cover, own.ripens, own.replaying, own.waiting = was.cover, true, was.replaying, was.waiting
	for _, id := range own.ids {
		p, w := own.parts[id], was.parts[id]
		p.start, p.end, p.next, p.read, p.applied = w.start, w.end, w.next, w.read, w.applied
		p.waiting, p.kept, p.passed = w.waiting, w.kept, w.passed
		p.at, p.first, p.recordTime, p.until = w.at, w.first, w.recordTime, w.until
		p.hole = w.hole
	}
	r.metrics.standbyLag.Set(0)
	return true
}
