package aggregate

var listDistinct = Aggregation{
	Name:    "list_distinct",
	Formula: "the `limit` different x that occurred last, in the order of their newest occurrence, the oldest first",
	Memory:  walkMemory + "; without windows up to 24 B × limit more",
	Exact:   "exact",
	Cost:    walkCost + ": the whole window where it has fewer than `limit` different x",
	Empty:   "null",
	Result:  "a list of the input's type",
	Input:   true,
	Parts:   parts(TailDistinct),
	Finish:  finishList,
}
