package aggregate

import "math"

var decayedCount = Aggregation{
	Name:    "decayed_count",
	Formula: "Σ 0.5^(age/half_life)",
	Memory:  "64 B",
	Exact:   "within 1e-9",
	Cost:    decayCost,
	Empty:   "null",
	Result:  "double",
	Parts:   parts(DecayedOnes),
	Finish:  func(a *Args) Result { return Result{Verdict: Figure, Num: decayedTo(a)} },
}

var decayedSum = Aggregation{
	Name:    "decayed_sum",
	Formula: "Σ x·0.5^(age/half_life)",
	Memory:  "64 B",
	Exact:   "within 1e-9 of Σ|x|·0.5^(age/half_life)",
	Cost:    decayCost,
	Empty:   "null",
	Result:  "double",
	Input:   true,
	Parts:   func(n Number) []Part { return []Part{byNumber(n, DecayedInts, DecayedDoubles)} },
	Finish:  func(a *Args) Result { return Result{Verdict: Figure, Num: decayedTo(a) / float64(a.Divisor)} },
}

// A decayed part is the time of its newest event, the bits of the sum as of
// then, and the bits of the half-life in ms. Nothing leaves it: it fades.
const (
	decayedTime  = 0
	decayedSums  = 1
	decayedHalf  = 2
	decayedWords = 3
)

// decayedTo is the sum as of t − d.
func decayedTo(a *Args) float64 {
	age := max(a.Since-a.Delay, 0)
	return math.Float64frombits(a.A[decayedSums]) * fade(age, math.Float64frombits(a.A[decayedHalf]))
}

// Faded is the sum of a decayed part as of t, which is not before its newest input.
func Faded(w []uint64, t int64) float64 {
	sum, age := math.Float64frombits(w[decayedSums]), t-int64(w[decayedTime])
	if age <= 0 {
		return sum
	}
	return sum * fade(age, math.Float64frombits(w[decayedHalf]))
}

// fade is what is left of 1 after ms.
func fade(ms int64, half float64) float64 {
	if ms == 0 {
		return 1
	}
	return exp2(-float64(ms) / half)
}

// exp2 is 2^x of x up to 0, within 1e-15 of it. It costs a third of the
// library's, which is most of what a decayed part costs: x is split into a whole
// number, which becomes the exponent, and up to a half, whose power is a short
// series.
func exp2(x float64) float64 {
	if x < -1000 {
		if x < -1100 {
			return 0
		}
		return math.Exp2(x) // where it becomes denormal, or nothing
	}
	whole := int64(x - 0.5)
	y := (x - float64(whole)) * math.Ln2
	high := 1.0/5040 + y*(1.0/40320+y*(1.0/362880+y*(1.0/3628800+y*(1.0/39916800+y/479001600))))
	sum := 1 + y*(1+y*(1.0/2+y*(1.0/6+y*(1.0/24+y*(1.0/120+y*(1.0/720+y*high))))))
	return sum * math.Float64frombits(uint64(whole+1023)<<52)
}

// What is faded half-lives older, and not unlike times larger, would add less than
// 2^-56 of the newer: it is left out.
const (
	faded  = 80
	unlike = 1 << 24
)

// AddDecayed is Add for a decayed part: of the sum and the input, the older fades.
func (p Part) AddDecayed(words []uint64, time int64, word uint64, half float64) {
	w, v := (*[decayedWords]uint64)(words), decayedValue(p, word)
	if w[decayedTime] == 0 {
		w[decayedTime], w[decayedSums], w[decayedHalf] = uint64(time), math.Float64bits(v), math.Float64bits(half)
		return
	}
	sum, age := math.Float64frombits(w[decayedSums]), time-int64(w[decayedTime])
	if age > 0 {
		w[decayedTime], sum, v = uint64(time), v, sum
	}
	if halves := math.Abs(float64(age)) / half; halves < faded || math.Abs(v) > unlike*math.Abs(sum) {
		sum += float64(v * exp2(-halves))
	}
	w[decayedSums] = math.Float64bits(sum)
}

// decayedValue is what an input weighs when it happens.
func decayedValue(p Part, word uint64) float64 {
	switch p {
	case DecayedInts:
		return float64(int64(word))
	case DecayedDoubles:
		return math.Float64frombits(word)
	}
	return 1
}
