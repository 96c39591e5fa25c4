package aggregate

const walkMemory = "8 B, and 8 B for each event that a rare filter lets in"

var listLast = Aggregation{
	Name:    "list_last",
	Formula: "x of the newest `limit` events, the oldest first",
	Memory:  walkMemory + "; without windows up to 24 B × limit more",
	Exact:   "exact",
	Cost:    walkCost,
	Empty:   "null",
	Result:  "a list of the input's type",
	Input:   true,
	Parts:   parts(Tail),
	Finish:  finishList,
}

func finishList(a *Args) Result { return Result{Verdict: Items, Items: a.A} }
