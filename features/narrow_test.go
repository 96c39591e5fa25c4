package features_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

const narrowed = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 2h
    features:
      n:    {aggregation: count, windows: [5s, 1m, 10m]}
      many: {aggregation: count, field: qty, windows: [1m], min_count: 3}
      sum:  {aggregation: sum, field: qty, windows: [5s, 1m, 10m]}
      mean: {aggregation: mean, field: qty, windows: [1m, 10m]}
      dev:  {aggregation: stddev, field: qty, windows: [5s, 1m, 10m]}
      paid: {aggregation: stddev, field: amt, windows: [1m], filter: 'ok == true'}
      good: {aggregation: ratio, numerator: 'ok == true', windows: [1m]}
      z:    {aggregation: zscore, field: qty, windows: [10m]}
      was:  {aggregation: sum, field: qty, windows: [1m], exclude_current: true}
`

// What is kept of a window in one word each is what its rows come to, whether
// or not sums outgrow the word, come back into it, or come late.
func TestS13SumsThatOutgrowAWord(t *testing.T) {
	names := []string{"n_5s", "n_1m", "n_10m", "many_1m", "sum_5s", "sum_1m", "sum_10m", "mean_1m", "mean_10m", "dev_5s", "dev_1m", "dev_10m",
		"paid_1m", "good_1m", "z_10m", "was_1m"}
	rng := rand.New(rand.NewPCG(3, 3))
	running, rows := newRunOf(t, specOf(narrowed), 1), newRunOf(t, specOf(narrowed), 1<<20)
	at, top := 0, 0
	for i := range 6000 {
		bits := []int{8, 8, 26, 31, 32, 53}[i/100%6] // a while of each
		qty := rng.Int64N(1<<bits) - rng.Int64N(1<<bits)
		if at = top - rng.IntN(3)*rng.IntN(30_000); at >= top {
			at += rng.IntN(20_000)
			top = at
		}
		fields := fmt.Sprintf(`"card":"a","amt":%d.25,"ok":%v`, rng.IntN(1<<min(bits, 40)), rng.IntN(3) > 0)
		if rng.IntN(9) > 0 {
			fields += fmt.Sprintf(`,"qty":%d`, qty)
		}
		for _, r := range []*run{running, rows} {
			r.pay(fmt.Sprintf("%dms", max(0, at)), fields)
		}
		read := fmt.Sprintf("%dms", top+rng.IntN(100_000))
		for _, name := range names {
			if got, want := running.get("v."+name), rows.get("v."+name); got != want {
				t.Fatalf("event %d: %s is %s, want %s", i, name, got, want)
			}
			if name == "was_1m" || name == "z_10m" {
				continue
			}
			if got, want := running.read("v."+name, "a", read), rows.read("v."+name, "a", read); got != want {
				t.Fatalf("event %d: a read of %s is %s, want %s", i, name, got, want)
			}
		}
	}
}

func TestS13ASumWithoutSquaresBeyondAWord(t *testing.T) {
	bothWays(t, specOf(`
  v: {version: 1, source: pay, entity: card, ttl: 1h, features: {sum: {aggregation: sum, field: amt, windows: [10s]}}}
`), func(r *run) {
		for i, want := range []string{"9e+16", "null ERROR", "null ERROR", "null ERROR"} {
			r.pay(fmt.Sprintf("%ds", i), `"card":"a","amt":90000000000000000`)
			r.want("v.sum_10s", want)
		}
		r.pay("12s", `"card":"a","amt":-90000000000000000`)
		r.want("v.sum_10s", "0")
	})
}

// The cursor of a window counts the rows of the largest event budget, and one
// more; and its window is never looked at too late.
func TestSpanCursorHoldsTheLargestBudget(t *testing.T) {
	const largest = 1 << 24
	r := newRun(t, specOf(fmt.Sprintf("  v: {version: 1, source: pay, entity: card, ttl: 1h, event_budget: %d, features: {n: {aggregation: count, windows: [10s]}}}\n", largest)))
	r.pay("0s", `"card":"a"`)
	r.want("v.n_10s", "1")
	if largest+1 > features.TailLimit {
		t.Errorf("a cursor counts up to %d", features.TailLimit)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		at := rng.Int64N(1 << 43)
		if due := features.DueAt(at); due > at || due < min(at-7, 1<<42-8) {
			t.Fatalf("what changes at %d is looked at at %d", at, due)
		}
	}
}

// Large amounts of both signs may come to a sum that fits, of which one leaves.
func TestS13SumsOfLargeAmountsThatComeAndGo(t *testing.T) {
	text := specOf(`
  v: {version: 1, source: pay, entity: card, ttl: 30s, features: {sum: {aggregation: sum, field: amt, windows: [3s, 20s]}, mean: {aggregation: mean, field: amt, windows: [3s, 20s]}}}
`)
	rng := rand.New(rand.NewPCG(5, 5))
	running, rows := newRunOf(t, text, 1), newRunOf(t, text, 1<<20)
	for i := range 3000 {
		amount := []string{"92233720368547758.07", "-92233720368547758.07", "1", "-0.01", "5"}[rng.IntN(5)]
		if i/200%2 == 1 { // a while of small ones
			amount = fmt.Sprint(rng.IntN(100))
		}
		for _, r := range []*run{running, rows} {
			r.pay(fmt.Sprintf("%dms", i*700), fmt.Sprintf(`"card":"a","amt":"%s"`, amount))
		}
		for _, name := range []string{"v.sum_3s", "v.sum_20s", "v.mean_3s", "v.mean_20s"} {
			if got, want := running.get(name), rows.get(name); got != want {
				t.Fatalf("event %d: %s is %s, want %s", i, name, got, want)
			}
		}
	}
}
