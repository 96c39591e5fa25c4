package aggregate

var last = Aggregation{
	Name:    "last",
	Formula: "x of the newest event",
	Memory:  "8 B, and 24 B for all windows together",
	Exact:   "exact",
	Cost:    newestCost,
	Empty:   "null",
	Result:  "the input's type",
	Input:   true,
	Parts:   parts(Newest),
	Finish:  func(a *Args) Result { return Result{Verdict: Word, Word: a.A[2]} },
}
