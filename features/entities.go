package features

import (
	"strings"

	"github.com/freshet-dev/freshet/features/window"
)

// entities maps keys to states: a fixed number of words for each entity, in
// pages that never move.
type entities struct {
	words int
	slots map[string]uint32
	keys  []string // by slot
	pages [][]uint64
	free  []uint32
}

const (
	pageSlotBits = 8
	pageSlots    = 1 << pageSlotBits
)

func newEntities(words int) entities {
	return entities{words: words, slots: map[string]uint32{}}
}

// find is the slot of a key.
func (s *entities) find(key string) (uint32, bool) {
	slot, ok := s.slots[key]
	return slot, ok
}

// state is the words of a slot.
func (s *entities) state(slot uint32) []uint64 {
	at := int(slot&(pageSlots-1)) * s.words
	return s.pages[slot>>pageSlotBits][at : at+s.words : at+s.words]
}

// make gives a key a slot with zero words.
func (s *entities) make(key string) uint32 {
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
	s.slots[key] = slot
	return slot
}

// remove forgets an entity.
func (s *entities) remove(slot uint32) {
	delete(s.slots, s.keys[slot])
	s.keys[slot] = ""
	clear(s.state(slot))
	s.free = append(s.free, slot)
}

func (s *entities) live() int64 { return int64(len(s.slots)) }

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
	const perKey = 48 // the index's share, and the key's text
	return l.slab.Used() + l.entities.live()*int64(8*l.plan.words+perKey)
}
