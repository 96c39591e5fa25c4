// Package oracle says what Freshet must answer, in the dumbest way that is
// right: it keeps every accepted event in a list and recomputes each value by
// scanning it. It was written from semantics.md alone, shares no code with the
// engine and imports nothing of ours but the spec language; expressions are
// evaluated by the reference interpreter only.
//
// Records are applied one by one in the order of application that the caller
// knows (arrival order, or (batch, seq) of a dump). Rule numbers are those of
// semantics.md.
package oracle

import (
	"math"
	"sort"

	"github.com/freshet-dev/freshet/config/spec"
)

// NoTime is the record time of a record whose log has no clock (files).
const NoTime int64 = -1 << 63

// Record is one raw record of a source.
type Record struct {
	Source    int // index in Spec.Sources
	Partition int32
	Offset    int64
	Time      int64 // the log's own clock in ms, or NoTime
	Value     []byte
}

// The reasons of S8, and Accepted for a record that none of them holds for.
const (
	Accepted  = "accepted"
	Decode    = "decode"
	Schema    = "schema"
	Future    = "future"
	Filtered  = "filtered"
	Late      = "late"
	Duplicate = "duplicate"
)

// event is one accepted record: its fields and what they put into each
// definition of each view of its source.
type event struct {
	record Record // without the bytes
	time   int64
	id     string
	hasID  bool
	fields []any // by spec.Field.Index; nil is no value
	// newest is the newest event time of the partition once this event was
	// accepted (S10 b).
	newest int64
	inputs []input // by Oracle.numbers; of other sources' definitions, none
	// retracting events take another one back, and are nothing else (S16).
	retracting bool
}

// input is what one event gives to one definition, from its own fields alone.
type input struct {
	reaches bool // passes the filter, and has the field or value (S17, S18)
	match   bool // the numerator, or the filter of a streak, holds
	value   any
	order   any // of argmax: what is compared
	// category is the text of `by`.
	category string
}

// rowKey names one entity of one view.
type rowKey struct {
	view *spec.View
	key  string
}

// Oracle is everything that was accepted so far.
type Oracle struct {
	spec     *spec.Spec
	byID     map[idKey][]*event // accepted events with an id
	takeBack map[idKey][]*event // retracting events, by the id that they name
	newest   map[partition]int64
	newestOf []int64             // by source: newest accepted of all partitions
	rows     map[rowKey][]*event // events that entered the view, in event order
	numbers  map[*spec.Definition]int
	coverage []coverage
	summed   [][]*spec.Definition // by source: what S20 bounds
	tables   map[string]table
	logs     map[logKey][]*event // in event order
	distinct map[int]bool        // sources whose views have small distinct budgets
}

type partition struct {
	source int
	number int32
}

type idKey struct {
	source int
	id     string
}

type coverage struct {
	partial bool
	since   int64
}

// New is an oracle that has seen nothing, of sources that are read from their
// start.
func New(s *spec.Spec) *Oracle {
	o := &Oracle{
		spec:     s,
		byID:     map[idKey][]*event{},
		takeBack: map[idKey][]*event{},
		newest:   map[partition]int64{},
		newestOf: make([]int64, len(s.Sources)),
		rows:     map[rowKey][]*event{},
		tables:   map[string]table{},
		logs:     map[logKey][]*event{},
		distinct: map[int]bool{},
		numbers:  map[*spec.Definition]int{},
		coverage: make([]coverage, len(s.Sources)),
	}
	for i, src := range s.Sources {
		o.newestOf[i] = NoTime
		o.summed = append(o.summed, sums(s, src))
	}
	for _, v := range s.Views {
		o.distinct[v.Source.Index] = o.distinct[v.Source.Index] || v.DistinctBudget < spec.DefaultDistinctBudget
		for _, d := range v.Definitions {
			o.numbers[d] = len(o.numbers)
		}
	}
	return o
}

// ReadSince tells that a source was read from event time since (ms) on, not
// from its start: values that reach behind it are WARMING (S19).
func (o *Oracle) ReadSince(source int, since int64) {
	o.coverage[source] = coverage{partial: true, since: since}
}

// Newest is the newest event time accepted of a source, in ms, over all its
// partitions; false before the first.
func (o *Oracle) Newest(source int) (int64, bool) {
	return o.newestOf[source], o.newestOf[source] != NoTime
}

// Apply decides about one record and remembers it if it is accepted. The
// outcome answers for the moment right after this record: ask it before the
// next Apply.
func (o *Oracle) Apply(r Record) *Outcome {
	src := o.spec.Sources[r.Source]
	e, refusal := o.read(src, r)
	if refusal == nil {
		refusal = o.admit(src, e)
	}
	if refusal != nil {
		return &Outcome{Reason: refusal.reason, Detail: refusal.detail, Field: refusal.field}
	}
	o.remember(src, e)
	return &Outcome{
		Reason:  Accepted,
		reading: reading{oracle: o, at: placeOf(e), current: e, memo: map[*spec.Feature]Result{}},
	}
}

// remember puts an accepted event into the lists.
func (o *Oracle) remember(src *spec.Source, e *event) {
	p := partition{e.record.Source, e.record.Partition}
	if newest, seen := o.newest[p]; !seen || e.time > newest {
		o.newest[p] = e.time
	}
	o.newestOf[src.Index] = max(o.newestOf[src.Index], e.time)
	e.newest = o.newest[p]
	if e.hasID {
		k := idKey{e.record.Source, e.id}
		o.byID[k] = append(o.byID[k], e)
	}
	e.inputs = o.inputsOf(e)
	if e.retracting {
		id, _ := text(e.fields[src.Retracts.Index])
		k := idKey{e.record.Source, id}
		o.takeBack[k] = append(o.takeBack[k], e)
		return
	}
	o.keep(src, e)
	for _, v := range o.spec.Views {
		if v.Source != src || !o.enters(v, e) {
			continue
		}
		if key, has := keyOf(src, v.Entity, e); has {
			k := rowKey{v, key}
			o.rows[k] = insert(o.rows[k], e)
		}
	}
}

// enters reports whether an event of a view's source is one of the view's, of
// whatever entity.
func (o *Oracle) enters(v *spec.View, e *event) bool {
	return !e.retracting && (v.Filter == nil || holds(v.Filter, e))
}

// inputsOf is what an event gives to each definition over its source.
func (o *Oracle) inputsOf(e *event) []input {
	inputs := make([]input, len(o.numbers))
	for _, v := range o.spec.Views {
		if v.Source.Index != e.record.Source {
			continue
		}
		for _, d := range v.Definitions {
			inputs[o.numbers[d]] = inputOf(d, e)
		}
	}
	return inputs
}

// With is "with this event" (S7): an event that was applied already, by its id
// and time, is asked about at its own place; a new one after all events of its
// time. Nothing is remembered, and no order or lateness is checked.
func (o *Oracle) With(r Record) *Outcome {
	src := o.spec.Sources[r.Source]
	r.Partition, r.Offset = math.MaxInt32, math.MaxInt64
	e, refusal := o.read(src, r)
	if refusal != nil {
		return &Outcome{Reason: refusal.reason, Detail: refusal.detail, Field: refusal.field}
	}
	asked := reading{oracle: o, at: placeOf(e), current: e, extra: e, memo: map[*spec.Feature]Result{}}
	for _, known := range o.byID[idKey{r.Source, e.id}] {
		if e.hasID && known.time == e.time {
			asked.at, asked.current, asked.extra = placeOf(known), known, nil
		}
	}
	return &Outcome{Reason: Accepted, Known: asked.extra == nil, reading: asked}
}

// insert keeps a list in event order (S3).
func insert(list []*event, e *event) []*event {
	i := sort.Search(len(list), func(i int) bool { return placeOf(e).before(placeOf(list[i])) })
	list = append(list, nil)
	copy(list[i+1:], list[i:])
	list[i] = e
	return list
}

// place is where a reader stands in the order of events (S3).
type place struct {
	time      int64
	source    int
	partition int32
	offset    int64
	end       bool // after all events of its time: a read, or a view of another source
}

func placeOf(e *event) place {
	return place{time: e.time, source: e.record.Source, partition: e.record.Partition, offset: e.record.Offset}
}

func (p place) before(q place) bool {
	if p.time != q.time {
		return p.time < q.time
	}
	if p.end || q.end {
		return !p.end && q.end
	}
	if p.partition != q.partition {
		return p.partition < q.partition
	}
	return p.offset < q.offset
}
