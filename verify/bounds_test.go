package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/features"
)

// sketchSpec has what answers within a bound, over many values.
const sketchSpec = `version: 1
namespace: bounds
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    id_field: id
    allowed_lateness: 1m
    fields:
      id:   {type: string}
      at:   {type: timestamp, unit: us}
      card: {type: string}
      amt:  {type: double, optional: true}
entities:
  card: {key: card}
feature_views:
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1d
    event_budget: 200000
    distinct_budget: 500
    features:
      kinds:  {aggregation: approx_count_distinct, field: amt, windows: [10s, 1m]}
      lowest: {aggregation: quantile, field: amt, q: 0, windows: [10s, 1m]}
      median: {aggregation: quantile, field: amt, q: 0.5, windows: [10s, 1m]}
      high:   {aggregation: quantile, field: amt, q: 0.99, windows: [10s, 1m]}
`

// Over 6,000 values of all magnitudes and both signs, a value in 10 ms:
// quantiles are within 1 % of the value at their rank, and a count of values
// past the distinct_budget within five standard errors of a sketch of 2^14
// registers, from the window to the window with the tile of its tail.
func TestS20S26SketchesKeepTheirBounds(t *testing.T) {
	s := storyOf(t, sketchSpec)
	random := rand.New(rand.NewPCG(3, 4))
	values := make([]float64, 6_000)
	for i := range values {
		values[i] = math.Round(math.Exp(random.NormFloat64()*6)*100) / 100 * float64(1-2*random.IntN(2))
		if got := s.send(time.Duration(i)*10*time.Millisecond, values[i]); got != "" {
			t.Fatalf("value %d is %s", i, got)
		}
	}
	for _, window := range []struct {
		name  string
		n, ms int
	}{{"10s", 1000, 1000}, {"1m", len(values), 6000}} {
		held := slices.Clone(values[len(values)-window.n:])
		tiled := values[max(0, len(values)-window.n-window.ms/60):]
		slices.Sort(held)
		rank := func(q float64) float64 { return held[int(math.Floor(q*float64(len(held)-1)))] }
		s.near("lowest_"+window.name, rank(0), rank(0), 0.01)
		s.near("median_"+window.name, rank(0.5), rank(0.5), 0.01)
		s.near("high_"+window.name, rank(0.99), rank(0.99), 0.01)
		s.near("kinds_"+window.name, distinct(held), distinct(tiled), 5*1.04/128)
	}
}

func distinct(values []float64) float64 {
	seen := map[float64]bool{}
	for _, v := range values {
		seen[v] = true
	}
	return float64(len(seen))
}

// near checks that a value of the last event lies between two, give or take a
// share of them.
func (s *story) near(name string, low, high, share float64) {
	s.t.Helper()
	i := slices.IndexFunc(s.plan.Layout(0).Columns, func(c features.Column) bool { return c.Name == "v."+name })
	for _, vector := range s.vectors {
		got, isNumber := outside(vector.Values[i], 0).(float64)
		if !isNumber || got < low-share*math.Abs(low) || got > high+share*math.Abs(high) {
			s.t.Errorf("%s is %v %s, want %v", name, got, vector.Statuses[i], fmt.Sprint(low, " to ", high))
		}
	}
}
