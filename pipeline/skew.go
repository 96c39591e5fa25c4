package pipeline

import (
	"math"

	"github.com/freshet-dev/freshet/sources"
)

// align holds back the partitions that are ahead of the others in event time
// while they catch up, so that reads across sources see about what they would
// have seen live (design.md 6). Only partitions with records ahead of them
// count: an idle one holds nothing back. The one that lags most is never
// paused, so something always moves. How far they may be apart is MaxSkew and
// what one poll brings of a partition.
func (r *Runner) align() {
	pauser, ok := r.Consumer.(sources.Pauser)
	if !ok || r.own == nil || r.own.rebuilding {
		return
	}
	lag := r.Consumer.Lag()
	low, lagging := int64(math.MaxInt64), 0
	for _, id := range r.own.ids {
		if lag[id] > 0 {
			lagging++
			low = min(low, r.own.parts[id].at)
		}
	}
	ahead := func(id sources.PartitionID) bool {
		return lagging > 1 && lag[id] > 0 && r.own.parts[id].at > low+r.Limits.MaxSkew.Milliseconds()
	}
	for _, id := range r.own.ids {
		if r.own.parts[id].paused && !ahead(id) {
			pauser.Resume() // all of them; those still ahead are paused again below
			for _, p := range r.own.parts {
				p.paused = false
			}
			break
		}
	}
	for _, id := range r.own.ids {
		if p := r.own.parts[id]; !p.paused && ahead(id) {
			p.paused = true
			pauser.Pause(id)
		}
	}
}
