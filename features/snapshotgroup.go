package features

import (
	"github.com/freshet-dev/freshet/features/window"
)

// Group is a key group of a snapshot that was checked.
type Group struct {
	number   int
	sections []section
}

// section is the entities of one log in a group.
type section struct {
	log         *entityLog // nil: the plan has none for it
	n           int        // entities
	swept, mark uint64
	entities    []byte
	hashes      []hash128
	index       []uint64 // as group.index, with the place among the entities for the slot
	texts       []string // alias the bytes
	waits       window.Words
}

// Check reads a key group as AppendGroup wrote it. It changes nothing and reads
// nothing of the engine that changes, so that several goroutines may check
// groups at once, and beside Attach. The bytes belong to the group from now on.
// An error says that they are not what was written. It takes a few times the
// memory of the bytes at most, whatever they are.
func (r *Restore) Check(group int, raw []byte) (*Group, error) {
	in := input{rest: raw}
	if n := in.head(groupPiece); in.bad || int(n) != r.written {
		return nil, wrong(group, "it does not begin as one of %d logs", r.written)
	}
	if n := in.u32(); in.bad || n != uint32(group) {
		return nil, wrong(group, "it is group %d", n)
	}
	g := &Group{number: group, sections: make([]section, r.written)}
	for i := range g.sections {
		part := input{rest: in.bytes(in.u64())}
		if in.bad {
			return nil, wrong(group, "it ends in log %d", i)
		}
		if l := r.logs[i]; l != nil {
			s := &g.sections[i]
			s.log = l
			if problem := s.read(&r.engine.hash, group, part); problem != "" {
				return nil, wrong(group, "log %d, of %s over %s: %s", i, l.plan.entity.Name, l.plan.source.source.Name, problem)
			}
		}
	}
	if len(in.rest) > 0 {
		return nil, wrong(group, "%d bytes are left over", len(in.rest))
	}
	return g, nil
}

// read checks the bytes of a log and finds the entities in them. It says what is
// wrong with them; "": nothing.
func (s *section) read(hash *hasher, group int, in input) string {
	n, size := in.u32(), in.u64()
	s.swept, s.mark = in.u64(), in.u64()
	s.entities = in.bytes(size)
	if in.bad || uint64(n) > size/leastEntity {
		return "it ends too early"
	}
	s.n = int(n)
	for i, texts := uint32(0), in.u32(); i < texts && !in.bad; i++ {
		s.texts = append(s.texts, aliasOf(in.bytes(in.uvarint())))
	}
	s.waits = in.words(waitWords * uint64(in.u32()))
	if in.bad || len(in.rest) > 0 {
		return "its texts are not as many as it says"
	}
	return s.find(hash, group)
}

// leastEntity is the size in bytes of the smallest entity.
const leastEntity = 1 + 1 + 1 + 3 + 8

// find walks over the entities, checks each of them and makes the index of the
// group.
func (s *section) find(hash *hasher, group int) string {
	s.hashes, s.index = make([]hash128, 0, s.n), make([]uint64, indexSize(s.n))
	g := &foundIn{s.index}
	in := input{rest: s.entities}
	for range s.n {
		x := in.entity(s.log.plan)
		if in.bad {
			return "an entity is longer than there are bytes"
		}
		if problem := s.check(&x); problem != "" {
			return problem
		}
		h := hash.key(aliasOf(x.key))
		if int(h.hi>>56) != group {
			return "a key belongs to another group, or was hashed under another seed"
		}
		if !g.enter(h, s.hashes) {
			return "a key comes twice"
		}
		s.hashes = append(s.hashes, h)
	}
	if len(in.rest) > 0 {
		return "its entities are not as many as it says"
	}
	return ""
}

// indexSize is how many places the index of n entities has.
func indexSize(n int) int {
	size := firstIndex
	for n*3 > size*2 {
		size *= 2
	}
	return size
}

// foundIn is an index that is being made.
type foundIn struct{ index []uint64 }

// enter puts the entity behind those that have hashes into the index, unless its
// own is among them.
func (g *foundIn) enter(h hash128, hashes []hash128) bool {
	mask := len(g.index) - 1
	i := int(h.hi>>32) & mask
	for ; g.index[i] != 0; i = (i + 1) & mask {
		if x := g.index[i]; x>>32 == h.hi>>32 && hashes[uint32(x)-1] == h {
			return false
		}
	}
	g.index[i] = h.hi&^(1<<32-1) | uint64(len(hashes)+1)
	return true
}

// written is one entity as it was written.
type written struct {
	key                []byte
	n, start, room     int // rows, and where in how many words they lie
	now, dropped, born uint64
	rows               window.Words
	large              bool
	state              window.Words // of a large one, from atFirst on, and its blocks behind it
}

// entity reads the next entity of a log. Of a large one, all that is known of
// its words is that there are as many as its handles say.
func (in *input) entity(l *logPlan) written {
	b := in.bytes(1)
	if in.bad || b[0] >= entityFlags {
		in.bad = true
		return written{}
	}
	x := written{large: b[0]&entityLarge != 0, key: in.bytes(in.uvarint())}
	n, start, room := in.uvarint(), in.uvarint(), in.uvarint()
	x.now = in.u64()
	if b[0]&entityDropped != 0 {
		x.dropped = in.u64()
	}
	if b[0]&entityBorn != 0 {
		x.born = in.u64()
	}
	if n > uint64(len(in.rest)) || start > room || room > 1<<40 {
		in.bad = true
		return x
	}
	x.n, x.start, x.room = int(n), int(start), int(room)
	x.rows = in.words(n * uint64(l.width))
	if !x.large {
		return x
	}
	all := input{rest: in.rest}
	state, words := all.words(uint64(l.words-atFirst)), uint64(l.words-atFirst)
	for _, h := range l.handles {
		if h.kind != rowsHandle && !all.bad {
			n := state.At(h.at - atFirst)
			all.words(n)
			words += n
		}
	}
	if in.bad = in.bad || all.bad; !in.bad {
		x.state = in.words(words)
	}
	return x
}

// check says what is wrong with an entity; "": nothing that would lead out of a
// block, or to a text that is not there.
func (s *section) check(x *written) string {
	l := s.log
	switch {
	case len(x.key) == 0 || x.n == 0:
		return "an entity without a key, or without events"
	case (x.start+x.n)*l.plan.width > window.BlockWords(x.room) || x.room > l.rows.MaxRoom(x.n):
		return "rows lie outside of their block"
	}
	time, place := uint64(0), uint64(0)
	for at := 0; at < x.rows.Len(); at += l.plan.width {
		t, p := x.rows.At(at)>>window.OwnBits, x.rows.At(at+1)
		if t < time || t == time && p < place {
			return "rows are not in their order"
		}
		time, place = t, p
	}
	if x.now < time {
		return "a state is older than its rows"
	}
	bad := false
	l.plan.eachRowText(x.rows, func(at int) { bad = bad || x.rows.At(at) > uint64(len(s.texts)) })
	if bad {
		return "a row has a text that is not there"
	}
	if !x.large {
		return ""
	}
	return s.checkLarge(x)
}

// checkLarge is check for a large state and its blocks.
func (s *section) checkLarge(x *written) string {
	l := s.log
	for _, k := range l.plan.sliding {
		cursor := x.state.At(k.at - atFirst)
		tail, head := int(uint32(cursor)), int(cursor>>32)
		if k.delay == 0 {
			tail, head = int(cursor&tailMask), x.n
		}
		if tail > head || head > x.n {
			return "a window lies outside of the rows"
		}
	}
	begin := l.plan.words - atFirst
	for i, h := range l.plan.handles {
		if h.kind == rowsHandle {
			continue
		}
		n, meta := int(x.state.At(h.at-atFirst)), x.state.At(h.at-atFirst+1)
		b := &l.plan.mentions.blocks[i]
		if b.with != 0 && (n == 0) != (x.state.At(b.with-atFirst) == 0) {
			return "a sketch without its memories"
		}
		if n == 0 {
			continue
		}
		if !l.fits(h.kind, b, meta, x.state[8*begin:8*(begin+n)]) {
			return "a block is not what its handle says"
		}
		begin += n
	}
	bad := false
	l.plan.eachText(x.state, func(r reference) {
		place := x.state.At(r.at)
		bad = bad || place == 0 || place > uint64(len(s.texts))
	})
	if bad {
		return "a text that is not there"
	}
	return ""
}

// fits reports whether a block may hold words, of which its handle says meta.
func (l *entityLog) fits(kind handleKind, b *blockPlan, meta uint64, words window.Words) bool {
	switch kind {
	case stackHandle:
		return l.stacks.Check(meta, words)
	case tableHandle:
		return l.tables.Check(meta, words)
	case tilesHandle:
		return l.tiles.Check(meta, words)
	case histogramHandle:
		return l.bins.Check(meta, words)
	case cacheHandle:
		return false
	}
	n := words.Len()
	return meta == uint64(n) && (b.size == 0 || n == b.size) && (!b.tail || tailFits(words))
}
