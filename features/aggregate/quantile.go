package aggregate

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

var quantile = Aggregation{
	Name:    "quantile",
	Formula: "the x at rank floor(q·(n−1)) of those in order, the smallest at rank 0",
	Memory:  "32 B, and 24 to 30 B (up to 72 while they become fewer) for each bucket in use: at most 116 for each power of ten between the smallest and the largest |x|; without windows the same once more",
	Exact:   "within 1 % of it, where |x| is 0 or from 1e-300 to 1e300; it itself, where all x of its bucket are the same (up to 100,000 of them)",
	Cost:    "a binary search among its buckets in use for each window, and a walk over at most half of them",
	Empty:   "null",
	Result:  "double",
	Sketch:  true,
	Input:   true,
	Parts:   parts(Buckets),
	Finish: func(a *Args) Result {
		return Result{Verdict: Figure, Num: math.Float64frombits(a.A[0]) / float64(a.Divisor)}
	},
}

// accuracy is a little better than the 1 % that is promised: the logarithm and
// the exponential round.
const accuracy = 0.0099

// Scale maps numbers to buckets whose middle is within 1 % of all in them.
type Scale struct{ logarithm *mapping.LogarithmicMapping }

// NewScale is the scale of quantile.
func NewScale() Scale {
	m, err := mapping.NewLogarithmicMapping(accuracy)
	if err != nil {
		panic(err) // of a constant
	}
	return Scale{m}
}

// The codes of buckets are in the order of their numbers: zero is codeZero, the
// others lie as far from it as codeOne and the index of their magnitude.
const (
	codeZero = 1 << 20
	codeOne  = 1 << 17 // more than the largest index, and the smallest is above its opposite
)

// Bucket is the code of an input's bucket.
func (s Scale) Bucket(word uint64, n Number) uint64 {
	x := float64(int64(word))
	if n == Double {
		x = math.Float64frombits(word)
	}
	if x == 0 {
		return codeZero
	}
	magnitude := min(max(math.Abs(x), s.logarithm.MinIndexableValue()), s.logarithm.MaxIndexableValue())
	code := codeOne + s.logarithm.Index(magnitude)
	if x < 0 {
		code = -code
	}
	return uint64(codeZero + code)
}

// Middle is the number that stands for all in a bucket.
func (s Scale) Middle(bucket uint64) float64 {
	switch code := int(bucket) - codeZero; {
	case code > 0:
		return s.logarithm.Value(code - codeOne)
	case code < 0:
		return -s.logarithm.Value(-code - codeOne)
	}
	return 0
}
