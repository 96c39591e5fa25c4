package aggregate

import "math"

var zscore = Aggregation{
	Name:        "zscore",
	Formula:     "(x of this event − mean) / stddev of the window; null under 2, without spread, or where this event has no x",
	Memory:      "48 B (ints, decimals) or 56 B (doubles), shared with stddev",
	Exact:       "the sums are exact and subtracted exactly; then three divisions and one root",
	Cost:        constantCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	EventBound:  true,
	Own:         true,
	Input:       true,
	Parts:       momentParts,
	Finish:      finishZscore,
}

// finishZscore needs no unit: it cancels out.
func finishZscore(a *Args) Result {
	if a.N < 2 || !a.HasOwn {
		return Result{}
	}
	n := float64(a.N)
	s := spread(uint64(a.N), a.A, a.B)
	if s == 0 {
		return Result{}
	}
	deviation := math.Sqrt(s / n / (n - 1))
	if a.Number == Double {
		if x := math.Float64frombits(a.Own); math.Abs(x) > maxFixed { // its filter kept it out of the sums
			return Result{Verdict: Figure, Num: (math.Ldexp(x, fixedPoint) - float128(a.A)/n) / deviation}
		}
	}
	return Result{Verdict: Figure, Num: excess(a) / n / deviation}
}

// excess is n·x − Σx in the unit of the sum, exactly and then as a double.
func excess(a *Args) float64 {
	x := [4]uint64{a.Own, signOf(a.Own), signOf(a.Own), signOf(a.Own)}
	if a.Number == Double {
		hi, lo := fixed(a.Own)
		x = extend(lo, hi)
	}
	return signed(minus(times(x, uint64(a.N)), extend(a.A[0], a.A[1])))
}
