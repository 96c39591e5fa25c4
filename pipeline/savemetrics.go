package pipeline

import (
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/sources"
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
		newest:   gauge("freshet_checkpoint_last_success_timestamp_seconds", "Wall clock when the newest checkpoint was whole."),
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

// spans compares the oldest checkpoint with what the log of a partition holds,
// and gives the ratio: 1 where the log holds far more than is needed, or has
// never lost a record.
func (s *saveMetrics) spans(source string, partition int32, log sources.Extent) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldest == nil {
		return 1
	}
	was := partitionOf(s.oldest, source, partition)
	room := 1.0
	if was != nil && log.Start > 0 && log.End > log.Start {
		room = max(0, min(1, float64(was.Begin-log.Start)/float64(log.End-log.Start)))
	}
	s.headroom.WithLabelValues(source, strconv.Itoa(int(partition))).Set(room)
	return room
}

// leastHeadroom is the part of the log below which a checkpoint says that
// retention comes near.
const leastHeadroom = 0.5

// lookAhead compares what is retained with what the oldest checkpoint needs.
func (r *Runner) lookAhead() {
	log, ok := r.Consumer.(sources.Retainer)
	if !ok || r.saving.saver == nil {
		return
	}
	least, at := 1.0, sources.PartitionID{}
	for id, extent := range log.Retained() {
		if room := r.metrics.saves.spans(r.spec.Sources[id.Source].Name, id.Partition, extent); room < least {
			least, at = room, id
		}
	}
	if near := least < leastHeadroom; near != r.saving.near {
		if r.saving.near = near; near {
			r.Log.Warn("retention comes near what the oldest checkpoint needs: raise the topic's retention, or lower checkpoint.interval or checkpoint.keep",
				"component", "checkpoints", "source", r.spec.Sources[at.Source].Name, "partition", at.Partition, "headroom", least)
		}
	}
}
