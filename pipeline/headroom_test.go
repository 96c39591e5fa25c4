package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/sources"
)

// retaining is a consumer that says what its log holds.
type retaining struct {
	follower
	extents map[sources.PartitionID]sources.Extent
}

func (r retaining) Retained() map[sources.PartitionID]sources.Extent { return r.extents }

// Reliability 24: it is said while there is time, not when the records are gone.
func TestRetentionThatComesNearIsSaid(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(100, 3)
	w.mustRunFrom(f.kept(time.Hour))
	first := sources.PartitionID{Source: transactions}
	end := w.broker.partitions[first].committed
	for _, c := range []struct {
		log  sources.Extent
		room float64
	}{
		{sources.Extent{Start: 0, End: end}, 1},
		{sources.Extent{Start: 1, End: end}, 1},
		{sources.Extent{Start: end - 4, End: end + 12}, 0.25},
		{sources.Extent{Start: end + 4, End: end + 12}, 0},
	} {
		r := w.runner(retaining{w.broker.follower(), map[sources.PartitionID]sources.Extent{first: c.log}}, f.kept(time.Hour))
		r.startSaving()
		r.lookAhead()
		r.saveLast(t.Context(), false)
		said := strings.Contains(w.logs.String(), "retention comes near")
		if got := r.metrics.saves.spans("transactions", 0, c.log); got != c.room || said != (c.room < leastHeadroom) {
			t.Errorf("%+v: headroom %v, want %v; said: %v", c.log, got, c.room, said)
		}
		w.logs.buf.Reset()
	}
}
