package window

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A sketch is a function of the set of occurrences, whatever their order, with
// the error of 2^14 registers; of every window that ends now.
func TestSketchIsAFunctionOfTheSet(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, values := range []int{1, 100, 5_000, 60_000, 400_000} {
		words := make([]uint64, values)
		for i := range words {
			words[i] = random.Uint64()
		}
		var counts [2][3]float64
		for try := range counts {
			sketches := NewSketches(NewSlab())
			h, memories := make([]uint64, HandleWords), make([]uint64, 3*MemoryWords)
			order := random.Perm(2 * values) // each occurs at i and at values + i/2
			for n, i := range order {
				word, at := words[i%values], int64(i+1)
				if i >= values {
					at = int64(values + i/2)
				}
				sketches.Put(h, memories, word, at)
				if n == len(order)/2 { // memories are made at any time
					sketches.Count(h, memories[:MemoryWords], 0)
				}
			}
			for k, from := range []int64{0, int64(values), int64(values+values/2) + int64(values)/4} {
				counts[try][k] = sketches.Count(h, memories[k*MemoryWords:][:MemoryWords], from)
			}
		}
		if counts[0] != counts[1] {
			t.Errorf("%d values: %v in one order, %v in another", values, counts[0], counts[1])
		}
		for k, want := range []float64{float64(values), float64(values), float64(values) / 2} {
			if off := math.Abs(counts[0][k] - want); off > 5*0.0081*want+2 {
				t.Errorf("window %d of %d values: about %g, want %g", k, values, counts[0][k], want)
			}
		}
	}
}
