package features_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

const sumsAlone = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1d
    features:
      n:   {aggregation: count, windows: [3s, 10s, 40s, 1000s]}
      sum: {aggregation: sum, field: qty, windows: [3s, 10s, 40s, 1000s]}
      avg: {aggregation: mean, field: qty, windows: [3s, 10s, 40s, 1000s]}
      dev: {aggregation: stddev, field: qty, windows: [3s, 10s, 40s, 1000s]}
`

// Of a view of nothing but sums of one input, most events go by follow and are
// read evenly, of few rows or many. Each value is what the events in (t-w, t]
// come to: exactly at both edges, behind silences, where a square outgrows its
// word, and where an event lacks the input.
func TestS01EventsThatFollowCountWhatIsInTheWindow(t *testing.T) {
	for _, optional := range []string{", optional: true", ""} {
		text := strings.Replace(specOf(sumsAlone), "qty: {type: int, optional: true}", "qty: {type: int"+optional+"}", 1)
		bothWays(t, text, func(r *run) { followed(r, optional != "") })
	}
}

func followed(r *run, lacks bool) {
	rng := rand.New(rand.NewPCG(3, 5))
	steps := []int{1, 1, 1, 1, 2, 2, 2, 3, 3, 7, 10, 33, 40, 0, 995, 1000} // in seconds: they meet at edges
	var times []int
	var values []float64 // NaN: no value
	for i, at := 0, 0; i < 3000; i++ {
		step := steps[rng.IntN(len(steps))]
		if step > 40 && rng.IntN(12) > 0 {
			step = 1
		}
		at += step
		value, field := float64(rng.IntN(1000)-300), ""
		switch rng.IntN(300) {
		case 0: // its square outgrows a word
			value = 1 << 33
		case 1, 2, 3, 4, 5: // its square does not, and the sum of a few of them does
			value = 1 << 31
		}
		if lacks && rng.IntN(5) == 0 {
			value = math.NaN()
		} else {
			field = fmt.Sprintf(`,"qty":%.0f`, value)
		}
		times, values = append(times, at), append(values, value)
		r.pay(fmt.Sprintf("%ds", at), `"card":"a"`+field)
		for _, w := range []int{3, 10, 40, 1000} {
			compareFollowed(r, times, values, w)
		}
	}
}

// compareFollowed compares what the last event shows of a window of so many
// seconds with the events in it, which came in order.
func compareFollowed(r *run, times []int, values []float64, w int) {
	r.t.Helper()
	last := len(times) - 1
	from, n, sum, spread := last, 0.0, 0.0, 0.0
	for from > 0 && times[from-1] > times[last]-w {
		from--
	}
	for _, x := range values[from:] {
		if !math.IsNaN(x) {
			n, sum = n+1, sum+x
		}
	}
	for _, x := range values[from:] {
		if !math.IsNaN(x) {
			spread += (x - sum/n) * (x - sum/n)
		}
	}
	for name, want := range map[string]float64{"n": float64(last - from + 1), "sum": sum, "avg": sum / n, "dev": math.Sqrt(spread / (n - 1))} {
		text, _, _ := strings.Cut(r.get(fmt.Sprintf("v.%s_%ds", name, w)), " ")
		got, err := strconv.ParseFloat(text, 64)
		if name != "n" && n == 0 && (text == "null" || got == 0) || name == "dev" && n == 1 && text == "null" {
			continue
		}
		if err != nil || !(math.Abs(got-want) <= 1e-9*(1+math.Abs(want))) {
			r.t.Fatalf("event %d at %d s: %s over %d s is %s, want %v", last, times[last], name, w, text, want)
		}
	}
}

// An event of the time of the newest one, whose place is before it, does not
// follow it: it does not see it.
func TestS03AnEventOfEqualTimeThatIsBeforeAnotherDoesNotFollowIt(t *testing.T) {
	text := strings.Replace(specOf(sumsAlone), "qty: {type: int, optional: true}", "qty: {type: int}", 1)
	bothWays(t, text, func(r *run) {
		for i := range 20 {
			for _, partition := range []int{1, 0} {
				if got := r.record("pay", partition, fmt.Sprintf("%ds", 2000*i), `"card":"a","qty":1`); got != "accepted" {
					r.t.Fatal(got)
				}
				r.want("v.n_10s", "1", "v.sum_10s", "1")
			}
		}
	})
}
