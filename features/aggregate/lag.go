package aggregate

var lag = Aggregation{
	Name:    "lag",
	Formula: "x of the `n`th newest event before the current one; null if there are fewer",
	Memory:  walkMemory + "; without windows up to 24 B × n more",
	Exact:   "exact",
	Cost:    walkCost,
	Empty:   "null",
	Result:  "the input's type",
	Past:    true,
	Input:   true,
	Parts:   parts(Tail),
	Finish: func(a *Args) Result {
		if TailLen(a.A) < a.Limit {
			return Result{}
		}
		return Result{Verdict: Word, Word: TailWord(a.A, 0)}
	},
}
