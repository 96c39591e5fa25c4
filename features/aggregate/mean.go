package aggregate

var mean = Aggregation{
	Name:        "mean",
	Formula:     "Σx / n",
	Memory:      "24 B, shared with sum",
	Exact:       "the exact sum, divided once",
	Cost:        constantCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Parts:       func(n Number) []Part { return []Part{byNumber(n, Sum, SumFixed)} },
	Finish:      finishMean,
}

func finishMean(a *Args) Result {
	total := float64(a.N) * float64(a.Divisor)
	return Result{Verdict: Figure, Num: sumOf(a.A, a.Number) / total}
}
