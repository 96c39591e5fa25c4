package features

import (
	"math"
	"sort"

	"github.com/freshet-dev/freshet/features/window"
)

// How much room the blocks of many entities take that grow with their events.
// Events come at random: entities that have as many in the mean have more and
// fewer, and so blocks of many sizes at any time. Small blocks share pages, and a
// page serves one size for as long as one of its blocks is in use: what is held is
// found by following the sizes while the entities grow (docs/sizing.md).

// arriving is how many events there are of the known entities in a time, as a
// Poisson number of those that ever had one. Time is in spans: how long a log goes
// back.
type arriving struct {
	mean float64 // in a span, with entities that never had one
	last float64 // spans that events have come for
	from float64 // events that an entity has when its running state begins: before that, all stay in the log
}

// meet makes the mean that of all entities, where it was that of those that had an
// event.
func (a *arriving) meet() {
	events := a.mean
	for range 200 {
		a.mean = max(events*a.known(), 0.01/a.last)
	}
}

// known is the share of entities that ever had an event.
func (a *arriving) known() float64 { return -math.Expm1(-a.mean * a.last) }

// fewer is the share of entities that have had an event by a time, and never n of
// them in a stretch of so many spans. Stretches that overlap are as two for each
// that begins where another one ends.
func (a *arriving) fewer(by, stretch, n float64) float64 {
	never := math.Exp(-by * a.mean)
	if n <= 1 {
		return 0
	}
	if stretch == 1 && n <= a.from {
		stretch = max(1, by)
	}
	stretches := 1 + 2*max(0, by/stretch-1)
	return max(0, math.Pow(poissonBelow(min(by, stretch)*a.mean, n), stretches)-never) / a.known()
}

// poissonBelow is the probability of less than n >= 1 for a Poisson number with a
// mean, as Wilson and Hilferty approximate it: within 0.005.
func poissonBelow(mean, n float64) float64 {
	if n == 1 {
		return math.Exp(-mean)
	}
	z := 3 * math.Sqrt(n) * (math.Cbrt(mean/n) - 1 + 1/(9*n))
	return math.Erfc(z/math.Sqrt2) / 2
}

// sizing sums the blocks of a log, of entities that are about as busy as each
// other.
type sizing struct {
	arriving
	keys    float64
	most    float64 // events of an entity
	span    float64 // seconds
	longest float64 // spans that a life may go on beyond those that events have come for
	grows   []growing
}

// at is a time of so many seconds, in spans.
func (z *sizing) at(seconds float64) float64 { return min(z.last, seconds/z.span) }

// sizings are those of all entities of a log.
type sizings []*sizing

// times calls f with times in seconds up to the last one, as far apart as sizes of
// blocks may come and go.
func (all sizings) times(f func(seconds float64)) {
	const apart = 1.1
	last, most := 0.0, 1.0
	for _, z := range all {
		last = max(last, z.last*z.span)
	}
	for _, z := range all {
		most = max(most, z.mean/z.span*last/0.2)
	}
	for i := math.Ceil(math.Log(most) / math.Log(apart)); i >= 0; i-- {
		f(last * math.Pow(apart, -i))
	}
}

// states is how many entities have had a small state at once, and how many have a
// large one.
func (all sizings) states() (small, large float64) {
	all.times(func(seconds float64) {
		few := 0.0
		for _, z := range all {
			few += z.keys * z.fewer(z.at(seconds), 1, z.from)
		}
		small = max(small, few)
	})
	for _, z := range all {
		large += z.keys * max(0, 1-z.fewer(z.last, 1, z.from))
	}
	return small, large
}

// growing are the blocks of one structure of an entity, one behind the other.
type growing struct {
	from    float64 // events in a span that an entity has when it begins
	stretch float64 // spans that its events are of
	after   float64 // spans that it is behind: it holds what has left the log
	spare   float64 // how much more room it needs, as a part of itself, once some have left
	blocks  []grownBlock
}

type grownBlock struct {
	events float64 // from so many of the stretch on
	words  int
}

// share is the share of entities that have a structure's block i.
func (z *sizing) share(g *growing, i int, by float64) float64 {
	if by -= g.after; by <= 0 {
		return 0
	}
	room := 1 + g.spare*min(1, max(0, by-1))
	if z.most < z.mean*by {
		room = 1 + g.spare
	}
	known := -math.Expm1(-by*z.mean) / z.known()
	below := known
	if i+1 < len(g.blocks) {
		below = z.fewer(by, g.stretch, g.blocks[i+1].events/room)
	}
	switch {
	case g.stretch == 1:
		return max(0, below-z.fewer(by, 1, max(g.from, g.blocks[i].events/room)))
	case i > 0:
		below -= z.fewer(by, g.stretch, g.blocks[i].events)
	}
	return max(0, below) * (1 - z.fewer(by, 1, g.from)/max(known, 1e-9))
}

// add adds a structure with so many entries for the events of an entity, which
// come one by one, and a block of at least next words when one of so many words is
// full. It returns its bytes of an entity in the mean.
func (z *sizing) add(g growing, entries func(events float64) float64, width float64, next func(words int) int) float64 {
	mean := z.mean * min(g.stretch, z.last)
	last := max(g.from, min(z.most*max(1, g.stretch), mean+8*math.Sqrt(mean)+8)) * (1 + g.spare)
	words, events := 0, 1.0
	if g.stretch == 1 {
		events = g.from
	}
	need := func(events float64) float64 { return math.Ceil(entries(events)-1e-9) * width }
	for events <= last {
		for words == 0 || float64(words) < need(events) {
			words = window.BlockWords(next(words))
		}
		g.blocks = append(g.blocks, grownBlock{events, words})
		events += 1 + float64(sort.Search(int(last-events)+1, func(i int) bool { return float64(words) < need(events+1+float64(i)) }))
	}
	z.grows = append(z.grows, g)
	bytes := 0.0
	for i, b := range g.blocks {
		bytes += z.share(&g, i, z.last) * float64(b.words) * word
	}
	return bytes
}

// grown adds a block whose entries are of some words, and which grows by a part of
// itself when it is full.
func (z *sizing) grown(g growing, entries func(float64) float64, width, part int) float64 {
	return z.add(g, entries, float64(width), func(words int) int {
		n := words / width
		return (n + 1 + n/part) * width
	})
}

// records adds records by category, of which there is one more for all of them.
func (z *sizing) records(g growing, entries func(float64) float64, width int) float64 {
	return z.add(g, func(events float64) float64 { return 1 + entries(events) }, float64(width), func(words int) int {
		used := words / width * width
		return used + width + used/recordsGrow
	})
}

// table adds a table, which is never full.
func (z *sizing) table(g growing, entries func(float64) float64) float64 {
	const width = 2. * window.TableSlots / window.TableFull
	return z.add(g, entries, width, func(words int) int { return 2 * window.NextSlots(words/2) })
}

// held is what the blocks take of memory, in bytes: of those that share pages the
// most that the pages ever were, since what is free in one of them is used by other
// sizes only when all of it is.
func (all sizings) held() float64 {
	var peak, pages, alone float64
	most := map[int]float64{} // blocks there ever were at once, by their words
	all.times(func(seconds float64) {
		used := map[int]float64{}
		for _, z := range all {
			z.use(z.at(seconds), used)
		}
		pages, alone = 0, 0
		for words, n := range used {
			if window.Alone(words) {
				alone += n * heapBytes(float64(words)*word)
				continue
			}
			most[words] = max(most[words], n, 1e-6)
			pages += pagesOf(words, n, most[words])
		}
		peak = max(peak, pages)
	})
	return arena(peak, window.PageWords) + alone
}

// use adds the blocks that there are at a time, by their words.
func (z *sizing) use(by float64, used map[int]float64) {
	for i := range z.grows {
		for j, b := range z.grows[i].blocks {
			used[b.words] += z.share(&z.grows[i], j, by) * z.keys
		}
	}
}

// pagesOf is how many pages hold n blocks of so many words, of which there were
// more. Those that are left are not anywhere: who came last shares pages, so that a
// page is left behind as if it had fewer blocks.
func pagesOf(words int, n, most float64) float64 {
	const together = 2 // blocks
	blocks := float64(window.PageWords / words)
	pages := math.Ceil(most / blocks)
	return math.Max(pages*(1-math.Pow(1-n/most, blocks/together)), math.Min(1, n))
}

// arena is the bytes of so many pieces of some words: they are made several at a
// time, so that half of the last ones is free in the mean.
func arena(pieces float64, words int) float64 {
	pieces = math.Ceil(pieces)
	together := float64(window.ArenaSize(int(pieces), words))
	return (pieces + (together-1)/2) * heapBytes(together*float64(words)*word) / together
}

// heapBytes is what Go's allocator takes for so many bytes: whole pages of 8 KiB
// beyond four of them, and sizes that are a little larger in the mean below.
func heapBytes(bytes float64) float64 {
	const page, smallRound = 8 << 10, 1.04
	switch {
	case bytes > 4*page:
		return math.Ceil(bytes/page) * page
	case math.Mod(bytes, page) == 0:
		return bytes
	}
	return bytes * smallRound
}
