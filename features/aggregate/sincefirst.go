package aggregate

var timeSinceFirst = Aggregation{
	Name:    "time_since_first",
	Formula: "(t − time of the oldest event) / unit",
	Memory:  "8 B; 32 B more without windows. An evaluation looks from the window's beginning for the first event that reaches it",
	Exact:   "exact, divided once",
	Cost:    firstCost,
	Empty:   "null",
	Result:  "double",
	Parts:   parts(Oldest),
	Finish:  func(a *Args) Result { return Result{Verdict: Figure, Num: float64(a.Since) / a.Unit} },
}
