package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// broker is a log in memory that outlives the runners of a test.
type broker struct {
	mu         sync.Mutex
	partitions map[sources.PartitionID]*fakePartition
	owner      *fakeConsumer
	changed    chan struct{} // closed and made anew at every change
	ends       bool          // inputs end where the records end
	cluster    string
	topic      string // id
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

func (b *broker) appendRecord(records ...sources.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, rec := range records {
		p := b.partitions[sources.PartitionID{Source: rec.Source, Partition: rec.Partition}]
		rec.Offset = p.start + int64(len(p.records))
		p.records = append(p.records, rec)
	}
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
		c.owned = b.assigned()
		c.next = map[sources.PartitionID]int64{}
		for id, p := range b.partitions {
			c.next[id] = p.start
		}
		c.along, c.waits = nil, c.follows
		clear(c.paused)
	}
	b.change()
}

// assigned is what a take-over would find.
func (b *broker) assigned() []sources.Assigned {
	out := []sources.Assigned{}
	for _, id := range b.ids() {
		p := b.partitions[id]
		out = append(out, sources.Assigned{PartitionID: id, Start: p.start, Committed: p.committed,
			End: p.start + int64(len(p.records)), Metadata: p.meta,
			Cluster: b.cluster, TopicID: b.topic})
	}
	return out
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
	silent   bool                          // brings no records
	passed   []sources.Position            // to be told
	along    map[sources.PartitionID]int64 // where a standby reads along
	told     int                           // commits that a standby was told of; -1: none yet
	follows  bool
	waits    bool // for Begin
	begun    int  // calls of Begin
}

// follower is a consumer that can read along.
type follower struct{ *fakeConsumer }

func (b *broker) follower() follower {
	c := b.consumer()
	c.follows, c.told = true, -1
	return follower{c}
}

func (f follower) Begin(from []sources.Position) error {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	f.begun++
	at := map[sources.PartitionID]int64{}
	for id, p := range f.b.partitions {
		at[id] = p.start
	}
	for _, p := range from {
		at[p.PartitionID] = p.Next
	}
	clear(f.paused)
	if f.next != nil {
		f.next, f.waits = at, false
	} else {
		f.along = at
	}
	f.b.change()
	return nil
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
			c.b.mu.Lock()
			defer c.b.mu.Unlock()
			return sources.Poll{Standby: c.b.owner != nil && c.b.owner != c}, nil
		case <-changed:
		}
	}
}

// bring sets how many records of one partition a poll brings from now on.
func (c *fakeConsumer) bring(n int) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.perPoll = n
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
	case c.next == nil && c.follows && c.b.owner != nil && c.told != len(c.b.commits):
		c.told = len(c.b.commits)
		return sources.Poll{Standby: true, Standing: c.b.assigned()}, true, nil
	case c.next == nil && c.along == nil || c.silent || c.waits:
		return sources.Poll{}, false, nil
	}
	next := c.next
	if next == nil {
		next = c.along
	}
	var out []sources.Record
	left := false
	for _, id := range c.b.ids() {
		p := c.b.partitions[id]
		for n := 0; !c.paused[id] && next[id] < p.start+int64(len(p.records)); n++ {
			if len(out) == max || (c.perPoll > 0 && n == c.perPoll) {
				left = true
				break
			}
			rec := p.records[next[id]-p.start]
			rec.Value, rec.Key = bytes.Clone(rec.Value), bytes.Clone(rec.Key)
			c.scratch = append(c.scratch, rec.Value, rec.Key)
			out = append(out, rec)
			next[id]++
		}
		left = left || c.paused[id]
	}
	if passed := c.passed; len(out) > 0 || passed != nil {
		c.passed = nil
		return sources.Poll{Records: out, Passed: passed, Standby: c.next == nil}, true, nil
	}
	if c.b.ends && !left && c.next != nil {
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
	c.b.change()
	c.b.journal.note("commit %s", meta)
	return nil
}

func (c *fakeConsumer) Lag() map[sources.PartitionID]int64 {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	lag := map[sources.PartitionID]int64{}
	from := c.next
	if from == nil {
		from = c.along
	}
	for id, next := range from {
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
	mu            sync.Mutex
	journal       *journal
	owner, inc    uint32
	rows          map[string]sinks.VersionedRow
	stale         int
	backwards     []string // rows that one owner wrote over its own newer ones
	alive         []int64
	writeFault    func(rows []sinks.VersionedRow) error
	aliveFault    error
	takeOverFault func() error
	fenced        bool // refuses the rows of an owner that was followed
}

func (s *store) TakeOver(_ context.Context, w sinks.Writer) (uint32, uint32, error) {
	if f := s.takeOverFault; f != nil {
		if err := f(); err != nil {
			return 0, 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = max(s.owner, w.AtLeast) + 1
	if w.First {
		s.inc++
	}
	return s.owner, s.inc, nil
}

func (s *store) Write(ctx context.Context, rows []sinks.VersionedRow) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f := s.writeFault; f != nil {
		if err := f(rows); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range rows {
		if s.fenced && row.Version.Owner < s.owner {
			return &sinks.Fatal{Err: sinks.ErrLost}
		}
		key := row.Layout.View.Pinned() + "/" + row.Key
		if old, ok := s.rows[key]; ok && older(row.Version, old.Version) {
			s.stale++
			if old.Version.Owner == row.Version.Owner {
				s.backwards = append(s.backwards, fmt.Sprintf("%s: %v over %v", key, row.Version, old.Version))
			}
			continue
		}
		row.Values, row.Statuses = slices.Clone(row.Values), slices.Clone(row.Statuses)
		s.rows[key] = row
	}
	s.journal.note("rows %d", len(rows))
	return nil
}

// NewestBatch is that of the newest row.
func (s *store) NewestBatch(context.Context) (batch uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.rows {
		batch = max(batch, row.Version.Batch)
	}
	return batch, nil
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
