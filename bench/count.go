package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/features/event"
)

const (
	countWarm   = 60_000
	countEvents = 8_000
)

// benchCount is for callgrind: instructions do not depend on what else the machine
// does. It counts the events of the engine's part, or with FRESHET_BENCH_KEYS so
// many cards; FRESHET_BENCH_COUNT says what is counted: engine, rows or floor, and
// FRESHET_BENCH_WINDOWS over which windows.
//
//	go build -o /tmp/bench ./bench
//	GODEBUG=asyncpreemptoff=1 GOGC=off valgrind --tool=callgrind --toggle-collect='*countedRun*' /tmp/bench count
func benchCount() error {
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
	_, decoded, err := decodedPayments(s.Sources[0], gen, countWarm+countEvents)
	if err != nil {
		return err
	}
	what := cmp.Or(os.Getenv("FRESHET_BENCH_COUNT"), "engine")
	d := newDriver(plan)
	d.rows = what == "rows"
	run := d.staged
	if what == "floor" {
		fields := map[string]int{}
		for _, f := range s.Sources[0].Fields {
			fields[f.Name] = f.Index
		}
		run = newFloorKernels(fields).run
	}
	runtime.LockOSThread() // callgrind collects by thread
	defer runtime.UnlockOSThread()
	run(decoded[:countWarm])
	countedRun(run, decoded[countWarm:])
	fmt.Printf("\n%s: %d events to be counted by callgrind after %d\n", what, countEvents, countWarm)
	return nil
}

// countedRun is what callgrind is told to look for.
//
//go:noinline
func countedRun(run func([]event.Event), events []event.Event) { run(events) }
