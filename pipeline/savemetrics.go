package pipeline

import (
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
)

// saveMetrics is what /metrics says of checkpoints.
type saveMetrics struct {
	failures           *prometheus.CounterVec
	written            prometheus.Counter
	newest, size, took prometheus.Gauge
	copied             prometheus.Gauge
	skipped, loaded    prometheus.Gauge
	headroom           *prometheus.GaugeVec

	mu     sync.Mutex
	oldest *checkpoint.Manifest // that is kept
}

func newSaveMetrics(m *metrics) *saveMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	s := &saveMetrics{
		failures: m.counterVec("freshet_checkpoint_failures_total", "Checkpoints that could not be written, read (damaged: the one before is taken), removed, copied or fetched.", "what"),
		written:  prometheus.NewCounter(prometheus.CounterOpts{Name: "freshet_checkpoints_total", Help: "Checkpoints written, read back and verified."}),
		newest:   gauge("freshet_checkpoint_timestamp_seconds", "Wall clock when the newest checkpoint was whole."),
		size:     gauge("freshet_checkpoint_bytes", "Bytes of the newest checkpoint."),
		took:     gauge("freshet_checkpoint_duration_seconds", "Time from the first file of the newest checkpoint to its last."),
		copied:   gauge("freshet_checkpoint_copied_timestamp_seconds", "Wall clock of the newest checkpoint that was copied."),
		loaded:   gauge("freshet_restore_checkpoint_cycle", "The checkpoint that this run began with; 0: none."),
		skipped:  gauge("freshet_offsets_reset_records", "Records whose committed offsets someone has set back although they are in the checkpoint: they were not emitted again."),
		headroom: m.gaugeVec("freshet_checkpoint_headroom_ratio", "How much of the log lies below what the oldest checkpoint needs, of all that is kept: at 0 retention takes what it needs.", "source", "partition"),
	}
	for _, what := range []string{"write", "read", "remove", "copy", "fetch"} {
		s.failures.WithLabelValues(what)
	}
	m.collectors = append(m.collectors, s.written, s.newest, s.size, s.took, s.copied, s.loaded, s.skipped)
	return s
}

// keeps notes the oldest checkpoint.
func (s *saveMetrics) keeps(oldest *checkpoint.Manifest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = oldest
}

// spans compares the oldest checkpoint with the log of a partition, and gives
// the ratio: 1 where the log holds far more than it needs.
func (s *saveMetrics) spans(source string, partition int32, start, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldest == nil || end <= start {
		return
	}
	for _, src := range s.oldest.Sources {
		if src.Name == source && int(partition) < len(src.Partitions) {
			room := float64(src.Partitions[partition].Begin-start) / float64(end-start)
			s.headroom.WithLabelValues(source, strconv.Itoa(int(partition))).Set(max(0, min(1, room)))
		}
	}
}
