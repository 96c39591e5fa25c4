package features

import (
	"math"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/window"
)

// Load is what a log is expected to hold: the events of one entity over one
// source (docs/sizing.md).
type Load struct {
	Rate     float64 // events of the source per second
	Keys     float64 // entities that are known at once
	KeyBytes int     // of an entity's key as text
	Values   float64 // different values of an entity and a field; 0: every event has its own
}

// LogSize is what a log needs, in bytes, and how it is put together: the means
// of one entity.
type LogSize struct {
	Source *spec.Source
	Entity *spec.Entity
	Views  []*spec.View
	Events float64 // kept of an entity
	Key    float64 // its text and its place in the index
	State  float64
	Rows   float64 // the events
	Beside float64 // values, extremes, tiles
	Total  float64 // of all entities
}

// Size is what the engine needs under a load, by log. It follows the plan's own
// numbers: the words of a state, of a row, of a block.
func (p *Plan) Size(load func(*spec.Source, *spec.Entity) Load) []LogSize {
	var sizes []LogSize
	for _, l := range p.logs {
		s := l.size(load(l.source.source, l.entity))
		for _, v := range l.views {
			s.Views = append(s.Views, v.view)
		}
		sizes = append(sizes, s)
	}
	return sizes
}

const word = 8 // bytes

// commonBuckets is how many buckets of a quantile are in use by many values: five
// powers of ten.
const commonBuckets = 580

// size is what a log needs. A log is trimmed when its block is full: what is in
// it beyond what is needed is room that it has anyway.
func (l *logPlan) size(load Load) LogSize {
	s := LogSize{Source: l.source.source, Entity: l.entity}
	if load.Keys < 1 {
		return s
	}
	s.Events = load.Rate * float64(l.span+l.lateness) / 1000 / load.Keys
	full := s.Events >= float64(l.budget)
	s.Events = max(1, min(s.Events, float64(l.budget)))
	slots := float64(firstIndex)
	for load.Keys*3 > slots*2 {
		slots *= 2
	}
	const header = 16 * 1.1 // a string's, in a list that grows by a quarter
	s.Key = slots*word/load.Keys + header + roundKey(load.KeyBytes)
	n := int(math.Ceil(s.Events))
	s.State, s.Rows = atFirst*word, blockBytes(n, l.width, rowsGrow)
	if few := fewRows; n > few || l.words <= 2*atFirst {
		s.State = float64(l.words) * word
		s.Beside = l.besideBytes(s.Events, load.Values)
	}
	if full {
		s.Beside += l.tileBytes()
	}
	s.Total = load.Keys * (s.Key + s.State + s.Rows + s.Beside)
	return s
}

// roundKey is what a text of so many bytes takes: Go hands out 8, 16, 24, 32,
// 48, 64, ... bytes.
func roundKey(bytes int) float64 {
	step := 8
	if bytes > 32 {
		step = 16
	}
	return float64((bytes + step - 1) / step * step)
}

// blockBytes is the block of n entries that came one by one. A full block is
// replaced by one that has room for one more and a part of what there is.
func blockBytes(n, width, part int) float64 {
	words := 0
	for entries := 0; entries < n; entries = words / width {
		words = window.BlockWords((entries + 1 + entries/part) * width)
	}
	return float64(words) * word
}

// By which part of themselves full blocks grow.
const (
	rowsGrow    = 8
	stacksGrow  = 2
	bucketsGrow = 4
)

// besideBytes is what stands beside the log of an entity with so many events.
func (l *logPlan) besideBytes(events, values float64) float64 {
	horizon := float64(l.span + l.lateness)
	bytes := 0.0
	table := func(n float64) {
		slots := 4.0
		for n*4 > slots*3 {
			slots *= 2
		}
		bytes += float64(window.BlockWords(int(2*slots))) * word
	}
	seen := func(reach int64) float64 {
		n := events
		if reach > 0 {
			n *= min(1, float64(reach)/horizon)
		}
		if values > 0 { // of so many, drawn so often
			n = values * (1 - math.Exp(-n/values))
		}
		return min(n, 1.5*float64(l.distinct))
	}
	for _, x := range l.tables {
		table(seen(x.keep))
	}
	for range l.censuses {
		table(seen(0))
	}
	for range l.histograms { // buckets are two hundredths wide: that so many values have one of their own is rare
		bytes += blockBytes(int(math.Ceil(min(seen(0), commonBuckets))), 3, bucketsGrow)
	}
	for _, x := range l.stacks {
		n := events * min(1, float64(x.reach)/horizon)
		bytes += blockBytes(int(math.Ceil(1+math.Log(max(1, n)))), 2, stacksGrow)
	}
	return bytes
}

// tileBytes is what an entity takes for tiles once it is past its budget.
func (l *logPlan) tileBytes() float64 {
	words := len(l.tileWidths)
	for i, k := range l.tiling {
		words += int((k.delay+k.length)/k.grid+1) * l.tileWidths[i]
	}
	return float64(window.BlockWords(words)) * word
}
