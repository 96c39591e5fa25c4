package features_test

import (
	"fmt"
	"testing"
)

// Windows with one delay move on one behind the other: a value is counted by all of
// them, whichever was named first, and by what.
func TestS24ValuesOfDelayedWindowsCountInAll(t *testing.T) {
	for _, first := range []string{
		"{aggregation: count, windows: [60s], delay: 3s}",
		"{aggregation: count, windows: [8s], delay: 3s}",
		"{aggregation: count_distinct, field: mcc, windows: [60s], delay: 3s}",
		"{aggregation: sum, field: qty, by: mcc, top: 2, windows: [60s], delay: 3s}",
		"{aggregation: last, field: qty, windows: [60s], delay: 3s}",
	} {
		t.Run(first, func(t *testing.T) {
			bothWays(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 2m
    features:
      first:  {aggregation: `+first[len("{aggregation: "):]+`
      values: {aggregation: count_distinct, field: qty, windows: [8s, 60s], delay: 3s}
`), func(r *run) {
				for n := range 200 {
					r.pay(fmt.Sprintf("%ds", n), fmt.Sprintf(`"card":"a","qty":%d,"mcc":"m%d"`, n%20, n%3))
					long := min(max(0, n-2), 20)
					r.want("v.values_8s", fmt.Sprint(min(8, long)), "v.values_60s", fmt.Sprint(long))
					if t.Failed() {
						t.Fatalf("event %d", n)
					}
				}
			})
		})
	}
}

// A list that is longer than all words of a scan is walked, not scanned.
func TestS24ALongListOfALifeWithADelay(t *testing.T) {
	bothWays(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    features:
      list: {aggregation: list_distinct, field: qty, limit: 1000, delay: 1s}
      n:    {aggregation: count, delay: 1s}
`), func(r *run) {
		for n := range 60 {
			r.pay(fmt.Sprintf("%ds", n), fmt.Sprintf(`"card":"a","qty":%d`, n%3))
		}
		r.want("v.list", "[2 0 1]", "v.n", "59")
	})
}
