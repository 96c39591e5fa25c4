package oracle

import (
	"math"

	"github.com/freshet-dev/freshet/config/spec"
)

// timesSeen is how often each value occurs (S21).
func timesSeen(inputs []input) map[any]int {
	seen := map[any]int{}
	for _, in := range inputs {
		seen[in.value]++
	}
	return seen
}

// entropy is the sum of p log2(1/p) over the shares p of the values, in bits.
func entropy(inputs []input) Result {
	var terms []float64
	for _, count := range timesSeen(inputs) {
		p := float64(count) / float64(len(inputs))
		terms = append(terms, -p*math.Log2(p))
	}
	sum, _ := add(terms)
	return Result{Value: sum + 0, Status: Present}
}

// topShare is the share of the value that occurs most often.
func topShare(inputs []input) Result {
	most := 0
	for _, count := range timesSeen(inputs) {
		most = max(most, count)
	}
	return Result{Value: float64(most) / float64(len(inputs)), Status: Present}
}

// decayed adds up what each event weighs: half of it for each half-life that
// it is older than from, the end of the window.
func decayed(f *spec.Feature, inputs []input, events []*event, from int64) Result {
	terms := make([]float64, len(inputs))
	for i, in := range inputs {
		age := float64(from-events[i].time) / float64(f.Window.Length.Milliseconds())
		terms[i] = math.Exp2(-age)
		if f.Def.Aggregation == "decayed_sum" {
			terms[i] *= outside(in.value, scaleOf(f.Def)).(float64)
		}
	}
	sum, mass := add(terms)
	return Result{Value: sum, Status: Present, Mass: mass}
}

// ewma is decayed_sum / decayed_count. Both halve together, so that weights
// from the newest event on give the same ratio, and one that is still there
// when each weight has become too small for a double.
func ewma(f *spec.Feature, inputs []input, events []*event) Result {
	newest := events[len(events)-1].time
	weights, terms := make([]float64, len(inputs)), make([]float64, len(inputs))
	for i, in := range inputs {
		age := float64(newest-events[i].time) / float64(f.Window.Length.Milliseconds())
		weights[i] = math.Exp2(-age)
		terms[i] = weights[i] * outside(in.value, scaleOf(f.Def)).(float64)
	}
	sum, mass := add(terms)
	weight, _ := add(weights)
	return Result{Value: sum / weight, Status: Present, Mass: mass / weight}
}
