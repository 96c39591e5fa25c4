package features_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// plainSpec is the yardstick of the benchmarks: 5 entities x 6 windows x count, sum,
// mean and stddev, 120 features.
const plainSpec = `
version: 1
namespace: bench
sources:
  payments:
    type: kafka
    topic: payments
    format: json
    timestamp_field: at
    allowed_lateness: 1m
    fields:
      at: {type: timestamp}
      card: {type: string}
      user: {type: string}
      device: {type: string}
      ip: {type: string}
      merchant: {type: string}
      amount: {type: decimal(2)}
entities:
  card: {key: card}
  user: {key: user}
  device: {key: device}
  ip: {key: ip}
  merchant: {key: merchant}
feature_views:
  "{entity}_velocity":
    version: 1
    source: payments
    entities: [card, user, device, ip, merchant]
    ttl: 31d
    features:
      n:   {aggregation: count, windows: [1m, 10m, 1h, 24h, 7d, 30d]}
      sum: {aggregation: sum, field: amount, windows: [1m, 10m, 1h, 24h, 7d, 30d]}
      avg: {aggregation: mean, field: amount, windows: [1m, 10m, 1h, 24h, 7d, 30d]}
      dev: {aggregation: stddev, field: amount, windows: [1m, 10m, 1h, 24h, 7d, 30d]}
`

// compile makes the plan of a spec written in a test.
func compile(t testing.TB, text string) *features.Plan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.freshet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, diagnostics, err := spec.Load([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	plan, err := features.Compile(specs[0], features.Served)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// payments makes events of plainSpec with Zipf keys, in order, step ms apart.
func payments(n int, step int64) []event.Event {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := []struct {
		name string
		keys uint64
	}{{"c", 200_000}, {"u", 160_000}, {"d", 240_000}, {"i", 400_000}, {"m", 20_000}}
	zipf := make([]*rand.Zipf, len(kinds))
	for i, k := range kinds {
		zipf[i] = rand.NewZipf(r, 1.1, 20, k.keys-1)
	}
	events := make([]event.Event, n)
	for i := range events {
		ev := &events[i]
		ev.Time = 1_767_000_000_000 + int64(i)*step
		ev.Offset, ev.RecordTime = int64(i), event.NoTime
		ev.Values = []event.Value{event.OfTimestamp(ev.Time)}
		for j, k := range kinds {
			ev.Values = append(ev.Values, event.OfString(fmt.Sprintf("%s%d", k.name, zipf[j].Uint64())))
		}
		ev.Values = append(ev.Values, event.OfDecimal(int64(100+r.IntN(100_000))))
	}
	return events
}

// BenchmarkApply is one event in, 120 features out, warm: keys are known, and
// every window both fills and empties.
func BenchmarkApply(b *testing.B) { benchmarkApply(b, 1) }

// BenchmarkStaged is the same with the events staged.
func BenchmarkStaged(b *testing.B) { benchmarkApply(b, features.StageSize) }

func benchmarkApply(b *testing.B, together int) {
	plan := compile(b, plainSpec)
	const step = 25_920 // 120 days
	events := payments(400_000, step)
	engine := features.NewEngine(plan, features.Options{})
	out := plan.NewVector(0)
	staged := make([]*event.Event, 0, together)
	at := 0
	apply := func() {
		staged = staged[:0]
		for range together {
			ev := &events[at%len(events)]
			if at >= len(events) { // the next lap lies behind the last
				ev.Time += int64(len(events)) * step
				ev.Offset += int64(len(events))
			}
			staged = append(staged, ev)
			at++
		}
		if together > 1 {
			engine.Stage(staged)
		}
		for _, ev := range staged {
			if rej := engine.Admit(ev); rej != nil {
				b.Fatal(rej)
			}
			engine.Apply(ev, out)
		}
		if at%1000 < together {
			engine.DropTouches()
		}
	}
	for at < len(events) {
		apply()
	}
	b.ReportAllocs()
	before, began := cpuTime(b), at
	for n := 0; b.Loop(); n++ {
		if n%together == 0 {
			apply()
		}
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(at-began), "cpu-ns/op")
	b.ReportMetric(float64(len(plan.Layout(0).Columns)), "features")
}

// cpuTime is the CPU time that the process has used: on a busy machine the wall
// clock says little.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestWarmApplyAllocatesNothing holds the hot path to zero allocations: known
// keys, every aggregation of plain velocity, rows read.
func TestWarmApplyAllocatesNothing(t *testing.T) {
	plan := compile(t, plainSpec)
	if got := len(plan.Layout(0).Columns); got != 120 {
		t.Fatalf("%d features, want 120", got)
	}
	warmAllocatesNothing(t, plan)
}

// Lists, counts of values, and what is found by walking back.
func TestWarmListsAndCountsAllocateNothing(t *testing.T) {
	head, _, _ := strings.Cut(plainSpec, "feature_views:")
	warmAllocatesNothing(t, compile(t, head+`feature_views:
  v:
    version: 1
    source: payments
    entity: card
    ttl: 31d
    features:
      list:   {aggregation: list_last, field: amount, limit: 5, windows: [1h, 7d]}
      kinds:  {aggregation: list_distinct, field: amount, limit: 5, windows: [7d]}
      lag:    {aggregation: lag, field: amount, windows: [7d]}
      streak: {aggregation: streak, filter: 'amount > 2', windows: [7d]}
      top:    {aggregation: argmax, field: amount, order_by: amount, windows: [1h]}
      mode:   {aggregation: mode, field: amount, windows: [1h, 7d]}
      half:   {aggregation: quantile, q: 0.5, field: amount, windows: [1h, 7d]}
      lean:   {aggregation: skewness, field: amount, windows: [7d]}
      ewma:   {aggregation: ewma, field: amount, half_lives: [1h]}
      old:    {aggregation: mode, field: amount, windows: [1h], delay: 1h}
`))
}

func warmAllocatesNothing(t *testing.T, plan *features.Plan) {
	t.Helper()
	warmEventsAllocateNothing(t, plan, payments(2_000, 60_000))
}

func warmEventsAllocateNothing(t *testing.T, plan *features.Plan, events []event.Event) {
	t.Helper()
	engine := features.NewEngine(plan, features.Options{})
	out := plan.NewVector(0)
	at := 0
	var ev event.Event
	apply := func() {
		ev = events[at%len(events)]
		lap := int64(at / len(events))
		ev.Time += lap * int64(len(events)) * 60_000
		ev.Offset += lap * int64(len(events))
		if rej := engine.Admit(&ev); rej != nil {
			t.Fatal(rej)
		}
		engine.Apply(&ev, out)
		if at%100 == 0 {
			engine.Rows(func(*features.Row) {})
		}
		at++
	}
	for at < 20*len(events) {
		apply()
	}
	if n := testing.AllocsPerRun(2_000, apply); n != 0 {
		t.Errorf("a warm Apply allocates %v times, want 0", n)
	}
}

// BenchmarkQuantile is an event into a window of n values of all magnitudes,
// read each time.
func BenchmarkQuantile(b *testing.B) {
	for _, n := range []int{600, 6_000, 60_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			benchmarkOne(b, n, "{aggregation: quantile, q: 0.5, field: amount, windows: [1h]}")
		})
	}
}

// benchmarkOne is the CPU time of an event of one card into an hour's window of
// one feature that holds n others.
func benchmarkOne(b *testing.B, n int, feature string) {
	head, _, _ := strings.Cut(plainSpec, "feature_views:")
	plan := compile(b, head+"feature_views:\n  v: {version: 1, source: payments, entity: card, ttl: 31d, event_budget: 1000000, features: {f: "+feature+"}}\n")
	events := payments(1, 1)
	engine, out := features.NewEngine(plan, features.Options{}), plan.NewVector(0)
	rng := rand.New(rand.NewPCG(1, 2))
	apply := func(i int) {
		ev := events[0]
		ev.Time += int64(i) * 3_600_000 / int64(n)
		ev.Offset += int64(i)
		for j, v := range ev.Values {
			if v.Kind() == event.Decimal {
				ev.Values[j] = event.OfDecimal(int64(math.Exp(rng.Float64() * 40)))
			}
		}
		if rej := engine.Admit(&ev); rej != nil {
			b.Fatal(rej)
		}
		engine.Apply(&ev, out)
	}
	for i := range n {
		apply(i)
	}
	b.ResetTimer()
	for i := range b.N {
		apply(n + i)
	}
}

// reversible is the head of a spec whose events may take others back, and an event of
// it: the ith, which takes another one back or, where undo is negative, none.
func reversible() string {
	head, _, _ := strings.Cut(plainSpec, "feature_views:")
	head = strings.Replace(head, "    fields:\n", "    id_field: id\n    retracts: undo\n    fields:\n", 1)
	return strings.Replace(head, "entities:", "      id: {type: string}\n      undo: {type: string, optional: true}\nentities:", 1)
}

func reversing(ev event.Event, i, undo int) event.Event {
	ev.ID = fmt.Sprint("i", i)
	taken := event.Value{}
	if undo >= 0 {
		taken = event.OfString(fmt.Sprint("i", undo))
	}
	ev.Values = append(slices.Clone(ev.Values), event.OfString(ev.ID), taken)
	return ev
}

// A source whose events may take others back allocates nothing either.
func TestS16WarmReversalsAllocateNothing(t *testing.T) {
	events := payments(2_000, 60_000)
	for i := range events {
		undo := -1
		if i%4 == 3 {
			undo = i - 3
			copy(events[i].Values[1:6], events[undo].Values[1:6])
		}
		events[i] = reversing(events[i], i, undo)
	}
	warmEventsAllocateNothing(t, compile(t, reversible()+`feature_views:
  v:
    version: 1
    source: payments
    entity: card
    ttl: 1d
    features:
      sum:  {aggregation: sum, field: amount, windows: [1h, 1d]}
      top:  {aggregation: max, field: amount, windows: [1h, 1d]}
      kind: {aggregation: count_distinct, field: merchant, windows: [1h, 1d]}
      all:  {aggregation: stddev, field: amount}
      past: {aggregation: max, field: amount, exclude_current: true, last: [5]}
`), events)
}

// BenchmarkReversals is an event of a merchant with n others in the hour, of which
// none is taken back, or one in fifty, by an event within the hour.
func BenchmarkReversals(b *testing.B) {
	for _, n := range []int{500, 5_000, 50_000} {
		for _, every := range []int{0, 50} {
			b.Run(fmt.Sprintf("%d/%d", n, every), func(b *testing.B) { benchmarkReversals(b, n, every) })
		}
	}
}

func benchmarkReversals(b *testing.B, n, every int) {
	plan := compile(b, reversible()+`feature_views:
  v:
    version: 1
    source: payments
    entity: card
    ttl: 31d
    event_budget: 1000000
    features:
      n:   {aggregation: count, windows: [1m, 1h]}
      sum: {aggregation: sum, field: amount, windows: [1m, 1h]}
      top: {aggregation: max, field: amount, windows: [1h]}
      of:  {aggregation: count_distinct, field: user, windows: [1h]}
      all: {aggregation: mean, field: amount, session: 1h}
`)
	events := payments(1, 1)
	engine, out := features.NewEngine(plan, features.Options{}), plan.NewVector(0)
	rng := rand.New(rand.NewPCG(1, 2))
	apply := func(i int) {
		undo := -1
		if every > 0 && i%every == 0 {
			undo = i - 1 - rng.IntN(min(n, i+1))
		}
		ev := reversing(events[0], i, undo)
		ev.Time += int64(i) * 3_600_000 / int64(n)
		ev.Offset += int64(i)
		for j, v := range ev.Values {
			if v.Kind() == event.Decimal {
				ev.Values[j] = event.OfDecimal(int64(rng.IntN(1_000_000)))
			}
		}
		if rej := engine.Admit(&ev); rej != nil {
			b.Fatal(rej)
		}
		engine.Apply(&ev, out)
	}
	for i := range 2 * n {
		apply(i)
	}
	b.ResetTimer()
	for i := range b.N {
		apply(2*n + i)
	}
}
