package aggregate

import (
	"math"
	"math/big"
	"math/bits"
)

// fixedPoint is the number of binary digits behind the point of sums of
// doubles. A value is rounded once, on entry, to 2^-56 (7e-18), so that what
// has been added can be taken out again exactly, in any order. Values are at
// most 1e15, below 2^50 (S20), which leaves 21 bits of headroom: two million
// values of 1e15 at once.
const fixedPoint = 56

// maxFixed is the largest value of a sum of doubles (S20).
const maxFixed = 1e15

func signOf(word uint64) uint64 { return uint64(int64(word) >> 63) }

func add128(w []uint64, lo, hi uint64) {
	var c uint64
	w[0], c = bits.Add64(w[0], lo, 0)
	w[1], _ = bits.Add64(w[1], hi, c)
}

func sub128(w []uint64, lo, hi uint64) {
	var b uint64
	w[0], b = bits.Sub64(w[0], lo, 0)
	w[1], _ = bits.Sub64(w[1], hi, b)
}

// AddInt adds an integer to a Sum part.
func AddInt(w []uint64, word uint64) { add128(w, word, signOf(word)) }

// SubInt takes an integer out of a Sum part.
func SubInt(w []uint64, word uint64) { sub128(w, word, signOf(word)) }

// addWide adds numbers of equal width, lowest word first.
func addWide(w, from []uint64) {
	var c uint64
	for i := range w {
		w[i], c = bits.Add64(w[i], from[i], c)
	}
}

// fixed is a double in fixed point, two's complement, rounded half away from
// zero.
func fixed(word uint64) (hi, lo uint64) {
	hi, lo = fixedMagnitude(word)
	if word>>63 != 0 {
		lo = -lo
		hi = ^hi
		if lo == 0 {
			hi++
		}
	}
	return hi, lo
}

// fixedMagnitude is the magnitude of a double in fixed point.
func fixedMagnitude(word uint64) (hi, lo uint64) {
	exponent := int(word >> 52 & 0x7ff)
	mantissa := word & (1<<52 - 1)
	if exponent == 0 {
		exponent = 1
	} else {
		mantissa |= 1 << 52
	}
	shift := exponent - 1075 + fixedPoint
	switch {
	case shift >= 75:
		panic("aggregate: a double beyond 1e15 reached a sum")
	case shift >= 64:
		return mantissa << (shift - 64), 0
	case shift >= 0:
		return mantissa >> (64 - shift), mantissa << shift
	case shift > -54:
		return 0, (mantissa + 1<<(-shift-1)) >> -shift
	}
	return 0, 0
}

func magnitude(word uint64) uint64 {
	if int64(word) < 0 {
		return -word
	}
	return word
}

// Square is the square of an integer.
type Square struct{ hi, lo uint64 }

// SquareOf is the square of an integer.
func SquareOf(word uint64) Square {
	m := magnitude(word)
	hi, lo := bits.Mul64(m, m)
	return Square{hi, lo}
}

// AddTo adds the square to a Squares part.
func (s Square) AddTo(w []uint64) {
	_ = w[2]
	var c uint64
	w[0], c = bits.Add64(w[0], s.lo, 0)
	w[1], c = bits.Add64(w[1], s.hi, c)
	w[2] += c
}

// AddSquare adds the square of an integer to a Squares part.
func AddSquare(w []uint64, word uint64) { SquareOf(word).AddTo(w) }

// SubSquare takes the square of an integer out of a Squares part.
func SubSquare(w []uint64, word uint64) {
	m := magnitude(word)
	hi, lo := bits.Mul64(m, m)
	var b uint64
	w[0], b = bits.Sub64(w[0], lo, 0)
	w[1], b = bits.Sub64(w[1], hi, b)
	w[2] -= b
}

func addFixedSquare(w []uint64, word uint64) {
	s := square128(fixedMagnitude(word))
	addWide(w[:4], s[:])
}

func subFixedSquare(w []uint64, word uint64) {
	s := square128(fixedMagnitude(word))
	var b uint64
	for i := range s {
		w[i], b = bits.Sub64(w[i], s[i], b)
	}
}

// square128 is the square of a number of two words, lowest word first.
func square128(hi, lo uint64) [4]uint64 {
	var s [4]uint64
	s[1], s[0] = bits.Mul64(lo, lo)
	s[3], s[2] = bits.Mul64(hi, hi)
	ch, cl := bits.Mul64(hi, lo)
	for range 2 {
		var c uint64
		s[1], c = bits.Add64(s[1], cl, 0)
		s[2], c = bits.Add64(s[2], ch, c)
		s[3] += c
	}
	return s
}

// magnitude128 is the magnitude and the sign of a two's complement number.
func magnitude128(w []uint64) (hi, lo uint64, negative bool) {
	lo, hi = w[0], w[1]
	if hi>>63 == 0 {
		return hi, lo, false
	}
	lo = -lo
	hi = ^hi
	if lo == 0 {
		hi++
	}
	return hi, lo, true
}

// float128 is a two's complement number of two words as a double.
func float128(w []uint64) float64 {
	hi, lo, negative := magnitude128(w)
	f := float64(float64(hi)*0x1p64) + float64(lo)
	if negative {
		return -f
	}
	return f
}

// sumOf is the sum that a Sum or SumFixed part holds, in the unit of its
// inputs: minor units of decimals.
func sumOf(w []uint64, n Number) float64 {
	if n == Double {
		return math.Ldexp(float128(w), -fixedPoint)
	}
	return float128(w)
}

// fitsInt64 reports whether a two's complement number of two words is an
// int64.
func fitsInt64(w []uint64) bool { return w[1] == signOf(w[0]) }

// SumOfInts is the sum that a Sum part holds; false beyond int64.
func SumOfInts(w []uint64) (int64, bool) { return int64(w[0]), fitsInt64(w) }

// exactInts is the range in which every int64 is a double.
const exactInts = 1 << 53

// Major is minor / divisor, rounded once (S13).
func Major(minor, divisor int64) float64 {
	if divisor == 1 {
		return float64(minor)
	}
	if -exactInts <= minor && minor <= exactInts {
		return float64(minor) / float64(divisor)
	}
	f, _ := big.NewRat(minor, divisor).Float64()
	return f
}

// spread is n·Σx² − (Σx)², the numerator of the variance, exactly, and then
// as a double. In fixed point it is scaled by 2^(2·fixedPoint).
func spread(n uint64, sum, squares []uint64) float64 {
	hi, lo, _ := magnitude128(sum)
	if hi == 0 && onlyFirst(squares) {
		ah, al := bits.Mul64(n, squares[0])
		bh, bl := bits.Mul64(lo, lo)
		dl, b := bits.Sub64(al, bl, 0)
		dh, _ := bits.Sub64(ah, bh, b)
		return float64(float64(dh)*0x1p64) + float64(dl)
	}
	var a [5]uint64
	var carry uint64
	for i, s := range squares {
		h, l := bits.Mul64(n, s)
		var c uint64
		a[i], c = bits.Add64(l, carry, 0)
		carry = h + c
	}
	a[len(squares)] = carry
	s := square128(hi, lo)
	var b uint64
	for i := range a {
		x := uint64(0)
		if i < len(s) {
			x = s[i]
		}
		a[i], b = bits.Sub64(a[i], x, b)
	}
	for i := len(a) - 1; i > 0; i-- {
		if a[i] != 0 {
			return math.Ldexp(float64(float64(a[i])*0x1p64)+float64(a[i-1]), 64*(i-1))
		}
	}
	return float64(a[0])
}

func onlyFirst(w []uint64) bool {
	for _, x := range w[1:] {
		if x != 0 {
			return false
		}
	}
	return true
}
