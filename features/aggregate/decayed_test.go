package aggregate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFadingIsAPowerOfTwo compares with the library, where halves meet too.
func TestFadingIsAPowerOfTwo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	check := func(x float64) {
		t.Helper()
		if got, want := exp2(x), math.Exp2(x); math.Abs(got-want) > 1e-15*want {
			t.Fatalf("2^%v is %v, not %v", x, got, want)
		}
	}
	for i := range 1100 {
		check(-float64(i))
		check(-float64(i) - 0.5)
		check(math.Nextafter(-float64(i)-0.5, 0))
		check(math.Nextafter(-float64(i)-0.5, -2000))
	}
	for range 200_000 {
		check(-math.Exp(16*rng.Float64() - 9))
	}
}
