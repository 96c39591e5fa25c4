package features

import (
	"math"
	"slices"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/expr"
	"github.com/freshet-dev/freshet/features/window"
)

// Engine is the state of all entities of a plan. It belongs to one goroutine.
type Engine struct {
	plan    *Plan
	hash    hasher
	texts   *interner
	sources []*sourceState
	logs    []*entityLog // by logPlan.index

	current  current
	alone    [1]identity // of an event that was not staged
	stage    stage
	scratch  []uint64               // what a scan fills: the words of one cursor's parts
	summed   []uint64               // what the rows of an entity without running state come to
	lifted   [3][liftedWords]uint64 // of a direct cell, by part
	wide     []uint64               // the same with what was folded
	memory   []uint64               // the registers of a window that is read once
	sets     []*aggregate.Set       // what a scan collects for Distinct parts
	row      Row
	values   []event.Value // of a row, with working values behind the columns
	statuses []Status
	args     aggregate.Args // of one cell
	stretch  stretch        // what a walk goes over
	walked   []uint64       // what it makes
	counting *counting
	voted    [2]uint64      // a mode or quantile
	binned   []*binned      // what a scan collects for Buckets parts
	met      *aggregate.Set // the values that it has met
	lists    *items         // where the items of lists and maps go: one of the two that follow
	ofVector items
	ofRow    items
	extreme  [2]uint64
	best     [5]uint64
	about    [1]uint64
	oldest   [3]uint64
	env      expr.Env

	pick       *pick // which rows a scan takes; nil: all
	picked     pick
	gathered   []uint64
	byWord     map[uint64]int // what rank counts in
	categories []category

	unfinished unfinished // the group of a snapshot that is being written
	replay     *replay    // while records are read again behind a snapshot; nil: they are not

	again bool // rows that are read were asked for by TouchMore

	counts  []viewCounts // by spec.View.Index
	touched uint64       // keeps the loads of what is brought near
}

// items are what the lists and maps of a vector or row are made of.
type items struct {
	values  []event.Value
	entries []event.Entry
}

func (x *items) reset() { x.values, x.entries = x.values[:0], x.entries[:0] }

// Options of an engine.
type Options struct {
	Seed [16]byte // keys the hashes that decide values; same seed, same state
	// Few is how many events an entity may have before it gets a running state;
	// 0: a number found by measuring. It changes what a value costs, not what it
	// is.
	Few int
	// MaxKeys is how many entities a log may know, that is of one entity over one
	// source: each of 256 groups of keys a 256th of them, at least one. 0: any
	// number. Which entities leave depends on the order of events by nature, and on
	// nothing else but the seed.
	MaxKeys int
}

func (o Options) few() int {
	if o.Few > 0 {
		return o.Few
	}
	return fewRows
}

// NewEngine is an engine that has seen nothing.
func NewEngine(p *Plan, o Options) *Engine {
	e := &Engine{plan: p, hash: newHasher(o.Seed), texts: newInterner(), counts: make([]viewCounts, len(p.views)), met: aggregate.NewSet()}
	e.counting = &counting{e.hash, aggregate.NewScale(), e.texts}
	e.lists = &e.ofVector
	for _, sp := range p.sources {
		e.sources = append(e.sources, newSourceState(sp))
	}
	scratch, sets, buckets := 0, 0, 0
	for _, l := range p.logs {
		e.logs = append(e.logs, newEntityLog(l, o, e.counting))
		scratch = max(scratch, l.scratch)
		for _, k := range l.cursors {
			sets, buckets = max(sets, k.sets), max(buckets, k.buckets)
		}
	}
	for _, s := range e.sources {
		for i, plan := range s.plan.logs {
			l := e.logs[plan.index]
			l.entityAt = s.plan.entity[i]
			s.logs = append(s.logs, l)
		}
	}
	e.scratch, e.wide = make([]uint64, scratch), make([]uint64, scratch)
	width := 0
	for _, v := range p.views {
		if v != nil && v.row != nil {
			width = max(width, v.row.width)
		}
	}
	e.values, e.statuses = make([]event.Value, width), make([]Status, width)
	e.summed, sets = make([]uint64, p.summed+sumWords), max(sets, p.sets)
	e.memory = make([]uint64, window.MemoryWords)
	for range sets {
		e.sets = append(e.sets, aggregate.NewSet())
	}
	for range buckets {
		e.binned = append(e.binned, new(binned))
	}
	return e
}

// current is what is known of the event at hand: its keys, and what its own
// fields say to every condition and input of its source.
type current struct {
	*identity
	staged   bool
	takes    takes
	conds    []condition
	values   []event.Value // by input
	words    []uint64      // by input
	bits     []bool        // by bit
	places   []placed      // by the source's logs
	prepared bool
}

// condition is what a filter or numerator says to the event.
type condition uint8

const (
	unknown condition = iota // it has no value (S17)
	fails
	holds
)

// placeOf is the order of events of equal time: partition, then offset (S3). It
// has room for 65,536 partitions and 2^48 records in each.
func placeOf(ev *event.Event) uint64 {
	return uint64(ev.Partition)<<48 | uint64(ev.Offset)
}

// ask evaluates every condition and input of the event's source.
func (e *Engine) ask(ev *event.Event) {
	c, sp := &e.current, e.plan.sources[ev.Source]
	env := &e.env
	*env = expr.Env{Fields: ev.Values}
	c.takes = e.takesOf(ev)
	c.conds = c.conds[:0]
	for _, program := range sp.conds {
		yes, ok := program.EvalBool(env)
		switch {
		case !ok:
			c.conds = append(c.conds, unknown)
		case yes:
			c.conds = append(c.conds, holds)
		default:
			c.conds = append(c.conds, fails)
		}
	}
	n := len(sp.inputs)
	c.values, c.words = slices.Grow(c.values[:0], n)[:n], slices.Grow(c.words[:0], n)[:n]
	for i := range sp.inputs {
		in := &sp.inputs[i]
		v, ok := in.eval(ev, env)
		if !ok {
			v = event.Value{}
		}
		c.values[i], c.words[i] = v, e.word(in, v)
	}
	c.bits = slices.Grow(c.bits[:0], len(sp.bits))[:len(sp.bits)]
	for i := range sp.bits {
		c.bits[i] = sp.bits[i].holds(c)
	}
}

// word is a value as a row holds it, or as is_new looks for it. Of a text that
// rows give back it is 0: an insertion takes a number for it.
func (e *Engine) word(in *inputPlan, v event.Value) uint64 {
	switch {
	case in.encoding != hashed || !v.Has():
		return wordOf(v)
	case v.Kind() == event.String:
		return e.hash.of(v.Str())
	}
	return e.hash.spread(wordOf(v))
}

// wordOf is a number's word.
func wordOf(v event.Value) uint64 {
	switch v.Kind() {
	case event.Double:
		return math.Float64bits(v.Float())
	case event.String, event.None:
		return 0
	}
	return uint64(v.Int())
}

// Apply puts an admitted event into every view of its source and fills out
// with what it is enriched with (S1 to S4). With a nil out nothing is read: a
// silent replay.
func (e *Engine) Apply(ev *event.Event, out *Vector) {
	c, s := &e.current, e.sources[ev.Source]
	sp := s.plan
	if !c.prepared || c.ev != ev {
		e.identify(ev)
	}
	c.prepared = false
	e.ask(ev)
	e.ofVector.reset()
	e.lists = &e.ofVector
	if out != nil {
		stamp(out.Statuses)
	}
	first := true
	c.places = slices.Grow(c.places[:0], len(s.logs))[:len(s.logs)]
	clear(c.places)
	if !c.staged {
		e.touched = s.near(e.alone[:])
	}
	for i, l := range s.logs {
		if c.keys[l.entityAt] == "" {
			if c.takes.yes {
				l.keyless++
			}
			continue
		}
		p := &c.places[i]
		if l.follow(e, p, ev) {
			first = false
			continue
		}
		if l.has(c.hashes[l.entityAt], ev.Partition, ev.Offset) {
			first = false
			continue
		}
		l.find(e, p, ev, first)
		l.makeRoom(e, p)
		before := out != nil && l.plan.past && p.standing == at
		if before && !c.takes.yes {
			e.readBefore(sp, l, p, ev, out)
		}
		l.put(e, p, ev)
		if before && c.takes.yes { // it has no contribution, and has taken effect
			e.readBefore(sp, l, p, ev, out)
		}
		first = false
	}
	if out != nil {
		e.enrich(sp, ev, out)
	}
	s.sweep(e)
}

// sweep looks whether entities of one of the source's logs can be forgotten, as
// many as events have come since the last time; the logs take turns.
func (s *sourceState) sweep(e *Engine) {
	if s.turn++; s.turn%sweepOnApply == 0 && len(s.logs) > 0 {
		s.logs[s.turn/sweepOnApply%len(s.logs)].sweep(e, sweepOnApply, s.reference())
	}
}

// Watermark is the newest event time accepted in a partition in ms; false
// before the first.
func (e *Engine) Watermark(source int, partition int32) (int64, bool) {
	p := e.sources[source].partition(partition)
	if p == nil {
		return 0, false
	}
	return p.watermark, true
}

// SetCoverage tells from when on a source has been read (S19). Without it a
// source counts as read from its start.
func (e *Engine) SetCoverage(source int, c Coverage) { e.sources[source].coverage = c }

// Stats is what an engine holds.
type Stats struct {
	Logs  []LogStats
	Views []ViewStats
}

// LogStats is what one log holds: the events of one entity over one source, with
// the state beside them, for all views of the two.
type LogStats struct {
	Source *spec.Source
	Entity *spec.Entity
	Keys   int64
	Bytes  int64

	// Since the engine was made:
	Folded  int64 // events past the event budget (S26)
	Evicted int64 // entities past Options.MaxKeys
	// Of a source with `retracts` (S16): events that would take another one back,
	// but no such event came within the lateness; or they lack the entity's key.
	RetractUnknown, RetractKeyless int64
}

// ViewStats is what one view holds and has counted. Its entities are those of
// its log.
type ViewStats struct {
	View *spec.View
	Keys int64

	// Since the engine was made:
	NoEntity   int64 // enriched events that had no such entity (S15)
	Incomplete int64 // values read behind what is kept (S9)
	Degraded   int64 // values read past the event budget (S26)
	Overflows  int64 // sums beyond int64 (S13)
}

type viewCounts struct{ noEntity, incomplete, degraded, overflows int64 }

// Stats counts what the engine holds.
func (e *Engine) Stats() Stats {
	var s Stats
	for _, l := range e.logs {
		l.expireAllWaits(e.sources[l.plan.source.source.Index].newest)
		s.Logs = append(s.Logs, LogStats{Source: l.plan.source.source, Entity: l.plan.entity, Keys: l.entities.live(), Bytes: l.bytes(), Folded: l.folds, Evicted: l.evicted,
			RetractUnknown: l.unknowns, RetractKeyless: l.keyless})
	}
	for _, v := range e.plan.views {
		if v == nil {
			continue
		}
		l := e.logs[v.log.index]
		c := e.counts[v.view.Index]
		s.Views = append(s.Views, ViewStats{
			View:       v.view,
			Keys:       l.entities.live(),
			NoEntity:   c.noEntity,
			Incomplete: c.incomplete,
			Degraded:   c.degraded,
			Overflows:  c.overflows,
		})
	}
	return s
}
