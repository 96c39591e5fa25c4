package aggregate

var mode = Aggregation{
	Name:        "mode",
	Formula:     "the most frequent x, of several the smallest: numbers by value, texts byte by byte",
	Memory:      "32 B, and 16 to 32 B for each live value",
	Exact:       "exact",
	Cost:        "the events of each window",
	Empty:       "null",
	Result:      "the input's type",
	Retractable: true,
	Input:       true,
	Parts:       parts(Mode),
	Finish:      func(a *Args) Result { return Result{Verdict: Word, Word: a.A[ModeWord]} },
}

// A Mode part is how often the most frequent word occurs, that word, and
// whether another one has to be looked for.
const (
	ModeTimes = 0
	ModeWord  = 1
	ModeStale = 2
	modeWords = 3
)
