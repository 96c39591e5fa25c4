package window

import (
	"math"
	"math/bits"
)

// Sketches is the geometry of how many values occur in a window, where they are
// too many to be kept: a HyperLogLog whose registers remember when. Of each
// register and rank it holds the newest time of a value of that rank, so the
// registers of any window that ends now can be told; of a rank that a higher one
// has followed it holds nothing. What it holds depends on the set of
// (value, time) alone. Values are hashes that are spread evenly.
//
// A sketch is a table of its owner (see Tables), and for each window that asks
// often a memory of its registers.
type Sketches struct{ tables Tables }

// NewSketches is the geometry of sketches in a slab.
func NewSketches(slab *Slab) Sketches { return Sketches{NewTables(slab)} }

// The standard error of an estimate is 1.04/sqrt(registers), 0.81 %.
const (
	registerBits = 14
	registers    = 1 << registerBits
	topRank      = 64 - registerBits + 1
)

// MemoryWords is the size of a window's memory: where it begins, how many
// registers have each rank, and the registers, eight to a word.
const MemoryWords = 1 + topRank + 1 + registers/8

// rankOf is a value's register and its rank there, from 1 on.
func rankOf(word uint64) (register, rank int) {
	return int(word >> (64 - registerBits)), bits.LeadingZeros64(word<<registerBits|1<<(registerBits-1)) + 1
}

func rankKey(register, rank int) uint64 { return uint64(rank)<<registerBits | uint64(register) }

// Put notes that a value occurs at t. Memories are those of all windows.
func (s *Sketches) Put(h, memories []uint64, word uint64, t int64) {
	register, rank := rankOf(word)
	if s.tables.Get(h, rankKey(register, rank)).Time() >= t {
		return
	}
	for lower := rank - 1; lower > 0; lower-- {
		if n := s.tables.Get(h, rankKey(register, lower)); n != 0 && n.Time() <= t {
			s.tables.Delete(h, rankKey(register, lower))
		}
	}
	s.tables.Put(h, rankKey(register, rank), NewNote(t, false))
	for ; len(memories) > 0; memories = memories[MemoryWords:] {
		if m := memories[:MemoryWords]; m[0] != 0 && t > int64(m[0])-1 {
			raise(m, register, rank)
		}
	}
}

// raise gives a register of a memory a rank, if it is higher.
func raise(m []uint64, register, rank int) {
	word, shift := &m[1+topRank+1+register/8], register%8*8
	old := int(*word >> shift & 0xff)
	if rank <= old {
		return
	}
	*word += uint64(rank-old) << shift
	m[1+old]--
	m[1+rank]++
}

// Count is about how many values occur later than from. The memory is made anew
// where it began elsewhere.
func (s *Sketches) Count(h, memory []uint64, from int64) float64 {
	if memory[0] != uint64(from+1) {
		clear(memory)
		memory[0], memory[1] = uint64(from+1), registers
		s.tables.Each(h, func(key uint64, n Note) {
			if n.Time() > from {
				raise(memory, int(key&(registers-1)), int(key>>registerBits))
			}
		})
	}
	return math.Round(estimate(memory[1 : 1+topRank+1]))
}

// Expire forgets what occurred at until or before, in a few slots. Which ones
// follows from a time: whatever lies between those, all slots have their turn.
func (s *Sketches) Expire(h []uint64, t int64, n int, until int64) {
	s.tables.Expire(h, int(uint64(t)*0x9e3779b97f4a7c15>>34), n, until)
}

// estimate is Ertl's estimator (New cardinality estimation algorithms for
// HyperLogLog sketches, 2017): how many values give this many registers of each
// rank. It needs no tables and holds from 0 to 2^64.
func estimate(ranks []uint64) float64 {
	const m = registers
	z := m * tau(1-float64(ranks[topRank])/m)
	for k := topRank - 1; k > 0; k-- {
		z = (z + float64(ranks[k])) / 2
	}
	z += m * sigma(float64(ranks[0])/m)
	return m * m / (2 * math.Ln2) / z
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for before := -1.0; z != before; {
		x *= x
		before = z
		z += x * y
		y += y
	}
	return z
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for before := -1.0; z != before; {
		x = math.Sqrt(x)
		before = z
		y /= 2
		z -= (1 - x) * (1 - x) * y
	}
	return z / 3
}
