package pipeline

import (
	"math"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sources"
)

// While partitions catch up, the one whose events are oldest goes first, and
// none goes further ahead of it than MaxSkew (design.md 6): reads across sources
// then see about what they would have seen live. A partition catches up while
// records of it are known to lie ahead and the newest of those applied is not
// from just now: an idle one holds nothing back, nor does one whose events are
// always late.

// apart reports whether partitions have to wait for one another: where more
// than one catches up, or one does and another may be ahead of it.
func (r *Runner) apart() bool {
	if r.Merged || len(r.own.ids) == 1 {
		return false
	}
	_, behind := r.slowest(r.Consumer.Lag())
	return behind > 0
}

// slowest is the event time up to which the partition has come that is furthest
// behind of those that catch up, and how many do.
func (r *Runner) slowest(lag map[sources.PartitionID]int64) (at int64, behind int) {
	at = math.MaxInt64
	wall := r.Clock().UnixMilli()
	for _, id := range r.own.ids {
		p := r.own.parts[id]
		if len(p.waiting) == 0 && lag[id] == 0 || p.fresh(wall) {
			continue
		}
		behind++
		at = min(at, p.at)
	}
	return at, behind
}

// fresh reports whether the newest record that was read is from just now, by the
// log's own clock.
func (p *partition) fresh(wall int64) bool {
	return p.recordTime != event.NoTime && wall-p.recordTime < freshRecord.Milliseconds()
}

// lag is what lies ahead of what was read: what the consumer knows, and what
// waits here.
func (r *Runner) lag() map[sources.PartitionID]int64 {
	lag := r.Consumer.Lag()
	if r.own == nil || r.own.waiting == 0 {
		return lag
	}
	for id, p := range r.own.parts {
		if n := len(p.waiting); n > 0 {
			lag[id] += int64(n)
		}
	}
	return lag
}
