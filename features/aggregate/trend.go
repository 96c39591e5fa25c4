package aggregate

import "math/bits"

// A Trend part is the sums that a least squares line needs, with times in ms
// since 1970, which are below 2^42 (S12): Σt and Σt² of two words each, Σv of
// two, Σt·v of three. Nothing is lost: 2^21 events of 1e15 at once are below
// 2^170.
const (
	trendTimes    = 0
	trendSquares  = 2
	trendValues   = 4
	trendProducts = 6
	trendWords    = 9
)

// trendTerms are what one input adds to a Trend part.
func trendTerms(in Input, hi, lo uint64) [trendWords]uint64 {
	t := uint64(in.Time)
	sh, sl := bits.Mul64(t, t)
	p := times(extend(lo, hi), t)
	return [trendWords]uint64{t, 0, sl, sh, lo, hi, p[0], p[1], p[2]}
}

func addTrend(w []uint64, terms [trendWords]uint64) {
	addWide(w[trendTimes:trendSquares], terms[trendTimes:trendSquares])
	addWide(w[trendSquares:trendValues], terms[trendSquares:trendValues])
	addWide(w[trendValues:trendProducts], terms[trendValues:trendProducts])
	addWide(w[trendProducts:trendWords], terms[trendProducts:])
}

func subTrend(w []uint64, terms [trendWords]uint64) {
	subWide(w[trendTimes:trendSquares], terms[trendTimes:trendSquares])
	subWide(w[trendSquares:trendValues], terms[trendSquares:trendValues])
	subWide(w[trendValues:trendProducts], terms[trendValues:trendProducts])
	subWide(w[trendProducts:trendWords], terms[trendProducts:])
}

// trendOf is n·Σt·v − Σt·Σv and n·Σt² − (Σt)², exactly and then as doubles:
// the line's slope is their quotient.
func trendOf(n uint64, w []uint64) (rise, run float64) {
	run = spread(n, w[trendTimes:trendSquares], w[trendSquares:trendValues])
	p := w[trendProducts:trendWords]
	all := times([4]uint64{p[0], p[1], p[2], signOf(p[2])}, n)
	values := extend(w[trendValues], w[trendValues+1])
	part := times(values, w[trendTimes])
	high := times(values, w[trendTimes+1])
	addWide(part[1:], high[:3])
	return signed(minus(all, part)), run
}

// extend is a two's complement number of two words as one of four.
func extend(lo, hi uint64) [4]uint64 { return [4]uint64{lo, hi, signOf(hi), signOf(hi)} }

// times is x·n of four words; x is two's complement, n is not.
func times(x [4]uint64, n uint64) [4]uint64 {
	var r [4]uint64
	var carry uint64
	for i := range x {
		h, l := bits.Mul64(x[i], n)
		var c uint64
		r[i], c = bits.Add64(l, carry, 0)
		carry = h + c
	}
	return r
}

func minus(x, y [4]uint64) [4]uint64 {
	subWide(x[:], y[:])
	return x
}

// subWide subtracts a number of equal width, lowest word first.
func subWide(w, from []uint64) {
	var b uint64
	for i := range w {
		w[i], b = bits.Sub64(w[i], from[i], b)
	}
}

// signed is a two's complement number as a double.
func signed(x [4]uint64) float64 {
	if int64(x[3]) < 0 {
		return -unsigned(minus([4]uint64{}, x))
	}
	return unsigned(x)
}

func unsigned(x [4]uint64) float64 {
	f := 0.0
	for i := len(x) - 1; i >= 0; i-- {
		f = float64(f*0x1p64) + float64(x[i])
	}
	return f
}
