package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// recovery measures the newest take-over: how long the state took, and how long
// after it the first batch was committed.
type recovery struct {
	began, ready  time.Time // zero: not under way
	state, commit prometheus.Gauge
}

func newRecovery(m *metrics) recovery {
	v := m.gaugeVec("freshet_takeover_duration_seconds",
		"The newest take-over by phase: state, from the partitions being ours to the state being there; commit, from there to the first commit, records to come included.", "phase")
	return recovery{state: v.WithLabelValues("state"), commit: v.WithLabelValues("commit")}
}

// takes says that the partitions are ours.
func (r *recovery) takes() {
	r.began, r.ready = time.Now(), time.Time{}
	r.state.Set(0)
	r.commit.Set(0)
}

// has says that the state is there.
func (r *recovery) has() {
	r.ready = time.Now()
	r.state.Set(r.ready.Sub(r.began).Seconds())
}

// commits says that a batch is committed; only the first counts.
func (r *recovery) commits() {
	if r.ready.IsZero() {
		return
	}
	r.commit.Set(time.Since(r.ready).Seconds())
	r.ready = time.Time{}
}
