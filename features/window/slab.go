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

// PageWords is the size of a page that blocks share: 32 KiB.
const PageWords = 1 << 12

const (
	largest    = PageWords / 8 // larger blocks get a page of their own
	numClasses = 256
)

// Slab hands out blocks of words from large pages. The garbage collector sees
// pages as objects without pointers. The blocks of a page are of one size; freed
// ones are handed out again, and a page all of whose blocks are free serves any
// size again.
type Slab struct {
	pages  [][]uint64
	states []pageState          // of pages
	roomy  [numClasses][]uint32 // pages that may have a free block; some are listed in vain
	empty  []uint32             // pages without a block
	gone   []uint32             // numbers of pages that were given back
	shared int                  // pages, whether or not they are empty
	used   int64
}

// pageState is how a page is cut. The first word of a free block is the next
// free one.
type pageState struct {
	class uint8
	live  uint32 // blocks that are handed out
	free  uint32 // first word of a free block, + 1; 0: none
	cut   uint32 // first word that was never handed out
}

// NewSlab is an empty slab.
func NewSlab() *Slab { return &Slab{} }

// Up to 1<<exactBits words there is a class for every size; beyond, there are
// eight to an octave, so that at most a ninth of a block is unused.
const exactBits = 5

// sizes are the words of a block by its class.
var sizes = func() (sizes [numClasses]uint32) {
	for class := range sizes {
		if class <= 1<<exactBits {
			sizes[class] = uint32(class)
			continue
		}
		n := class - 1<<exactBits - 1
		sizes[class] = uint32(9+n%8) << (n/8 + exactBits - 3)
	}
	return sizes
}()

// classOf is the smallest class that holds n words.
func classOf(n int) int {
	if n <= 1<<exactBits {
		return max(n, 1)
	}
	k := bits.Len(uint(n-1)) - 1 // 2^k < n <= 2^(k+1)
	return 1<<exactBits + 8*(k-exactBits) + (n-1-1<<k)>>(k-3) + 1
}

func sizeOf(class int) int { return int(sizes[class]) }

// Alloc hands out a block of at least n words. Its contents are left over.
func (s *Slab) Alloc(n int) Ref {
	class := classOf(n)
	size := uint32(sizeOf(class))
	s.used += int64(size) * 8
	if size > largest {
		return ref(class, s.page(make([]uint64, size)), 0)
	}
	page := s.withRoom(uint8(class), size)
	p := &s.states[page]
	p.live++
	off := p.cut
	if p.free != 0 {
		off = p.free - 1
		p.free = uint32(s.pages[page][off])
	} else {
		p.cut += size
	}
	return ref(class, page, off)
}

func ref(class int, page, off uint32) Ref {
	return Ref(uint64(class)<<classShift | uint64(page)<<pageShift | uint64(off))
}

// withRoom is a page with a free block of a class.
func (s *Slab) withRoom(class uint8, size uint32) uint32 {
	list := s.roomy[class]
	for len(list) > 0 {
		page := list[len(list)-1]
		if p := &s.states[page]; p.class == class && !p.full(size) {
			s.roomy[class] = list
			return page
		}
		list = list[:len(list)-1]
	}
	if len(s.empty) == 0 {
		s.more()
	}
	page := s.empty[len(s.empty)-1]
	s.empty = s.empty[:len(s.empty)-1]
	s.states[page] = pageState{class: class}
	s.roomy[class] = append(list, page)
	return page
}

func (p *pageState) full(size uint32) bool { return p.free == 0 && p.cut+size > PageWords }

// more makes empty pages.
func (s *Slab) more() {
	n := ArenaSize(s.shared, PageWords)
	s.shared += n
	words := Arena(n * PageWords)
	for i := range n {
		s.empty = append(s.empty, s.page(words[i*PageWords:(i+1)*PageWords:(i+1)*PageWords]))
	}
}

// page gives words a page number.
func (s *Slab) page(words []uint64) uint32 {
	if n := len(s.gone); n > 0 {
		page := s.gone[n-1]
		s.gone = s.gone[:n-1]
		s.pages[page] = words
		return page
	}
	if len(s.pages) > pageMask {
		panic("window: a slab of more than 16 M pages")
	}
	s.pages, s.states = append(s.pages, words), append(s.states, pageState{})
	return uint32(len(s.pages) - 1)
}

// Free takes a block back.
func (s *Slab) Free(r Ref) {
	if r == 0 {
		return
	}
	class, page, off := uint8(r>>classShift), uint32(r>>pageShift&pageMask), uint32(r)
	size := uint32(sizeOf(int(class)))
	s.used -= int64(size) * 8
	if size > largest {
		s.pages[page] = nil
		s.gone = append(s.gone, page)
		return
	}
	p := &s.states[page]
	wasFull := p.full(size)
	s.pages[page][off] = uint64(p.free)
	p.free = off + 1
	p.live--
	switch {
	case p.live == 0:
		p.class = 0
		s.empty = append(s.empty, page)
	case wasFull:
		s.roomy[class] = append(s.roomy[class], page)
	}
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
	end := off + int(sizes[r>>classShift])
	return s.pages[r>>pageShift&pageMask][off:end:end]
}

// Used is how many bytes of blocks are handed out.
func (s *Slab) Used() int64 { return s.used }

// BlockWords is the size of a block of at least n words.
func BlockWords(n int) int { return sizeOf(classOf(max(1, n))) }

// Alone reports whether a block of n words shares no page with others.
func Alone(n int) bool { return BlockWords(n) > largest }
