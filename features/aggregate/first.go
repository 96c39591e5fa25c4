package aggregate

var first = Aggregation{
	Name:    "first",
	Formula: "x of the oldest event",
	Memory:  "8 B; 32 B more without windows. An evaluation looks from the window's beginning for the first event that reaches it",
	Exact:   "exact",
	Cost:    firstCost,
	Empty:   "null",
	Result:  "the input's type",
	Input:   true,
	Parts:   parts(Oldest),
	Finish:  func(a *Args) Result { return Result{Verdict: Word, Word: a.A[2]} },
}
