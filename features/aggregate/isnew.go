package aggregate

var isNew = Aggregation{
	Name:          "is_new",
	Formula:       "no earlier event has this event's x; texts are compared by a keyed 64-bit hash",
	Memory:        "8 B, and 16 to 32 B for each live value, shared with count_distinct",
	Exact:         "exact (two texts collide with probability 2^-64)",
	Cost:          tableCost,
	Empty:         "true",
	Result:        "bool",
	TrueWhenEmpty: true,
	EventBound:    true,
	Past:          true,
	Own:           true,
	Input:         true,
	Hashed:        true,
	Parts:         parts(Distinct),
	Finish:        func(a *Args) Result { return Result{Verdict: Truth, Yes: !a.Seen} },
}
