package aggregate

var minimum = Aggregation{
	Name:    "min",
	Formula: "the smallest x",
	Memory:  "8 B, and 16 B for each value that has no smaller or equal one behind it, for all windows together",
	Exact:   "exact",
	Cost:    stackCost,
	Empty:   "null",
	Result:  "the input's type",
	Input:   true,
	Parts:   parts(Smallest),
	Finish:  finishExtreme,
}

func finishExtreme(a *Args) Result {
	return Result{Verdict: Word, Word: FromOrderCode(a.A[1], a.Number)}
}
