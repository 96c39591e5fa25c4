package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

const (
	engineEvents = 400_000
	engineWarm   = 100_000 // not counted: fills windows, grows slabs
	flushEvery   = 1000    // events between two reads of the touched rows
)

// payment makes the JSON of one synthetic payment for plainSpec: Zipf keys, the
// amounts of a shop, one event every 250 ms of event time.
type payment struct {
	rng      *rand.Rand
	card     *rand.Zipf
	merchant *rand.Zipf
	n        int
}

func newPayments(seed uint64) *payment {
	rng := rand.New(rand.NewPCG(seed, seed))
	return &payment{rng: rng, card: rand.NewZipf(rng, 1.1, 20, 200_000), merchant: rand.NewZipf(rng, 1.1, 20, 20_000)}
}

func (p *payment) next(dst []byte) []byte {
	card := p.card.Uint64()
	at := time.UnixMilli(1767225600000 + int64(p.n)*250).UTC()
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

// benchEngine measures the engine alone: events decoded beforehand in, vector
// and touched rows out; and beside it, over the same bytes, decoding alone and
// both together.
func benchEngine() error {
	s, err := loadText(plainSpec())
	if err != nil {
		return err
	}
	plan, err := features.Compile(s, features.Served)
	if err != nil {
		return err
	}
	gen := newPayments(1)
	payloads := make([][]byte, engineWarm+engineEvents)
	bytes := 0
	for i := range payloads {
		payloads[i] = gen.next(nil)
		bytes += len(payloads[i])
	}
	fmt.Printf("\n%d events of %d bytes, 5 entities x 6 windows x count, sum, mean, stddev = 120 features; Zipf 1.1 over 200,000 cards.\n\n", engineEvents, bytes/len(payloads))
	header()
	decoder := event.NewDecoder(s.Sources[0])
	var ev event.Event
	measure("floor: raw decode", engineEvents, func() {
		for _, p := range payloads[engineWarm:] {
			decoder.Decode(p, &ev)
		}
	}).print()

	decoded := make([]event.Event, len(payloads))
	for i, p := range payloads {
		d := &decoded[i]
		d.Offset, d.RecordTime = int64(i), event.NoTime
		if r := event.NewDecoder(s.Sources[0]).Decode(p, d); r != nil {
			return fmt.Errorf("event %d refused: %s %s", i, r.Reason, r.Detail)
		}
	}
	engineOnly(plan, decoded).print()
	bytesToRows(plan, payloads).print()
	return nil
}

func engineOnly(plan *features.Plan, events []event.Event) result {
	engine, vector := features.NewEngine(plan, features.Options{}), plan.NewVector(0)
	apply := func(events []event.Event) {
		for i := range events {
			if r := engine.Admit(&events[i]); r != nil {
				panic(r.Reason.String())
			}
			engine.Apply(&events[i], vector)
			if i%flushEvery == flushEvery-1 {
				engine.Rows(func(*features.Row) {})
			}
		}
	}
	apply(events[:engineWarm])
	return measure("engine only: decoded event to vector and rows", len(events)-engineWarm, func() { apply(events[engineWarm:]) })
}

func bytesToRows(plan *features.Plan, payloads [][]byte) result {
	engine, reader, vector := features.NewEngine(plan, features.Options{}), plan.NewReader(0), plan.NewVector(0)
	var ev event.Event
	run := func(payloads [][]byte, first int) {
		for i, p := range payloads {
			ev.Offset, ev.RecordTime = int64(first+i), event.NoTime
			if r := reader.Read(p, &ev); r != nil {
				panic(r.Detail)
			}
			if r := engine.Admit(&ev); r != nil {
				panic(r.Reason.String())
			}
			engine.Apply(&ev, vector)
			if i%flushEvery == flushEvery-1 {
				engine.Rows(func(*features.Row) {})
			}
		}
	}
	run(payloads[:engineWarm], 0)
	return measure("JSON bytes to vector and rows", len(payloads)-engineWarm, func() { run(payloads[engineWarm:], engineWarm) })
}
