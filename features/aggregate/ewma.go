package aggregate

import "math"

// Both sums are as of the newest event, which weighs 1 in them: what has faded
// since is the same factor in both, and the quotient never becomes 0/0.
var ewma = Aggregation{
	Name:    "ewma",
	Formula: "decayed_sum / decayed_count: Σ x·0.5^(age/half_life) / Σ 0.5^(age/half_life)",
	Memory:  "56 B, the sum shared with decayed_sum",
	Exact:   "within 1e-9 of the same mean of |x|",
	Cost:    decayCost,
	Empty:   "null",
	Result:  "double",
	Input:   true,
	Parts:   func(n Number) []Part { return []Part{byNumber(n, DecayedInts, DecayedDoubles), DecayedOnes} },
	Finish: func(a *Args) Result {
		sum, weights := math.Float64frombits(a.A[decayedSums]), math.Float64frombits(a.B[decayedSums])
		return Result{Verdict: Figure, Num: sum / weights / float64(a.Divisor)}
	},
}
