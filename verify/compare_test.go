package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// compare holds one value and status against the oracle's. Behind says that
// what it needs may be gone.
func (d *duel) compare(name string, f *spec.Feature, value event.Value, scale int, status features.Status, want oracle.Result, behind bool) error {
	d.counts.values++
	d.counts.statuses[want.Status]++
	if f != nil && f.Def != nil && want.Status == oracle.Present {
		d.counts.present[f.Def.Aggregation]++
		d.counts.kinds[kindOf(f)]++
	}
	// What needs an event, or what is left of a sum beyond int64, says so before
	// it says that it is incomplete (S19).
	unknowable := status == features.Incomplete || status == features.Error ||
		status == features.NeedsEvent && want.Status == oracle.NotFound
	if behind && unknowable {
		d.counts.lagging++
		return nil
	}
	got := outside(value, scale)
	if status == features.Incomplete && want.Status == oracle.Incomplete {
		return nil // its place is gone: so is its value
	}
	if status == features.Degraded && d.crowded(f, want) {
		d.counts.degraded++
		return d.sketched(name, f, got, want)
	}
	if status.String() != want.Status {
		return fmt.Errorf("%s: engine %v %s, oracle %v %s", name, got, status, want.Value, want.Status)
	}
	if status == features.Degraded {
		d.counts.degraded++
		if want.Open || slices.ContainsFunc(want.Or, func(or any) bool { return same(got, or, f, want.Mass) }) {
			return nil
		}
	}
	if !same(got, want.Value, f, want.Mass) {
		return fmt.Errorf("%s: engine %v, oracle %v (%s)", name, got, want.Value, want.Status)
	}
	return nil
}

// outside is an engine's value as the oracle says it.
func outside(v event.Value, scale int) any {
	switch v.Kind() {
	case event.None:
		return nil
	case event.String:
		return strings.Clone(v.Str())
	case event.Bool:
		return v.Bool()
	case event.Timestamp:
		return time.UnixMilli(v.Int()).UTC()
	case event.List:
		items := []any{}
		for _, item := range v.Items() {
			items = append(items, outside(item, scale))
		}
		return items
	case event.Map:
		entries := []oracle.Category{}
		for _, e := range v.Entries() {
			entries = append(entries, oracle.Category{Name: strings.Clone(e.Key), Result: oracle.Result{Value: outside(e.Value, scale)}})
		}
		return entries
	}
	x, ok := v.Number(scale)
	if !ok {
		return fmt.Sprintf("kind %d", v.Kind())
	}
	return x
}

// rounds are the aggregations whose values are rounded on their way, not only
// at the end (S20), and what else is made of them.
var rounds = map[string]bool{"sum": true, "mean": true, "stddev": true, "variance": true, "zscore": true, "slope": true,
	"skewness": true, "ewma": true, "rate": true, "entropy": true, "decayed_count": true, "decayed_sum": true,
	"interarrival_mean": true, "interarrival_stddev": true, "interarrival_cv": true}

// same is equality, and 1e-9 relative for what follows from sums of doubles
// (S20): derived values and what rounds names. Mass bounds what rounding on
// entry can cost where such a sum cancels out; gaps are whole milliseconds and
// have none.
func same(got, want any, f *spec.Feature, mass float64) bool {
	switch wanted := want.(type) {
	case []any:
		list, isList := got.([]any)
		return isList && slices.Equal(list, wanted)
	case []oracle.Category:
		entries, isMap := got.([]oracle.Category)
		return isMap && slices.EqualFunc(entries, wanted, func(a, b oracle.Category) bool {
			return a.Name == b.Name && same(a.Value, b.Value, f, b.Mass)
		})
	}
	a, isNumber := got.(float64)
	b, wantNumber := want.(float64)
	if !isNumber || !wantNumber {
		return got == want
	}
	if a == b {
		return true
	}
	return math.Abs(a-b) <= slack(f, b, mass)
}

// slack is how far a number of a feature, or of a service's derived value (nil),
// may be from the oracle's.
func slack(f *spec.Feature, want, mass float64) float64 {
	if f == nil || f.Def == nil {
		return 1e-9*math.Abs(want) + 1e-9 + 1e-14*mass
	}
	name := f.Def.Aggregation
	switch {
	case name == "quantile": // of the value at its rank (S20)
		return 0.01*math.Abs(want) + 1e-15
	case !rounds[name]:
		return 0
	case name == "sum" && f.Def.Field != nil && f.Def.Field.Type != spec.Double:
		return 0
	case strings.HasPrefix(name, "interarrival"):
		return 1e-9 * math.Abs(want)
	}
	return 1e-9*math.Abs(want) + 1e-14*max(1, mass)
}

// leeway is the slack of a value that a rule asks for; none where it is made of
// exact values alone: there a rule decides to the digit.
func leeway(f *spec.Feature, want oracle.Result) float64 {
	if x, isNumber := want.Value.(float64); isNumber && inexact(f) {
		return slack(f, x, want.Mass)
	}
	return 0
}

// inexact reports whether a feature is rounded on its way, or derived from one
// that is.
func inexact(f *spec.Feature) bool {
	if f.Def != nil {
		return slack(f, 1, 1) > 0
	}
	return slices.ContainsFunc(f.Expr.Names, func(n spec.Name) bool { return n.Feature != nil && inexact(n.Feature) })
}

// crowded reports whether a value may be told of more values than the
// distinct_budget keeps (S26): the window holds more, or, of a derived value, a
// view of the spec has a small budget.
func (d *duel) crowded(f *spec.Feature, want oracle.Result) bool {
	if f == nil || f.Def == nil {
		return slices.ContainsFunc(d.spec.Views, func(v *spec.View) bool { return v.DistinctBudget < spec.DefaultDistinctBudget })
	}
	most := 0
	for _, v := range d.spec.Views {
		if v.Source == f.View.Source && v.Entity == f.View.Entity {
			most = max(most, v.DistinctBudget)
		}
	}
	return want.Crowd.Values > most
}

// sketched holds a count of too many values against its bound: those of the
// window, up to those with the tile of its tail, five standard errors of the
// sketch off, and one for rounding. What is said to be known of a value, is.
func (d *duel) sketched(name string, f *spec.Feature, got any, want oracle.Result) error {
	if f == nil || f.Def == nil || f.Def.Aggregation == "novelty" || same(got, want.Value, f, 0) {
		return nil
	}
	wrong := fmt.Errorf("%s: engine %v DEGRADED, oracle %v of %d values", name, got, want.Value, want.Crowd.Values)
	if f.Def.Aggregation == "is_new" {
		if got == false && want.Value == true {
			return wrong
		}
		return nil
	}
	x, isNumber := got.(float64)
	const off = 5 * 1.04 / 128 // of 2^14 registers
	if !isNumber || x < float64(want.Crowd.Values)*(1-off)-1 || x > float64(want.Crowd.Tiled)*(1+off)+1 {
		return wrong
	}
	return nil
}
