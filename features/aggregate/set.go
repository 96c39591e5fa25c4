package aggregate

// Set is a set of words with counts: what count_distinct, is_new, entropy and
// top_share keep when a window is scanned. Its words are spread already: hashes under a key that
// others do not know. Its memory is reused by Reset.
type Set struct {
	words []uint64
	times []uint32 // how often words[i] is in the set; 0: the slot is free
	live  int      // different words in the set
}

// NewSet is an empty set.
func NewSet() *Set { return &Set{words: make([]uint64, 16), times: make([]uint32, 16)} }

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

// AddTimes puts a word in n times more.
func (s *Set) AddTimes(word uint64, n uint32) {
	s.Add(word)
	s.times[s.slot(word)] += n - 1
}

// Each calls f for every word and how often it is in, in no particular order.
func (s *Set) Each(f func(word uint64, times uint32)) {
	for i, n := range s.times {
		if n > 0 {
			f(s.words[i], n)
		}
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
	i := int(word) & mask
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
