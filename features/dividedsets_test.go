package features_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/freshet-dev/freshet/features/aggregate"
)

// How many different values each category has that is shown, and the others together,
// is what a plan without records says: whether values have sets of categories, or are
// too many shown for that.
func TestS25TheDifferentValuesOfFewAndOfManyShown(t *testing.T) {
	for _, name := range []string{"count_distinct", "approx_count_distinct", "is_new", "novelty"} {
		for _, top := range []int{1, 8, 9} {
			for _, cut := range []string{"windows: [50s, 500s]", "windows: [50s], delay: 10s", "session: 100s"} {
				sameByNodes(t, name, fmt.Sprintf("%s, by: mcc, top: %d", cut, top), aggregate.Usual, 220, manyCategories())
			}
		}
	}
}

// Categories that take turns at being shown cost no look at their values, which other
// categories have too.
func TestS25ValuesOfCategoriesThatTakeTurns(t *testing.T) {
	steps := func(n int) float64 {
		r := newRunOf(t, growthSpec(t, "count_distinct", "windows: [1000s], by: mcc, top: 3", aggregate.Usual), 1)
		rng, before := rand.New(rand.NewPCG(1, 2)), int64(0)
		for i := range 3 * n {
			if i == 2*n { // the window is full
				before = r.engine.Steps()
			}
			at := 1000 * i
			if i%7 == 6 {
				at -= 2500
			}
			r.pay(fmt.Sprintf("%dms", at*1000/n), fmt.Sprintf(`"id":"i%d","card":"a","qty":1,"amt":1,"ok":true,"mcc":"m%d","user":"u%d"`, i, i%8, rng.IntN(n)))
		}
		return float64(r.engine.Steps()-before) / float64(n)
	}
	if few, many := steps(150), steps(2400); many > 1.5*few {
		t.Errorf("an event takes %.1f steps with 150 events in the window, %.1f with 2400", few, many)
	}
}
