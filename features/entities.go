package features

import (
	"strings"

	"github.com/freshet-dev/freshet/features/window"
)

// entities maps keys to states. A key is found by its keyed 128-bit hash, which
// the state has; its text is kept for the rows. An entity with few events has a
// small state: the words before atFirst, and its rows. When it is promoted it
// gets a large one: all words of its log's plan.
type entities struct {
	groups       [numGroups]group // by the hash's first bits: growing one moves few
	count        int
	small, large states
}

const numGroups = 1 << 8

// group is the index of some entities.
type group struct {
	index []uint64 // open addressing: high half of the hash, and slot + 1; 0: free
	count int
	mark  uint64 // the newest event time of an entity that was evicted; 0: none was
	swept uint64 // and of one that was forgotten
}

// slot is where an entity's state is, as long as it has that one.
type slot uint32

const largeSlot slot = 1 << 31

// isLarge tells the two kinds of states apart.
func (s slot) isLarge() bool { return s&largeSlot != 0 }

// states is a number of words for each entity, in pages that never move.
type states struct {
	words int
	n     int        // slots there are
	keys  [][]string // in pages, by slot; "": free
	pages [][]uint64
	room  []uint64 // of the next pages
	free  []slot
}

const (
	pageSlotBits = 8
	pageSlots    = 1 << pageSlotBits
	firstIndex   = 1 << 2
)

func newEntities(words int) entities {
	s := entities{small: states{words: atFirst}, large: states{words: words}}
	first := make([]uint64, numGroups*firstIndex)
	for i := range s.groups {
		s.groups[i].index = first[i*firstIndex : (i+1)*firstIndex : (i+1)*firstIndex]
	}
	return s
}

// at is the words of a slot, without the bit that says which states.
func (s *states) at(n slot) []uint64 {
	at := int(n&(pageSlots-1)) * s.words
	return s.pages[n>>pageSlotBits][at : at+s.words : at+s.words]
}

// key is the text of a slot's key, where it is kept.
func (s *states) key(n slot) *string { return &s.keys[n>>pageSlotBits][n&(pageSlots-1)] }

// take is a slot with zero words.
func (s *states) take(key string) slot {
	if n := len(s.free); n > 0 {
		at := s.free[n-1]
		s.free = s.free[:n-1]
		*s.key(at) = key
		return at
	}
	at := slot(s.n)
	s.n++
	if at&(pageSlots-1) == 0 {
		s.keys = append(s.keys, make([]string, pageSlots))
		words := pageSlots * s.words
		if len(s.room) == 0 {
			s.room = window.Arena(words * window.ArenaSize(len(s.pages), words))
		}
		s.pages = append(s.pages, s.room[:words:words])
		s.room = s.room[words:]
	}
	*s.key(at) = key
	return at
}

func (s *states) release(n slot) {
	clear(s.at(n))
	*s.key(n) = ""
	s.free = append(s.free, n)
}

func (s *entities) of(n slot) (*states, slot) {
	if n.isLarge() {
		return &s.large, n &^ largeSlot
	}
	return &s.small, n
}

// group is where a hash is looked for.
func (s *entities) group(tag uint64) *group { return &s.groups[tag>>56] }

// home is where the search for a hash begins.
func (g *group) home(tag uint64) int { return int(tag>>32) & (len(g.index) - 1) }

// near touches where the search for a hash begins.
func (s *entities) near(h hash128) uint64 {
	g := s.group(h.hi)
	return g.index[g.home(h.hi)]
}

// known is where an entity is, and its words; none: there is no such entity.
type known struct {
	slot  slot
	state []uint64
}

// has reports whether the words are still those of a key.
func (k *known) has(h hash128) bool {
	return len(k.state) > atKey+1 && k.state[atKey] == h.hi && k.state[atKey+1] == h.lo
}

// find finds a key.
func (s *entities) find(h hash128) known {
	g := s.group(h.hi)
	mask := len(g.index) - 1
	for i := g.home(h.hi); ; i = (i + 1) & mask {
		x := g.index[i&(len(g.index)-1)]
		if x == 0 {
			return known{}
		}
		if x>>32 != h.hi>>32 {
			continue
		}
		n := slot(x) - 1
		if k := (known{n, s.state(n)}); k.has(h) {
			return k
		}
	}
}

// state is the words of a slot.
func (s *entities) state(n slot) []uint64 {
	states, at := s.of(n)
	return states.at(at)
}

// key is the text of a slot's key, "": the slot is free.
func (s *entities) key(n slot) string {
	states, at := s.of(n)
	return *states.key(at)
}

// nameless has the slot of an entity that is not in the index look free to whoever
// walks over all slots; its state stays.
func (s *entities) nameless(n slot) {
	states, at := s.of(n)
	*states.key(at) = ""
}

// make gives a key a small state with zero words, but for its hash.
func (s *entities) make(key string, h hash128) slot {
	n := s.small.take(strings.Clone(key))
	w := s.small.at(n)
	w[atKey], w[atKey+1] = h.hi, h.lo
	s.count++
	g := s.group(h.hi)
	if g.count++; g.count*3 > len(g.index)*2 {
		g.grow()
	}
	g.enter(h.hi&^(1<<32-1) | uint64(n+1))
	return n
}

// promote moves an entity from a small state to a large one, whose further
// words are zero.
func (s *entities) promote(n slot) slot {
	to := s.large.take(*s.small.key(n))
	w := s.small.at(n)
	copy(s.large.at(to), w)
	to |= largeSlot
	g := s.group(w[atKey])
	at := g.entry(w[atKey], n)
	g.index[at] = g.index[at]&^(1<<32-1) | uint64(to+1)
	s.small.release(n)
	return to
}

// entry is where in the index a slot is.
func (g *group) entry(tag uint64, n slot) int {
	i, mask := g.home(tag), len(g.index)-1
	for slot(g.index[i]) != n+1 {
		i = (i + 1) & mask
	}
	return i
}

// enter puts an entry into the index.
func (g *group) enter(x uint64) {
	i, mask := g.home(x), len(g.index)-1
	for g.index[i] != 0 {
		i = (i + 1) & mask
	}
	g.index[i] = x
}

func (g *group) grow() {
	old := g.index
	g.index = make([]uint64, 2*len(old))
	for _, x := range old {
		if x != 0 {
			g.enter(x)
		}
	}
}

// release frees the state of an entity that is not in the index.
func (s *entities) release(n slot) {
	states, at := s.of(n)
	states.release(at)
}

// unindex makes an entity unknown, and moves the entries of the index that it
// was in the way of.
func (s *entities) unindex(n slot) {
	w := s.state(n)
	tag := w[atKey]
	w[atKey], w[atKey+1] = 0, 0 // no one finds it by its slot either
	g := s.group(tag)
	mask := len(g.index) - 1
	hole := g.entry(tag, n)
	for i := (hole + 1) & mask; g.index[i] != 0; i = (i + 1) & mask {
		if (i-g.home(g.index[i]))&mask >= (i-hole)&mask {
			g.index[hole] = g.index[i]
			hole = i
		}
	}
	g.index[hole] = 0
	g.count--
	s.count--
}

func (s *entities) live() int64 { return int64(s.count) }

// after is the slot behind n in a walk over all, free ones among them, which
// begins again at its end.
func (s *entities) after(n slot) slot {
	n++
	for range 2 {
		switch states, at := s.of(n); {
		case int(at) < states.n:
			return n
		case n.isLarge():
			n = 0
		default:
			n = largeSlot
		}
	}
	return n
}

// entityLog is the logs and running states of all entities of one log plan.
type entityLog struct {
	plan     *logPlan
	counting *counting
	slab     *window.Slab
	rows     window.Rows
	stacks   window.Stacks
	tables   window.Tables
	bins     window.Histograms
	tiles    window.Tiles
	sketches window.Sketches
	entities entities
	entityAt int              // the place of its entity in Layout.Entities
	few      int              // rows of an entity with a small state; 0: none has one
	touched  []slot           // with a row to be written, in order of first touch; some that are free or come twice
	folds    int64            // events that were folded
	steps    int64            // rows, values and tiles that were looked at, one by one
	waits    [numGroups]waits // events whose original is not there
	expiring int              // the group whose waits were looked at last
	unknowns int64            // those that waited in vain
	keyless  int64            // events that would take another one back, and lack the key
	hand     slot             // the last one that was looked at by the sweep
	share    int              // how many entities a group may have; 0: any number
	evicted  int64            // entities, past the key cap
	leaving  []slot           // of those, with a row to be written
	oldest   oldest           // those that are about to be evicted
	nobody   []uint64         // a state that has seen nothing
	supposed []uint64         // the rows that ReadWith sees
	times    []int64          // of a table that is thinned
	moved    []value          // of a category that others come to or leave
	meant    []int            // the rows that a row takes back, or that take it back
	raised   []int            // the struck rows that a reading sees as they stood
	anew     []uint64         // a record that is put together anew
	tops     []uint64         // the words of the categories that are shown, ascending

	writing writing // of a snapshot

	// Of a log that was restored from a snapshot:
	restored bool
	covered  Coverage            // when it was written
	held     *[numGroups][]int64 // by group, while records are read again: below these offsets, by partition, it has them
}

func newEntityLog(l *logPlan, o Options, c *counting) *entityLog {
	slab := window.NewSlab()
	return &entityLog{
		plan:     l,
		counting: c,
		slab:     slab,
		rows:     window.NewRows(slab, l.width),
		stacks:   window.NewStacks(slab),
		tables:   window.NewTables(slab),
		bins:     window.NewHistograms(slab),
		tiles:    window.NewTiles(slab, l.tileWidths),
		sketches: window.NewSketches(slab),
		entities: newEntities(l.words),
		few:      l.few(o.few()),
		share:    shareOf(o.MaxKeys),
		nobody:   make([]uint64, l.words),
		writing:  writing{group: noGroup},
	}
}

// few is up to how many rows an entity has a small state, if so many were allowed; 0:
// none has one.
func (l *logPlan) few(few int) int {
	if l.words <= 2*atFirst {
		return 0
	}
	few = min(few, l.budget-1) // what folds runs
	if len(l.tables) > 0 {
		few = min(few, l.distinct) // and what may have more values than are kept
	}
	return few
}

// bytes is about what the log's entities take.
func (l *entityLog) bytes() int64 {
	const perKey = 48 // about: the index's share, and the key's text
	small, large := &l.entities.small, &l.entities.large
	return l.slab.Used() + l.entities.live()*perKey +
		int64(len(small.pages))*pageSlots*8*int64(small.words) + int64(len(large.pages))*pageSlots*8*int64(large.words)
}
