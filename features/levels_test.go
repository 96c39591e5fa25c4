package features_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
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

// Of every aggregation and kind of window, a plan with nodes, and by category with
// records, says what one without says.
func TestEveryAggregationIsTheSameByNodes(t *testing.T) {
	for _, a := range aggregate.Table {
		for _, cut := range growthCuts {
			sameByNodes(t, a.Name, cut.keys, aggregate.Usual, 150, func(rng *rand.Rand, i int) (at int, mcc int) {
				at = 1000 * i
				if rng.IntN(5) == 0 {
					at = max(0, at-rng.IntN(50000))
				}
				return at, rng.IntN(8)
			})
		}
	}
}

// So it is of many categories, of which a late event or one that takes another one
// back changes few: what they have is put together anew one by one, and walked to past
// the others.
func TestS25ManyCategoriesAreTheSameByNodes(t *testing.T) {
	for _, a := range aggregate.Table {
		for _, cut := range growthCuts {
			if strings.Contains(cut.keys, "by: ") {
				sameByNodes(t, a.Name, cut.keys, aggregate.Usual, 220, manyCategories())
				sameByNodes(t, a.Name, cut.keys, aggregate.Reversed, 130, manyCategories())
			}
		}
	}
}

// manyCategories draws events of some categories that many are of and many that few
// are of, a few places late, and behind silences.
func manyCategories() func(rng *rand.Rand, i int) (at int, mcc int) {
	now := 0
	return func(rng *rand.Rand, i int) (at int, mcc int) {
		if now += 1000 * rng.IntN(6); i%150 == 149 {
			now += 90_000
		}
		at, mcc = now, int(60*rng.Float64()*rng.Float64())
		if rng.IntN(5) == 0 {
			at = max(0, at-rng.IntN(12_000))
		}
		switch {
		case i%100 < 40: // mostly those that are shown
			mcc = rng.IntN(3)
		case i%3 == 0:
			mcc = 100 + i/2
		}
		return at, mcc
	}
}

// sameByNodes compares a plan with nodes and one without, of some hundred events at
// times and of categories as they are drawn.
func sameByNodes(t *testing.T, name, cut string, data aggregate.Data, budget int, draw func(rng *rand.Rand, i int) (at int, mcc int)) {
	t.Helper()
	text := growthSpec(t, name, cut, data)
	if text == "" {
		return
	}
	text = strings.Replace(text, "    ttl: 1d\n", fmt.Sprintf("    ttl: 1d\n    event_budget: %d\n", budget), 1)
	nodes, rows := newRunOf(t, text, 1), newRunOf(t, text, 1)
	rows.plan.RowByRow()
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 2 * budget {
		at, mcc := draw(rng, i)
		fields := fmt.Sprintf(`"id":"%d","card":"a","qty":%d,"amt":%d,"x":%d.5,"ok":%t,"mcc":"m%d","user":"u%d"`,
			i, rng.IntN(1000), rng.IntN(100), rng.IntN(1000), rng.IntN(8) > 0, mcc, rng.IntN(40))
		if data == aggregate.Reversed && i%6 == 5 {
			fields = fmt.Sprintf(`"id":"%d","card":"a","undo":"%d"`, i, max(0, i-1-rng.IntN(60)))
		}
		nodes.pay(fmt.Sprintf("%dms", at), fields)
		rows.pay(fmt.Sprintf("%dms", at), fields)
		got, want := nodes.vectors[nodes.last], rows.vectors[rows.last]
		for j := range want.Values {
			if got.Statuses[j] != want.Statuses[j] || !alike(got.Values[j], want.Values[j]) {
				t.Fatalf("%s over %s, event %d at %d: %v %v by nodes, %v %v row by row", name, cut, i, at,
					got.Values[j], got.Statuses[j], want.Values[j], want.Statuses[j])
			}
		}
	}
}

// alike compares values, doubles to 1e-9.
func alike(a, b event.Value) bool {
	x, is := a.Number(0)
	y, too := b.Number(0)
	if is && too {
		return math.Abs(x-y) <= 1e-9*max(1, math.Abs(x))
	}
	return a.Equal(b) || a.Kind() == event.Map && slices.EqualFunc(a.Entries(), b.Entries(), func(x, y event.Entry) bool {
		return x.Key == y.Key && alike(x.Value, y.Value)
	})
}
