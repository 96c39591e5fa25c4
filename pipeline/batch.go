package pipeline

import (
	"cmp"
	"math"
	"slices"
	"unsafe"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sources"
)

// slot is one record of a batch: its bytes, what they say, or why not.
type slot struct {
	rec     sources.Record // Key, Value and trace are in the batch's arena
	trace   []byte         // a valid traceparent, nil without one
	ev      event.Event
	refusal event.Rejection // Reason is Accepted while the record stands
	// at is the running maximum of event time of the record's partition: the
	// key of the merge. A refused record has its predecessor's.
	at int64
}

// batch is the records of one step. Slots and arena are reused.
type batch struct {
	slots []slot
	arena arena
	order []int32 // of application, as far as it has come; indexes into slots
	ahead []*event.Event
}

// add makes a slot for rec and copies what must outlive the next poll.
func (b *batch) add(rec *sources.Record, fields int) *slot {
	if len(b.slots) == cap(b.slots) {
		b.slots = slices.Grow(b.slots, 1)
	}
	b.slots = b.slots[:len(b.slots)+1]
	s := &b.slots[len(b.slots)-1]
	values := s.ev.Values
	*s = slot{rec: *rec}
	s.rec.Key = b.arena.clone(rec.Key)
	s.rec.Value = b.arena.clone(rec.Value)
	s.rec.Headers = nil
	if rec.Cells != nil {
		s.rec.Cells = &sources.Cells{Names: rec.Cells.Names, Texts: slices.Clone(rec.Cells.Texts)}
	}
	s.trace = traceOf(rec, &b.arena)
	if cap(values) < fields {
		values = make([]event.Value, fields)
	}
	s.ev = event.Event{Source: rec.Source, Partition: rec.Partition, Offset: rec.Offset, RecordTime: rec.Time, Values: values[:fields]}
	return s
}

func (b *batch) reset() {
	b.slots, b.order = b.slots[:0], b.order[:0]
	b.arena.reset()
}

// arrange puts the slots that have come since into order, behind the others, and
// says where they begin. The streams of the partitions are merged by running
// maximum; since that never falls within a stream, sorting by it is the merge.
func (b *batch) arrange(merged bool) (first int) {
	first = len(b.order)
	for i := first; i < len(b.slots); i++ {
		b.order = append(b.order, int32(i))
	}
	come := b.order[first:]
	if !merged && !slices.IsSortedFunc(come, b.compare) {
		slices.SortFunc(come, b.compare)
	}
	return first
}

// accepted are those of the next n events in order that stand so far.
func (b *batch) accepted(from, n int) []*event.Event {
	b.ahead = b.ahead[:0]
	for _, i := range b.order[from:min(from+n, len(b.order))] {
		if s := &b.slots[i]; s.refusal.Reason == event.Accepted {
			b.ahead = append(b.ahead, &s.ev)
		}
	}
	return b.ahead
}

func (b *batch) compare(i, j int32) int {
	x, y := &b.slots[i], &b.slots[j]
	switch {
	case x.at != y.at:
		return cmp.Compare(x.at, y.at)
	case x.rec.Source != y.rec.Source:
		return cmp.Compare(x.rec.Source, y.rec.Source)
	case x.rec.Partition != y.rec.Partition:
		return cmp.Compare(x.rec.Partition, y.rec.Partition)
	}
	return cmp.Compare(x.rec.Offset, y.rec.Offset)
}

// arena holds the bytes of a batch: strings of events alias them, so they stay
// until the batch is committed.
type arena struct {
	buf  []byte
	want int // bytes asked for since reset
}

const minArena = 64 << 10

func (a *arena) clone(p []byte) []byte {
	if p == nil {
		return nil
	}
	a.want += len(p)
	if len(a.buf)+len(p) > cap(a.buf) {
		// What was handed out keeps the old block; it goes with the batch.
		a.buf = make([]byte, 0, max(2*cap(a.buf), len(p), minArena))
	}
	start := len(a.buf)
	a.buf = append(a.buf, p...)
	return a.buf[start:len(a.buf):len(a.buf)]
}

// text is a copy of s.
func (a *arena) text(s string) string {
	if s == "" {
		return ""
	}
	b := a.clone(unsafe.Slice(unsafe.StringData(s), len(s)))
	return unsafe.String(&b[0], len(b))
}

func (a *arena) reset() {
	if a.want > cap(a.buf) {
		a.buf = make([]byte, 0, a.want)
	}
	a.buf, a.want = a.buf[:0], 0
}

// noTime orders before every event time.
const noTime int64 = math.MinInt64
