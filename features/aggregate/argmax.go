package aggregate

var argmax = Aggregation{
	Name:    "argmax",
	Formula: "x of the event with the largest `order_by`, of several the earliest",
	Memory:  "8 B; some 16 B for each of the largest since; 40 B without windows",
	Exact:   "exact",
	Cost:    stackCost,
	Empty:   "null",
	Result:  "the input's type",
	Input:   true,
	OrderBy: true,
	Parts:   parts(Best),
	Finish:  func(a *Args) Result { return Result{Verdict: Word, Word: a.A[2]} },
}

// A Best part is the time, place and word of the input with the largest order,
// of several the earliest, 1, and the order code.
const (
	bestHas   = 3
	bestCode  = 4
	bestWords = 5
)

func addBest(w []uint64, in Input) {
	if w[bestHas] == 0 || in.Order > w[bestCode] || (in.Order == w[bestCode] && earlier(in.Time, in.Place, w)) {
		w[0], w[1], w[2], w[bestHas], w[bestCode] = uint64(in.Time), in.Place, in.Word, 1, in.Order
	}
}
