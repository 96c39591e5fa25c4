package aggregate

import "math"

var stddev = Aggregation{
	Name:        "stddev",
	Formula:     "sqrt((n·Σx² − (Σx)²) / (n·(n−1))), the sample standard deviation; null under 2",
	Memory:      "48 B (ints, decimals) or 56 B (doubles), the sum shared with sum and mean",
	Exact:       "the sums are exact and subtracted exactly; then one division and one root",
	Cost:        constantCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Parts:       momentParts,
	Finish:      finishStddev,
}

func finishStddev(a *Args) Result {
	if a.N < 2 {
		return Result{}
	}
	if a.Number == Integer {
		return Result{Verdict: Figure, Num: DeviationOfInts(a.N, a.A, a.B, a.Divisor)}
	}
	s := math.Ldexp(spread(uint64(a.N), a.A, a.B), -2*fixedPoint)
	return Result{Verdict: Figure, Num: math.Sqrt(s / float64(a.N) / float64(a.N-1))}
}

// DeviationOfInts is the standard deviation of n integers, two or more, in the
// unit of divisor, from their Sum and Squares parts.
func DeviationOfInts(n int64, sum, squares []uint64, divisor int64) float64 {
	s := spread(uint64(n), sum, squares)
	return math.Sqrt(s/(float64(n)*float64(n-1))) / float64(divisor)
}
