package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

const shapeEvents = 120_000

// nextExample makes the JSON of one payment of examples/payments.
func (p *payment) nextExample(dst []byte) []byte {
	card := p.card.Uint64()
	at := time.UnixMilli(1767225600000 + int64(p.n)*p.step).UTC()
	p.n++
	dst = append(dst, `{"txn_id":"t`...)
	dst = strconv.AppendInt(dst, int64(p.n), 10)
	dst = append(dst, `","event_time":"`...)
	dst = at.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	status := "approved"
	if p.rng.IntN(12) == 0 {
		status = "declined"
	}
	return fmt.Appendf(dst, `","card_id":"c%d","user_id":"u%d","device_id":"d%d","ip":"i%d","merchant_id":"m%d","mcc":"%d","channel":"ecom","amount":%d.%02d,"status":%q,"country":"DE","lat":52.%04d,"lon":13.%04d}`,
		card, card*4/5, card*7%240_000+uint64(p.rng.IntN(3)), card*11%400_000+uint64(p.rng.IntN(2)), p.merchant.Uint64(),
		5000+p.rng.IntN(40), p.rng.IntN(200), p.rng.IntN(100), status, p.rng.IntN(10_000), p.rng.IntN(10_000))
}

// benchExample measures examples/payments: all of its features, and what its
// services ask for.
func benchExample() error {
	specs, diags, err := spec.Load([]string{"examples/payments/payments.freshet.yaml"})
	if err != nil {
		return err
	}
	if diags.HasErrors() {
		return fmt.Errorf("examples/payments: %v", diags)
	}
	gen := newPayments(2)
	gen.step = 120 * 86400e3 / shapeEvents / 4
	payloads := make([][]byte, engineWarm+shapeEvents)
	for i := range payloads {
		payloads[i] = gen.nextExample(nil)
	}
	all, err := features.Compile(specs[0], features.All)
	if err != nil {
		return err
	}
	served, err := features.Compile(specs[0], features.Served)
	if err != nil {
		return err
	}
	reader := served.NewReader(0)
	decoded := make([]event.Event, len(payloads))
	for i, p := range payloads {
		decoded[i].Offset, decoded[i].RecordTime = int64(i), event.NoTime
		if r := served.NewReader(0).Read(p, &decoded[i]); r != nil {
			return fmt.Errorf("event %d: %s %s", i, r.Reason, r.Detail)
		}
	}
	fmt.Printf("\n%d events of %d bytes after %d to warm up, 30 days and more of event time. All: %d columns; served: %d.\n\n",
		shapeEvents, len(payloads[0]), engineWarm, len(all.Layout(0).Columns), len(served.Layout(0).Columns))
	var ev event.Event
	a, b, c := newDriver(all), newDriver(served), newDriver(served)
	c.rows = true
	readAhead := newDriver(served).fromJSON(reader, payloads, true)
	contest(len(decoded), []contender{
		{"floor: read and check the bytes", func(from, to int) {
			for _, p := range payloads[from:to] {
				reader.Read(p, &ev)
			}
		}},
		{"all features, decoded event to vector, staged", func(from, to int) { a.staged(decoded[from:to]) }},
		{"served features, decoded event to vector, staged", func(from, to int) { b.staged(decoded[from:to]) }},
		{"served features, JSON bytes to vector and touched rows", func(from, to int) {
			for i := from; i < to; i++ {
				ev.Offset, ev.RecordTime = int64(i), event.NoTime
				if r := reader.Read(payloads[i], &ev); r != nil {
					panic(r.Detail)
				}
				c.apply(&ev)
			}
		}},
		{"the same, staged", func(from, to int) { readAhead(decoded[from:to]) }},
	})
	return nil
}

// benchShape measures how the cost of an event grows: with the number of
// windows, and with their length; and what single events cost where a tenth of
// them meet in one key.
func benchShape() error {
	gen := newPayments(3)
	gen.step = 120 * 86400e3 / (engineWarm + shapeEvents)
	first, err := loadText(plainSpec())
	if err != nil {
		return err
	}
	_, decoded, err := decodedPayments(first.Sources[0], gen, engineWarm+shapeEvents)
	if err != nil {
		return err
	}
	var list []contender
	add := func(name string, windows ...string) error {
		s, err := loadText(strings.ReplaceAll(plainSpec(), "1m, 10m, 1h, 6h, 24h, 7d", strings.Join(windows, ", ")))
		if err != nil {
			return err
		}
		plan, err := features.Compile(s, features.Served)
		if err != nil {
			return err
		}
		d := newDriver(plan)
		list = append(list, contender{name, func(from, to int) { d.staged(decoded[from:to]) }})
		return nil
	}
	windows := []string{"10m", "1h", "6h", "1d", "2d", "3d", "4d", "5d", "6d", "7d", "8d", "9d", "10d", "12d", "16d", "30d"}
	for _, n := range []int{1, 2, 4, 8, 16} {
		if err := add(fmt.Sprintf("%d windows", n), windows[len(windows)-n:]...); err != nil {
			return err
		}
	}
	if err := add("6 windows of 1 to 6 minutes", "1m", "2m", "3m", "4m", "5m", "6m"); err != nil {
		return err
	}
	if err := add("6 windows of 5 to 30 days", "5d", "10d", "15d", "20d", "25d", "30d"); err != nil {
		return err
	}
	fmt.Println("\ncount, sum, mean and stddev of 5 entities; the slope per window and entity is the difference over 5 entities and 15 windows.")
	fmt.Println()
	medians := contest(len(decoded), list)
	fmt.Printf("\nper further window and entity: %.0f ns\n", (medians[4]-medians[0])*1e3/75)
	return singleEvents(first, decoded)
}

// singleEvents prints the thread CPU time of single events with a hot key, and of
// those within which the system did not give the core to another thread: what it
// costs to come back to cold caches is the machine's load, not the event's.
func singleEvents(s *spec.Spec, events []event.Event) error {
	plan, err := features.Compile(s, features.Served)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(5, 5))
	card := 0
	for _, f := range s.Sources[0].Fields {
		if f.Name == "card_id" {
			card = f.Index
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var none, costs, alone []time.Duration
	d := newDriver(plan)
	for i := range events {
		ev := events[i]
		if rng.IntN(10) == 0 {
			ev.Values = slices.Clone(ev.Values)
			ev.Values[card] = event.OfString("hot")
		}
		before := threadSwitches()
		t0 := threadCPU()
		t1 := threadCPU()
		d.one(&ev)
		t2 := threadCPU()
		d.flush()
		if i < engineWarm {
			continue
		}
		none, costs = append(none, t1-t0), append(costs, t2-t1)
		if threadSwitches() == before {
			alone = append(alone, t2-t1)
		}
	}
	slices.Sort(none)
	slices.Sort(costs)
	slices.Sort(alone)
	at := func(list []time.Duration, q float64) time.Duration { return list[int(q*float64(len(list)))] }
	fmt.Printf("\none event with a hot key at 10 %%, thread CPU: p50 %v, p99 %v, p99.9 %v, most %v (reading the clock: p50 %v, p99.9 %v)\n",
		at(costs, 0.5), at(costs, 0.99), at(costs, 0.999), costs[len(costs)-1], at(none, 0.5), at(none, 0.999))
	fmt.Printf("the %.2f %% of them that kept the core: p50 %v, p99 %v, p99.9 %v, most %v\n",
		100*float64(len(alone))/float64(len(costs)), at(alone, 0.5), at(alone, 0.99), at(alone, 0.999), alone[len(alone)-1])
	return nil
}
