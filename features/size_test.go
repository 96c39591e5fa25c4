package features_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

const sized = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 2h
    features:
      n:    {aggregation: count, windows: [1m, 1h]}
      sum:  {aggregation: sum, field: amt, windows: [1m, 1h]}
      dev:  {aggregation: stddev, field: amt, windows: [1m, 1h]}
      max:  {aggregation: max, field: amt, windows: [1h]}
%s`

// What Plan.Size says is within a tenth of what the heap holds, and but for what
// is free in pages within a tenth of what is in use (docs/sizing.md).
func TestSizeIsWhatTheHeapHolds(t *testing.T) {
	for _, shape := range []struct {
		name         string
		more         string
		keys, events int
		values       int
	}{
		{name: "one event a key", keys: 40_000, events: 1},
		{name: "a few", keys: 10_000, events: 5},
		{name: "with running state", keys: 5_000, events: 20},
		{name: "eight", keys: 5_000, events: 8},
		{name: "nine", keys: 5_000, events: 9},
		{name: "sixty-four", keys: 1_000, events: 64},
		{name: "busy keys", keys: 150, events: 700},
		{name: "very busy keys", keys: 30, events: 5000},
		{name: "values", more: "      k: {aggregation: count_distinct, field: mcc, windows: [1h]}\n", keys: 1000, events: 100, values: 30},
	} {
		r := newRun(t, strings.Replace(specOf(fmt.Sprintf(sized, shape.more)), "    id_field: id\n", "", 1))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		const horizon = 3600 + 60 // the longest window and its lateness
		total := shape.keys * shape.events
		for i := range total {
			at := int(float64(i) / float64(total) * 1000 * (horizon - 1))
			r.pay(fmt.Sprintf("%dms", at), fmt.Sprintf(`"card":"card-%06d","amt":%d,"mcc":"%d"`, i%shape.keys, uint32(i)*2654435761>>12%1000, i/shape.keys%30))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		held := float64(after.HeapAlloc) - float64(before.HeapAlloc)
		sizes := r.plan.Size(func(*spec.Source, *spec.Entity) features.Load {
			return features.Load{Rate: float64(total) / horizon, Keys: float64(shape.keys), KeyBytes: 11, Values: float64(shape.values)}
		})
		said := sizes[0].Total
		used := said - sizes[0].Pages*float64(shape.keys)
		stats := float64(r.engine.Stats().Logs[0].Bytes)
		t.Logf("%s: the heap holds %.0f B a key, said %.0f (%+.1f %%); in use %.0f, said %.0f (%+.1f %%)", shape.name, held/float64(shape.keys),
			said/float64(shape.keys), 100*(said/held-1), stats/float64(shape.keys), used/float64(shape.keys), 100*(used/stats-1))
		if math.Abs(said/held-1) > 0.1 || math.Abs(used/stats-1) > 0.1 {
			t.Errorf("%s: said %+v", shape.name, sizes[0])
		}
		runtime.KeepAlive(r)
	}
}
