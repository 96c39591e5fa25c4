package aggregate

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// The third moment of integers and doubles of any size against rational
// arithmetic.
func TestS20SkewnessIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.SampledFrom([]Number{Integer, Double}).Draw(t, "number")
		n := rapid.IntRange(3, 20).Draw(t, "n")
		s := empty(Find("skewness"), number)
		sum, squares, cubes := new(big.Rat), new(big.Rat), new(big.Rat)
		for i := range n {
			var x *big.Rat
			var word uint64
			if number == Integer {
				v := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-5, 5)).Draw(t, "int")
				x, word = new(big.Rat).SetInt64(v), uint64(v)
			} else { // whole multiples of 2^-56: nothing is rounded on entry
				v := rapid.OneOf(rapid.Float64Range(-1e15, 1e15), rapid.Float64Range(-4, 4)).Draw(t, "double")
				v = math.Ldexp(math.Round(math.Ldexp(v, fixedPoint)), -fixedPoint)
				x, word = new(big.Rat).SetFloat64(v), math.Float64bits(v)
			}
			s.add(Input{Time: 1, Place: uint64(i), Word: word})
			sum.Add(sum, x)
			x2 := new(big.Rat).Mul(x, x)
			squares.Add(squares, x2)
			cubes.Add(cubes, x2.Mul(x2, x))
		}
		k := big.NewRat(int64(n), 1)
		want := new(big.Rat).Mul(new(big.Rat).Mul(k, k), cubes)
		mixed := new(big.Rat).Mul(new(big.Rat).Mul(k, sum), squares)
		want.Sub(want, mixed.Mul(mixed, big.NewRat(3, 1)))
		third := new(big.Rat).Mul(new(big.Rat).Mul(sum, sum), sum)
		want.Add(want, third.Mul(third, big.NewRat(2, 1)))
		w, _ := want.Float64()
		got := lean(uint64(n), s.words[0], s.words[1], s.words[2])
		if number == Double {
			got = math.Ldexp(got, -3*fixedPoint)
		}
		if math.Abs(got-w) > 1e-14*math.Abs(w) {
			t.Fatalf("got %v, want %v", got, w)
		}
	})
}
