package pipeline

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/features"
)

// held counts what the engine has let go of to bound its memory. What it let go
// of while the state was rebuilt was counted when it was new.
type held struct {
	evicted, folded, degraded *prometheus.CounterVec
	counted                   features.Stats // already
}

func (h *held) counters(m *metrics) {
	h.evicted = m.counterVec("freshet_state_evictions_total", "Entities that were forgotten because there were more than engine.max_keys.", "source", "entity")
	h.folded = m.counterVec("freshet_folded_events_total", "Events that left for tiles because their entity has more than event_budget.", "source", "entity")
	h.degraded = m.counterVec("freshet_degraded_values_total", "Values in enriched records and rows whose window reaches past event_budget or distinct_budget.", "view")
}

// skip takes an engine's counts as counted.
func (h *held) skip(s features.Stats) {
	h.counted = s
	h.add(s, s) // the series begin at 0
}

// count adds what has come since the last call.
func (h *held) count(s features.Stats) {
	h.add(s, h.counted)
	h.counted = s
}

// add counts what is in s and not in before, both of one plan.
func (h *held) add(s, before features.Stats) {
	for i, l := range s.Logs {
		h.evicted.WithLabelValues(l.Source.Name, l.Entity.Name).Add(float64(l.Evicted - before.Logs[i].Evicted))
		h.folded.WithLabelValues(l.Source.Name, l.Entity.Name).Add(float64(l.Folded - before.Logs[i].Folded))
	}
	for i, v := range s.Views {
		h.degraded.WithLabelValues(v.View.Ref()).Add(float64(v.Degraded - before.Views[i].Degraded))
	}
}
