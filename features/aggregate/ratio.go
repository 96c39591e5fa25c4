package aggregate

var ratio = Aggregation{
	Name:        "ratio",
	Formula:     "events for which the numerator holds / n",
	Memory:      "16 B",
	Exact:       "exact, divided once",
	Cost:        constantCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Numerator:   true,
	Parts:       parts(Matches),
	Finish: func(a *Args) Result {
		return Result{Verdict: Figure, Num: float64(a.A[0]) / float64(a.N)}
	},
}
