package features_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sort"
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
    ttl: %s
    event_budget: %d
    features:
%s`

// velocity is counts and sums; of several kinds.
const velocity = `      n:    {aggregation: count, windows: [1m, 1h]}
      sum:  {aggregation: sum, field: amt, windows: [1m, 1h]}
      dev:  {aggregation: stddev, field: amt, windows: [1m, 1h]}
      max:  {aggregation: max, field: amt, windows: [1h]}
`

// shape is a load: so many keys, with so many events each in the mean, one in rare
// of which is ok, and so many values of mcc.
type shape struct {
	name         string
	features     string
	ttl          int // hours; 0: two
	keys, events int
	values, rare int
	hours        int // that the log goes back; 0: one
	times        int // how many times as long the events go on; 0: once
	retracts     bool
	skew         float64 // the n-th of the keys has 1/n^skew of the first one's events; 0: all have as many
	budget       int     // of events; 0: the default
}

// What Plan.Size says is within a tenth of what the heap holds, and but for what
// is free in pages within a tenth of what is in use (docs/sizing.md).
func TestSizeIsWhatTheHeapHolds(t *testing.T) {
	const two = "      n: {aggregation: count, windows: [1m, 1h]}\n      s: {aggregation: sum, field: amt, windows: [1h]}\n"
	for _, x := range []shape{
		{name: "one event a key", keys: 40_000, events: 1},
		{name: "three", keys: 10_000, events: 3},
		{name: "three, two features", features: two, keys: 8000, events: 3},
		{name: "three, for hours", keys: 3_000, events: 3, times: 12},
		{name: "twelve, for hours", features: two, keys: 1_500, events: 12, times: 12},
		{name: "eight", keys: 5_000, events: 8},
		{name: "twelve, two features", features: two, keys: 4_000, events: 12},
		{name: "with running state", keys: 4_000, events: 20},
		{name: "sixty-four", keys: 1_000, events: 64},
		{name: "a hundred, two features", features: two, keys: 700, events: 100},
		{name: "busy keys", keys: 150, events: 700},
		{name: "very busy keys", keys: 30, events: 5000},
		{name: "values", features: velocity + "      k: {aggregation: count_distinct, field: mcc, windows: [1h]}\n", keys: 1000, events: 100, values: 30},
	} {
		x.measure(t)
	}
}

// So it is of what stands beside the log: values, records by category, lists of
// rare rows, and what is kept of lives.
func TestSizeOfWhatStandsBesideTheLog(t *testing.T) {
	const (
		distinct = velocity + "      k: {aggregation: count_distinct, field: mcc, windows: [1h]}\n"
		by       = velocity + "      b: {aggregation: sum, field: amt, by: mcc, top: 3, windows: [1h]}\n"
		rare     = velocity + "      a: {aggregation: first, field: qty, filter: 'ok', windows: [1h]}\n      z: {aggregation: lag, field: qty, filter: 'ok', windows: [1h]}\n"
		life     = velocity + "      d: {aggregation: count_distinct, field: mcc}\n      s: {aggregation: sum, field: amt}\n      f: {aggregation: first, field: qty}\n"
		often    = velocity + "      m: {aggregation: mode, field: mcc}\n      e: {aggregation: entropy, field: mcc}\n"
		spread   = velocity + "      q: {aggregation: quantile, q: 0.9, field: amt}\n"
		last     = velocity + "      l: {aggregation: sum, field: amt, last: [20, 100]}\n"
	)
	for _, x := range []shape{
		{name: "many values", features: distinct, keys: 200, events: 500, values: 400},
		{name: "by", features: by, keys: 500, events: 100, values: 30},
		{name: "by many", features: by, keys: 150, events: 500, values: 200},
		{name: "rare", features: rare, keys: 200, events: 400, rare: 20},
		{name: "life", features: life, keys: 1500, events: 80, values: 60, hours: 2, times: 2},
		{name: "often", features: often, keys: 450, events: 200, values: 100, hours: 2, times: 2},
		{name: "spread", features: spread, keys: 60, events: 200, hours: 2, times: 10},
		{name: "last", features: last, keys: 1500, events: 60, hours: 2, times: 4},
		{name: "by over lives", features: strings.Replace(by, ", windows: [1h]", "", 1), keys: 300, events: 100, values: 30, hours: 2},
	} {
		x.measure(t)
	}
}

// So it is of other windows and aggregations.
func TestSizeOfOtherWindows(t *testing.T) {
	for _, x := range []shape{
		{name: "distinct over lives", features: "      d: {aggregation: count_distinct, field: mcc}\n      n: {aggregation: count}\n", keys: 700, events: 100, values: 80, hours: 2},
		{name: "distinct and new", features: "      d: {aggregation: count_distinct, field: mcc, windows: [10m, 1h]}\n      k: {aggregation: is_new, field: mcc, windows: [1h]}\n", keys: 100, events: 1000, values: 1000},
		{name: "quantiles", features: "      q: {aggregation: quantile, field: amt, q: 0.5, windows: [10m, 1h]}\n      z: {aggregation: quantile, field: amt, q: 0.99, windows: [1h]}\n", keys: 100, events: 800},
		{name: "sessions", features: "      n: {aggregation: count, session: 30m}\n      s: {aggregation: sum, field: amt, session: 30m}\n      m: {aggregation: max, field: amt, session: 30m}\n", keys: 1000, events: 60, hours: 2},
		{name: "retracts", features: "      n: {aggregation: count, windows: [1h]}\n      s: {aggregation: sum, field: amt, windows: [1h]}\n", keys: 500, events: 100, retracts: true},
		{name: "by distinct", features: "      b: {aggregation: count_distinct, field: mcc, by: mcc, top: 3, windows: [1h]}\n", keys: 100, events: 300, values: 10},
		{name: "last 10", features: "      b: {aggregation: count, filter: ok, last: [10]}\n      l: {aggregation: list_last, field: qty, limit: 5, last: [5]}\n", keys: 1000, events: 60, hours: 2, rare: 3},
		{name: "half lives", features: "      b: {aggregation: decayed_sum, field: amt, half_lives: [1m, 10m]}\n      e: {aggregation: ewma, field: amt, half_lives: [10m]}\n", keys: 1000, events: 60, hours: 2},
		{name: "entropy and top_share", features: "      e: {aggregation: entropy, field: mcc, windows: [10m, 1h]}\n      p: {aggregation: top_share, field: mcc, windows: [1h]}\n", keys: 300, events: 200, values: 50},
		{name: "lists", features: "      e: {aggregation: list_distinct, field: qty, limit: 10, windows: [1h]}\n      s: {aggregation: slope, field: amt, per: 1h, windows: [1h]}\n      g: {aggregation: interarrival_cv, windows: [1h]}\n", keys: 500, events: 100},
		{name: "delay", features: "      n: {aggregation: count, windows: [1h], delay: 1h}\n      s: {aggregation: sum, field: amt, windows: [1m, 10m]}\n", ttl: 3, keys: 500, events: 100, hours: 2},
		{name: "approx", features: "      n: {aggregation: approx_count_distinct, field: mcc, windows: [1h]}\n", keys: 50, events: 1000, values: 1000},
	} {
		x.measure(t)
	}
}

// spec is the shape's.
func (x *shape) spec() string {
	features, ttl := x.features, 2
	if features == "" {
		features = velocity
	}
	if x.ttl > 0 {
		ttl = x.ttl
	}
	id := ""
	if x.retracts {
		id = "    id_field: id\n    dedup_window: 1s\n    retracts: user\n"
	}
	budget := 65_536
	if x.budget > 0 {
		budget = x.budget
	}
	return strings.Replace(specOf(fmt.Sprintf(sized, fmt.Sprintf("%dh", ttl), budget, features)), "    id_field: id\n", id, 1)
}

// draw draws keys at random.
func (x *shape) draw(random *rand.Rand) func() int {
	below := make([]float64, x.keys)
	sum := 0.0
	for i := range below {
		sum += math.Pow(float64(i+1), -x.skew)
		below[i] = sum
	}
	return func() int { return sort.SearchFloat64s(below, sum*random.Float64()) }
}

// measure lets events of keys at random come, until the log is full.
func (x *shape) measure(t *testing.T) {
	t.Helper()
	r := newRun(t, x.spec())
	random := rand.New(rand.NewPCG(1, 2))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	horizon := 3600*max(1, x.hours) + 60 + 60 // what the log goes back, its lateness, and a tile
	total := x.keys * x.events
	next := x.draw(random)
	for i := range total * max(1, x.times) {
		at := int(float64(i) / float64(total) * 1000 * float64(horizon-1))
		key, n := next(), i/x.keys
		id := ""
		if x.retracts {
			id = fmt.Sprintf(`"id":"e%d",`, i)
		}
		r.pay(fmt.Sprintf("%dms", at), fmt.Sprintf(`%s"card":"card-%06d","amt":%.2f,"qty":%d,"mcc":"%d","ok":%t`, id, key,
			math.Pow(10, 5*random.Float64()), n, random.IntN(max(1, x.values)), x.rare > 0 && n%x.rare == 0))
		if i%1000 == 0 { // only what was written is forgotten
			r.engine.Rows(func(*features.Row) {})
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held, keys := float64(after.HeapAlloc)-float64(before.HeapAlloc), float64(r.engine.Stats().Logs[0].Keys)
	sizes := r.plan.Size(func(*spec.Source, *spec.Entity) features.Load {
		return features.Load{Rate: float64(total) / float64(horizon), Keys: keys, KeyBytes: 11, Values: float64(x.values),
			Seconds: float64(horizon * max(1, x.times)), Skew: x.skew}
	})
	said := sizes[0].Total
	used := said - sizes[0].Pages*keys
	stats := float64(r.engine.Stats().Logs[0].Bytes)
	t.Logf("%s: the heap holds %.0f B a key, said %.0f (%+.1f %%); in use %.0f, said %.0f (%+.1f %%)", x.name, held/keys,
		said/keys, 100*(said/held-1), stats/keys, used/keys, 100*(used/stats-1))
	if math.Abs(said/held-1) > 0.1 || math.Abs(used/stats-1) > 0.1 {
		t.Errorf("%s: said %+v", x.name, sizes[0])
	}
	runtime.KeepAlive(r)
}

// So it is of keys of which few have most of the events.
func TestSizeOfUnevenKeys(t *testing.T) {
	const (
		distinct = velocity + "      k: {aggregation: count_distinct, field: mcc, windows: [1h]}\n"
		by       = velocity + "      b: {aggregation: sum, field: amt, by: mcc, top: 3, windows: [1h]}\n"
		life     = velocity + "      d: {aggregation: count_distinct, field: mcc}\n      s: {aggregation: sum, field: amt}\n"
		spread   = velocity + "      q: {aggregation: quantile, q: 0.9, field: amt, windows: [1h]}\n"
		last     = velocity + "      l: {aggregation: sum, field: amt, last: [20, 100]}\n"
	)
	for _, x := range []shape{
		{name: "eight events a key", skew: 1.1, keys: 10_000, events: 8},
		{name: "two", skew: 1.1, keys: 20_000, events: 2},
		{name: "sixty", skew: 1.1, keys: 2_000, events: 60},
		{name: "hot ones past the budget", skew: 1.1, keys: 18_000, events: 7, budget: 300},
		{name: "some are forgotten", skew: 1.1, ttl: 1, keys: 12_000, events: 6, times: 3},
		{name: "less uneven", skew: 0.8, keys: 10_000, events: 8},
		{name: "more uneven", skew: 1.5, keys: 10_000, events: 10},
		{name: "values", skew: 1.1, features: distinct, keys: 2_000, events: 40, values: 50},
		{name: "each its own value", skew: 1.1, features: distinct, keys: 1_500, events: 40, values: 10_000},
		{name: "by", skew: 1.1, features: by, keys: 1_500, events: 40, values: 30},
		{name: "life", skew: 1.1, features: life, keys: 1_500, events: 30, values: 60, hours: 2, times: 2},
		{name: "quantile", skew: 1.1, features: spread, keys: 1_000, events: 60},
		{name: "last", skew: 1.1, features: last, keys: 2_000, events: 30, hours: 2, times: 2},
	} {
		x.measure(t)
	}
}

// How uneven the keys of a size are is said of it; keys that cannot all be known at
// once are not counted.
func TestSizeSaysHowUnevenKeysAre(t *testing.T) {
	plan := compile(t, (&shape{}).spec())
	size := func(load features.Load) features.LogSize {
		return plan.Size(func(*spec.Source, *spec.Entity) features.Load { return load })[0]
	}
	for _, skew := range []float64{0.5, 1, 1.1, 2} {
		all, busiest := 0.0, 0.0
		for n := 1.; n <= 100_000; n++ {
			all += math.Pow(n, -skew)
			if n == 1000 {
				busiest = all
			}
		}
		x := size(features.Load{Rate: 1e6, Keys: 100_000, KeyBytes: 11, Seconds: 86_400, Skew: skew})
		if math.Abs(x.Busiest-busiest/all) > 0.02 || math.Abs(x.Keys-100_000) > 1 {
			t.Errorf("skew %v: of %.0f keys the busiest hundredth has %.3f of the events, want %.3f", skew, x.Keys, x.Busiest, busiest/all)
		}
	}
	even := size(features.Load{Rate: 100, Keys: 100_000, KeyBytes: 11, Seconds: 86_400})
	nearly := size(features.Load{Rate: 100, Keys: 100_000, KeyBytes: 11, Seconds: 86_400, Skew: 1e-6})
	if even.Busiest != 0 || math.Abs(nearly.Total/even.Total-1) > 0.03 {
		t.Errorf("without skew %.0f bytes, with hardly any %.0f", even.Total, nearly.Total)
	}
	few := size(features.Load{Rate: 1, Keys: 1e6, KeyBytes: 11, Seconds: 86_400, Skew: 2})
	if few.Keys < 50 || few.Keys > 500 { // 7,260 events in 2h1m: about the root of pi x 0.6 times as many
		t.Errorf("%.0f keys are known of a million", few.Keys)
	}
}
