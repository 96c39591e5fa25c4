package features_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features/aggregate"
)

// mostSteps is what the dearest of many events looks at: in order and late by
// anything, in bursts and behind silences, of far more than the log holds.
func mostSteps(t *testing.T, text string, categories int) (most int64) {
	t.Helper()
	r, rng := newRunOf(t, text, 1), rand.New(rand.NewPCG(3, 4))
	now := 0
	for i := range 400 {
		switch rng.IntN(60) {
		case 0:
			now += 2000_000 // longer than any window or session
		case 1:
			now += 400_000
		default:
			now += rng.IntN(3000)
		}
		at := now
		if rng.IntN(4) == 0 {
			at = max(0, now-rng.IntN(60_000))
		}
		qty := rng.IntN(1000) - 30
		before := r.engine.Steps()
		r.pay(fmt.Sprintf("%dms", at), fmt.Sprintf(`"card":"a","qty":%d,"amt":%d,"x":%d,"ok":%t,"mcc":"m%d","user":"u%05d"`,
			qty, rng.IntN(1000), i, rng.IntN(8) > 0, rng.IntN(categories), i))
		most = max(most, r.engine.Steps()-before)
	}
	return most
}

// One event looks at no more than is stated, whatever the aggregation, the window,
// the data and what came before.
func TestOneEventTakesAtMostTheStatedSteps(t *testing.T) {
	const budget = 64
	for _, a := range aggregate.Table {
		for _, cut := range growthCuts {
			for _, data := range []aggregate.Data{aggregate.Usual, aggregate.Unlike} {
				text := growthSpec(t, a.Name, cut.keys, data)
				if text == "" {
					continue
				}
				windows, top, categories := 1, 0, 8
				if data == aggregate.Unlike {
					categories = 1 << 40
				}
				if strings.Contains(cut.keys, "[500s, 1000s]") {
					windows = 2
				}
				if strings.Contains(cut.keys, "top: 3") {
					top = 3
				}
				most := mostSteps(t, strings.Replace(text, "    ttl: 1d\n", fmt.Sprintf("    ttl: 1d\n    event_budget: %d\n", budget), 1), categories)
				if limit := windows * aggregate.MostSteps(budget, top); most > int64(limit) {
					t.Errorf("%s over %s, %s: an event took %d steps, at most %d are stated", a.Name, cut.over, data, most, limit)
				}
			}
		}
	}
}
