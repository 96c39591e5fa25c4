package aggregate

var timeSinceLast = Aggregation{
	Name:    "time_since_last",
	Formula: "(t − time of the newest event) / unit",
	Memory:  "8 B, and 24 B for all windows together",
	Exact:   "exact, divided once",
	Cost:    newestCost,
	Empty:   "null",
	Result:  "double",
	Parts:   parts(Newest),
	Finish:  func(a *Args) Result { return Result{Verdict: Figure, Num: float64(a.Since) / a.Unit} },
}
