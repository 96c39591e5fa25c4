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

// TestDecayedSumsKeepWhatIsOldAndLarge: little is left of an old input, but it may have
// been much larger than the newer ones, in either order.
func TestDecayedSumsKeepWhatIsOldAndLarge(t *testing.T) {
	const start, half = 1_767_225_600_000, 1000.0
	add := func(w []uint64, time int64, v float64) { DecayedDoubles.AddDecayed(w, time, math.Float64bits(v), half) }
	for _, halves := range []int64{0, 1, 79, 80, 81, 100, 400, 1000} {
		for _, v := range [][2]float64{{1, 1}, {1e15, 1}, {1, 1e15}, {1e15, 0}, {-1e15, 1e-300}, {1e15, 1e-15}} {
			old, late := [decayedWords]uint64{}, [decayedWords]uint64{}
			add(old[:], start, v[0])
			add(old[:], start+halves*half, v[1])
			add(late[:], start+halves*half, v[1])
			add(late[:], start, v[0])
			want := v[1] + v[0]*math.Pow(2, -float64(halves))
			for _, w := range [...][decayedWords]uint64{old, late} {
				if got := math.Float64frombits(w[decayedSums]); math.Abs(got-want) > 1e-12*math.Abs(want) {
					t.Errorf("%v, and %d half-lives later %v: %v, not %v", v[0], halves, v[1], got, want)
				}
			}
		}
	}
}
