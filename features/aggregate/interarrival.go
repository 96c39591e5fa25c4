package aggregate

import (
	"math"
	"math/bits"
)

var interarrivalMean = Aggregation{
	Name:    "interarrival_mean",
	Formula: "(time of the newest − time of the oldest event) / (n − 1) / unit; null under 2",
	Memory:  "8 B, shared with first and last",
	Exact:   "exact, divided twice",
	Cost:    "that of first and last",
	Empty:   "null",
	Result:  "double",
	Parts:   parts(Oldest, Newest),
	Finish: func(a *Args) Result {
		if a.N < 2 {
			return Result{}
		}
		return Result{Verdict: Figure, Num: float64(a.B[0]-a.A[0]) / float64(a.N-1) / a.Unit}
	},
}

const gapsMemory = "40 B; without windows 32 B more"

var interarrivalStddev = Aggregation{
	Name:    "interarrival_stddev",
	Formula: "sample stddev of the n − 1 gaps between neighbours / unit; null under 3 events",
	Memory:  gapsMemory,
	Exact:   "the sums are exact and subtracted exactly; then one division and one root",
	Cost:    gapsCost,
	Empty:   "null",
	Result:  "double",
	Ordered: true,
	Parts:   parts(Gaps),
	Finish: func(a *Args) Result {
		if a.N < 3 {
			return Result{}
		}
		return Result{Verdict: Figure, Num: gapDeviation(a) / a.Unit}
	},
}

var interarrivalCV = Aggregation{
	Name:    "interarrival_cv",
	Formula: "interarrival_stddev / interarrival_mean; null under 3 events and where all times are equal",
	Memory:  gapsMemory,
	Exact:   "the sums are exact and subtracted exactly; then three divisions and one root",
	Cost:    gapsCost,
	Empty:   "null",
	Result:  "double",
	Ordered: true,
	Parts:   parts(Gaps),
	Finish: func(a *Args) Result {
		if a.N < 3 || a.A[gapsFirst] == a.A[gapsLast] {
			return Result{}
		}
		mean := float64(a.A[gapsLast]-a.A[gapsFirst]) / float64(a.N-1)
		return Result{Verdict: Figure, Num: gapDeviation(a) / mean}
	},
}

// A Gaps part is the time of the first and of the last event, 0 without one,
// and the sum of the squares of the gaps between neighbours. Events are put in
// in the order of their times, or before all others.
const (
	gapsFirst   = 0
	gapsLast    = 1
	gapsSquares = 2
	gapsWords   = 4
)

// gapDeviation is the sample standard deviation of the gaps in ms.
func gapDeviation(a *Args) float64 {
	gaps := float64(a.N - 1)
	all := [2]uint64{a.A[gapsLast] - a.A[gapsFirst], 0}
	return math.Sqrt(spread(uint64(a.N-1), all[:], a.A[gapsSquares:gapsWords]) / gaps / (gaps - 1))
}

// AddGap puts an event into a Gaps part: its time and those of its neighbours,
// 0 where it has none.
func AddGap(w []uint64, prev, t, next uint64) {
	if prev == 0 {
		w[gapsFirst] = t
	} else {
		addSquareOf(w, t-prev)
	}
	if next == 0 {
		w[gapsLast] = t
	} else {
		addSquareOf(w, next-t)
	}
	if prev != 0 && next != 0 {
		subSquareOf(w, next-prev)
	}
}

// DropGap takes an event out of a Gaps part: its time and those of its neighbours,
// 0 where it has none.
func DropGap(w []uint64, prev, t, next uint64) {
	if prev == 0 {
		w[gapsFirst] = next
	} else {
		subSquareOf(w, t-prev)
	}
	if next == 0 {
		w[gapsLast] = prev
	} else {
		subSquareOf(w, next-t)
	}
	if prev != 0 && next != 0 {
		addSquareOf(w, next-prev)
	}
}

// DropOldest takes the oldest event out of a Gaps part; next is the time of the
// one behind it, 0 where there is none.
func DropOldest(w []uint64, next uint64) {
	if next == 0 {
		clear(w[:gapsWords])
		return
	}
	subSquareOf(w, next-w[gapsFirst])
	w[gapsFirst] = next
}

// DropNewest takes the newest event out of a Gaps part; prev is the time of the
// one before it, 0 where there is none.
func DropNewest(w []uint64, prev uint64) {
	if prev == 0 {
		clear(w[:gapsWords])
		return
	}
	subSquareOf(w, w[gapsLast]-prev)
	w[gapsLast] = prev
}

// LastOfGaps is the time of the last event of a Gaps part; 0: it has none.
func LastOfGaps(w []uint64) uint64 { return w[gapsLast] }

func addSquareOf(w []uint64, gap uint64) {
	hi, lo := bits.Mul64(gap, gap)
	add128(w[gapsSquares:], lo, hi)
}

func subSquareOf(w []uint64, gap uint64) {
	hi, lo := bits.Mul64(gap, gap)
	sub128(w[gapsSquares:], lo, hi)
}

// mergeGaps puts the events of from into w: all of them before or all of them
// behind its own.
func mergeGaps(w, from []uint64) {
	switch {
	case from[gapsFirst] == 0:
	case w[gapsFirst] == 0:
		copy(w, from)
	default:
		var gap uint64
		if from[gapsFirst] >= w[gapsLast] {
			gap, w[gapsLast] = from[gapsFirst]-w[gapsLast], from[gapsLast]
		} else if from[gapsLast] <= w[gapsFirst] {
			gap, w[gapsFirst] = w[gapsFirst]-from[gapsLast], from[gapsFirst]
		}
		addWide(w[gapsSquares:gapsWords], from[gapsSquares:gapsWords])
		addSquareOf(w, gap)
	}
}
