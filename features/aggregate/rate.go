package aggregate

var rate = Aggregation{
	Name:          "rate",
	Formula:       "n / window × per",
	Memory:        "8 B, shared with count",
	Exact:         "exact, divided and multiplied once",
	Cost:          constantCost,
	Empty:         "0",
	Result:        "double",
	ZeroWhenEmpty: true,
	Retractable:   true,
	Parts:         parts(),
	Finish: func(a *Args) Result {
		return Result{Verdict: Figure, Num: float64(a.N) / a.Length * a.Per}
	},
}
