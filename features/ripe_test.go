package features_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// ripening is all that counts values over lives with a delay.
const ripening = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 60s
    event_budget: %d
    distinct_budget: %d
    features:
      kinds: {aggregation: count_distinct, field: mcc, delay: 20s}
      okay:  {aggregation: count_distinct, field: user, filter: ok, delay: 20s}
      fresh: {aggregation: is_new, field: mcc, delay: 20s}
      new:   {aggregation: is_new, field: user, filter: ok, delay: 20s}
      share: {aggregation: novelty, field: mcc, delay: 20s}
      most:  {aggregation: top_share, field: mcc, delay: 20s}
      even:  {aggregation: entropy, field: user, delay: 20s}
      tops:  {aggregation: top_share, field: user, delay: 20s}
      usual: {aggregation: mode, field: mcc, delay: 20s}
      often: {aggregation: mode, field: qty, delay: 5s}
      half:  {aggregation: quantile, field: amt, q: 0.5, delay: 20s}
      high:  {aggregation: quantile, field: amt, q: 0.9, delay: 20s}
      n:     {aggregation: count, delay: 20s}
`

// What is counted of the ripe events of a life is what the rows say, whatever comes
// late, whatever has left the log, and whoever reads in between.
func TestS24LivesWithADelayCountWhatIsRipe(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 24))
		budget, distinct, values := []int{1000, 60, 25}[seed%3], []int{1000, 30}[seed/3%2], []int{8, 60}[seed/6]
		text := specOf(fmt.Sprintf(ripening, budget, distinct))
		ripe, rows := newRunOf(t, text, int(seed%2)), newRunOf(t, text, int(seed%2))
		rows.plan.RowByRow()
		now := 0
		for i := range 400 {
			switch rng.IntN(120) {
			case 0:
				now += 70_000 // the life is over
			case 1:
				now += 50_000
			default:
				now += rng.IntN(1200)
			}
			at := now
			if rng.IntN(5) == 0 {
				at = max(0, now-rng.IntN(45_000))
			}
			fields := fmt.Sprintf(`"card":"a","qty":%d,"amt":%d,"ok":%t,"mcc":"m%d","user":"u%d"`,
				rng.IntN(values), rng.IntN(values), rng.IntN(8) > 0, rng.IntN(values), rng.IntN(values))
			ripe.pay(fmt.Sprintf("%dms", at), fields)
			rows.pay(fmt.Sprintf("%dms", at), fields)
			same(t, fmt.Sprintf("seed %d, event %d at %d", seed, i, at), ripe.vectors[ripe.last].Values, rows.vectors[rows.last].Values,
				ripe.vectors[ripe.last].Statuses, rows.vectors[rows.last].Statuses)
			if rng.IntN(4) == 0 {
				var got, want features.Row
				t0 := start.Add(time.Duration(now-2000+rng.IntN(40_000)) * time.Millisecond).UnixMilli()
				ripe.engine.Read(ripe.plan.Reads()[0].View, "a", t0, &got)
				rows.engine.Read(rows.plan.Reads()[0].View, "a", t0, &want)
				same(t, fmt.Sprintf("seed %d, read behind event %d", seed, i), got.Values, want.Values, got.Statuses, want.Statuses)
			}
		}
	}
}

func TestWarmLivesWithADelayAllocateNothing(t *testing.T) {
	head, _, _ := strings.Cut(plainSpec, "feature_views:")
	warmAllocatesNothing(t, compile(t, head+`feature_views:
  v:
    version: 1
    source: payments
    entity: card
    ttl: 31d
    features:
      kinds: {aggregation: count_distinct, field: device, delay: 1d}
      usual: {aggregation: mode, field: merchant, delay: 1d}
      even:  {aggregation: entropy, field: merchant, delay: 1d}
      half:  {aggregation: quantile, field: amount, q: 0.5, delay: 1d}
`))
}

// same compares values and statuses.
func same(t *testing.T, when string, got, want []event.Value, gotStatus, wantStatus []features.Status) {
	t.Helper()
	for i := range want {
		if gotStatus[i] != wantStatus[i] || !alike(got[i], want[i]) {
			t.Fatalf("%s, column %d: %v %v, by rows %v %v", when, i, got[i], gotStatus[i], want[i], wantStatus[i])
		}
	}
}
