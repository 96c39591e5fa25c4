package window

// Histograms is the geometry of how many values are in each of some bins, in
// the order of the bins: a value at a rank is found by one walk, from the nearer
// end. What a histogram holds is a function of the values that are in it,
// whatever came and went before.
//
// A histogram is two words of its owner: the block, and how many values (upper
// 40 bits) and bins in use (lower 24 bits) there are. A bin is three words: its
// key and how many values it has, and two sums over them.
type Histograms struct{ slab *Slab }

// NewHistograms is the geometry of histograms in a slab.
func NewHistograms(slab *Slab) Histograms { return Histograms{slab} }

// Bin is what a histogram holds of the values in one bin. Both sums are modulo
// 2^64, so that a value is taken out exactly.
type Bin struct {
	Key, N     uint32
	Sum, Check uint64
}

// BinWords is the size of a bin.
const BinWords = 3

const (
	binWords  = BinWords
	binsBits  = 24
	leastBins = 4
)

// Len is the number of bins in use.
func (s *Histograms) Len(h []uint64) int { return int(h[1] & (1<<binsBits - 1)) }

// Total is the number of values.
func (s *Histograms) Total(h []uint64) uint64 { return h[1] >> binsBits }

// find is the first bin whose key is not smaller.
func (s *Histograms) find(h []uint64, key uint32) (block []uint64, i int) {
	block = s.slab.Words(Ref(h[0]))
	hi := s.Len(h)
	for i < hi {
		if mid := (i + hi) / 2; uint32(block[mid*binWords]>>32) < key {
			i = mid + 1
		} else {
			hi = mid
		}
	}
	return block, i
}

// Add puts the values of a bin in.
func (s *Histograms) Add(h []uint64, b Bin) {
	block, i := s.find(h, b.Key)
	n := s.Len(h)
	h[1] += uint64(b.N) << binsBits
	if i < n && uint32(block[i*binWords]>>32) == b.Key {
		w := block[i*binWords:]
		w[0], w[1], w[2] = w[0]+uint64(b.N), w[1]+b.Sum, w[2]+b.Check
		return
	}
	if (n+1)*binWords > len(block) {
		block = s.resize(h, block, n, max(leastBins, n+n/4+1))
	}
	copy(block[(i+1)*binWords:], block[i*binWords:n*binWords])
	w := block[i*binWords:]
	w[0], w[1], w[2] = uint64(b.Key)<<32|uint64(b.N), b.Sum, b.Check
	h[1]++
}

// Remove takes values out that are in.
func (s *Histograms) Remove(h []uint64, b Bin) {
	block, i := s.find(h, b.Key)
	n := s.Len(h)
	w := block[i*binWords:]
	w[0], w[1], w[2] = w[0]-uint64(b.N), w[1]-b.Sum, w[2]-b.Check
	h[1] -= uint64(b.N) << binsBits
	if uint32(w[0]) > 0 {
		return
	}
	copy(w, block[(i+1)*binWords:n*binWords])
	h[1]--
	switch n--; {
	case n == 0:
		s.slab.FreeHandle(h)
	case n > leastBins && n*3*binWords < len(block):
		s.resize(h, block, n, n+n/2)
	}
}

// resize gives n bins a block with room for so many.
func (s *Histograms) resize(h, old []uint64, n, room int) []uint64 {
	ref := s.slab.Alloc(room * binWords)
	block := s.slab.Words(ref)
	copy(block, old[:n*binWords])
	s.slab.Free(Ref(h[0]))
	h[0] = uint64(ref)
	return block
}

// At is the bin of the value at a rank, the smallest at rank 0. There are more
// values than that.
func (s *Histograms) At(h []uint64, rank uint64) Bin {
	block, total := s.slab.Words(Ref(h[0]))[:s.Len(h)*binWords], s.Total(h)
	if rank >= total/2 {
		last, i := total-1-rank, len(block)-binWords
		for ; last >= uint64(uint32(block[i])); i -= binWords {
			last -= uint64(uint32(block[i]))
		}
		return binAt(block[i:])
	}
	i := 0
	for ; rank >= uint64(uint32(block[i])); i += binWords {
		rank -= uint64(uint32(block[i]))
	}
	return binAt(block[i:])
}

func binAt(w []uint64) Bin { return Bin{uint32(w[0] >> 32), uint32(w[0]), w[1], w[2]} }

// Each calls f for every bin, in order. f does not change the histogram.
func (s *Histograms) Each(h []uint64, f func(Bin)) {
	block := s.slab.Words(Ref(h[0]))
	for i := range s.Len(h) {
		f(binAt(block[i*binWords:]))
	}
}
