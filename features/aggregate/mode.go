package aggregate

var mode = Aggregation{
	Name:        "mode",
	Formula:     "the most frequent x, of several the smallest: numbers by value, texts byte by byte",
	Memory:      "32 B, and 16 to 32 B for each live value; without windows the same once more; 45 to 75 B for each of more than 12 once one of several most frequent ones has become rarer",
	Exact:       "exact",
	Cost:        countsCost + "; then comparisons of some pairs, as many as the logarithm of the values",
	Empty:       "null",
	Result:      "the input's type",
	Retractable: true,
	Input:       true,
	Parts:       parts(Mode),
	Finish:      func(a *Args) Result { return Result{Verdict: Word, Word: a.A[ModeWord]} },
}

// A Mode part is how often the most frequent word occurs, that word or the key
// that it is counted under, and what is known of it.
const (
	ModeTimes = 0
	ModeWord  = 1
	ModeState = 2
	modeWords = 3
)

// The states of a Mode part: it has the key, or it has to be looked for, or it
// has the word itself.
const (
	ModeStale = 1
	ModeFound = 2
)
