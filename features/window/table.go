package window

// Tables is the geometry of the values seen: a table maps a word to the time of
// its newest occurrence, and to whether it occurs among the events that have
// left the log (the base). Words are spread already: hashes under a key that
// others do not know. A table is two words of its owner: the block, and the
// number of slots (high half) and of entries (low half). A slot is a word and
// its note; a note of 0 is a free slot.
type Tables struct{ slab *Slab }

// NewTables is the geometry of tables in a slab.
func NewTables(slab *Slab) Tables { return Tables{slab} }

// Note is what a table says about a word: the time of its newest occurrence,
// positive, and whether it is in the base.
type Note uint64

// NewNote makes a note.
func NewNote(t int64, base bool) Note {
	n := Note(t) << 1
	if base {
		n |= 1
	}
	return n
}

// Time is when the word occurred last.
func (n Note) Time() int64 { return int64(n >> 1) }

// Base reports whether the word is in the base.
func (n Note) Base() bool { return n&1 != 0 }

// Len is the number of words.
func (t *Tables) Len(h []uint64) int { return int(uint32(h[1])) }

func (t *Tables) slots(h []uint64) []uint64 {
	return t.slab.Words(Ref(h[0]))[:2*(h[1]>>32)]
}

// Get is the note of a word; 0: it is not in the table.
func (t *Tables) Get(h []uint64, word uint64) Note {
	if uint32(h[1]) == 0 {
		return 0
	}
	slots := t.slots(h)
	return Note(slots[find(slots, word)+1])
}

// find is where a word is in a table that is not full, or the free slot where
// it would go.
func find(slots []uint64, word uint64) int {
	size := len(slots) / 2
	for i := home(word, size); ; i++ {
		if i == size {
			i = 0
		}
		if slots[2*i+1] == 0 || slots[2*i] == word {
			return 2 * i
		}
	}
}

// home is where the search for a word begins. Sizes are no powers of two: a
// table that doubled would be half empty.
func home(word uint64, size int) int {
	return int(word * 0x9e3779b97f4a7c15 >> 32 * uint64(size) >> 32)
}

const firstSlots = 4

// A table is larger once more than TableFull of TableSlots slots would be in use.
const (
	TableFull  = 4
	TableSlots = 5
)

// NextSlots is how many slots at least a full table gets.
func NextSlots(slots int) int { return max(firstSlots, slots+slots/4+1) }

// Put sets the note of a word.
func (t *Tables) Put(h []uint64, word uint64, n Note) {
	t.makeRoom(h)
	slots := t.slots(h)
	i := find(slots, word)
	if slots[i+1] == 0 {
		h[1]++
	}
	slots[i], slots[i+1] = word, uint64(n)
}

// Count adds a step to a note that is a number, and returns what it was before. A
// word of which none is left is forgotten.
func (t *Tables) Count(h []uint64, word uint64, step int) (before uint64) {
	if step > 0 {
		t.makeRoom(h)
	}
	slots := t.slots(h)
	i := find(slots, word)
	before = slots[i+1]
	if before == 0 {
		h[1]++
	}
	slots[i], slots[i+1] = word, before+uint64(step)
	if slots[i+1] == 0 {
		t.deleteAt(h, slots, i/2)
	}
	return before
}

// makeRoom makes room for one word more.
func (t *Tables) makeRoom(h []uint64) {
	if size, used := h[1]>>32, uint64(uint32(h[1])); (used+1)*TableSlots > size*TableFull {
		t.resize(h, uint64(NextSlots(int(size))))
	}
}

func (t *Tables) resize(h []uint64, size uint64) {
	old := Ref(h[0])
	var entries []uint64
	if old != 0 {
		entries = t.slots(h)
	}
	h[0] = uint64(t.slab.Alloc(int(2 * size)))
	size = uint64(len(t.slab.Words(Ref(h[0]))) / 2)
	h[1] = size<<32 | uint64(uint32(h[1]))
	slots := t.slots(h)
	clear(slots)
	for i := 0; i < len(entries); i += 2 {
		if entries[i+1] != 0 {
			j := find(slots, entries[i])
			slots[j], slots[j+1] = entries[i], entries[i+1]
		}
	}
	t.slab.Free(old)
}

// Delete forgets a word, and moves those that it was in the way of.
func (t *Tables) Delete(h []uint64, word uint64) {
	if uint32(h[1]) == 0 {
		return
	}
	slots := t.slots(h)
	hole := find(slots, word) / 2
	if slots[2*hole+1] == 0 {
		return
	}
	t.deleteAt(h, slots, hole)
}

// deleteAt forgets the word of a slot.
func (t *Tables) deleteAt(h, slots []uint64, hole int) {
	h[1]--
	for i, passed := hole+1, 1; ; i, passed = i+1, passed+1 {
		if i*2 == len(slots) {
			i = 0
		}
		if slots[2*i+1] == 0 {
			break
		}
		away := i - home(slots[2*i], len(slots)/2) // from where its search begins
		if away < 0 {
			away += len(slots) / 2
		}
		if away >= passed {
			slots[2*hole], slots[2*hole+1] = slots[2*i], slots[2*i+1]
			hole, passed = i, 0
		}
	}
	slots[2*hole+1] = 0
	if used, size := uint64(uint32(h[1])), h[1]>>32; size > firstSlots && used*8 < size {
		t.resize(h, size/2)
	}
}

// Each calls f for every word, in no particular order. f does not change the
// table.
func (t *Tables) Each(h []uint64, f func(word uint64, n Note)) {
	if uint32(h[1]) == 0 {
		return
	}
	slots := t.slots(h)
	for i := 0; i < len(slots); i += 2 {
		if slots[i+1] != 0 {
			f(slots[i], Note(slots[i+1]))
		}
	}
}

// Revise calls f for every word and keeps the note that it returns; 0 forgets
// the word.
func (t *Tables) Revise(h []uint64, f func(word uint64, n Note) Note) {
	if uint32(h[1]) == 0 {
		return
	}
	old := [2]uint64{h[0], h[1]}
	h[0], h[1] = 0, 0
	t.Each(old[:], func(word uint64, n Note) {
		if n = f(word, n); n != 0 {
			t.Put(h, word, n)
		}
	})
	t.slab.Free(Ref(old[0]))
}

// Expire looks at n slots, beginning with the turn's, and forgets the words that
// occurred last at t or before.
func (t *Tables) Expire(h []uint64, turn, n int, until int64) {
	size := int(h[1] >> 32)
	for i := range min(n, size) {
		slots := t.slots(h)
		at := int((uint64(turn)*uint64(n) + uint64(i)) % uint64(len(slots)/2))
		if note := Note(slots[2*at+1]); note != 0 && note.Time() <= until {
			t.Delete(h, slots[2*at])
		}
	}
}
