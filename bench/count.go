package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

const (
	countWarm   = 60_000
	countEvents = 8_000

	exampleWarm   = 20_000
	exampleEvents = 5_000
)

// benchCount is for callgrind: instructions do not depend on what else the machine
// does. It counts the events of the engine's part, or with FRESHET_BENCH_KEYS so
// many cards; FRESHET_BENCH_COUNT says what is counted: engine, rows, json (its
// bytes to vector and rows), decode or floor, and FRESHET_BENCH_WINDOWS over which
// windows. Of examples/payments it is all or served, each also with -rows, -json or
// -decode behind it.
//
//	go build -o /tmp/bench ./bench
//	GODEBUG=asyncpreemptoff=1 GOGC=off valgrind --tool=callgrind --toggle-collect='*countedRun*' /tmp/bench count
func benchCount() error {
	what := cmp.Or(os.Getenv("FRESHET_BENCH_COUNT"), "engine")
	if strings.HasPrefix(what, "all") || strings.HasPrefix(what, "served") {
		return countExample(what)
	}
	const usual = "1m, 10m, 1h, 6h, 24h, 7d"
	s, plan, gen, err := plainPayments(strings.ReplaceAll(plainSpec(), usual, cmp.Or(os.Getenv("FRESHET_BENCH_WINDOWS"), usual)))
	if err != nil {
		return err
	}
	if text := os.Getenv("FRESHET_BENCH_KEYS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("FRESHET_BENCH_KEYS: %w", err)
		}
		gen.card, gen.merchant = rand.NewZipf(gen.rng, 1.1, 20, n), rand.NewZipf(gen.rng, 1.1, 20, max(1, n/10))
	}
	payloads, decoded, err := decodedPayments(s.Sources[0], gen, countWarm+countEvents)
	if err != nil {
		return err
	}
	d := newDriver(plan)
	d.rows = what == "rows"
	run := d.staged
	switch what {
	case "json", "decode":
		run = d.fromJSON(plan.NewReader(0), payloads, what == "json")
	case "floor":
		fields := map[string]int{}
		for _, f := range s.Sources[0].Fields {
			fields[f.Name] = f.Index
		}
		run = newFloorKernels(fields).run
	}
	count(run, decoded, countWarm)
	fmt.Printf("\n%s: %d events to be counted by callgrind after %d\n", what, countEvents, countWarm)
	return nil
}

// countExample counts the events of examples/payments: all of its features, or
// those that are served. Keys and time are in proportion to those of the
// example's part.
func countExample(what string) error {
	specs, diags, err := spec.Load([]string{"examples/payments/payments.freshet.yaml"})
	if err != nil {
		return err
	}
	if diags.HasErrors() {
		return fmt.Errorf("examples/payments: %v", diags)
	}
	columns := features.All
	if strings.HasPrefix(what, "served") {
		columns = features.Served
	}
	plan, err := features.Compile(specs[0], columns)
	if err != nil {
		return err
	}
	const whole, part = engineWarm + shapeEvents, exampleWarm + exampleEvents
	gen := newPayments(2)
	gen.step = 120 * 86400e3 / shapeEvents / 4 * whole / part
	gen.card, gen.merchant = rand.NewZipf(gen.rng, 1.1, 20, 200_000*part/whole), rand.NewZipf(gen.rng, 1.1, 20, 20_000*part/whole)
	payloads, decoded := make([][]byte, part), make([]event.Event, part)
	for i := range decoded {
		payloads[i] = gen.nextExample(nil)
		decoded[i].Offset, decoded[i].RecordTime = int64(i), event.NoTime
		if r := plan.NewReader(0).Read(payloads[i], &decoded[i]); r != nil {
			return fmt.Errorf("event %d: %s %s", i, r.Reason, r.Detail)
		}
	}
	d := newDriver(plan)
	d.rows = strings.HasSuffix(what, "rows")
	run := d.staged
	if toRows := strings.HasSuffix(what, "json"); toRows || strings.HasSuffix(what, "decode") {
		run = d.fromJSON(plan.NewReader(0), payloads, toRows)
	}
	count(run, decoded, exampleWarm)
	fmt.Printf("\n%s: %d events to be counted by callgrind after %d\n", what, exampleEvents, exampleWarm)
	return nil
}

// fromJSON reads the payloads of events, as many as are staged at once, and puts
// what it reads through the engine where all of the way to touched rows is asked for.
func (d *driver) fromJSON(reader *features.Reader, payloads [][]byte, toRows bool) func([]event.Event) {
	d.rows = true
	read := make([]event.Event, features.StageSize)
	return func(events []event.Event) {
		for part := range slices.Chunk(events, len(read)) {
			for i := range part {
				at := part[i].Offset
				read[i].Offset, read[i].RecordTime = at, event.NoTime
				if r := reader.Read(payloads[at], &read[i]); r != nil {
					panic(r.Detail)
				}
			}
			if toRows {
				d.staged(read[:len(part)])
			}
		}
	}
}

// count runs events, of which all but the first are to be counted.
func count(run func([]event.Event), events []event.Event, first int) {
	runtime.LockOSThread() // callgrind collects by thread
	defer runtime.UnlockOSThread()
	run(events[:first])
	countedRun(run, events[first:])
}

// countedRun is what callgrind is told to look for.
//
//go:noinline
func countedRun(run func([]event.Event), events []event.Event) { run(events) }
