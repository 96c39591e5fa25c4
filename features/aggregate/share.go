package aggregate

import "math"

const countsMemory = "64 B, and 16 to 32 B for each live value; without windows the same once more"

var topShare = Aggregation{
	Name:        "top_share",
	Formula:     "how often the most frequent x occurs / n; texts are compared by a keyed 64-bit hash",
	Memory:      countsMemory,
	Exact:       "exact (two texts collide with probability 2^-64), divided once",
	Cost:        countsCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Hashed:      true,
	Ranks:       true,
	Parts:       parts(Counts),
	Finish: func(a *Args) Result {
		return Result{Verdict: Figure, Num: float64(a.A[countsMost]) / float64(a.N)}
	},
}

var entropy = Aggregation{
	Name:        "entropy",
	Formula:     "−Σ p·log2 p over the different x, in bits; texts are compared by a keyed 64-bit hash",
	Memory:      countsMemory,
	Exact:       "exact counts (two texts collide with probability 2^-64); each c·log2 c rounded to 2^-56, whose sum does not depend on order",
	Cost:        countsCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Hashed:      true,
	Parts:       parts(Counts),
	Finish: func(a *Args) Result {
		if a.A[countsValues] == 1 {
			return Result{Verdict: Figure}
		}
		n := float64(a.N)
		return Result{Verdict: Figure, Num: math.Log2(n) - sumOf(a.A[countsLogs:countsWords], Double)/n}
	},
}

// A Counts part is how many values there are, how often the most frequent one
// occurs, and Σ c·log2 c over how often each occurs. That is summed in fixed
// point: it does not depend on the order of the values.
const (
	countsValues = 0
	countsMost   = 1
	countsLogs   = 2
	countsWords  = 4
)

// Recount notes in a Counts part that a value occurs once more or less often:
// c times, and not b times.
func Recount(w []uint64, b, c uint64) {
	if b == 0 {
		w[countsValues]++
	}
	if c == 0 {
		w[countsValues]--
	}
	before, after := logOf(b), logOf(c)
	addWide(w[countsLogs:countsWords], after[:])
	subWide(w[countsLogs:countsWords], before[:])
}

// Most is how often the most frequent value of a Counts part occurs.
func Most(w []uint64) uint64 { return w[countsMost] }

// SetMost notes in a Counts part how often the most frequent value occurs.
func SetMost(w []uint64, most uint64) { w[countsMost] = most }

// logOf is c·log2 c in fixed point.
func logOf(c uint64) [2]uint64 {
	if c < uint64(len(logs)) {
		return logs[c]
	}
	return fixedLog(c)
}

// logs are those of small numbers: a logarithm is most of what a value costs.
var logs = func() (list [256][2]uint64) {
	for c := range list {
		list[c] = fixedLog(uint64(c))
	}
	return list
}()

func fixedLog(c uint64) [2]uint64 {
	if c < 2 {
		return [2]uint64{}
	}
	f := float64(c)
	hi, lo := fixed(math.Float64bits(float64(f * math.Log2(f))))
	return [2]uint64{lo, hi}
}

// Tally makes a Counts part from what is in the set.
func (s *Set) Tally(w []uint64) {
	clear(w[:countsWords])
	for _, n := range s.times {
		if n > 0 {
			Recount(w, 0, uint64(n))
			SetMost(w, max(Most(w), uint64(n)))
		}
	}
}
