package aggregate

import (
	"math"
	"math/bits"
)

var skewness = Aggregation{
	Name:        "skewness",
	Formula:     "sqrt(n·(n−1))/(n−2) · (n²·Σx³ − 3·n·Σx·Σx² + 2·(Σx)³) / (n·Σx² − (Σx)²)^1.5, the adjusted Fisher-Pearson coefficient; null under 3 and without spread",
	Memory:      "80 B (ints, decimals) or 104 B (doubles), all but the cubes shared with stddev",
	Exact:       "the sums are exact and subtracted exactly; then one division and two roots",
	Cost:        constantCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Parts: func(n Number) []Part {
		return []Part{byNumber(n, Sum, SumFixed), byNumber(n, Squares, SquaresFixed), byNumber(n, Cubes, CubesFixed)}
	},
	Finish: finishSkewness,
}

func finishSkewness(a *Args) Result {
	if a.N < 3 {
		return Result{}
	}
	d := spread(uint64(a.N), a.A, a.B)
	if d == 0 {
		return Result{}
	}
	n := float64(a.N)
	g := lean(uint64(a.N), a.A, a.B, a.C) / d / math.Sqrt(d)
	return Result{Verdict: Figure, Num: math.Sqrt(n*(n-1)) / (n - 2) * g}
}

// The cubes of doubles in fixed point are below 2^318, so that six words hold
// 2^64 of them; those of integers are below 2^190, in four words.
const (
	cubeWords      = 4
	cubeFixedWords = 6
)

// wide is an integer of 512 bits, two's complement, lowest word first: n²·Σx³ is
// below 2^(64+384) even so.
type wide [8]uint64

// cubeOf is the cube of a magnitude with a sign.
func cubeOf(hi, lo uint64, negative bool) wide {
	m := []uint64{lo, hi}
	square := product(m, m)
	cube := product(square[:4], m)
	if negative {
		cube.negate()
	}
	return cube
}

// cubeTerm is what one input adds to a part of cubes.
func cubeTerm(p Part, word uint64) wide {
	if p == Cubes {
		return cubeOf(0, magnitude(word), int64(word) < 0)
	}
	hi, lo := fixedMagnitude(word)
	return cubeOf(hi, lo, word>>63 != 0)
}

// lean is n²·Σx³ − 3·n·Σx·Σx² + 2·(Σx)³, exactly, and then as a double. In fixed
// point it is scaled by 2^(3·fixedPoint).
func lean(n uint64, sum, squares, cubes []uint64) float64 {
	hi, lo, negative := magnitude128(sum)
	s := []uint64{lo, hi}
	var third wide
	copy(third[:], cubes)
	if int64(cubes[len(cubes)-1]) < 0 {
		for i := len(cubes); i < len(third); i++ {
			third[i] = ^uint64(0)
		}
	}
	third = third.times(n).times(n)
	mixed := product(s, squares).times(n).times(3)
	cube := product(s, s)
	cube = product(cube[:4], s).times(2)
	if negative {
		mixed.negate()
		cube.negate()
	}
	subWide(third[:], mixed[:])
	addWide(third[:], cube[:])
	return third.float()
}

// product is x·y of two numbers without a sign.
func product(x, y []uint64) wide {
	var r wide
	for i, a := range x {
		var carry uint64
		for j := 0; i+j < len(r); j++ {
			var b uint64
			if j < len(y) {
				b = y[j]
			}
			h, l := bits.Mul64(a, b)
			var c uint64
			l, c = bits.Add64(l, carry, 0)
			h += c
			r[i+j], c = bits.Add64(r[i+j], l, 0)
			carry = h + c
		}
	}
	return r
}

// times is x·n.
func (x wide) times(n uint64) wide {
	var carry uint64
	for i := range x {
		h, l := bits.Mul64(x[i], n)
		var c uint64
		x[i], c = bits.Add64(l, carry, 0)
		carry = h + c
	}
	return x
}

func (x *wide) negate() {
	var zero wide
	subWide(zero[:], x[:])
	*x = zero
}

func (x wide) float() float64 {
	negative := int64(x[len(x)-1]) < 0
	if negative {
		x.negate()
	}
	f := 0.0
	for i := len(x) - 1; i >= 0; i-- {
		f = float64(f*0x1p64) + float64(x[i])
	}
	if negative {
		return -f
	}
	return f
}
