package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/models"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// world is everything that outlives a runner.
type world struct {
	t       *testing.T
	plan    *features.Plan
	broker  *broker
	store   *store
	output  *fakeLog
	dead    *fakeLog
	tokens  *mask.Tokens
	logs    *syncBuffer
	metrics *prometheus.Registry
	perPoll int // of runFrom: records of one partition in one poll; 0: all
	slice   int // of runFrom: how much of a group is written between two steps; 0: as it is
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// The sources of testdata/payments.yaml.
const (
	transactions = 0
	logins       = 1
)

var loadPlan = sync.OnceValues(func() (*features.Plan, error) {
	specs, diags, err := spec.Load([]string{"testdata/payments.yaml"})
	if err != nil || diags.HasErrors() {
		return nil, fmt.Errorf("load the spec: %w %+v", err, diags)
	}
	return features.Compile(specs[0], features.Served)
})

func newWorld(t *testing.T) *world {
	t.Helper()
	plan, err := loadPlan()
	if err != nil {
		t.Fatal(err)
	}
	b := newBroker(sources.PartitionID{Source: transactions}, sources.PartitionID{Source: transactions, Partition: 1}, sources.PartitionID{Source: logins})
	rows := &store{journal: b.journal, rows: map[string]sinks.VersionedRow{}}
	t.Cleanup(func() { // nothing but its own order keeps an owner from it: the fence is for others
		if len(rows.backwards) > 0 {
			t.Errorf("%d rows went back, the first: %s", len(rows.backwards), rows.backwards[0])
		}
	})
	return &world{t: t, plan: plan, broker: b, tokens: mask.NewTokens([]byte("pipeline tests")),
		store:  rows,
		output: &fakeLog{name: "output", journal: b.journal}, dead: &fakeLog{name: "dead", journal: b.journal},
		logs: &syncBuffer{}, metrics: prometheus.NewRegistry()}
}

// runner builds an instance; change may alter what it is built from.
func (w *world) runner(c sources.Consumer, change func(*Config)) *Runner {
	w.t.Helper()
	s := w.plan.Spec()
	cfg := Config{Plan: w.plan, Seed: [16]byte{1}, Consumer: c, Store: w.store, Output: w.output, DeadLetters: w.dead,
		Privacy: w.tokens, Group: "freshet-payments", Backend: "fake", Log: slog.New(slog.NewJSONHandler(w.logs, nil)),
		Clock: func() time.Time { return time.UnixMilli(clock0) }, Limits: Limits{CommitInterval: DefaultCommitInterval}}
	if w.broker.ends {
		cfg.Limits.CommitInterval = 0 // batches by count
	}
	for _, m := range s.Models {
		def := models.Definition{Name: m.Name, Runtime: m.Runtime, HasScore: m.Score != nil, MaxReasons: m.MaxReasons, OnError: m.OnError}
		for _, rule := range m.Rules {
			def.Weights = append(def.Weights, rule.Weight)
		}
		for _, band := range m.Bands {
			def.Bands = append(def.Bands, models.Band{Name: band.Name, Min: band.Min})
		}
		scorer, err := models.NewExpr(def)
		if err != nil {
			w.t.Fatal(err)
		}
		cfg.Scorers = append(cfg.Scorers, scorer)
	}
	if change != nil {
		change(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// runToEnd runs one instance until the inputs have ended.
func (w *world) runToEnd(change func(*Config)) *Runner {
	w.t.Helper()
	w.broker.ends = true
	c := w.broker.consumer()
	w.broker.assign(c)
	r := w.runner(c, change)
	if err := r.Run(context.Background()); err != nil {
		w.t.Fatalf("%v\n%s", err, w.logs)
	}
	return r
}

// decoded is the output's records.
func (w *world) decoded() []*record.Record {
	w.t.Helper()
	var out []*record.Record
	for _, rec := range w.output.all() {
		r, err := record.Decode(rec.Value)
		if err != nil {
			w.t.Fatalf("%v: %s", err, rec.Value)
		}
		out = append(out, r)
	}
	return out
}

// reasons counts the dead letters by reason.
func (w *world) reasons() map[string]int {
	out := map[string]int{}
	for _, rec := range w.dead.all() {
		for _, h := range rec.Headers {
			if h.Key == record.HeaderReason {
				out[string(h.Value)]++
			}
		}
	}
	return out
}

// counter reads a counter or gauge by name and the values of its labels, in
// the order of the label names.
func (w *world) counter(name string, labels ...string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetValue())
			}
			if slices.Equal(got, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

// pass lets time pass in a synctest bubble, where none really does, and what is
// due at its end happen: what was done by then may be looked at.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// lasts is how long a call takes that a runner makes.
func lasts(d time.Duration) { <-time.After(d) }

// clock0 is the wall clock of tests, 2026-01-05T12:00:00Z; events are near it.
const clock0 = int64(1767614400000)

// txn is a transaction as JSON, at seconds after clock0.
func txn(id, card string, seconds int, amount string) string {
	return fmt.Sprintf(`{"txn_id":%q,"ts":%d,"card_id":%q,"merchant_id":"m1","channel":"ecom","amount":%q}`, id, clock0+int64(seconds)*1000, card, amount)
}

func login(id, card string, seconds int) string {
	return fmt.Sprintf(`{"login_id":%q,"ts":%d,"card_id":%q}`, id, clock0+int64(seconds)*1000, card)
}
