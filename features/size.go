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
	Seconds  float64 // that such events have come for; at least as long as the log goes back
	Skew     float64 // the n-th busiest of all entities has 1/n^Skew of the events of the busiest one; 0: all have as many
}

// LogSize is what a log needs, in bytes, and how it is put together: the means
// of one entity.
type LogSize struct {
	Source  *spec.Source
	Entity  *spec.Entity
	Views   []*spec.View
	Keys    float64 // as in the Load; fewer where so many cannot be known at once with its rate and skew
	Busiest float64 // the part of the events that the busiest hundredth of the keys have; 0: nothing is known of it
	Events  float64 // kept of an entity
	Key     float64 // its text and its place in the index
	State   float64
	Rows    float64 // the events
	Beside  float64 // values, extremes, tiles
	Pages   float64 // what is free in pages: between blocks, and left by smaller ones
	Total   float64 // of all entities
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
	var all sizings
	peers := l.peers(load)
	if load.Skew > 0 {
		s.Busiest = busiest(peers)
	}
	for _, k := range peers {
		z := l.sizing(k)
		s.Keys += k.keys
		s.Events += k.keys * max(1, min(k.rate*z.span, z.most))
		s.Rows += k.keys * z.grown(growing{from: 1, stretch: 1, spare: rowsSpare}, func(n float64) float64 { return min(n, z.most+z.most*rowsSpare) }, l.width, rowsGrow)
		s.Beside += k.keys * l.besideBytes(z, load.Values)
		if words := l.tileWords(z.most / k.rate); k.rate*z.span >= z.most && z.most == float64(l.budget) {
			s.Beside += k.keys * z.add(growing{from: z.most, stretch: 1}, func(float64) float64 { return 1 }, 1, func(int) int { return words })
		}
		all = append(all, z)
	}
	small, large := all.states()
	const header = 16 // a string's
	paged := func(keys float64, words int) float64 {
		pages := keys / pageSlots
		return arena(pages, pageSlots*words) + math.Ceil(pages)*pageSlots*header
	}
	s.Events, s.Rows, s.Beside = s.Events/s.Keys, s.Rows/s.Keys, s.Beside/s.Keys
	s.Key = indexBytes(s.Keys) + roundKey(load.KeyBytes)
	s.State = (paged(small, atFirst) + paged(large, l.words)) / s.Keys
	s.Pages = all.held()/s.Keys - s.Rows - s.Beside
	s.Total = s.Keys * (s.Key + s.State + s.Rows + s.Beside + s.Pages)
	return s
}

// sizing is the time that the log of one of some entities goes back, the events
// that have come in it, and when.
func (l *logPlan) sizing(k peers) *sizing {
	span, most := float64(l.span+l.lateness+l.coarsest)/1000, float64(l.budget) // seconds, events
	if kept := l.newestKept(k.rate); kept > k.rate*span {
		// As many have come to every entity, sooner or later.
		span, most = max(k.seconds, min(k.longest, 3*kept/k.rate)), min(most, kept)
	}
	z := &sizing{keys: k.keys, most: most, span: span, longest: k.longest / span}
	z.arriving = arriving{mean: k.rate * span, last: max(1, k.seconds/span), from: float64(l.few(fewRows)) + 1}
	if k.met {
		z.meet()
	}
	return z
}

// indexBytes is what an entity takes in the index: groups double when they are two
// thirds full, and have as many entities as it happens.
func indexBytes(keys float64) float64 {
	mean, slots := keys/numGroups, 0.0
	for n, below := float64(firstIndex), 0.0; below < 0.9999; n *= 2 {
		full := poissonBelow(mean, math.Floor(n*2/3)+1)
		slots, below = slots+n*(full-below), full
	}
	return slots * word * numGroups / keys
}

// newestKept is how many events of an entity with so many a second windows of the
// last n events keep, behind what may come late. An entity that is silent for a life's gap between
// its events never has several.
func (l *logPlan) newestKept(rate float64) float64 {
	kept, perMilli := 0.0, rate/1000
	for _, k := range l.lasts {
		if k.last > 0 && k.last < math.MaxInt && perMilli*float64(k.gap) > 1 { // the others keep a life, which counts as its ttl
			late := perMilli * float64(l.lateness+k.delay)
			kept = max(kept, float64(k.last)+1+late+2*math.Sqrt(late))
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

// By which part of themselves full blocks grow.
const (
	rowsGrow    = 8
	stacksGrow  = 2
	bucketsGrow = 4
	recordsGrow = 2

	rowsSpare = 1. / rowsGrow
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

// besideBytes is what stands beside the log of an entity in the mean.
func (l *logPlan) besideBytes(z *sizing, values float64) (bytes float64) {
	seen := func(events float64) float64 { return differ(min(events, z.most), values) }
	met := func(events float64) float64 { return differ(events, values) }
	for _, x := range l.tables {
		most, g, n := 1.5*float64(l.distinct), z.over(x.keep), seen
		if l.retracts {
			most = float64(l.budget)
		}
		if x.life != nil {
			g, n = z.life(values), met
		}
		bytes += z.table(g, func(events float64) float64 { return min(n(events), most) })
	}
	for _, k := range l.cursors {
		g, n := z.over(k.length), seen
		if k.life != nil {
			g, n = z.life(values), met
		}
		for _, x := range k.divided {
			if x.groups == nil {
				bytes += z.table(g, n) + z.records(g, n, x.stride)
				continue
			}
			kinds, most := x.groups, func(events float64) float64 { return 2 * n(events) } // and among the others
			bytes += z.table(g, func(events float64) float64 { return 3 * n(events) }) + z.records(g, n, kinds.stride)
			if !x.sets {
				bytes += z.records(g, most, x.stride)
			}
		}
		for _, p := range k.parts {
			bytes += z.counts(g, p, n)
		}
	}
	for _, x := range l.stacks {
		bytes += z.grown(z.over(x.reach), func(events float64) float64 { return 1 + math.Log(min(events, z.most)) }, 2, stacksGrow)
	}
	return bytes
}

// over is a structure of the events of some ms; 0: of all that the log has.
func (z *sizing) over(ms int64) growing {
	stretch := float64(ms) / 1000 / z.span
	if ms == 0 || stretch > 0.9 {
		stretch = 1
	}
	return growing{from: z.from, stretch: stretch}
}

// life is a structure of all events there ever were, at least so many that all
// values are among them.
func (z *sizing) life(values float64) growing {
	return growing{from: z.from, stretch: max(z.last, min(z.longest, 3*values/z.mean))}
}

// counts is what a part takes that counts how often each of some values occurs in a
// window, or in a life and beside it in what has left the log.
func (z *sizing) counts(g growing, p *partPlan, n func(float64) float64) (bytes float64) {
	gone := g
	gone.after = 1
	switch {
	case p.part == aggregate.Buckets && !p.shares:
		bins := func(events float64) float64 { return differ(n(events), commonBuckets) }
		if p.counts[0] != nil {
			bytes += z.grown(g, bins, window.BinWords, bucketsGrow)
		}
		if p.census != nil {
			bytes += z.grown(gone, bins, window.BinWords, bucketsGrow)
		}
	case p.part == aggregate.Distinct && p.counts[0] != nil:
		bytes += z.table(g, n)
	case p.part == aggregate.Counts || p.part == aggregate.Mode:
		if p.counts[0] != nil {
			bytes += z.table(g, n)
		}
		if p.census != nil {
			bytes += z.table(gone, n)
		}
		if p.counts[1] != nil {
			bytes += z.table(g, func(events float64) float64 { return min(n(events), timesApart) })
		}
	}
	return bytes
}

// tileWords is what an entity takes for tiles once it is past its budget, of what is
// older than so many seconds, which its rows go back.
func (l *logPlan) tileWords(seconds float64) int {
	words := len(l.tileWidths)
	for i, k := range l.tiling {
		if folded := k.delay + k.length - int64(seconds*1000); folded > 0 {
			words += int(folded/k.grid+1) * l.tileWidths[i]
		}
	}
	return words
}
