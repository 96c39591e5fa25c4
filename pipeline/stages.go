package pipeline

import (
	"time"

	"github.com/freshet-dev/freshet/features/event"
)

// stage observes a stage that has just ended.
func (m *metrics) stage(name string, began time.Time) {
	m.stages.WithLabelValues(name).Observe(time.Since(began).Seconds())
}

// fetched observes how long ago the log took what was read first of a step: to
// the millisecond, and by two clocks.
func (m *metrics) fetched(logged int64, now time.Time) {
	if logged != event.NoTime {
		m.stages.WithLabelValues("fetch").Observe(float64(max(0, now.UnixMilli()-logged)) / 1000)
	}
}

// observeStages splits the time of apply among its stages as the samples say.
func (m *metrics) observeStages(b *batchCounts) {
	m.stages.WithLabelValues("decode").Observe(b.decode.Seconds())
	m.stages.WithLabelValues("emit").Observe(b.emit.Seconds())
	sum := b.features + b.score + b.encode
	if sum <= 0 {
		return
	}
	share := func(d time.Duration) float64 { return b.apply.Seconds() * float64(d) / float64(sum) }
	m.stages.WithLabelValues("features").Observe(share(b.features))
	m.stages.WithLabelValues("score").Observe(share(b.score))
	m.stages.WithLabelValues("encode").Observe(share(b.encode))
}
