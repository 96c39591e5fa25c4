package aggregate

var countDistinct = Aggregation{
	Name:          "count_distinct",
	Formula:       "the number of different x; texts are compared by a keyed 64-bit hash",
	Memory:        "16 B, and 16 to 32 B for each live value, for all windows together",
	Exact:         "exact (two texts collide with probability 2^-64)",
	Cost:          tableCost,
	Empty:         "0",
	Result:        "double",
	ZeroWhenEmpty: true,
	Retractable:   true,
	Input:         true,
	Hashed:        true,
	Parts:         parts(Distinct),
	Finish:        func(a *Args) Result { return Result{Verdict: Figure, Num: float64(a.A[0])} },
}
