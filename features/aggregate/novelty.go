package aggregate

// The first occurrences of its values in a window are as many as there are
// different values in it.
var novelty = Aggregation{
	Name:        "novelty",
	Formula:     "the number of different x / n: the share of events whose x no earlier event of the window has; texts are compared by a keyed 64-bit hash",
	Memory:      "16 B, and 16 to 32 B for each live value, shared with count_distinct",
	Exact:       "exact (two texts collide with probability 2^-64), divided once",
	Cost:        tableCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Hashed:      true,
	Parts:       parts(Distinct),
	Finish: func(a *Args) Result {
		return Result{Verdict: Figure, Num: float64(a.A[0]) / float64(a.N)}
	},
}
