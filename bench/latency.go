package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/mask"
)

const (
	commonRate  = 2_000            // events per second that everything can do
	warmRate    = 2 * commonRate   // at which the broker is warmed up
	warmFor     = 90 * time.Second // it compiles what it does often, beside everything else, for as long as a minute
	measureFor  = 32 * time.Second // at one rate
	measureWarm = 2 * time.Second  // of these, counted by themselves
	rungFor     = 20 * time.Second // of the search for the sustainable rate
	rungEnd     = 5 * time.Second  // of these, which say whether it fell behind
	sustained   = 250 * time.Millisecond
	probeEvery  = 20                   // one event in so many carries a card of its own
	sendTick    = time.Millisecond     // events are handed over in so many portions
	sendLinger  = 5 * time.Millisecond // and leave together: what a producer of Kafka 4 waits where nobody says otherwise
	lookEvery   = time.Millisecond     // how often Redis is asked for the probes: what the figures are exact to
	watchFor    = 30 * time.Second     // a probe that has not come by then never does
)

// ladder are the rates that are tried, in events per second.
var ladder = []int{2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 10_000, 12_000, 15_000, 20_000}

// probe is an event whose card nobody else has: its row appears in Redis
// exactly when its value is readable.
type probe struct {
	key    string
	first  bool
	sent   time.Time    // by the schedule, not by when it got through
	stored atomic.Int64 // when the broker's acknowledgement was read, ns; 0: not yet
}

// seen is what became of a probe.
type seen struct {
	at                time.Time // by the schedule
	scheduled, stored time.Duration
	first             bool // of the first seconds of a run
}

// target is what is measured: an instance of Freshet or the floor, running.
type target interface {
	name() string
	pid() int
	counts() (steps, commits float64)
	stages() map[string]spread // nil: it knows of none
	stop() error
}

// benchLatency sends at fixed open-loop rates and measures from an event to its
// value being readable in Redis: exactly once and at least once, each beside its
// floor at the same rates. FRESHET_BENCH_RATE measures at that rate alone,
// FRESHET_BENCH_DELIVERY one of the two, and FRESHET_BENCH_TURNS all of it so often:
// what differs from turn to turn is the machine.
func benchLatency() error {
	fmt.Printf("\nOpen loop; an event is one record in, one record of %d bytes (the floor's; Freshet's are about that) and %d rows out. "+
		"From the scheduled send, and from the broker's acknowledgement, to the row being readable (looked for every %v). "+
		"Everything, the bench included, shares the cores. Commit interval 20 ms.\n\n", copyBytes, copyRows, lookEvery)
	rate, err := strconv.Atoi(cmp.Or(os.Getenv("FRESHET_BENCH_RATE"), "0"))
	if err != nil {
		return fmt.Errorf("FRESHET_BENCH_RATE: %w", err)
	}
	turns, err := strconv.Atoi(cmp.Or(os.Getenv("FRESHET_BENCH_TURNS"), "1"))
	if err != nil {
		return fmt.Errorf("FRESHET_BENCH_TURNS: %w", err)
	}
	fmt.Printf("| what | events/s | probes | scheduled to readable: p50, p99, p99.9 | stored to readable: p50, p90, p99, p99.9, max | CPU µs per event: process, broker, Redis, bench | steps, commits a second |\n|---|---|---|---|---|---|---|\n")
	if err := warmBroker(context.Background()); err != nil {
		return err
	}
	wanted := strings.Fields(cmp.Or(os.Getenv("FRESHET_BENCH_DELIVERY"), strings.Join(deliveries, " ")))
	for range turns {
		for _, delivery := range wanted {
			rates, err := latency(context.Background(), startFreshet(delivery), rate)
			if err != nil {
				return err
			}
			if _, err := latency(context.Background(), startCopy(delivery), rates...); err != nil {
				return err
			}
		}
	}
	return nil
}

// warmBroker sends through both floors before anything is measured: a broker
// that was just started runs by an interpreter, and compiles on the same cores.
func warmBroker(ctx context.Context) error {
	for _, delivery := range deliveries {
		if err := on(ctx, startCopy(delivery), func(l *loop) error {
			_, err := l.run(ctx, warmRate, warmFor/2, 0)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// startFreshet starts the built binary, and waits until it is active.
func startFreshet(delivery string) func(*rig) (target, error) {
	return func(r *rig) (target, error) {
		cmd, err := r.start(delivery)
		if err != nil {
			return nil, err
		}
		for deadline := time.Now().Add(30 * time.Second); r.metric("freshet_active") != 1; {
			if time.Now().After(deadline) {
				return nil, r.abort(cmd, errors.New("freshet did not become active within 30 s"))
			}
			time.Sleep(50 * time.Millisecond)
		}
		return &instance{r, cmd, delivery}, nil
	}
}

// latency measures one target, on topics of its own, at the rates. Where they
// are none or 0: at the common rate, then up the ladder, then at half of what it
// sustained. It gives the rates that it has measured.
func latency(ctx context.Context, start func(*rig) (target, error), rates ...int) (measured []int, err error) {
	err = on(ctx, start, func(l *loop) (err error) {
		measured, err = l.all(ctx, rates)
		return err
	})
	return measured, err
}

// on runs a target on topics of its own while do drives it.
func on(ctx context.Context, start func(*rig) (target, error), do func(*loop) error) error {
	r, err := build()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return err
	}
	t, err := start(r)
	if err != nil {
		return err
	}
	return errors.Join(do(&loop{rig: r, target: t}), t.stop())
}

func (l *loop) all(ctx context.Context, rates []int) ([]int, error) {
	if len(rates) == 0 || rates[0] == 0 {
		if err := l.measure(ctx, commonRate); err != nil {
			return nil, err
		}
		best, err := l.climb(ctx)
		if err != nil || best == 0 {
			return []int{commonRate}, err
		}
		return []int{commonRate, best / 2}, l.measure(ctx, best/2)
	}
	for _, rate := range rates {
		if err := l.measure(ctx, rate); err != nil {
			return nil, err
		}
	}
	return rates, nil
}

// climb looks for the highest rate that is sustained: at the end of a rung, what
// is sent has not begun to wait behind what was sent before. 0: none.
func (l *loop) climb(ctx context.Context) (best int, err error) {
	for _, rate := range ladder {
		got, err := l.run(ctx, rate, rungFor, rungFor-rungEnd)
		if err != nil {
			return 0, err
		}
		if quantile(later(got), 0.9, bySchedule) > sustained {
			break
		}
		best = rate
	}
	if best == 0 {
		fmt.Printf("| %s | does not sustain %d: of the probes of two seconds 90 %% are not readable within %v | | | | | |\n", l.target.name(), ladder[0], sustained)
		return 0, nil
	}
	fmt.Printf("| %s | sustains %d: after %v 90 %% of the probes are readable within %v | | | | | |\n", l.target.name(), best, rungFor-rungEnd, sustained)
	return best, nil
}

// loop drives one target.
type loop struct {
	*rig
	target target
	sent   int // events so far: their numbers go on
	unsent atomic.Pointer[error]
}

// measure runs at a rate and prints what it found.
func (l *loop) measure(ctx context.Context, rate int) error {
	pids := l.servers(ctx)
	pids["process"], pids["bench"] = l.target.pid(), os.Getpid()
	if pids["process"] == pids["bench"] {
		delete(pids, "bench") // the floor runs in here
	}
	cpu, began := cpuOf(pids), time.Now()
	steps, commits := l.target.counts()
	stages := l.target.stages()
	got, err := l.run(ctx, rate, measureFor, measureWarm)
	if err != nil {
		return err
	}
	after, took := cpuOf(pids), time.Since(began).Seconds()
	stepsNow, commitsNow := l.target.counts()
	used := func(what string) float64 {
		return (after[what] - cpu[what]).Seconds() / float64(rate) / measureFor.Seconds() * 1e6
	}
	fmt.Printf("| %s | %d | %s | %.0f, %.0f, %.0f, %.0f | %.0f, %.0f |\n", l.target.name(), rate, quantiles(later(got)),
		used("process"), used("broker"), used("redis"), used("bench"), (stepsNow-steps)/took, (commitsNow-commits)/took)
	fmt.Printf("| its first %v | %d | %s | | |\n", measureWarm, rate, quantiles(first(got)))
	printStretches(later(got), began)
	if after := l.target.stages(); after != nil {
		printStages(stages, after, time.Since(began))
	}
	return nil
}

// quantiles is how the probes of a run are shown.
func quantiles(got []seen) string {
	q := func(q float64, of func(seen) time.Duration) time.Duration {
		return quantile(got, q, of).Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%d | %v, %v, %v | %v, %v, %v, %v, %v", len(got), q(0.5, bySchedule), q(0.99, bySchedule), q(0.999, bySchedule),
		q(0.5, byStore), q(0.9, byStore), q(0.99, byStore), q(0.999, byStore), q(1, byStore))
}

func first(got []seen) (out []seen) {
	return slices.DeleteFunc(slices.Clone(got), func(s seen) bool { return !s.first })
}
func later(got []seen) (out []seen) {
	return slices.DeleteFunc(slices.Clone(got), func(s seen) bool { return s.first })
}

func bySchedule(s seen) time.Duration { return s.scheduled }
func byStore(s seen) time.Duration    { return s.stored }

func quantile(all []seen, q float64, of func(seen) time.Duration) time.Duration {
	values := make([]time.Duration, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.Sort(values)
	if len(values) == 0 {
		return 0
	}
	return values[int(q*float64(len(values)-1))]
}

// run sends at a rate for a while, and gives what became of the probes.
func (l *loop) run(ctx context.Context, rate int, d, warm time.Duration) (got []seen, err error) {
	probes := make(chan *probe, int(float64(rate)*d.Seconds())/probeEvery+1)
	var watching sync.WaitGroup
	watching.Go(func() { got, err = l.watch(ctx, probes) })
	l.send(rate, d, warm, probes)
	close(probes)
	watching.Wait()
	if err == nil && len(got) == 0 {
		err = errors.New("no probe was ever seen in Redis")
	}
	return got, err
}

// send produces on the schedule, whatever becomes of what it has sent.
func (l *loop) send(rate int, d, warm time.Duration, probes chan<- *probe) {
	tokens := mask.NewTokens([]byte(benchSecret))
	payments, card := l.spec.Sources[0], entity(l.spec, "card")
	begin := time.Now()
	for n, events := 0, int(float64(rate)*d.Seconds()); n < events; n, l.sent = n+1, l.sent+1 {
		due := begin.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(max(wait, sendTick))
		}
		id, p := fmt.Sprintf("card-%d", l.sent%5000), (*probe)(nil)
		if n%probeEvery == 0 {
			id = fmt.Sprintf("probe-%d", l.sent)
			p = &probe{key: "freshet:" + l.namespace + ":{card:" + tokens.RedisKey(card, id) + "}:card_velocity@1", sent: due, first: due.Sub(begin) <= warm}
		}
		value := fmt.Appendf(nil, `{"payment_id":"p%d","event_time":"%s","card_id":"%s","user_id":"user-%d","device_id":"device-%d","ip":"10.0.%d.%d","merchant_id":"m%d","mcc":"5411","channel":"ecom","amount":%d.25,"currency":"EUR","status":"approved","country":"DE"}`,
			l.sent, due.UTC().Format("2006-01-02T15:04:05.000Z"), id, l.sent%4000, l.sent%6000, l.sent%200, l.sent%250, l.sent%300, 1+l.sent%90)
		l.kafka.Produce(context.Background(), &kgo.Record{Topic: payments.Topic, Key: []byte(id), Value: value}, func(r *kgo.Record, err error) {
			if err != nil {
				l.unsent.CompareAndSwap(nil, &err)
			}
			if p != nil {
				p.stored.Store(time.Now().UnixNano())
			}
		})
		if p != nil {
			probes <- p
		}
	}
}

// watch polls Redis for the outstanding probes until all were seen.
func (l *loop) watch(ctx context.Context, probes <-chan *probe) (all []seen, err error) {
	var open []*probe
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := time.Now() // when something was seen, or there was nothing to see
	for done := false; !done || len(open) > 0; <-tick.C {
		for more := true; more && !done; {
			select {
			case p, ok := <-probes:
				if done = !ok; ok {
					open = append(open, p)
				}
			default:
				more = false
			}
		}
		if len(open) == 0 {
			last = time.Now()
			continue
		}
		pipe := l.redis.Pipeline()
		for _, p := range open {
			pipe.Exists(ctx, p.key)
		}
		replies, err := pipe.Exec(ctx)
		if err != nil {
			return nil, err
		}
		now, left := time.Now(), open[:0]
		for i, reply := range replies {
			p := open[i]
			if reply.(interface{ Val() int64 }).Val() != 1 {
				left = append(left, p)
				continue
			}
			s := seen{at: p.sent, scheduled: now.Sub(p.sent), first: p.first}
			if stored := p.stored.Load(); stored > 0 { // else it was readable before the producer knew
				s.stored = max(0, now.Sub(time.Unix(0, stored)))
			}
			all, last = append(all, s), now
		}
		if open = left; time.Since(last) > watchFor {
			why := error(nil)
			if failed := l.unsent.Load(); failed != nil {
				why = *failed
			}
			return nil, errors.Join(fmt.Errorf("%d probes never appeared in Redis", len(open)), why)
		}
	}
	return all, nil
}

func entity(s *spec.Spec, name string) *spec.Entity {
	for _, e := range s.Entities {
		if e.Name == name {
			return e
		}
	}
	panic("bench: the quickstart has no entity " + name)
}
