package aggregate

var count = Aggregation{
	Name:          "count",
	Formula:       "n, the number of events that reach it",
	Memory:        "8 B",
	Exact:         "exact",
	Cost:          constantCost,
	Empty:         "0",
	Result:        "double",
	ZeroWhenEmpty: true,
	Retractable:   true,
	Parts:         parts(),
	Finish:        func(a *Args) Result { return Result{Verdict: Figure, Num: float64(a.N)} },
}
