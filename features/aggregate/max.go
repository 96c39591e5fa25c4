package aggregate

var maximum = Aggregation{
	Name:    "max",
	Formula: "the largest x",
	Memory:  "8 B, and 16 B for each value that has no larger or equal one behind it, for all windows together",
	Exact:   "exact",
	Cost:    stackCost,
	Empty:   "null",
	Result:  "the input's type",
	Input:   true,
	Parts:   parts(Largest),
	Finish:  finishExtreme,
}
