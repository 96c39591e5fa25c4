package pipeline

import (
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
)

// step is a part of a batch: what one or several polls brought, and what it
// leads to. A batch is one or more steps. Each leaves as soon as the one before
// has left, and all of them stay in memory until the batch is committed, so that
// they can be sent again. Its memory is reused.
type step struct {
	in     batch
	out    parcel
	came   time.Time // when the first of its records was read
	sent   bool      // its records are in the output log, as far as the open transaction goes
	stored bool      // its rows are in the online store, or remembered as missing there
	counts batchCounts
}

// parcel is what a step leads to.
type parcel struct {
	spec    *spec.Spec          // as it was
	late    *record.DeadLetters // for what the output log refuses
	now     int64               // wall clock of the step, ms
	buf     []byte              // the records' bytes
	want    int                 // how many they were the last time, where their memory was given back
	refs    []ref
	records []sinks.Record // of refs, once buf has stopped growing
	dead    []sinks.Record
	rows    []sinks.VersionedRow
	stamped bool // its records say that rows are missing

	values   []event.Value
	statuses []features.Status
}

// ref is one record's bytes in buf.
type ref struct {
	topic           string
	key, value, end int // buf[key:value] is the key, buf[value:end] the value
	headers         []sinks.Header
	slot            int // in the step
}

// fresh gives an empty step.
func (r *Runner) fresh() *step {
	if n := len(r.spare); n > 0 {
		s := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return s
	}
	return &step{counts: newBatchCounts(r.spec)}
}

// recycle takes steps back that nobody uses any more.
func (r *Runner) recycle(steps []*step) {
	for _, s := range steps {
		s.reset()
		if len(r.spare) < spareSteps {
			r.spare = append(r.spare, s)
		}
	}
}

// spareSteps and spareBytes bound the memory that waits for work.
const (
	spareSteps = 8
	spareBytes = 4 << 20 // of one step
)

// bytes is what the step holds: its records as they were read, and as they
// leave.
func (s *step) bytes() int64 {
	n := int64(s.in.arena.want + len(s.out.buf))
	for i := range s.out.dead {
		n += int64(len(s.out.dead[i].Value))
	}
	return n
}

func (s *step) reset() {
	if s.in.arena.want > spareBytes || cap(s.in.arena.buf) > spareBytes {
		s.in.arena = arena{}
	}
	if cap(s.out.buf) > spareBytes {
		s.out.buf, s.out.want = nil, len(s.out.buf)
	}
	s.in.reset()
	s.out.reset()
	s.sent, s.stored = false, false
	s.counts.reset()
}

func (p *parcel) reset() {
	p.buf, p.refs, p.records, p.dead, p.rows = p.buf[:0], p.refs[:0], p.records[:0], p.dead[:0], p.rows[:0]
	p.values, p.statuses, p.stamped = p.values[:0], p.statuses[:0], false
}

// finish turns refs into records: only now does buf stay where it is.
func (p *parcel) finish() {
	for i := range p.refs {
		r := &p.refs[i]
		rec := sinks.Record{Topic: r.topic, Value: p.buf[r.value:r.end:r.end], Headers: r.headers, Time: p.now}
		if r.value > r.key {
			rec.Key = p.buf[r.key:r.value:r.value]
		}
		p.records = append(p.records, rec)
	}
}

// bury makes the dead letter of a record.
func (p *parcel) bury(dlq *record.DeadLetters, s *slot, src *spec.Source, reason string) {
	refused := record.Refused{Source: src, Partition: s.rec.Partition, Offset: s.rec.Offset,
		Time: s.rec.Time, HasTime: s.rec.Time != event.NoTime, Key: s.rec.Key, Value: s.rec.Value, Oversized: s.rec.Oversized,
		Reason: reason, Field: s.refusal.Field, Detail: s.refusal.Detail, Position: s.refusal.Offset, Attempts: 1}
	if c := s.rec.Cells; c != nil {
		refused.Names, refused.Texts = c.Names, c.Texts
	}
	rec := dlq.Encode(&refused)
	rec.Time = p.now
	p.dead = append(p.dead, rec)
}

// addRow copies a row of the engine, which reuses it: the step leaves while the
// engine is at the next one.
func (p *parcel) addRow(a *arena, cards *record.CardNumbers, row *features.Row, version sinks.Version) {
	v, st := len(p.values), len(p.statuses)
	for i, value := range row.Values {
		value = cards.Feature(row.Layout.Columns[i].Feature, value)
		switch value.Kind() {
		case event.List, event.Map:
			value = value.Clone()
		case event.String:
			value = event.OfString(a.text(value.Str()))
		}
		p.values = append(p.values, value)
	}
	p.statuses = append(p.statuses, row.Statuses...)
	version.AsOf = row.AsOf
	c := *row
	c.Values, c.Statuses = p.values[v:len(p.values):len(p.values)], p.statuses[st:len(p.statuses):len(p.statuses)]
	p.rows = append(p.rows, sinks.VersionedRow{Row: c, Version: version})
}
