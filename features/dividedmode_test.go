package features_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The mode of each category shown, and of the others together, is what a count of all
// values says, whatever leaves the window and whichever categories are shown.
func TestS25TheModeOfEachCategory(t *testing.T) {
	for _, values := range []int{3, 40, 100000} {
		r, rng := newRunOf(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      f: {aggregation: mode, field: amt, by: mcc, top: 2, windows: [60s]}
`), 1), rand.New(rand.NewPCG(1, 2))
		type payment struct{ at, amt, mcc int }
		var all []payment
		for i := range 600 {
			p := payment{at: 1000 * i, amt: rng.IntN(values), mcc: rng.IntN(5)}
			all = append(all, p)
			r.pay(fmt.Sprintf("%dms", p.at), fmt.Sprintf(`"card":"a","amt":%d,"mcc":"m%d"`, p.amt, p.mcc))
			var times [5]int
			var counts [5]map[int]int
			for _, x := range all[max(0, i-59):] {
				if counts[x.mcc] == nil {
					counts[x.mcc] = map[int]int{}
				}
				times[x.mcc]++
				counts[x.mcc][x.amt]++
			}
			order := []int{0, 1, 2, 3, 4}
			slices.SortStableFunc(order, func(a, b int) int { return times[b] - times[a] })
			var shown []string
			others := map[int]int{}
			for at, mcc := range order {
				switch {
				case times[mcc] == 0:
				case at < 2:
					shown = append(shown, fmt.Sprintf("m%d:%d", mcc, commonest(counts[mcc])))
				default:
					for amt, n := range counts[mcc] {
						others[amt] += n
					}
				}
			}
			if len(others) > 0 {
				shown = append(shown, fmt.Sprintf("other:%d", commonest(others)))
			}
			r.want("v.f_60s", "{"+strings.Join(shown, " ")+"}")
		}
	}
}

// commonest is the most frequent of values, of equal ones the smallest.
func commonest(times map[int]int) int {
	mode, most := 0, 0
	for v, n := range times {
		if n > most || n == most && v < mode {
			mode, most = v, n
		}
	}
	return mode
}
