package features_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

const crowding = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    distinct_budget: 200
    event_budget: %d
    features:
      k:    {aggregation: count_distinct, field: mcc, windows: [1s, 30s]}
      user: {aggregation: count_distinct, field: qty, windows: [30s]}
      new:  {aggregation: is_new, field: mcc, windows: [30s]}
      all:  {aggregation: count_distinct, field: mcc}
`

// Beyond distinct_budget a sketch answers, with the error that it states; a
// window with fewer values is exact all the while, and the long one again once
// its values are few.
func TestS26DistinctValuesBeyondTheBudgetAreEstimated(t *testing.T) {
	for _, budget := range []int{1 << 20, 500} {
		r := newRun(t, specOf(fmt.Sprintf(crowding, budget)))
		random := rand.New(rand.NewPCG(1, uint64(budget)))
		worst := 0.0
		newest := map[string]int{}
		pay := func(i int, mcc string) {
			newest[mcc] = i
			r.pay(fmt.Sprintf("%dms", i*10), fmt.Sprintf(`"card":"a","mcc":"%s","qty":%d`, mcc, i%150))
		}
		count := func(i, length, grid int) (exact, wider int) {
			from := i*10 - length
			base := start.UnixMilli()
			tile := int((int64(from)+base+1)/int64(grid)*int64(grid) - 1 - base)
			for _, last := range newest {
				if last*10 > from {
					exact++
				}
				if last*10 > tile {
					wider++
				}
			}
			return exact, wider
		}
		for i := range 4000 {
			pay(i, fmt.Sprint(random.IntN(2500)))
			if i%7 != 0 {
				continue
			}
			if exact, wider := count(i, 1000, 16); budget > 1000 {
				_ = wider
				if got := r.get("v.k_1s"); got != fmt.Sprint(exact) {
					t.Fatalf("event %d: %s in 1s, want %d", i, got, exact)
				}
				if got := r.get("v.user_30s"); got != fmt.Sprint(min(i+1, 150)) {
					t.Fatalf("event %d: %s small numbers", i, got)
				}
			}
			exact, wider := count(i, 30000, 500)
			got := r.get("v.k_30s")
			if exact <= 200 {
				if !strings.HasPrefix(got, fmt.Sprint(exact)) {
					t.Fatalf("event %d: %s in 30s, want %d", i, got, exact)
				}
				continue
			}
			var about float64
			if n, _ := fmt.Sscanf(got, "%g DEGRADED", &about); n != 1 || !strings.HasSuffix(got, "DEGRADED") {
				t.Fatalf("event %d: %s in 30s, want about %d", i, got, exact)
			}
			worst = max(worst, math.Abs(about-float64(wider))/float64(wider))
			fmt.Sscanf(r.get("v.all"), "%g DEGRADED", &about)
			worst = max(worst, math.Abs(about-float64(len(newest)))/float64(len(newest)))
		}
		if worst > 5*0.0081 {
			t.Errorf("budget %d: %.2f %% off", budget, 100*worst)
		}
		t.Logf("budget %d: at most %.2f %% off, %d bytes", budget, 100*worst, r.engine.Stats().Logs[0].Bytes)
		for i := 4000; i < 8000; i++ {
			pay(i, fmt.Sprint(i%100))
		}
		if got := r.get("v.k_30s"); !strings.HasPrefix(got, "100") || (budget > 4000 && got != "100") {
			t.Errorf("budget %d: %s in 30s once there are few again", budget, got)
		}
	}
}

const crowdedLife = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    distinct_budget: 2
    event_budget: 6
    features:
      k:     {aggregation: count_distinct, field: mcc, delay: 10s}
      fresh: {aggregation: novelty, field: mcc, delay: 10s}
      new:   {aggregation: is_new, field: mcc, delay: 10s}
`

// The rows of a life say its values whether or not a sketch runs beside them:
// so what is read does not depend on when the entity got a running state. Only
// a life that reaches out of the log may lack values.
func TestS01AScannedLifeIsExactWhileTheLogHoldsIt(t *testing.T) {
	bothWays(t, specOf(crowdedLife), func(r *run) {
		for i, mcc := range []string{"u", "v", "w", "x", "y", "u"} {
			r.pay(fmt.Sprintf("%ds", i), fmt.Sprintf(`"card":"a","mcc":%q`, mcc))
		}
		r.wantRead("v.k", "a", "15s", "5")
		r.wantRead("v.k", "a", "12s", "3")
		r.wantRead("v.fresh", "a", "14s", "1")
		r.ask("15s", `"card":"a","mcc":"u"`)
		r.want("v.new", "false")
		r.pay("6s", `"card":"a","mcc":"z"`) // the first leaves the log
		if got := r.read("v.k", "a", "16s"); !strings.HasSuffix(got, " INCOMPLETE") {
			t.Errorf("a life that reaches out of the log is %s", got)
		}
	})
}
