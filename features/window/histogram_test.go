package window

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A histogram is a function of the values that are in it, and finds each rank.
func TestHistogramHoldsWhatIsInIt(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		slab := NewSlab()
		s := NewHistograms(slab)
		var h [HandleWords]uint64
		var values []uint32
		most := 1 + rng.IntN(300)
		for step := range 3_000 {
			if grow := step < 1_500; len(values) == 0 || (rng.IntN(3) > 0) == grow {
				v := uint32(rng.IntN(most))
				values = append(values, v)
				s.Add(h[:], Bin{v / 2, 1, uint64(v) - 7, uint64(v) * 3})
			} else {
				i := rng.IntN(len(values))
				v := values[i]
				values = slices.Delete(values, i, i+1)
				s.Remove(h[:], Bin{v / 2, 1, uint64(v) - 7, uint64(v) * 3})
			}
			if step%50 == 0 {
				checkHistogram(t, &s, h[:], values)
			}
		}
		for _, v := range values {
			s.Remove(h[:], Bin{v / 2, 1, uint64(v) - 7, uint64(v) * 3})
		}
		if h != [HandleWords]uint64{} || slab.Used() != 0 {
			t.Fatalf("seed %d: an empty histogram is %v, %d B", seed, h, slab.Used())
		}
	}
}

func checkHistogram(t *testing.T, s *Histograms, h []uint64, values []uint32) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(values))
	if s.Total(h) != uint64(len(values)) {
		t.Fatalf("%d values, want %d", s.Total(h), len(values))
	}
	bins := map[uint32]Bin{}
	for _, v := range values {
		b := bins[v/2]
		bins[v/2] = Bin{v / 2, b.N + 1, b.Sum + uint64(v) - 7, b.Check + uint64(v)*3}
	}
	for rank, v := range sorted {
		if got := s.At(h, uint64(rank)); got != bins[v/2] {
			t.Fatalf("rank %d of %d is in %v, want %v", rank, len(values), got, bins[v/2])
		}
	}
	seen := 0
	s.Each(h, func(b Bin) {
		if seen++; b != bins[b.Key] {
			t.Fatalf("bin %v, want %v", b, bins[b.Key])
		}
	})
	if seen != len(bins) {
		t.Fatalf("%d bins, want %d", seen, len(bins))
	}
}
