package features_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

// Quantiles of the same values count them once, and each is what it is alone:
// in windows that run, that are scanned, that are read behind their state, in
// lives, past the budget, by category and after a restart.
func TestQuantilesOfOneInputAreWhatEachIsAlone(t *testing.T) {
	qs := []string{"0", "0.5", "0.95"}
	view := func(qs []string) string {
		text := "  v:\n    version: 1\n    source: pay\n    entity: card\n    ttl: 20s\n    event_budget: 12\n    features:\n"
		for _, q := range qs {
			name := "q" + strings.ReplaceAll(q, ".", "_") + "q"
			for cut, rest := range map[string]string{"w": "windows: [3s, 10s]", "d": "windows: [5s], delay: 3s", "s": "session: 2s",
				"n": "last: [4]", "by": "by: mcc, top: 2, windows: [10s]", "all": "filter: 'qty > 5'"} {
				text += fmt.Sprintf("      %s%s: {aggregation: quantile, q: %s, field: qty, %s}\n", cut, name, q, rest)
			}
		}
		return specOf(text)
	}
	for _, few := range []int{0, 1} {
		whole := newRunOf(t, view(qs), few)
		var alone []*run
		for _, q := range qs {
			alone = append(alone, newRunOf(t, view([]string{q}), few))
		}
		random := rand.New(rand.NewPCG(uint64(few), 9))
		for i, now := 0, 0; i < 600; i++ {
			now += []int{0, 50, 300, 900, 2500}[random.IntN(5)]
			if random.IntN(60) == 0 {
				now += 25_000
			}
			at := fmt.Sprintf("%dms", max(0, now-[]int{0, 0, 0, 400, 4000}[random.IntN(5)]))
			fields := fmt.Sprintf(`"card":"a","qty":%d,"mcc":"%d"`, random.IntN(40)*random.IntN(40), random.IntN(4))
			whole.pay(at, fields)
			for _, r := range alone {
				r.pay(at, fields)
				r.sameIn(whole, fmt.Sprintf("few=%d, event %d at %s", few, i, at))
			}
			if i == 300 {
				whole = whole.again(features.Options{Seed: [16]byte{7}, Few: few})
			}
		}
	}
}

// sameIn compares the last record with another run's, which may have more columns.
func (r *run) sameIn(other *run, when string) {
	r.t.Helper()
	v := r.vectors[r.last]
	for i, c := range r.plan.Layout(r.last).Columns {
		for j, o := range other.plan.Layout(other.last).Columns {
			if o.Name != c.Name {
				continue
			}
			got := shown(other.vectors[other.last].Values[j], o.Scale, other.vectors[other.last].Statuses[j])
			if want := shown(v.Values[i], c.Scale, v.Statuses[i]); got != want {
				r.t.Fatalf("%s: %s is %s, alone it is %s", when, c.Name, got, want)
			}
		}
	}
}
