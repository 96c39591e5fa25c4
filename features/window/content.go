package window

// What a checkpoint holds of a block is its content: the words that mean
// something, and one word about them (meta). The block itself is named anew
// where it is read. Check says of content from outside whether Make may be
// given it: afterwards no method of the geometry leaves the block or goes round
// for ever, whatever the words are.

// Shape is where in its block a log's live rows begin, and how many words the
// block has.
func (r *Rows) Shape(h []uint64) (start, room int) {
	return int(h[1] >> 32), len(r.slab.Words(Ref(h[0])))
}

// MaxRoom is how many words the block of n rows may have where it is made of
// content: more is not asked for, however empty the block was.
func (r *Rows) MaxRoom(n int) int { return BlockWords(4 * n * r.Width) }

// Make gives a log a block of room words, and hands out its n live rows, which
// the caller fills.
func (r *Rows) Make(h []uint64, start, n, room int) []uint64 {
	ref := r.slab.Alloc(room)
	h[0], h[1] = uint64(ref), uint64(start)<<32|uint64(n)
	return r.slab.Words(ref)[start*r.Width : (start+n)*r.Width]
}

// Content are the entries of a stack.
func (s *Stacks) Content(h []uint64) (meta uint64, words []uint64) {
	if uint32(h[1]) == 0 {
		return 0, nil
	}
	return uint64(uint32(h[1])), s.live(h)
}

// Check reports whether a stack may have this content.
func (s *Stacks) Check(meta uint64, words Words) bool {
	return meta > 0 && uint64(words.Len()) == meta*entryWords
}

// Make gives a stack its content, whose words the caller fills.
func (s *Stacks) Make(h []uint64, meta uint64, n int) []uint64 { return s.slab.fill(h, meta, n) }

// Content are the slots of a table.
func (t *Tables) Content(h []uint64) (meta uint64, words []uint64) {
	if h[0] == 0 {
		return 0, nil
	}
	return h[1], t.slots(h)
}

// Check reports whether a table may have this content: as many words as it
// says, and a free slot, at which every search ends.
func (t *Tables) Check(meta uint64, words Words) bool {
	size, used := meta>>32, uint64(uint32(meta))
	if uint64(words.Len()) != 2*size || used >= size {
		return false
	}
	n := uint64(0)
	for i := 1; i < words.Len(); i += 2 {
		if words.At(i) != 0 {
			n++
		}
	}
	return n == used
}

// Make gives a table its content, whose words the caller fills.
func (t *Tables) Make(h []uint64, meta uint64, n int) []uint64 { return t.slab.fill(h, meta, n) }

// Content are the lists of tiles, and where each ends.
func (t *Tiles) Content(h []uint64) (meta uint64, words []uint64) {
	if h[0] == 0 {
		return 0, nil
	}
	block := t.slab.Words(Ref(h[0]))
	return 0, block[:block[len(t.widths)-1]]
}

// Check reports whether tiles may have this content: lists of whole tiles, one
// behind the other.
func (t *Tiles) Check(meta uint64, words Words) bool {
	end := uint64(len(t.widths))
	if meta != 0 || end == 0 || uint64(words.Len()) < end {
		return false
	}
	for i, width := range t.widths {
		to := words.At(i)
		if to < end || to > uint64(words.Len()) || (to-end)%uint64(width) != 0 {
			return false
		}
		end = to
	}
	return end == uint64(words.Len())
}

// Make gives an entity tiles, whose words the caller fills.
func (t *Tiles) Make(h []uint64, meta uint64, n int) []uint64 { return t.slab.fill(h, meta, n) }

// Content are the bins of a histogram.
func (s *Histograms) Content(h []uint64) (meta uint64, words []uint64) {
	if h[0] == 0 {
		return 0, nil
	}
	return h[1], s.slab.Words(Ref(h[0]))[:s.Len(h)*binWords]
}

// Check reports whether a histogram may have this content: no bin is empty, and
// together they have as many values as it says.
func (s *Histograms) Check(meta uint64, words Words) bool {
	if meta&(1<<binsBits-1)*binWords != uint64(words.Len()) || words.Len() == 0 {
		return false
	}
	total := uint64(0)
	for i := 0; i < words.Len(); i += binWords {
		n := uint64(uint32(words.At(i)))
		if n == 0 {
			return false
		}
		total += n
	}
	return total == meta>>binsBits
}

// Make gives a histogram its content, whose words the caller fills.
func (s *Histograms) Make(h []uint64, meta uint64, n int) []uint64 { return s.slab.fill(h, meta, n) }

// fill gives a handle a block of at least n words, and hands out n of them.
func (s *Slab) fill(h []uint64, meta uint64, n int) []uint64 {
	ref := s.Alloc(n)
	h[0], h[1] = uint64(ref), meta
	return s.Words(ref)[:n]
}

// Fill gives a handle that counts the words of its block so many of them, which
// the caller fills.
func (s *Slab) Fill(h []uint64, n int) []uint64 { return s.fill(h, uint64(n), n) }
