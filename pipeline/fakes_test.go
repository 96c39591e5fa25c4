package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
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

// broker is a log in memory that outlives the runners of a test.
type broker struct {
	mu         sync.Mutex
	partitions map[sources.PartitionID]*fakePartition
	owner      *fakeConsumer
	changed    chan struct{} // closed and made anew at every change
	ends       bool          // inputs end where the records end
	commits    []commitEntry
	journal    *journal
}

type fakePartition struct {
	start     int64 // offset of records[0]
	records   []sources.Record
	committed int64
	meta      string
}

type commitEntry struct {
	positions []sources.Position
	meta      string
}

// journal is what happened, in order: the witness of commit after ack.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func newBroker(partitions ...sources.PartitionID) *broker {
	b := &broker{partitions: map[sources.PartitionID]*fakePartition{}, changed: make(chan struct{}), journal: &journal{}}
	for _, id := range partitions {
		b.partitions[id] = &fakePartition{committed: -1}
	}
	return b
}

func (b *broker) change() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// append adds a record; its key is the partition's and its time the log's.
func (b *broker) append(source int, partition int32, at int64, value string) {
	b.appendRecord(sources.Record{Source: source, Partition: partition, Time: at, Value: []byte(value)})
}

func (b *broker) appendRecord(rec sources.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.partitions[sources.PartitionID{Source: rec.Source, Partition: rec.Partition}]
	rec.Offset = p.start + int64(len(p.records))
	p.records = append(p.records, rec)
	b.change()
}

// assign makes c the owner; the one before loses.
func (b *broker) assign(c *fakeConsumer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.assignLocked(c)
}

func (b *broker) assignLocked(c *fakeConsumer) {
	if old := b.owner; old != nil {
		old.owned, old.lost = nil, old.next != nil || old.lost
		old.next = nil
	}
	b.owner = c
	if c != nil {
		c.owned = []sources.Assigned{}
		c.next = map[sources.PartitionID]int64{}
		for _, id := range b.ids() {
			p := b.partitions[id]
			c.owned = append(c.owned, sources.Assigned{PartitionID: id, Start: p.start, Committed: p.committed,
				End: p.start + int64(len(p.records)), Metadata: p.meta})
			c.next[id] = p.start
		}
		clear(c.paused)
	}
	b.change()
}

func (b *broker) ids() []sources.PartitionID {
	var ids []sources.PartitionID
	for id := range b.partitions {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y sources.PartitionID) int {
		return 1000*(x.Source-y.Source) + int(x.Partition-y.Partition)
	})
	return ids
}

// fakeConsumer is one instance's view of the broker.
type fakeConsumer struct {
	b        *broker
	owned    []sources.Assigned // to be told
	lost     bool               // to be told
	next     map[sources.PartitionID]int64
	paused   map[sources.PartitionID]bool
	perPoll  int // records of one partition in one poll; 0: all
	scratch  [][]byte
	commitDo func() error // a fault
	pollErr  error
	closed   bool
	silent   bool               // brings no records
	passed   []sources.Position // to be told
}

func (b *broker) consumer() *fakeConsumer {
	return &fakeConsumer{b: b, paused: map[sources.PartitionID]bool{}}
}

func (c *fakeConsumer) Poll(ctx context.Context, max int) (sources.Poll, error) {
	for _, old := range c.scratch { // what was handed out is the consumer's again
		for i := range old {
			old[i] = '#'
		}
	}
	c.scratch = nil
	for {
		c.b.mu.Lock()
		p, ok, err := c.take(max)
		changed := c.b.changed
		c.b.mu.Unlock()
		if ok || err != nil {
			return p, err
		}
		select {
		case <-ctx.Done():
			return sources.Poll{}, nil
		case <-changed:
		}
	}
}

func (c *fakeConsumer) take(max int) (sources.Poll, bool, error) {
	switch {
	case c.pollErr != nil:
		return sources.Poll{}, true, c.pollErr
	case c.lost:
		c.lost = false
		return sources.Poll{Lost: true}, true, nil
	case c.owned != nil:
		owned := c.owned
		c.owned = nil
		return sources.Poll{Owned: owned}, true, nil
	case c.next == nil || c.silent:
		return sources.Poll{}, false, nil
	}
	var out []sources.Record
	left := false
	for _, id := range c.b.ids() {
		p := c.b.partitions[id]
		for n := 0; !c.paused[id] && c.next[id] < p.start+int64(len(p.records)); n++ {
			if len(out) == max || (c.perPoll > 0 && n == c.perPoll) {
				left = true
				break
			}
			rec := p.records[c.next[id]-p.start]
			rec.Value, rec.Key = bytes.Clone(rec.Value), bytes.Clone(rec.Key)
			c.scratch = append(c.scratch, rec.Value, rec.Key)
			out = append(out, rec)
			c.next[id]++
		}
		left = left || c.paused[id]
	}
	if passed := c.passed; len(out) > 0 || passed != nil {
		c.passed = nil
		return sources.Poll{Records: out, Passed: passed}, true, nil
	}
	if c.b.ends && !left {
		return sources.Poll{Ended: true}, true, nil
	}
	return sources.Poll{}, false, nil
}

func (c *fakeConsumer) Commit(_ context.Context, positions []sources.Position, meta string) error {
	if c.commitDo != nil {
		if err := c.commitDo(); err != nil {
			return err
		}
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.b.owner != c {
		return sources.ErrLost
	}
	for _, p := range positions {
		c.b.partitions[p.PartitionID].committed = p.Next
		c.b.partitions[p.PartitionID].meta = meta
	}
	c.b.commits = append(c.b.commits, commitEntry{positions, meta})
	c.b.journal.note("commit %s", meta)
	return nil
}

func (c *fakeConsumer) Lag() map[sources.PartitionID]int64 {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	lag := map[sources.PartitionID]int64{}
	for id, next := range c.next {
		p := c.b.partitions[id]
		lag[id] = p.start + int64(len(p.records)) - next
	}
	return lag
}

func (c *fakeConsumer) Pause(id sources.PartitionID) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.paused[id] = true
}

func (c *fakeConsumer) Resume() {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	clear(c.paused)
}

func (c *fakeConsumer) Close(context.Context) error {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.closed = true
	if c.b.owner == c {
		c.b.owner = nil
	}
	return nil
}

// store is an online store in memory that outlives the runners.
type store struct {
	mu          sync.Mutex
	journal     *journal
	owner, inc  uint32
	rows        map[string]sinks.VersionedRow
	stale       int
	alive       []int64
	writeFault  func(rows []sinks.VersionedRow) error
	aliveFault  error
	lastWritten int
}

func (s *store) TakeOver(_ context.Context, w sinks.Writer) (uint32, uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = max(s.owner, w.AtLeast) + 1
	if w.First {
		s.inc++
	}
	return s.owner, s.inc, nil
}

func (s *store) Write(_ context.Context, rows []sinks.VersionedRow) error {
	if f := s.writeFault; f != nil {
		if err := f(rows); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range rows {
		key := row.Layout.View.Pinned() + "/" + row.Key
		if old, ok := s.rows[key]; ok && older(row.Version, old.Version) {
			s.stale++
			continue
		}
		row.Values, row.Statuses = slices.Clone(row.Values), slices.Clone(row.Statuses)
		s.rows[key] = row
	}
	s.journal.note("rows %d", len(rows))
	return nil
}

func older(a, b sinks.Version) bool {
	x := []uint64{uint64(a.Incarnation), a.Batch, uint64(a.Owner), uint64(a.Seq), uint64(a.AsOf)}
	y := []uint64{uint64(b.Incarnation), b.Batch, uint64(b.Owner), uint64(b.Seq), uint64(b.AsOf)}
	return slices.Compare(x, y) < 0
}

func (s *store) Alive(_ context.Context, ms int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aliveFault != nil {
		return s.aliveFault
	}
	s.alive = append(s.alive, ms)
	return nil
}

func (s *store) Close() error { return nil }

// contents is the store as text, without versions.
func (s *store) contents() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for key, row := range s.rows {
		text := fmt.Sprintf("as_of=%d", row.AsOf)
		for i, c := range row.Layout.Columns {
			n, _ := row.Values[i].Number(c.Scale)
			text += fmt.Sprintf(" %s=%v/%s", c.Feature.Short, n, row.Statuses[i])
		}
		out[key] = text
	}
	return out
}

// fakeLog keeps what was produced, by topic.
type fakeLog struct {
	name    string
	journal *journal
	mu      sync.Mutex
	records []sinks.Record
	fault   func([]sinks.Record) error
}

func (l *fakeLog) Produce(_ context.Context, records []sinks.Record) error {
	var large *sinks.TooLarge
	if f := l.fault; f != nil {
		if err := f(records); err != nil && !errors.As(err, &large) {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, rec := range records {
		if large != nil && slices.Contains(large.Indexes, i) {
			continue
		}
		rec.Key, rec.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
		l.records = append(l.records, rec)
	}
	l.journal.note("%s %d", l.name, len(records))
	if large != nil {
		return large
	}
	return nil
}

func (l *fakeLog) Close() error { return nil }

func (l *fakeLog) all() []sinks.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records)
}

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
	return &world{t: t, plan: plan, broker: b, tokens: mask.NewTokens([]byte("pipeline tests")),
		store:  &store{journal: b.journal, rows: map[string]sinks.VersionedRow{}},
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

// clock0 is the wall clock of tests, 2026-01-05T12:00:00Z; events are near it.
const clock0 = int64(1767614400000)

// txn is a transaction as JSON, at seconds after clock0.
func txn(id, card string, seconds int, amount string) string {
	return fmt.Sprintf(`{"txn_id":%q,"ts":%d,"card_id":%q,"merchant_id":"m1","channel":"ecom","amount":%q}`, id, clock0+int64(seconds)*1000, card, amount)
}

func login(id, card string, seconds int) string {
	return fmt.Sprintf(`{"login_id":%q,"ts":%d,"card_id":%q}`, id, clock0+int64(seconds)*1000, card)
}
