package aggregate

import "math"

var stddev = Aggregation{
	Name:        "stddev",
	Formula:     "sqrt((n·Σx² − (Σx)²) / (n·(n−1))), the sample standard deviation; null under 2",
	Memory:      "48 B (ints, decimals) or 56 B (doubles), the sum shared with sum and mean",
	Exact:       "the sums are exact and subtracted exactly; then one division and one root",
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Parts: func(n Number) []Part {
		return []Part{byNumber(n, Sum, SumFixed), byNumber(n, Squares, SquaresFixed)}
	},
	Finish: finishStddev,
}

func finishStddev(a *Args) Result {
	if a.N < 2 {
		return Result{}
	}
	s := spread(uint64(a.N), a.A, a.B)
	if a.Number == Double {
		s = math.Ldexp(s, -2*fixedPoint)
	}
	variance := s / float64(a.N) / float64(a.N-1)
	return Result{Verdict: Figure, Num: math.Sqrt(variance) / float64(a.Divisor)}
}
