package features_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// S10 (a): the first record of a partition may be a twin of one whose entity is
// long idle by the other partitions' time. It is not forgotten before, where the
// engine was told that there is such a partition.
func TestS10NothingIsForgottenBeforeEachPartitionWasSeen(t *testing.T) {
	r := newRun(t, specOf(`
  v: {version: 1, source: pay, entity: card, ttl: 2m, features: {n: {aggregation: count, windows: [5s]}}}
`))
	r.engine.Expect(0, 0)
	r.engine.Expect(0, 1)
	r.record("pay", 0, "0s", `"id":"twin","card":"a"`)
	for i := range 100 { // each new entity has others looked at
		r.record("pay", 0, fmt.Sprint(600+i, "s"), fmt.Sprintf(`"card":"c%d"`, i))
		r.engine.DropTouches()
	}
	if got := r.record("pay", 1, "0s", `"id":"twin","card":"a"`); got != "duplicate" {
		t.Errorf("the twin is %s", got)
	}
	for i := range 300 { // both partitions are far behind it now
		r.record("pay", i%2, fmt.Sprint(700+i, "s"), fmt.Sprintf(`"card":"d%d"`, i))
		r.engine.DropTouches()
	}
	if keys := r.engine.Stats().Logs[0].Keys; keys > 320 {
		t.Errorf("%d entities: nothing is forgotten once all partitions were seen", keys)
	}
}

// S1: behind a snapshot the partitions may come again one after the other, which
// they never did: what a life needs that only then is whole stays in the log.
func TestS22PartitionsMayComeAgainOneAfterTheOther(t *testing.T) {
	bothWays(t, specOf(`
  v: {version: 1, source: pay, entity: card, ttl: 3m, features: {n: {aggregation: count, last: [8]}}}
`), func(r *run) {
		var all []sent
		for i, at := range []struct{ partition, seconds int }{{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {1, 1}, // the snapshot's
			{1, 170}, {0, 340}, {0, 341}, {0, 342}} {
			place := [2]int{0, at.partition}
			all = append(all, sent{source: "pay", text: fmt.Sprintf(`{"at":%d,"id":"i%d","card":"a"}`, start.UnixMilli()+int64(at.seconds)*1000, i),
				event: event.Event{Partition: int32(at.partition), Offset: r.offsets[place], RecordTime: event.NoTime}})
			r.offsets[place]++
		}
		p := &photo{begin: 5, end: len(all) - 1}
		for i, x := range all {
			r.give(r.engine, x, r.vectors[0])
			p.take(r.engine, i, x, "a")
		}
		r.wantRead("v.n_last8", "a", "343s", "8")
		slices.SortStableFunc(all, func(a, b sent) int { return int(a.event.Partition) - int(b.event.Partition) })
		r.engine = p.restored(t, r, features.Options{Seed: [16]byte{7}}, all)
		r.wantRead("v.n_last8", "a", "343s", "8")
	})
}
