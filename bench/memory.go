package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// memorySpec is the velocity view of examples/payments for one entity.
const memorySpec = `version: 1
namespace: memory
sources:
  transactions:
    type: kafka
    topic: memory.transactions
    format: json
    timestamp_field: event_time
    allowed_lateness: 24h
    fields:
      event_time: {type: timestamp}
      user_id:    {type: string}
      amount:     {type: decimal(2)}
      status:     {type: string}
      device_id:  {type: string}
entities:
  user: {key: user_id}
feature_views:
  user_velocity:
    version: 1
    source: transactions
    entity: user
    ttl: 31d
    features:
      txn_count:     {aggregation: count, windows: [1m, 10m, 1h, 24h, 7d]}
      amount_sum:    {aggregation: sum, field: amount, windows: [1h, 24h, 7d, 30d]}
      amount_max:    {aggregation: max, field: amount, windows: [24h], default: 0}
      decline_count: {aggregation: count, filter: 'status == "declined"', windows: [10m, 1h, 24h]}
      decline_ratio: {aggregation: ratio, numerator: 'status == "declined"', windows: [1h, 24h], min_count: 3, default: 0}
      txn_decayed:   {aggregation: decayed_count, half_lives: [5m, 1h, 1d]}
      amount_decayed: {aggregation: decayed_sum, field: amount, half_lives: [1h]}
`

// distinctSpec keeps the values of one field of one entity.
var distinctSpec = strings.Split(memorySpec, "      txn_count:")[0] +
	"      devices: {aggregation: count_distinct, field: device_id, windows: [1h, 24h, 30d]}\n"

// benchMemory measures what an entity takes: the live heap, all structure
// included, at growing numbers of events per key. FRESHET_BENCH_KEYS sets the
// number of keys.
func benchMemory() error {
	keys, err := benchKeys()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d keys of %d bytes, the velocity view of examples/payments.\n\n", keys, len(memoryKey(nil, 0)))
	fmt.Println("| events per key | live heap, bytes per key | per further event | resident, bytes per key |")
	fmt.Println("|---|---|---|---|")
	m, err := newMemory(memorySpec)
	if err != nil {
		return err
	}
	last, before := 0.0, 0
	for _, events := range []int{1, 2, 3, 4, 8, 9, 16, 32} {
		if keys*events > 40_000_000 {
			break
		}
		for n := m.rounds; n < events; n++ {
			m.round(keys)
		}
		heap, resident := m.used()
		perKey := float64(heap) / float64(keys)
		further := "-"
		if before > 0 {
			further = fmt.Sprintf("%.1f", (perKey-last)/float64(events-before))
		}
		fmt.Printf("| %d | %.0f | %s | %.0f |\n", events, perKey, further, float64(resident)/float64(keys))
		last, before = perKey, events
	}
	m.pauses(keys)
	return distinctValues()
}

// benchKeys is how many keys are asked for.
func benchKeys() (int, error) {
	text := os.Getenv("FRESHET_BENCH_KEYS")
	if text == "" {
		return 1_000_000, nil
	}
	return strconv.Atoi(text)
}

// distinctValues measures a live distinct value beside the event that brought it.
func distinctValues() error {
	fmt.Println("\n| values of one key | live heap, bytes per event with a value of its own | with the same value |")
	fmt.Println("|---|---|---|")
	for _, values := range []int{1_000, 20_000, 60_000} {
		var per [2]float64
		for same := range per {
			m, err := newMemory(distinctSpec)
			if err != nil {
				return err
			}
			const keys = 20
			m.same = same == 1
			for range values {
				m.round(keys)
			}
			heap, _ := m.used()
			per[same] = float64(heap) / float64(values*keys)
		}
		fmt.Printf("| %d | %.1f | %.1f |\n", values, per[0], per[1])
	}
	return nil
}

// memory is an engine that is being filled.
type memory struct {
	plan           *features.Plan
	engine         *features.Engine
	vector         *features.Vector
	rounds         int
	offset         int64
	same           bool // every event has the same device
	heap, resident uint64
}

func newMemory(text string) (*memory, error) {
	s, err := loadText(text)
	if err != nil {
		return nil, err
	}
	plan, err := features.Compile(s, features.Served)
	if err != nil {
		return nil, err
	}
	m := &memory{plan: plan, vector: plan.NewVector(0)}
	m.heap, m.resident = live()
	m.engine = features.NewEngine(plan, features.Options{})
	return m, nil
}

func memoryKey(dst []byte, key int) []byte {
	return strconv.AppendInt(append(dst, "user-"...), int64(10_000_000+key), 10)
}

// round puts one event into every key; a round takes an hour of event time.
func (m *memory) round(keys int) {
	var text, device []byte
	ev := event.Event{RecordTime: event.NoTime}
	begin := int64(1_767_225_600_000) + int64(m.rounds)*60_000
	for key := range keys {
		text, device = memoryKey(text[:0], key), append(device[:0], "device"...)
		if !m.same {
			device = strconv.AppendInt(device, int64(m.rounds), 10)
		}
		ev.Offset, ev.Time = m.offset, begin+int64(key)*60_000/int64(keys)
		m.offset++
		ev.Values = append(ev.Values[:0], event.OfTimestamp(ev.Time), event.OfString(string(text)),
			event.OfDecimal(int64(100+key%9000)), event.OfString("approved"), event.OfString(string(device)))
		if r := m.engine.Admit(&ev); r != nil {
			panic(r.Detail)
		}
		m.engine.Apply(&ev, nil)
		if key%flushEvery == 0 {
			m.engine.DropTouches()
		}
	}
	m.engine.DropTouches()
	m.rounds++
}

// used is the live heap and the resident memory since the engine was made.
func (m *memory) used() (heap, resident uint64) {
	heap, resident = live()
	return heap - m.heap, resident - m.resident
}

func live() (heap, resident uint64) {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	text, _ := os.ReadFile("/proc/self/statm")
	if f := strings.Fields(string(text)); len(f) > 1 {
		pages, _ := strconv.ParseUint(f[1], 10, 64)
		resident = pages * uint64(os.Getpagesize())
	}
	return s.HeapAlloc, resident
}

// pauses prints the garbage collector's pauses while events are applied.
func (m *memory) pauses(keys int) {
	const name = "/sched/pauses/total/gc:seconds"
	sample := []metrics.Sample{{Name: name}}
	read := func() metrics.Float64Histogram {
		metrics.Read(sample)
		h := *sample[0].Value.Float64Histogram()
		h.Counts = append([]uint64(nil), h.Counts...)
		return h
	}
	before := read()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.round(min(keys, 2_000_000))
	}()
	for collections := 0; ; collections++ {
		select {
		case <-done:
			after := read()
			total := uint64(0)
			for i := range after.Counts {
				after.Counts[i] -= before.Counts[i]
				total += after.Counts[i]
			}
			fmt.Printf("\nGC pauses with %d keys loaded, %d collections while events are applied: p50 %s, p99.9 %s (of %d)\n",
				keys, collections, quantileOf(after, total, 0.5), quantileOf(after, total, 0.999), total)
			return
		default:
			runtime.GC()
		}
	}
}

func quantileOf(h metrics.Float64Histogram, total uint64, q float64) string {
	rank, seen := uint64(math.Ceil(q*float64(total))), uint64(0)
	for i, n := range h.Counts {
		if seen += n; seen >= rank && n > 0 {
			return fmt.Sprintf("under %.3f ms", h.Buckets[i+1]*1e3)
		}
	}
	return "not known"
}
