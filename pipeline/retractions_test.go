package pipeline

import (
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

func TestLostRetractionsAreCountedByReason(t *testing.T) {
	w := newWorld(t)
	m := w.runner(w.broker.consumer(), func(c *Config) { c.Metrics = w.metrics }).metrics
	src, card := &spec.Source{Name: "s", Retracts: &spec.Field{}}, &spec.Entity{Name: "card"}
	for _, n := range [][2]int64{{0, 0}, {2, 1}, {2, 3}, {0, 0}, {1, 0}} { // the engine was made anew before the last but one
		m.countRetractions(features.LogStats{Source: src, Entity: card, RetractUnknown: n[0], RetractKeyless: n[1]})
	}
	if got := w.counter("freshet_retractions_lost_total", "card", "unknown", "s"); got != 3 {
		t.Errorf("unknown: %v, want 3", got)
	}
	if got := w.counter("freshet_retractions_lost_total", "card", "no_key", "s"); got != 3 {
		t.Errorf("no key: %v, want 3", got)
	}
	m.countRetractions(features.LogStats{Source: &spec.Source{Name: "t"}, Entity: card, RetractUnknown: 1})
	if got := w.counter("freshet_retractions_lost_total", "card", "unknown", "t"); got != 0 {
		t.Errorf("of a source without retracts: %v", got)
	}
}
