package aggregate

var sum = Aggregation{
	Name:          "sum",
	Formula:       "Σx",
	Memory:        "24 B",
	Exact:         "exact for ints and decimals; doubles in 128-bit fixed point, rounded once on entry to 2^-56",
	Cost:          constantCost,
	Empty:         "0",
	Result:        "double",
	ZeroWhenEmpty: true,
	Retractable:   true,
	Input:         true,
	Parts:         func(n Number) []Part { return []Part{byNumber(n, Sum, SumFixed)} },
	Finish:        finishSum,
}

func finishSum(a *Args) Result {
	if a.Number == Double {
		return Result{Verdict: Figure, Num: sumOf(a.A, Double)}
	}
	if !fitsInt64(a.A) {
		return Result{Verdict: Overflow}
	}
	return Result{Verdict: Figure, Num: Major(int64(a.A[0]), a.Divisor)}
}
