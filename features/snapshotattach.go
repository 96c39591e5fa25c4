package features

import (
	"unsafe"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

func tailFits(words window.Words) bool { return aggregate.TailFits(words.At(0), words.Len()) }

// attach puts the entities into their log.
func (s *section) attach(e *Engine, group int) {
	l := s.log
	g := &l.entities.groups[group]
	if g.count != 0 {
		panic("features: a group is attached to one that has entities")
	}
	g.swept, g.mark = s.swept, s.mark
	m := newMover(e, s)
	slots := make([]slot, s.n)
	in := input{rest: s.entities}
	for i := range slots {
		x := in.entity(l.plan)
		slots[i] = m.move(&x, s.hashes[i])
	}
	m.end()
	if s.n > 0 {
		for i, x := range s.index {
			if x != 0 {
				s.index[i] = x&^(1<<32-1) | uint64(slots[uint32(x)-1]+1)
			}
		}
		g.index, g.count = s.index, s.n
		l.entities.count += s.n
	}
	for w := s.waits; w.Len() > 0; w = w.From(waitWords) {
		x := waiting{hash128{w.At(0), w.At(1)}, int64(w.At(2)), w.At(3), int64(w.At(4))}
		q := l.waitsOf(x.key)
		q.list = append(q.list, x)
	}
}

// mover moves the entities of a section into their log.
type mover struct {
	*section
	engine  *Engine
	numbers []uint64 // of the texts
	room    []byte   // for keys
}

// keyRoom is how many bytes of keys lie together: they are given back when none
// of them is in use.
const keyRoom = 4 << 10

func newMover(e *Engine, s *section) *mover {
	m := &mover{section: s, engine: e}
	for _, text := range s.texts {
		m.numbers = append(m.numbers, e.texts.hold(text))
	}
	return m
}

// end lets go of the texts that nothing has mentioned.
func (m *mover) end() {
	for _, number := range m.numbers {
		m.engine.texts.release(number)
	}
}

// keep is a key that outlives the bytes.
func (m *mover) keep(key []byte) string {
	if len(key) > len(m.room) {
		m.room = make([]byte, max(keyRoom, len(key)))
	}
	n := copy(m.room, key)
	kept := m.room[:n:n]
	m.room = m.room[n:]
	return unsafe.String(unsafe.SliceData(kept), n)
}

// move gives an entity a slot.
func (m *mover) move(x *written, h hash128) slot {
	l := m.log
	states, kind := &l.entities.small, slot(0)
	if x.large {
		states, kind = &l.entities.large, largeSlot
	}
	n := states.take(m.keep(x.key))
	w := states.at(n)
	if x.large {
		m.fillLarge(x, w)
	}
	w[atKey], w[atKey+1] = h.hi, h.lo
	w[atNow], w[atDropped], w[atBorn], w[atTouched] = x.now, x.dropped, x.born, 0
	if len(l.plan.texts) > 0 {
		l.plan.eachRowText(x.rows, func(at int) {
			number := m.numbers[x.rows.At(at)-1]
			m.engine.texts.again(number)
			x.rows.Set(at, number)
		})
	}
	x.rows.CopyTo(l.rows.Make(w[atRows:], x.start, x.n, x.room))
	return n | kind
}

// fillLarge gives a large state its words and blocks.
func (m *mover) fillLarge(x *written, w []uint64) {
	l := m.log.plan
	if l.mentions.any() {
		l.eachText(x.state, func(r reference) {
			number := m.numbers[x.state.At(r.at)-1]
			if r.holder {
				m.engine.texts.again(number)
			}
			if r.key {
				number = m.engine.hash.spread(number)
			}
			x.state.Set(r.at, number)
		})
	}
	x.state.CopyTo(w[atFirst:])
	words := x.state.From(l.words - atFirst)
	for i, h := range l.handles {
		if h.kind == rowsHandle {
			continue
		}
		n, meta := int(w[h.at]), w[h.at+1]
		w[h.at], w[h.at+1] = 0, 0
		if n > 0 {
			m.fillBlock(h, l.mentions.blocks[i].texts, w, meta, words[:8*n])
			words = words.From(n)
		}
	}
}

// fillBlock gives a handle its block. A table whose keys are made of texts has
// them elsewhere now.
func (m *mover) fillBlock(h handlePlan, texts textKind, w []uint64, meta uint64, words window.Words) {
	l := m.log
	if texts == keyTexts || texts == heldKeys {
		for i := 0; i < words.Len(); i += 2 {
			if note := words.At(i + 1); note != 0 {
				l.tables.Put(w[h.at:], words.At(i), window.Note(note))
			}
		}
		return
	}
	var to []uint64
	switch x, n := w[h.at:], words.Len(); h.kind {
	case stackHandle:
		to = l.stacks.Make(x, meta, n)
	case tableHandle:
		to = l.tables.Make(x, meta, n)
	case tilesHandle:
		to = l.tiles.Make(x, meta, n)
	case histogramHandle:
		to = l.bins.Make(x, meta, n)
	default:
		to = l.slab.Fill(x, n)
	}
	words.CopyTo(to)
}
