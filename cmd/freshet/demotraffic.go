package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks"
	sinkkafka "github.com/freshet-dev/freshet/sinks/kafka"
	"github.com/freshet-dev/freshet/sources/generate"
)

const (
	demoCards   = 20_000
	demoUsers   = 12_000
	demoPace    = 20 * time.Millisecond // between two appends
	demoOdd     = 0.01                  // share that is doubled, and that comes out of order
	demoFraud   = 0.001
	burstPause  = 200 * time.Millisecond
	burstCards  = 14 // tests before a card is found that works, and is used
	burstLength = 40
)

// demoTraffic sends generated events in real time, and once a burst.
type demoTraffic struct {
	log       *sinkkafka.Log
	topics    map[string]string // source -> topic
	generator *generate.Generator
	burst     []map[string]any // payments of the burst, in order
	sent      atomic.Int64
	burstAt   atomic.Int64 // when the first payment of the burst was sent, ms; 0: not yet
	started   time.Time
	seed      uint64
}

func newDemoTraffic(ctx context.Context, p *plant, flags demoFlags) (*demoTraffic, error) {
	log, err := sinkkafka.NewLog(ctx, sinkkafka.Config{Client: p.kafka})
	if err != nil {
		return nil, err
	}
	t := &demoTraffic{log: log, topics: topicsOf(p.spec), seed: flags.seed, started: time.Now()}
	t.generator = generate.New(generate.Options{Seed: flags.seed, Start: t.started, Rate: flags.rate, Cards: demoCards, Users: demoUsers,
		OutOfOrder: demoOdd, Duplicates: demoOdd, Late: demoOdd / 4, Bad: demoOdd / 4, Fraud: demoFraud})
	t.burst, err = makeBurst(flags.seed, t.started)
	return t, err
}

func topicsOf(s *spec.Spec) map[string]string {
	topics := make(map[string]string)
	for _, source := range s.Sources {
		topics[source.Name] = source.Topic
	}
	return topics
}

func (t *demoTraffic) close() { _ = t.log.Close() }

// flow sends what has come due, every few milliseconds, until it is told to
// stop.
func (t *demoTraffic) flow(ctx context.Context, stop <-chan struct{}) error {
	tick := time.NewTicker(demoPace)
	defer tick.Stop()
	next := t.generator.Next()
	sentBurst := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stop:
			return nil
		case now := <-tick.C:
			var records []sinks.Record
			for ; !next.Time.After(now); next = t.generator.Next() {
				records = append(records, t.record(next.Source, next.Key, next.Value, now))
			}
			for sentBurst < len(t.burst) && now.Sub(t.started) >= demoBurstAfter+time.Duration(sentBurst)*burstPause {
				record, err := t.burstRecord(sentBurst, now)
				if err != nil {
					return err
				}
				t.burstAt.CompareAndSwap(0, now.UnixMilli())
				records = append(records, record)
				sentBurst++
			}
			if err := t.log.Produce(ctx, records); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("send events: %w", err)
			}
			t.sent.Add(int64(len(records)))
		}
	}
}

func (t *demoTraffic) record(source string, key, value []byte, now time.Time) sinks.Record {
	return sinks.Record{Topic: t.topics[source], Key: key, Value: value, Time: now.UnixMilli()}
}

// makeBurst takes an episode of card testing from the generator: many cards,
// tiny amounts, one device, one merchant. The last card works, and is used
// again and again with rising amounts.
func makeBurst(seed uint64, at time.Time) ([]map[string]any, error) {
	g := generate.New(generate.Options{Seed: seed + 1, Start: at, Rate: 1, Cards: demoCards, Users: demoUsers,
		Fraud: 1, FraudKinds: []generate.Kind{generate.CardTesting}, Labels: true})
	const enough = 10_000 // records to look through
	var burst []map[string]any
	device := any(nil)
	for range enough {
		event := g.Next()
		if event.Source != generate.Payments || !strings.Contains(string(event.Value), string(generate.CardTesting)) {
			continue
		}
		var payment map[string]any
		if err := json.Unmarshal(event.Value, &payment); err != nil {
			return nil, fmt.Errorf("generated payment: %w", err)
		}
		if device == nil {
			device = payment["device_id"]
		}
		if payment["device_id"] != device {
			continue // another episode, at the same time
		}
		if burst = append(burst, payment); len(burst) == burstCards {
			break
		}
	}
	if len(burst) == 0 {
		return nil, fmt.Errorf("the generator made no card testing within %d records", enough)
	}
	works := burst[len(burst)-1]
	for i := 0; len(burst) < burstLength; i++ {
		use := make(map[string]any)
		for name, value := range works {
			use[name] = value
		}
		use["amount"] = float64(40 * (i + 1))
		use["status"] = "approved"
		if i >= burstCards {
			use["status"] = "declined"
		}
		burst = append(burst, use)
	}
	return burst, nil
}

func (t *demoTraffic) burstRecord(i int, now time.Time) (sinks.Record, error) {
	payment := t.burst[i]
	payment["payment_id"] = fmt.Sprintf("burst-%d-%d", t.seed, i)
	payment["event_time"] = now.UTC().Format("2006-01-02T15:04:05.000Z")
	delete(payment, "_label")
	value, err := json.Marshal(payment)
	if err != nil {
		return sinks.Record{}, fmt.Errorf("payment of the burst: %w", err)
	}
	return t.record(generate.Payments, []byte(fmt.Sprint(payment["card_id"])), value, now), nil
}
