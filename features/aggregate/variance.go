package aggregate

import "math"

var variance = Aggregation{
	Name:        "variance",
	Formula:     "(n·Σx² − (Σx)²) / (n·(n−1)), the sample variance; null under 2",
	Memory:      "48 B (ints, decimals) or 56 B (doubles), shared with stddev",
	Exact:       "the sums are exact and subtracted exactly; then one division",
	Cost:        constantCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Parts:       momentParts,
	Finish: func(a *Args) Result {
		if a.N < 2 {
			return Result{}
		}
		s := spread(uint64(a.N), a.A, a.B)
		if a.Number == Double {
			s = math.Ldexp(s, -2*fixedPoint)
		}
		d := float64(a.Divisor)
		return Result{Verdict: Figure, Num: s / float64(a.N) / float64(a.N-1) / d / d}
	},
}

// momentParts are the sum and the sum of squares.
func momentParts(n Number) []Part {
	return []Part{byNumber(n, Sum, SumFixed), byNumber(n, Squares, SquaresFixed)}
}
