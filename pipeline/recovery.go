package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// recovery measures the newest take-over, phase by phase, so that a slow one says
// what it waited for.
type recovery struct {
	began                       time.Time // of the phase that is under way; zero: none is
	group, store, state, commit prometheus.Gauge
	starting                    bool // the state is there, and nothing is committed yet
}

func newRecovery(m *metrics) recovery {
	v := m.gaugeVec("freshet_takeover_duration_seconds",
		"The newest take-over by phase: group, from the start or the loss of the partitions to their being ours (0 after a standby); store, until the online store has given a number; "+
			"state, until the state is there (without the store's phase, which is within); commit, from there to the first commit, records to come included.", "phase")
	return recovery{group: v.WithLabelValues("group"), store: v.WithLabelValues("store"), state: v.WithLabelValues("state"), commit: v.WithLabelValues("commit")}
}

// waits says that the partitions are asked for.
func (r *recovery) waits() { r.began, r.starting = time.Now(), false }

// stands says that another instance has them, for as long as it likes.
func (r *recovery) stands() { r.began = time.Time{} }

// given says that the partitions are ours.
func (r *recovery) given() {
	for _, phase := range []prometheus.Gauge{r.group, r.store, r.state, r.commit} {
		phase.Set(0)
	}
	r.starting = false
	r.ends(r.group)
}

// numbered says how long the store has taken to say which owner we are, within
// another phase.
func (r *recovery) numbered(took time.Duration) {
	r.store.Set(took.Seconds())
	if !r.began.IsZero() {
		r.began = r.began.Add(took)
	}
}

// has says that the state is there.
func (r *recovery) has() {
	r.ends(r.state)
	r.starting = true
}

// commits says that a batch is committed; only the first counts.
func (r *recovery) commits() {
	if r.starting {
		r.starting = false
		r.ends(r.commit)
	}
}

// ends ends a phase, and begins the next one.
func (r *recovery) ends(phase prometheus.Gauge) {
	now := time.Now()
	if !r.began.IsZero() {
		phase.Set(now.Sub(r.began).Seconds())
	}
	r.began = now
}
