package features

import (
	"strings"

	"github.com/freshet-dev/freshet/features/window"
)

// entities maps keys to states: a fixed number of words for each entity, in
// pages that never move. A key is found by its keyed 128-bit hash, which the
// state begins with; its text is kept for the rows.
type entities struct {
	words int
	index []uint64 // open addressing: high half of the hash, and slot + 1; 0: free
	count int
	keys  []string // by slot
	pages [][]uint64
	free  []uint32
}

const (
	pageSlotBits = 8
	pageSlots    = 1 << pageSlotBits
	firstIndex   = 1 << 8
)

func newEntities(words int) entities {
	return entities{words: words, index: make([]uint64, firstIndex)}
}

// home is where the search for a hash begins.
func (s *entities) home(tag uint64) int { return int(tag>>32) & (len(s.index) - 1) }

// find is the slot of a key.
func (s *entities) find(h hash128) (uint32, bool) {
	mask := len(s.index) - 1
	for i := s.home(h.hi); ; i = (i + 1) & mask {
		x := s.index[i]
		if x == 0 {
			return 0, false
		}
		if x>>32 != h.hi>>32 {
			continue
		}
		slot := uint32(x) - 1
		if w := s.state(slot); w[atKey] == h.hi && w[atKey+1] == h.lo {
			return slot, true
		}
	}
}

// state is the words of a slot.
func (s *entities) state(slot uint32) []uint64 {
	at := int(slot&(pageSlots-1)) * s.words
	return s.pages[slot>>pageSlotBits][at : at+s.words : at+s.words]
}

// make gives a key a slot with zero words, but for its hash.
func (s *entities) make(key string, h hash128) uint32 {
	key = strings.Clone(key)
	var slot uint32
	if n := len(s.free); n > 0 {
		slot = s.free[n-1]
		s.free = s.free[:n-1]
		s.keys[slot] = key
	} else {
		slot = uint32(len(s.keys))
		s.keys = append(s.keys, key)
		if slot&(pageSlots-1) == 0 {
			s.pages = append(s.pages, make([]uint64, pageSlots*s.words))
		}
	}
	w := s.state(slot)
	w[atKey], w[atKey+1] = h.hi, h.lo
	if s.count++; s.count*3 > len(s.index)*2 {
		s.grow()
	}
	s.enter(h.hi&^(1<<32-1) | uint64(slot+1))
	return slot
}

// enter puts an entry into the index.
func (s *entities) enter(x uint64) {
	i, mask := s.home(x), len(s.index)-1
	for s.index[i] != 0 {
		i = (i + 1) & mask
	}
	s.index[i] = x
}

func (s *entities) grow() {
	old := s.index
	s.index = make([]uint64, 2*len(old))
	for _, x := range old {
		if x != 0 {
			s.enter(x)
		}
	}
}

// remove forgets an entity, and moves the entries of the index that it was in
// the way of.
func (s *entities) remove(slot uint32) {
	w := s.state(slot)
	mask := len(s.index) - 1
	hole := s.home(w[atKey])
	for uint32(s.index[hole]) != slot+1 {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; s.index[i] != 0; i = (i + 1) & mask {
		if (i-s.home(s.index[i]))&mask >= (i-hole)&mask {
			s.index[hole] = s.index[i]
			hole = i
		}
	}
	s.index[hole] = 0
	s.count--
	s.keys[slot] = ""
	clear(w)
	s.free = append(s.free, slot)
}

func (s *entities) live() int64 { return int64(s.count) }

// entityLog is the logs and running states of all entities of one log plan.
type entityLog struct {
	plan     *logPlan
	slab     *window.Slab
	rows     window.Rows
	stacks   window.Stacks
	tables   window.Tables
	entities entities
	touched  []uint32 // slots with a row to be written, in order of first touch
	hand     int      // the next slot to be looked at by the sweep
	swept    uint64   // the newest event time of an entity that was forgotten
	nobody   []uint64 // the state of an entity that is not known
}

func newEntityLog(l *logPlan) *entityLog {
	slab := window.NewSlab()
	return &entityLog{
		plan:     l,
		slab:     slab,
		rows:     window.NewRows(slab, l.width),
		stacks:   window.NewStacks(slab),
		tables:   window.NewTables(slab),
		entities: newEntities(l.words),
		nobody:   make([]uint64, l.words),
	}
}

// bytes is about what the log's entities take.
func (l *entityLog) bytes() int64 {
	const perKey = 48 // about: the index's share, and the key's text
	return l.slab.Used() + l.entities.live()*int64(8*l.plan.words+perKey)
}
