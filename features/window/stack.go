package window

// Stacks is the geometry of the extremes of one input. A stack holds, of all
// values put in, those that have no better or equal one at the same time or
// later: ordered by time, and from better to worse. The best value of a window
// that ends now is then the first entry inside it, for every window at once.
// What a stack holds depends on the set of values alone, so a late one is put
// where it belongs, exactly.
//
// A stack is two words of its owner: the block, and where in it the live
// entries begin and how many they are. An entry is a time and a code; smaller
// codes are better where smallest is asked, larger ones else.
type Stacks struct{ slab *Slab }

// NewStacks is the geometry of stacks in a slab.
func NewStacks(slab *Slab) Stacks { return Stacks{slab} }

const entryWords = 2

// Len is the number of entries.
func (s *Stacks) Len(h []uint64) int { return int(uint32(h[1])) }

func (s *Stacks) live(h []uint64) []uint64 {
	start, n := int(h[1]>>32), int(uint32(h[1]))
	return s.slab.Words(Ref(h[0]))[start*entryWords : (start+n)*entryWords]
}

// Best is the code of the best value later than t; false where there is none.
func (s *Stacks) Best(h []uint64, t int64) (uint64, bool) {
	_, code, ok := s.First(h, t)
	return code, ok
}

// First is the best value later than t, of equal ones the last: its time and
// code; false where there is none.
func (s *Stacks) First(h []uint64, t int64) (time int64, code uint64, ok bool) {
	if uint32(h[1]) == 0 {
		return 0, 0, false
	}
	live := s.live(h)
	lo, hi := 0, len(live)/entryWords
	for lo < hi {
		mid := (lo + hi) / 2
		if int64(live[mid*entryWords]) > t {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo*entryWords == len(live) {
		return 0, 0, false
	}
	return int64(live[lo*entryWords]), live[lo*entryWords+1], true
}

// Put adds a value. With ties, a stack keeps those that have an equal one later,
// too: the first entry inside a window is the earliest of its best values.
func (s *Stacks) Put(h []uint64, t int64, code uint64, largest, ties bool) {
	n := s.Len(h)
	var live []uint64
	if n > 0 {
		live = s.live(h)
	}
	at := n // behind all entries up to t
	for at > 0 && int64(live[(at-1)*entryWords]) > t {
		at--
	}
	if at < n && !better(code, live[at*entryWords+1], largest) && !(ties && code == live[at*entryWords+1]) {
		return
	}
	if at > 0 && int64(live[(at-1)*entryWords]) == t && !better(code, live[(at-1)*entryWords+1], largest) {
		return
	}
	from := at // entries [from, at) are no better than the value
	for from > 0 && !better(live[(from-1)*entryWords+1], code, largest) && !(ties && code == live[(from-1)*entryWords+1]) {
		from--
	}
	if from < at {
		copy(live[(from+1)*entryWords:], live[at*entryWords:])
		live[from*entryWords], live[from*entryWords+1] = uint64(t), code
		h[1] = h[1]&^(1<<32-1) | uint64(n-(at-from)+1)
		return
	}
	live = s.grow(h)
	copy(live[(at+1)*entryWords:], live[at*entryWords:n*entryWords])
	live[at*entryWords], live[at*entryWords+1] = uint64(t), code
}

func better(a, b uint64, largest bool) bool {
	if largest {
		return a > b
	}
	return a < b
}

// grow makes room for one more entry and counts it.
func (s *Stacks) grow(h []uint64) []uint64 {
	start, n := int(h[1]>>32), int(uint32(h[1]))
	block := s.slab.Words(Ref(h[0]))
	if (start+n+1)*entryWords > len(block) {
		if start > 0 && start >= n {
			copy(block, block[start*entryWords:(start+n)*entryWords])
		} else {
			ref := s.slab.Alloc((n + 1 + n/2) * entryWords)
			larger := s.slab.Words(ref)
			copy(larger, block[start*entryWords:(start+n)*entryWords])
			s.slab.Free(Ref(h[0]))
			h[0], block = uint64(ref), larger
		}
		start = 0
	}
	h[1] = uint64(start)<<32 | uint64(n+1)
	return block[start*entryWords : (start+n+1)*entryWords]
}

// Expire forgets the values up to t, which no window will ask for again.
func (s *Stacks) Expire(h []uint64, t int64) {
	n := s.Len(h)
	if n == 0 {
		return
	}
	live, k := s.live(h), 0
	for k < n && int64(live[k*entryWords]) <= t {
		k++
	}
	h[1] = (h[1]>>32+uint64(k))<<32 | uint64(n-k)
}
