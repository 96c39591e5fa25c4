// Package window holds what an entity remembers in flat, pointer-free memory:
// the log of its events, the extremes that every window needs, and the values
// that were seen. It knows nothing of specs or aggregations.
package window

import "math/bits"

// Ref names a block of a Slab. The zero Ref is no block.
type Ref uint64

// A Ref is the block's class (8 bits), page (24 bits) and first word (32 bits).
const (
	pageShift  = 32
	classShift = 56
	pageMask   = 1<<24 - 1
)

const (
	pageWords = 1 << 15       // 256 KiB
	ownPage   = pageWords / 4 // blocks of this size or more get a page of their own
	numStages = 64
)

// Slab hands out blocks of words from large pages. The garbage collector sees
// a page as one object without pointers. Freed blocks are kept by size and
// handed out again; pages are never given back.
type Slab struct {
	pages [][]uint64
	free  [numStages][]Ref
	page  int // where small blocks are cut from; -1 before the first
	next  int // first free word of it
	used  int64
}

// NewSlab is an empty slab.
func NewSlab() *Slab { return &Slab{page: -1} }

// classOf is the smallest class that holds n words: sizes are 4, 6, 8, 12, 16,
// 24, ... so at most a third of a block is unused.
func classOf(n int) int {
	if n <= 4 {
		return 1
	}
	k := bits.Len(uint(n-1)) - 1 // 2^k < n <= 2^(k+1)
	if n <= 3<<(k-1) {
		return 2 * (k - 1)
	}
	return 2*(k-1) + 1
}

func sizeOf(class int) int {
	if class%2 == 1 {
		return 4 << (class / 2)
	}
	return 6 << (class/2 - 1)
}

// Alloc hands out a block of at least n words. Its contents are left over.
func (s *Slab) Alloc(n int) Ref {
	class := classOf(n)
	size := sizeOf(class)
	s.used += int64(size) * 8
	if f := s.free[class]; len(f) > 0 {
		s.free[class] = f[:len(f)-1]
		return f[len(f)-1]
	}
	page, off := s.page, s.next
	switch {
	case size >= ownPage:
		page, off = len(s.pages), 0
		s.pages = append(s.pages, make([]uint64, size))
	case s.page < 0 || s.next+size > pageWords:
		page, off = len(s.pages), 0
		s.pages = append(s.pages, make([]uint64, pageWords))
		s.page, s.next = page, size
	default:
		s.next += size
	}
	if page > pageMask {
		panic("window: a slab of more than 4 TiB")
	}
	return Ref(uint64(class)<<classShift | uint64(page)<<pageShift | uint64(off))
}

// Free takes a block back.
func (s *Slab) Free(r Ref) {
	if r == 0 {
		return
	}
	class := int(r >> classShift)
	s.used -= int64(sizeOf(class)) * 8
	s.free[class] = append(s.free[class], r)
}

// FreeHandle gives back the block of a handle: HandleWords words, the first of
// them the Ref.
func (s *Slab) FreeHandle(h []uint64) {
	s.Free(Ref(h[0]))
	h[0], h[1] = 0, 0
}

// Words are the words of a block.
func (s *Slab) Words(r Ref) []uint64 {
	if r == 0 {
		return nil
	}
	off := int(uint32(r))
	end := off + sizeOf(int(r>>classShift))
	return s.pages[r>>pageShift&pageMask][off:end:end]
}

// Used is how many bytes of blocks are handed out.
func (s *Slab) Used() int64 { return s.used }
