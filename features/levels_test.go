package features_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// What is put together by nodes is what is put together row by row, whatever comes
// late and whatever has left the log: the sum of a life is told apart from any
// other set of its events.
func TestNodesAreTheRows(t *testing.T) {
	r, rng := newRunOf(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    event_budget: 300
    features:
      old:  {aggregation: sum, field: amt, delay: 20s}
      n:    {aggregation: count, delay: 20s}
      top:  {aggregation: max, field: amt, delay: 20s}
      most: {aggregation: max, field: amt, windows: [200s]}
`), 1), rand.New(rand.NewPCG(1, 2))
	at, amt := []int{}, []int{}
	for i := range 2000 {
		when, what := 1000*i, rng.IntN(1000)
		if rng.IntN(6) == 0 {
			when = max(0, when-rng.IntN(30000))
		}
		at, amt = append(at, when), append(amt, what)
		r.pay(fmt.Sprintf("%dms", when), fmt.Sprintf(`"card":"a","amt":%d`, what))
		var n, sum, top, most int
		for j := range at {
			if at[j] <= when-20000 {
				n, sum, top = n+1, sum+amt[j], max(top, amt[j])
			}
			if at[j] <= when && at[j] > when-200000 {
				most = max(most, amt[j])
			}
		}
		if i%97 != 0 && when == 1000*i && i < 280 {
			continue // of some in order, and of all late ones
		}
		if n > 0 && i < 280 {
			r.want("v.old", fmt.Sprint(sum), "v.n", fmt.Sprint(n), "v.top", fmt.Sprint(top))
		}
		r.want("v.most_200s", fmt.Sprint(most))
		if t.Failed() {
			t.Fatalf("event %d at %d", i, when)
		}
	}
}
