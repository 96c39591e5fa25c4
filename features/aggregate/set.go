package aggregate

import "math/bits"

// Set is a set of words with counts: what count_distinct and is_new keep when
// a window is scanned. Its memory is reused by Reset.
type Set struct {
	seed  uint64
	words []uint64
	times []uint32 // how often words[i] is in the set; 0: the slot is free
	live  int      // different words in the set
}

// NewSet is an empty set. The seed keeps others from choosing words that
// collide.
func NewSet(seed uint64) *Set {
	return &Set{seed: seed, words: make([]uint64, 16), times: make([]uint32, 16)}
}

// Reset empties the set.
func (s *Set) Reset() {
	if s.live > 0 {
		clear(s.times)
	}
	s.live = 0
}

// Len is the number of different words.
func (s *Set) Len() int { return s.live }

// Has reports whether a word is in the set.
func (s *Set) Has(word uint64) bool { return s.times[s.slot(word)] > 0 }

// Add puts a word in once more.
func (s *Set) Add(word uint64) {
	i := s.slot(word)
	if s.times[i] == 0 {
		s.live++
	}
	s.words[i] = word
	s.times[i]++
	if s.live*4 > len(s.words)*3 {
		s.rebuild(2 * len(s.words))
	}
}

// Remove takes a word out once.
func (s *Set) Remove(word uint64) {
	i := s.slot(word)
	s.times[i]--
	if s.times[i] == 0 {
		s.live--
		s.rebuild(len(s.words))
	}
}

// Merge puts all of from in.
func (s *Set) Merge(from *Set) {
	for i, n := range from.times {
		for range n {
			s.Add(from.words[i])
		}
	}
}

// slot is where a word is, or the free slot where it would go.
func (s *Set) slot(word uint64) int {
	mask := len(s.words) - 1
	i := int(Mix(word, s.seed)) & mask
	for s.times[i] > 0 && s.words[i] != word {
		i = (i + 1) & mask
	}
	return i
}

func (s *Set) rebuild(size int) {
	words, times := s.words, s.times
	s.words, s.times = make([]uint64, size), make([]uint32, size)
	s.live = 0
	for i, n := range times {
		if n > 0 {
			j := s.slot(words[i])
			s.words[j], s.times[j] = words[i], n
			s.live++
		}
	}
}

// Mix spreads a word under a seed.
func Mix(word, seed uint64) uint64 {
	hi, lo := bits.Mul64(word^seed^0x9e3779b97f4a7c15, seed|1)
	hi, lo = bits.Mul64(hi^lo^0xd1b54a32d192ed03, (seed>>32|seed<<32)|1)
	return hi ^ lo
}
