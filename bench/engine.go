package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

const (
	engineEvents = 400_000
	engineWarm   = 200_000 // not counted: fills windows, grows slabs
	engineChunk  = 10_000
	flushEvery   = 1000 // events between two reads of the touched rows
)

// payment makes the JSON of one synthetic payment for plainSpec: Zipf keys, the
// amounts of a shop, one event every 250 ms of event time.
type payment struct {
	rng      *rand.Rand
	card     *rand.Zipf
	merchant *rand.Zipf
	step     int64 // ms of event time from one event to the next
	n        int
}

func newPayments(seed uint64) *payment {
	rng := rand.New(rand.NewPCG(seed, seed))
	return &payment{rng: rng, step: 250, card: rand.NewZipf(rng, 1.1, 20, 200_000), merchant: rand.NewZipf(rng, 1.1, 20, 20_000)}
}

func (p *payment) next(dst []byte) []byte {
	card := p.card.Uint64()
	at := time.UnixMilli(1767225600000 + int64(p.n)*p.step).UTC()
	p.n++
	dst = append(dst, `{"event_id":"e`...)
	dst = strconv.AppendInt(dst, int64(p.n), 10)
	dst = append(dst, `","ts":"`...)
	dst = at.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	for _, f := range []struct {
		name string
		key  uint64
	}{{"card_id", card}, {"user_id", card * 4 / 5}, {"device_id", card*7%240_000 + uint64(p.rng.IntN(3))}, {"ip", card*11%400_000 + uint64(p.rng.IntN(2))}, {"merchant_id", p.merchant.Uint64()}} {
		dst = append(dst, `","`...)
		dst = append(dst, f.name...)
		dst = append(dst, `":"`...)
		dst = append(dst, f.name[0])
		dst = strconv.AppendUint(dst, f.key, 10)
	}
	dst = append(dst, `","amount":`...)
	cents := 50 + p.rng.IntN(20_000)
	dst = strconv.AppendInt(dst, int64(cents/100), 10)
	dst = append(dst, '.', byte('0'+cents/10%10), byte('0'+cents%10))
	status := "approved"
	if p.rng.IntN(12) == 0 {
		status = "declined"
	}
	dst = append(dst, `,"status":"`...)
	dst = append(dst, status...)
	return append(dst, `","channel":"ecom","currency":"EUR","country":"DE","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"}`...)
}

// result is one row of the report.
type result struct {
	name      string
	events    int
	wall      time.Duration
	cpu       time.Duration
	allocated uint64 // bytes
	outside   bool   // another process: what it allocated is not known
	note      string
}

func (r result) print() {
	allocated := "not known"
	if !r.outside {
		allocated = fmt.Sprintf("%.1f", float64(r.allocated)/float64(r.events))
	}
	fmt.Printf("| %s | %s | %.2f | %s | %s |\n", r.name, thousands(float64(r.events)/r.wall.Seconds()),
		r.cpu.Seconds()/float64(r.events)*1e6, allocated, r.note)
}

func header() {
	fmt.Println("| what | events/s | CPU s per M events | bytes allocated per event | note |")
	fmt.Println("|---|---|---|---|---|")
}

func thousands(f float64) string { return fmt.Sprintf("%.0f k", f/1000) }

// measure runs work and fills in what it cost this process.
func measure(name string, events int, work func()) result {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := ownCPU(), time.Now()
	work()
	r := result{name: name, events: events, wall: time.Since(start), cpu: ownCPU() - cpu}
	runtime.ReadMemStats(&after)
	r.allocated = after.TotalAlloc - before.TotalAlloc
	return r
}

// loadText loads a spec from its text.
func loadText(text string) (*spec.Spec, error) {
	dir, err := os.MkdirTemp("", "freshet-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bench.freshet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	specs, diags, err := spec.Load([]string{path})
	if err != nil {
		return nil, err
	}
	if diags.HasErrors() || len(specs) != 1 {
		return nil, fmt.Errorf("the bench's own spec is not valid: %v", diags)
	}
	return specs[0], nil
}

// plainPayments is a spec like plainSpec, ready to run, and its payments over 120
// days.
func plainPayments(text string) (*spec.Spec, *features.Plan, *payment, error) {
	s, err := loadText(text)
	if err != nil {
		return nil, nil, nil, err
	}
	plan, err := features.Compile(s, features.Served)
	gen := newPayments(1)
	gen.step = 120 * 86400e3 / (engineWarm + engineEvents)
	return s, plan, gen, err
}

// benchEngine measures the engine alone: events decoded beforehand in, vector
// and touched rows out; beside it, over the same events, the floor kernel; and
// decoding alone and both together. They take turns, chunk by chunk, so that
// what disturbs one disturbs all.
func benchEngine() error {
	s, plan, gen, err := plainPayments(plainSpec())
	if err != nil {
		return err
	}
	payloads, decoded, err := decodedPayments(s.Sources[0], gen, engineWarm+engineEvents)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d events of %d bytes after %d to warm up, over 120 days of event time; 5 entities x 6 windows x count, sum, mean, stddev = 120 features; Zipf 1.1 over 200,000 cards. In turns of %d events, CPU of the thread.\n\n",
		engineEvents, len(payloads[0]), engineWarm, engineChunk)
	fields := map[string]int{}
	for _, f := range s.Sources[0].Fields {
		fields[f.Name] = f.Index
	}
	kernels := newFloorKernels(fields)
	decoder, reader := event.NewDecoder(s.Sources[0]), plan.NewReader(0)
	var ev event.Event
	one, staged, rows, whole, ahead := newDriver(plan), newDriver(plan), newDriver(plan), newDriver(plan), newDriver(plan)
	rows.rows, whole.rows = true, true
	readAhead := ahead.fromJSON(reader, payloads, true)
	contest(len(decoded), []contender{
		{"floor: kernel, staged, in order only, no dedup, no statuses", func(from, to int) { kernels.run(decoded[from:to]) }},
		{"decoded event to vector, staged", func(from, to int) { staged.staged(decoded[from:to]) }},
		{"the same, one event at a time", func(from, to int) { one.each(decoded[from:to]) }},
		{"decoded event to vector and touched rows, staged", func(from, to int) { rows.staged(decoded[from:to]) }},
		{"floor: raw decode", func(from, to int) {
			for _, p := range payloads[from:to] {
				decoder.Decode(p, &ev)
			}
		}},
		{"JSON bytes to vector and rows, one event at a time", func(from, to int) {
			for i := from; i < to; i++ {
				ev.Offset, ev.RecordTime = int64(i), event.NoTime
				if r := reader.Read(payloads[i], &ev); r != nil {
					panic(r.Detail)
				}
				whole.apply(&ev)
			}
		}},
		{"the same, staged", func(from, to int) { readAhead(decoded[from:to]) }},
	})
	if want, got := kernels.out[23], staged.vector.Values[23].Float(); math.Abs(want-got) > 1e-6*(1+math.Abs(want)) {
		return fmt.Errorf("the floor kernel and the engine disagree about the last value: %v and %v", want, got)
	}
	return nil
}

// decodedPayments are payloads, and what they decode to.
func decodedPayments(src *spec.Source, gen *payment, n int) ([][]byte, []event.Event, error) {
	payloads, decoded := make([][]byte, n), make([]event.Event, n)
	decoder := event.NewDecoder(src)
	for i := range payloads {
		payloads[i] = gen.next(nil)
		d := &decoded[i]
		d.Offset, d.RecordTime = int64(i), event.NoTime
		if r := decoder.Decode(payloads[i], d); r != nil {
			return nil, nil, fmt.Errorf("event %d refused: %s %s", i, r.Reason, r.Detail)
		}
	}
	return payloads, decoded, nil
}

// driver puts events through an engine, as the pipeline does.
type driver struct {
	engine *features.Engine
	vector *features.Vector
	batch  []*event.Event
	rows   bool // touched rows are read
	n      int
}

func newDriver(plan *features.Plan) *driver {
	return &driver{engine: features.NewEngine(plan, features.Options{}), vector: plan.NewVector(0)}
}

func (d *driver) apply(ev *event.Event) {
	d.one(ev)
	d.flush()
}

// one admits and applies one event.
func (d *driver) one(ev *event.Event) {
	if r := d.engine.Admit(ev); r != nil {
		panic(r.Reason.String())
	}
	d.engine.Apply(ev, d.vector)
}

// flush reads the touched rows when so many events were applied, or forgets them.
func (d *driver) flush() {
	switch d.n++; {
	case d.n%flushEvery != 0:
	case d.rows:
		d.engine.Rows(func(*features.Row) {})
	default:
		d.engine.DropTouches()
	}
}

func (d *driver) each(events []event.Event) {
	for i := range events {
		d.apply(&events[i])
	}
}

func (d *driver) staged(events []event.Event) {
	for i := range events {
		if i%features.StageSize == 0 {
			d.batch = d.batch[:0]
			for j := i; j < min(i+features.StageSize, len(events)); j++ {
				d.batch = append(d.batch, &events[j])
			}
			d.engine.Stage(d.batch)
		}
		d.apply(&events[i])
	}
}

// contender is one of several that do the same work, events [from, to) of it.
type contender struct {
	name string
	run  func(from, to int)
}

// contest lets contenders take turns over n events and prints what each one
// cost: the median of its turns, and of the ratios to the first one in the same
// turn. It returns the medians in µs.
func contest(n int, list []contender) []float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	costs := make([][]float64, len(list))
	for from := 0; from < n; from += engineChunk {
		to := min(from+engineChunk, n)
		for i, c := range list {
			before := threadCPU()
			c.run(from, to)
			if from >= engineWarm {
				costs[i] = append(costs[i], float64(threadCPU()-before)/1e3/float64(to-from))
			}
		}
	}
	fmt.Println("| what | CPU s per M events: median (least) | events/s/core at the median | beside the first |")
	fmt.Println("|---|---|---|---|")
	var medians []float64
	for i, c := range list {
		ratios := make([]float64, len(costs[i]))
		for j, x := range costs[i] {
			ratios[j] = x / costs[0][j]
		}
		m := median(costs[i])
		medians = append(medians, m)
		fmt.Printf("| %s | %.2f (%.2f) | %s | %.1fx |\n", c.name, m, slices.Min(costs[i]), thousands(1e6/m), median(ratios))
	}
	return medians
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
