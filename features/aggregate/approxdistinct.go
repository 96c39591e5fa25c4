package aggregate

var approxCountDistinct = Aggregation{
	Name:          "approx_count_distinct",
	Formula:       "about the number of different x; texts are compared by a keyed 64-bit hash",
	Memory:        "16 B, and 16 to 32 B for each live value, shared with count_distinct",
	Exact:         "exact up to the view's distinct_budget; beyond, the error of its sketch",
	Cost:          tableCost,
	Empty:         "0",
	Result:        "double",
	ZeroWhenEmpty: true,
	Sketch:        true,
	Input:         true,
	Hashed:        true,
	Parts:         parts(Distinct),
	Finish:        func(a *Args) Result { return Result{Verdict: Figure, Num: float64(a.A[0])} },
}
