package features

import (
	"math"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
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
	Pages  float64 // what is free in pages: between blocks, and left by smaller ones
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

// commonBuckets is how many buckets of a quantile values fall into: those of five
// powers of ten.
const commonBuckets = 580

// size is what a log needs. A log is trimmed when its block is full: what is in
// it beyond what is needed is room that it has anyway.
func (l *logPlan) size(load Load) LogSize {
	s := LogSize{Source: l.source.source, Entity: l.entity}
	if load.Keys < 1 {
		return s
	}
	s.Events = max(load.Rate*float64(l.span+l.lateness)/1000/load.Keys, l.newestKept(load))
	full := s.Events >= float64(l.budget)
	s.Events = max(1, min(s.Events, float64(l.budget)))
	slots := float64(numGroups * firstIndex)
	for load.Keys*3 > slots*2 {
		slots *= 2
	}
	const header = 16 // a string's
	paged := math.Ceil(load.Keys/pageSlots) * pageSlots / load.Keys
	s.Key = slots*word/load.Keys + header*paged + roundKey(load.KeyBytes)
	n := int(math.Ceil(s.Events))
	s.State = atFirst * word * paged
	blocks := sizing{}
	s.Rows = blocks.grown(n, l.width, rowsGrow)
	if n > fewRows || l.words <= 2*atFirst {
		s.Key += header * paged // the place that it had while it was small stays in the list
		s.State += float64(l.words) * word * paged
		s.Beside = l.besideBytes(&blocks, s.Events, load.Values)
	}
	if full {
		s.Beside += blocks.block(l.tileWords())
	}
	s.Pages = blocks.pages(s.State)
	s.Total = load.Keys * (s.Key + s.State + s.Rows + s.Beside + s.Pages)
	return s
}

// newestKept is how many events of an entity windows of the last n events keep,
// behind what may come late. An entity that is silent for a life's gap between
// its events never has several.
func (l *logPlan) newestKept(load Load) float64 {
	kept, perMilli := 0.0, load.Rate/1000/load.Keys
	for _, k := range l.lasts {
		if k.last < math.MaxInt && perMilli*float64(k.gap) > 1 { // the others keep a life, which counts as its ttl
			kept = max(kept, float64(k.last)+perMilli*float64(l.lateness+k.delay))
		}
	}
	return kept
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

// sizing sums the blocks of one entity, in bytes.
type sizing struct {
	small float64 // that share pages
	left  float64 // in pages that such blocks had, before they became large
	round float64 // what the allocator adds to large ones
}

// block is a block of at least so many words.
func (z *sizing) block(words int) float64 {
	bytes := float64(window.BlockWords(words)) * word
	if !window.Alone(words) {
		z.small += bytes
		return bytes
	}
	if bytes > 4*heapPage {
		z.round += math.Ceil(bytes/heapPage)*heapPage - bytes
	} else {
		z.round += bytes * smallRound
	}
	return bytes
}

const (
	heapPage   = 8 << 10 // of Go's allocator, which hands out whole ones beyond four
	smallRound = 0.04    // and sizes that are so much larger in the mean below
	ajar       = 0.05    // of pages is free: the newest are, and each ends with less than a block
)

// grown is the block of n entries that came one by one. A full block is
// replaced by one that has room for one more and a part of what there is.
func (z *sizing) grown(n, width, part int) float64 {
	words, shared := 0, 0
	for entries := 0; entries < n; entries = words / width {
		words = window.BlockWords((entries + 1 + entries/part) * width)
		if !window.Alone(words) {
			shared = words
		}
	}
	if words != shared {
		z.left += float64(shared) * word
	}
	return z.block(words)
}

// pages is what is free in the pages of an entity's blocks and state.
//
// What large blocks have left is filled first by what else the entity has that
// grows.
func (z *sizing) pages(state float64) float64 {
	left := max(0, z.left-z.small)
	return (z.small+left+state)*ajar + left + z.round
}

// By which part of themselves full blocks grow.
const (
	rowsGrow    = 8
	stacksGrow  = 2
	bucketsGrow = 4
	recordsGrow = 2
)

// timesApart is how many different numbers there are of how often a value occurs:
// few.
const timesApart = 8

// differ is how many of n values differ that are drawn of so many; 0: all do.
func differ(n, values float64) float64 {
	if values == 0 {
		return n
	}
	return values * (1 - math.Exp(-n/values))
}

// table is the block of a table with n entries that came one by one.
func (z *sizing) table(n int) float64 {
	slots, shared := 0, 0
	for slots*window.TableFull < n*window.TableSlots || slots == 0 {
		slots = window.BlockWords(2*window.NextSlots(slots)) / 2
		if !window.Alone(2 * slots) {
			shared = 2 * slots
		}
	}
	if 2*slots != shared {
		z.left += float64(shared) * word
	}
	return z.block(2 * slots)
}

// besideBytes is what stands beside the log of an entity with so many events.
func (l *logPlan) besideBytes(z *sizing, events, values float64) float64 {
	horizon := float64(l.span + l.lateness + l.coarsest)
	bytes := 0.0
	table := func(n float64) { bytes += z.table(int(math.Ceil(n))) }
	seen := func(reach int64) float64 {
		n := events
		if reach > 0 {
			n *= min(1, float64(reach)/horizon)
		}
		return differ(n, values)
	}
	for _, x := range l.tables {
		n := seen(x.keep)
		if x.life != nil {
			n = max(n, values)
		}
		table(min(n, 1.5*float64(l.distinct)))
	}
	for _, k := range l.cursors {
		for _, x := range k.divided {
			n := seen(k.length)
			table(n)
			bytes += z.grown(int(math.Ceil(n)), x.width, recordsGrow)
		}
		for _, p := range k.parts {
			bytes += z.counts(k, p, seen(k.length), values)
		}
	}
	for _, x := range l.stacks {
		n := events * min(1, float64(x.reach)/horizon)
		bytes += z.grown(int(math.Ceil(1+math.Log(max(1, n)))), 2, stacksGrow)
	}
	return bytes
}

// counts is what a part takes that counts how often each of n values occurs in a
// window. A life goes on: in the end it has met all values, and so has what has
// left the log.
func (z *sizing) counts(k *cursorPlan, p *partPlan, n, values float64) (bytes float64) {
	if k.life != nil {
		n = max(n, values)
	}
	switch {
	case p.part == aggregate.Buckets && !p.shares:
		if n = differ(n, commonBuckets); k.life != nil {
			n = commonBuckets
		}
		for _, x := range []*censusPlan{p.census, p.counts[0]} {
			if x != nil {
				bytes += z.grown(int(math.Ceil(n)), window.BinWords, bucketsGrow)
			}
		}
	case p.part == aggregate.Counts || p.part == aggregate.Mode:
		if p.census != nil {
			bytes += z.table(int(math.Ceil(n)))
		}
		if p.counts[0] != nil {
			bytes += z.table(int(math.Ceil(n)))
		}
		if p.counts[1] != nil {
			bytes += z.table(int(math.Ceil(min(n, timesApart))))
		}
	}
	return bytes
}

// tileWords is what an entity takes for tiles once it is past its budget.
func (l *logPlan) tileWords() int {
	words := len(l.tileWidths)
	for i, k := range l.tiling {
		words += int((k.delay+k.length)/k.grid+1) * l.tileWidths[i]
	}
	return words
}
