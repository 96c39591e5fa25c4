package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/mask"
)

const (
	latencyRate    = 2_000 // events per second, on a schedule that never waits
	latencySeconds = 20
	probeEvery     = 20 // one event in so many carries a card of its own
	latencyWarm    = 3 * time.Second
)

// probe is an event whose card nobody else has: its row appears in Redis
// exactly when its value is readable.
type probe struct {
	key  string
	sent time.Time // by the schedule, not by when it got through
}

// benchLatency sends at a fixed open-loop rate and measures from the scheduled
// time of an event to its value being readable in Redis.
func benchLatency() error {
	fmt.Printf("\nOpen loop, %d events/s for %d s (the first %v not counted); scheduled send to value readable in Redis, commit interval 20 ms.\n\n",
		latencyRate, latencySeconds, latencyWarm)
	fmt.Printf("| delivery | probes | p50 | p90 | p99 | p99.9 | max | CPU s per M events: freshet, broker, Redis |\n|---|---|---|---|---|---|---|---|\n")
	for _, delivery := range deliveries {
		if err := latency(context.Background(), delivery); err != nil {
			return err
		}
	}
	return nil
}

// latency measures one instance, on topics of its own.
func latency(ctx context.Context, delivery string) error {
	r, err := build()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return err
	}
	cmd, err := r.start(delivery)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); r.metric("freshet_active") != 1; {
		if time.Now().After(deadline) {
			return r.abort(cmd, errors.New("freshet did not become active within 30 s"))
		}
		time.Sleep(50 * time.Millisecond)
	}
	probes := make(chan probe, latencyRate*latencySeconds)
	var seen []time.Duration
	var watching sync.WaitGroup
	watching.Go(func() { seen, err = r.watch(ctx, probes) })
	pids := map[string]int{"freshet": cmd.Process.Pid, "broker": serverPID("kafka"), "redis": serverPID("redis")}
	cpu := cpuOf(pids)
	r.sendProbes(probes)
	close(probes)
	watching.Wait()
	if err == nil && len(seen) == 0 {
		err = errors.New("no probe was ever seen in Redis")
	}
	if err != nil {
		return r.abort(cmd, err)
	}
	slices.Sort(seen)
	at := func(q float64) time.Duration { return seen[int(q*float64(len(seen)-1))].Round(100 * time.Microsecond) }
	after := cpuOf(pids)
	used := func(what string) float64 {
		return (after[what] - cpu[what]).Seconds() / latencyRate / latencySeconds * 1e6
	}
	fmt.Printf("| %s | %d | %v | %v | %v | %v | %v | %.0f, %.0f, %.0f |\n", delivery, len(seen), at(0.5), at(0.9), at(0.99), at(0.999), at(1),
		used("freshet"), used("broker"), used("redis"))
	return r.stop(cmd)
}

// sendProbes produces on the schedule.
func (r *rig) sendProbes(probes chan<- probe) {
	tokens := mask.NewTokens([]byte(benchSecret))
	payments, card := r.spec.Sources[0], entity(r.spec, "card")
	begin := time.Now()
	for n := range latencyRate * latencySeconds {
		due := begin.Add(time.Duration(n) * time.Second / latencyRate)
		time.Sleep(time.Until(due))
		id := fmt.Sprintf("card-%d", n%5000)
		if n%probeEvery == 0 {
			id = fmt.Sprintf("probe-%d", n)
			key := "freshet:" + r.namespace + ":{card:" + tokens.RedisKey(card, id) + "}:card_velocity@1"
			if due.Sub(begin) > latencyWarm {
				probes <- probe{key, due}
			}
		}
		value := fmt.Appendf(nil, `{"payment_id":"p%d","event_time":"%s","card_id":"%s","user_id":"user-%d","device_id":"device-%d","ip":"10.0.%d.%d","merchant_id":"m%d","mcc":"5411","channel":"ecom","amount":%d.25,"currency":"EUR","status":"approved","country":"DE"}`,
			n, due.UTC().Format("2006-01-02T15:04:05.000Z"), id, n%4000, n%6000, n%200, n%250, n%300, 1+n%90)
		r.kafka.Produce(context.Background(), &kgo.Record{Topic: payments.Topic, Key: []byte(id), Value: value}, nil)
	}
}

// watch polls Redis for the outstanding probes until all were seen.
func (r *rig) watch(ctx context.Context, probes <-chan probe) (seen []time.Duration, err error) {
	var open []probe
	done := false
	for patience := time.Now().Add(2 * latencySeconds * time.Second); !(done && len(open) == 0); {
		if time.Now().After(patience) {
			return nil, fmt.Errorf("%d probes never appeared in Redis", len(open))
		}
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
			time.Sleep(200 * time.Microsecond)
			continue
		}
		pipe := r.redis.Pipeline()
		for _, p := range open {
			pipe.Exists(ctx, p.key)
		}
		replies, err := pipe.Exec(ctx)
		if err != nil {
			return nil, err
		}
		now, left := time.Now(), open[:0]
		for i, reply := range replies {
			if reply.(interface{ Val() int64 }).Val() == 1 {
				seen = append(seen, now.Sub(open[i].sent))
			} else {
				left = append(left, open[i])
			}
		}
		open = left
	}
	return seen, nil
}

func entity(s *spec.Spec, name string) *spec.Entity {
	for _, e := range s.Entities {
		if e.Name == name {
			return e
		}
	}
	panic("bench: the quickstart has no entity " + name)
}
