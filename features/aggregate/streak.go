package aggregate

var streak = Aggregation{
	Name:    "streak",
	Formula: "how many of the newest events, one after another, match `filter`, which takes no event away; n counts all of them",
	Memory:  walkMemory + "; without windows 48 B more",
	Exact:   "exact",
	Cost:    walkCost + ": the run and the event that breaks it",
	Empty:   "null",
	Result:  "double",
	Ordered: true,
	Breaks:  true,
	Parts:   parts(Run),
	Finish:  func(a *Args) Result { return Result{Verdict: Figure, Num: float64(a.A[runLength])} },
}

// A Run part is the time and place of its first and of its last input, how many
// of the newest inputs are hits one after another, and whether another one came
// before these. Inputs are put in in the order of their times, or before all
// others.
const (
	runFirst  = 0
	runLast   = 2
	runLength = 4
	runBroken = 5
	runWords  = 6
)

// runOf is the Run part of one input.
func runOf(in Input) [runWords]uint64 {
	w := [runWords]uint64{uint64(in.Time), in.Place, uint64(in.Time), in.Place, 0, 1}
	if in.Hit {
		w[runLength], w[runBroken] = 1, 0
	}
	return w
}

// SetRun makes a Run part of what is known of its newest inputs.
func SetRun(w []uint64, length int, broken bool) {
	w[runLength], w[runBroken] = uint64(length), 0
	if broken {
		w[runBroken] = 1
	}
}

// ExtendRun puts the inputs of from before those of w.
func ExtendRun(w, from []uint64) {
	if w[runBroken] == 0 {
		w[runLength] += from[runLength]
		w[runBroken] = from[runBroken]
	}
}

// BeforeRun reports whether an input belongs before all of a Run part that has
// any.
func BeforeRun(w []uint64, t int64, place uint64) bool {
	return uint64(t) < w[runFirst] || uint64(t) == w[runFirst] && place < w[runFirst+1]
}

// BehindRun reports whether an input belongs behind all of a Run part.
func BehindRun(w []uint64, t int64, place uint64) bool {
	return uint64(t) > w[runLast] || uint64(t) == w[runLast] && place > w[runLast+1]
}

// mergeRun puts the inputs of from into w: all of them before or all of them
// behind its own.
func mergeRun(w, from []uint64) {
	switch {
	case from[runFirst] == 0:
	case w[runFirst] == 0:
		copy(w, from)
	case from[runFirst] > w[runLast], from[runFirst] == w[runLast] && from[runFirst+1] > w[runLast+1]:
		if from[runBroken] == 0 {
			w[runLength] += from[runLength]
		} else {
			w[runLength], w[runBroken] = from[runLength], 1
		}
		copy(w[runLast:runLength], from[runLast:runLength])
	default:
		ExtendRun(w, from)
		copy(w[runFirst:runLast], from[runFirst:runLast])
	}
}
