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

// shape is a load: so many keys, with so many events each, one in rare of which is
// ok, and so many values of mcc.
type shape struct {
	name         string
	more         string // features, beside those of sized
	keys, events int
	values, rare int
	lives        int // how many times as long as the log's the life of a key is; 0: there is none
}

// What Plan.Size says is within a tenth of what the heap holds, and but for what
// is free in pages within a tenth of what is in use (docs/sizing.md).
func TestSizeIsWhatTheHeapHolds(t *testing.T) {
	for _, x := range []shape{
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
		x.measure(t)
	}
}

// So it is of what stands beside the log: values, records by category, lists of
// rare rows, and what is kept of lives.
func TestSizeOfWhatStandsBesideTheLog(t *testing.T) {
	const (
		distinct = "      k: {aggregation: count_distinct, field: mcc, windows: [1h]}\n"
		by       = "      b: {aggregation: sum, field: amt, by: mcc, top: 3, windows: [1h]}\n"
		rare     = "      a: {aggregation: first, field: qty, filter: 'ok', windows: [1h]}\n      z: {aggregation: lag, field: qty, filter: 'ok', windows: [1h]}\n"
		life     = "      d: {aggregation: count_distinct, field: mcc}\n      s: {aggregation: sum, field: amt}\n      f: {aggregation: first, field: qty}\n"
		often    = "      m: {aggregation: mode, field: mcc}\n      e: {aggregation: entropy, field: mcc}\n"
		spread   = "      q: {aggregation: quantile, q: 0.9, field: amt}\n"
	)
	for _, x := range []shape{
		{name: "many values", more: distinct, keys: 200, events: 500, values: 400},
		{name: "by", more: by, keys: 500, events: 100, values: 30},
		{name: "by many", more: by, keys: 150, events: 500, values: 200},
		{name: "rare", more: rare, keys: 200, events: 400, rare: 20},
		{name: "life", more: life, keys: 500, events: 80, values: 60, lives: 2},
		{name: "often", more: often, keys: 450, events: 200, values: 100, lives: 2},
		{name: "spread", more: spread, keys: 60, events: 200, lives: 10},
		{name: "last", more: "      l: {aggregation: sum, field: amt, last: [20, 100]}\n", keys: 500, events: 60, lives: 4},
		{name: "by over lives", more: strings.Replace(by, ", windows: [1h]", "", 1), keys: 300, events: 100, values: 30, lives: 1},
	} {
		x.measure(t)
	}
}

func (x *shape) measure(t *testing.T) {
	t.Helper()
	r := newRun(t, strings.Replace(specOf(fmt.Sprintf(sized, x.more)), "    id_field: id\n", "", 1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	horizon := 3600 + 60 // the longest window, or life, and its lateness
	if x.lives > 0 {
		horizon += 3600
	}
	total := x.keys * x.events
	for i := range total * max(1, x.lives) {
		at := int(float64(i) / float64(total) * 1000 * float64(horizon-1))
		n, drawn := i/x.keys, float64(uint32(i)*2654435761>>8)/(1<<24)
		r.pay(fmt.Sprintf("%dms", at), fmt.Sprintf(`"card":"card-%06d","amt":%.2f,"qty":%d,"mcc":"%d","ok":%t`, i%x.keys,
			math.Pow(10, 5*drawn), n, n%max(1, x.values), x.rare > 0 && n%x.rare == 0))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := float64(after.HeapAlloc) - float64(before.HeapAlloc)
	sizes := r.plan.Size(func(*spec.Source, *spec.Entity) features.Load {
		return features.Load{Rate: float64(total) / float64(horizon), Keys: float64(x.keys), KeyBytes: 11, Values: float64(x.values)}
	})
	said := sizes[0].Total
	used := said - sizes[0].Pages*float64(x.keys)
	stats := float64(r.engine.Stats().Logs[0].Bytes)
	t.Logf("%s: the heap holds %.0f B a key, said %.0f (%+.1f %%); in use %.0f, said %.0f (%+.1f %%)", x.name, held/float64(x.keys),
		said/float64(x.keys), 100*(said/held-1), stats/float64(x.keys), used/float64(x.keys), 100*(used/stats-1))
	if math.Abs(said/held-1) > 0.1 || math.Abs(used/stats-1) > 0.1 {
		t.Errorf("%s: said %+v", x.name, sizes[0])
	}
	runtime.KeepAlive(r)
}
