package pipeline

import (
	"fmt"
	"testing"
)

// What the engine lets go of to bound its memory is counted, once.
func TestWhatIsLetGoIsCounted(t *testing.T) {
	w := newWorld(t)
	const cards = 500
	for i := range cards {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), fmt.Sprint("c", i), i, "1.00"))
	}
	r := w.runToEnd(func(c *Config) { c.Metrics, c.MaxKeys = w.metrics, 256 })
	keys, evicted := w.counter("freshet_state_keys", "card_velocity"), w.counter("freshet_state_evictions_total", "card", "transactions")
	if keys > 256 || keys+evicted != cards {
		t.Errorf("%v known and %v evicted of %d, at most 256 may be known", keys, evicted, cards)
	}
	s := r.engine.Stats()
	for i := range s.Logs {
		s.Logs[i].Folded += 3
	}
	for i := range s.Views {
		s.Views[i].Degraded += 2
	}
	r.metrics.held.count(s)
	r.metrics.held.count(s)
	s.Logs[0].Folded += 5
	r.metrics.held.skip(s) // of a rebuild
	r.metrics.held.count(s)
	for _, m := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"freshet_state_evictions_total", []string{"card", "transactions"}, evicted},
		{"freshet_state_evictions_total", []string{"merchant", "transactions"}, 0},
		{"freshet_folded_events_total", []string{"card", "transactions"}, 3},
		{"freshet_degraded_values_total", []string{"card_velocity"}, 2},
	} {
		if got := w.counter(m.name, m.labels...); got != m.want {
			t.Errorf("%s%v is %v, want %v", m.name, m.labels, got, m.want)
		}
	}
}
