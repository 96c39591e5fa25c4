package features

import (
	"slices"
	"time"

	"github.com/freshet-dev/freshet/features/event"
)

// sourceState is what is remembered of a source beside its entities: how far
// each partition has come, and the ids that may come again.
type sourceState struct {
	plan       *sourcePlan
	logs       []*entityLog // of this source, as in its plan
	partitions []*partition // by number; nil: nothing accepted yet
	coverage   Coverage
	orphans    recent  // ids of events without any entity, by id and event time
	newest     int64   // newest event time of all partitions
	expected   []int32 // partitions that have records, none of which was accepted yet
	turn       int     // events that were applied: which log is swept next
	rejection  event.Rejection

	noting  bool     // a snapshot is being written
	refused []uint64 // since it began: the places of records that another partition had brought before
}

// partition is one partition of a source.
type partition struct {
	watermark int64  // newest event time accepted, ms
	ids       recent // by id hash: the watermark when it was accepted
}

func newSourceState(sp *sourcePlan) *sourceState {
	return &sourceState{plan: sp, coverage: Coverage{FromStart: true}}
}

func (s *sourceState) partition(n int32) *partition {
	if int(n) >= len(s.partitions) {
		return nil
	}
	return s.partitions[n]
}

// Expect says that a partition has records that will be given to the engine: what
// they may need is not forgotten before the first of them was accepted. The
// engine cannot know of partitions that it has seen nothing of.
func (e *Engine) Expect(source int, partition int32) {
	s := e.sources[source]
	s.expected = append(s.expected, partition)
}

// Admit decides late and duplicate (S9, S10) about a record that Read has
// accepted, and remembers it where it is accepted: then Apply must follow. The
// rejection is reused by the next Admit.
func (e *Engine) Admit(ev *event.Event) *event.Rejection {
	s := e.sources[ev.Source]
	src := s.plan.source
	p := s.partition(ev.Partition)
	if p != nil && p.watermark-ev.Time > src.AllowedLateness.Milliseconds() {
		return s.refuse(event.Late, src.TimestampField.Name,
			"older than the newest of its partition by more than allowed_lateness")
	}
	e.identify(ev)
	if e.current.idHash != 0 && e.duplicate(s, p, ev) {
		e.current.prepared = false
		return s.refuse(event.Duplicate, src.IDField.Name, "a record with this id was accepted before")
	}
	s.remember(ev, e.current.idHash, e.orphan(s, ev))
	return nil
}

// duplicate is S10: (a) the same id and event time, found in the log of the
// record's first entity; (b) the same id in the same partition, whose newest
// event time has moved at most dedup_window since.
func (e *Engine) duplicate(s *sourceState, p *partition, ev *event.Event) bool {
	if p != nil {
		p.ids.expire(p.watermark - s.plan.source.DedupWindow.Milliseconds())
		if p.ids.has(e.current.idHash) {
			return true
		}
	}
	if e.replay != nil {
		if refused, known := e.decided(s, ev); known {
			return refused
		}
	}
	known := e.applied(s, ev)
	if known && s.noting {
		s.refused = append(s.refused, e.current.place)
	}
	return known
}

// applied is S10 (a).
func (e *Engine) applied(s *sourceState, ev *event.Event) bool {
	c := &e.current
	for _, l := range s.logs {
		if c.keys[l.entityAt] != "" {
			return l.rowOfID(c.identity) != nil
		}
	}
	return s.orphans.has(c.idHash ^ uint64(ev.Time))
}

// orphan reports whether an event with an id has no entity, so that no log
// would find its id again.
func (e *Engine) orphan(s *sourceState, _ *event.Event) bool {
	for _, l := range s.logs {
		if e.current.keys[l.entityAt] != "" {
			return false
		}
	}
	return e.current.idHash != 0
}

// rowOfID is the row of an event's time and id, in a log of its source; nil: there
// is none.
func (l *entityLog) rowOfID(id *identity) []uint64 {
	k := l.entity(id)
	if k.state == nil || id.ev.Time > int64(k.state[atNow]) { // no row is later than that
		return nil
	}
	t, idHash := id.ev.Time, id.idHash
	rows := l.rows.All(k.state[atRows:])
	for i := l.rows.FirstAfter(rows, t) - 1; i >= 0 && l.plan.timeAt(rows, i) == t; i-- {
		if row := l.plan.row(rows, i); l.plan.id(row) == idHash {
			return row
		}
	}
	return nil
}

// maxPartitionLag is how far a partition may be behind the source's newest
// event before ids and entities that only it still needs may be forgotten.
const maxPartitionLag = 24 * time.Hour

// reference is an event time that no accepted record will be behind by more
// than the lateness, partitions that lag by more than maxPartitionLag aside.
func (s *sourceState) reference() int64 {
	oldest := s.newest
	if len(s.expected) > 0 {
		s.expected = slices.DeleteFunc(s.expected, func(n int32) bool { return s.partition(n) != nil })
	}
	if len(s.expected) > 0 { // whose first record may be of any time
		oldest = 0
	}
	for _, p := range s.partitions {
		if p != nil {
			oldest = min(oldest, p.watermark)
		}
	}
	return max(oldest, s.newest-maxPartitionLag.Milliseconds())
}

// remember notes an accepted record.
func (s *sourceState) remember(ev *event.Event, idHash uint64, orphan bool) {
	for int(ev.Partition) >= len(s.partitions) {
		s.partitions = append(s.partitions, nil)
	}
	p := s.partitions[ev.Partition]
	if p == nil {
		p = &partition{watermark: ev.Time}
		s.partitions[ev.Partition] = p
	}
	p.watermark = max(p.watermark, ev.Time)
	s.newest = max(s.newest, ev.Time)
	if idHash == 0 {
		return
	}
	p.ids.add(idHash, p.watermark)
	if orphan {
		s.orphans.expire(s.newest - s.plan.source.AllowedLateness.Milliseconds() - maxPartitionLag.Milliseconds())
		s.orphans.add(idHash^uint64(ev.Time), s.newest)
	}
}

func (s *sourceState) refuse(r event.Reason, field, detail string) *event.Rejection {
	s.rejection = event.Rejection{Reason: r, Field: field, Detail: detail, Offset: -1}
	return &s.rejection
}
