package features_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// steps is what an event of a busy key makes the engine look at, rows and the
// like, when its windows hold n events: on average over n events in order, and
// over those among them that are a few places late.
func steps(t *testing.T, spec func(views string) string, definitions string, n int) (inOrder, late float64) {
	t.Helper()
	r := newRunOf(t, spec(fmt.Sprintf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1d
    features:
%s`, definitions)), 1)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3 * n {
		at, sum, of := 1000*(i+1), &inOrder, n-n/7
		if i%7 == 6 {
			at, sum, of = at-4500, &late, n/7
		}
		before := r.engine.Steps()
		r.pay(fmt.Sprintf("%dms", at*1000/n), fmt.Sprintf(`"card":"a","qty":%d,"amt":%d,"ok":%t,"mcc":"m%d"`,
			rng.IntN(1000), rng.IntN(1000), rng.IntN(8) > 0, rng.IntN(20)))
		if i >= 2*n { // the windows are full
			*sum += float64(r.engine.Steps()-before) / float64(of)
		}
	}
	return inOrder, late
}

// The windows of these features hold a thousand seconds, in which n events are.
const flatWindows = `
      n:     {aggregation: count, windows: [500s, 1000s]}
      few:   {aggregation: count, filter: 'qty > 500', windows: [1000s]}
      sum:   {aggregation: sum, field: amt, windows: [500s, 1000s]}
      dev:   {aggregation: stddev, field: x, windows: [1000s]}
      z:     {aggregation: zscore, field: amt, windows: [1000s], exclude_current: true}
      old:   {aggregation: sum, field: amt, windows: [500s], delay: 100s}
      slope: {aggregation: slope, field: amt, windows: [1000s], per: 1s}
      gap:   {aggregation: interarrival_cv, windows: [500s, 1000s]}
      odd:   {aggregation: interarrival_stddev, filter: 'ok == false', windows: [1000s]}
      last:  {aggregation: last, field: mcc, windows: [1000s]}
      first: {aggregation: first, field: mcc, filter: ok, windows: [1000s]}
      min:   {aggregation: min, field: qty, windows: [500s, 1000s]}
      best:  {aggregation: argmax, field: mcc, order_by: qty, windows: [500s, 1000s]}
      kinds: {aggregation: count_distinct, field: mcc, windows: [500s, 1000s]}
      new:   {aggregation: is_new, field: mcc, windows: [1000s]}
      bits:  {aggregation: entropy, field: mcc, windows: [1000s]}
      top:   {aggregation: top_share, field: mcc, windows: [1000s]}
      p95:   {aggregation: quantile, field: amt, q: 0.95, windows: [1000s]}
      list:  {aggregation: list_last, field: amt, limit: 3, windows: [1000s]}
`

// What an event costs does not grow with how many its windows hold, be it the
// newest or a few places late.
func TestFlatWhateverTheWindowsHold(t *testing.T) {
	flat(t, specOf, flatWindows)
}

// Nor does it where events may be taken back (of those that are, see
// TestWhatGrowsIsInTheTable).
func TestS16WindowsOfASourceWithRetractionsAreFlat(t *testing.T) {
	flat(t, retracting, strings.Replace(flatWindows, "      p95:   {aggregation: quantile, field: amt, q: 0.95, windows: [1000s]}\n", "", 1))
}

// flat requires that steps are as many when windows hold ten times the events.
func flat(t *testing.T, spec func(views string) string, definitions string) {
	t.Helper()
	inOrder, late := steps(t, spec, definitions, 400)
	wideInOrder, wideLate := steps(t, spec, definitions, 4000)
	t.Logf("steps in order: %.1f with 400 events in the windows, %.1f with 4,000; a few places late: %.1f and %.1f", inOrder, wideInOrder, late, wideLate)
	if wideInOrder > inOrder*1.2 || wideLate > late*1.2 {
		t.Errorf("steps in order: %.1f with 400 events, %.1f with 4,000; late: %.1f and %.1f", inOrder, wideInOrder, late, wideLate)
	}
}
