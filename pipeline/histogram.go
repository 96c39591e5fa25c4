package pipeline

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// histogram is a family of Prometheus histograms whose observations are
// counted by the loop's goroutine without locks and published once per batch:
// one of client_golang costs an atomic or two per observation, and there are
// several observations per event.
type histogram struct {
	desc    *prometheus.Desc
	buckets []float64

	local []counts // of the loop's goroutine, by series

	mu     sync.Mutex
	shown  []counts
	labels [][]string
}

type counts struct {
	in  []uint64 // by bucket, not cumulative; the last is above all buckets
	sum float64
	n   uint64
}

func newHistogram(name, help string, buckets []float64, labels []string) *histogram {
	return &histogram{desc: prometheus.NewDesc(name, help, labels, nil), buckets: buckets}
}

// series adds a series and gives its index.
func (h *histogram) series(labels ...string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.labels = append(h.labels, labels)
	h.local = append(h.local, counts{in: make([]uint64, len(h.buckets)+1)})
	h.shown = append(h.shown, counts{in: make([]uint64, len(h.buckets)+1)})
	return len(h.labels) - 1
}

// observe counts x in a series; publish shows it.
func (h *histogram) observe(series int, x float64) {
	c := &h.local[series]
	i, _ := slices.BinarySearch(h.buckets, x) // a bucket holds what is at most its bound
	c.in[i]++
	c.sum += x
	c.n++
}

// publish shows what was observed.
func (h *histogram) publish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.local {
		from, to := &h.local[i], &h.shown[i]
		for b, n := range from.in {
			to.in[b] += n
		}
		to.sum += from.sum
		to.n += from.n
		clear(from.in)
		from.sum, from.n = 0, 0
	}
}

// Describe implements prometheus.Collector.
func (h *histogram) Describe(ch chan<- *prometheus.Desc) { ch <- h.desc }

// Collect implements prometheus.Collector.
func (h *histogram) Collect(ch chan<- prometheus.Metric) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range h.shown {
		if c.n == 0 {
			continue
		}
		cumulative, sum := make(map[float64]uint64, len(h.buckets)), uint64(0)
		for b, bound := range h.buckets {
			sum += c.in[b]
			cumulative[bound] = sum
		}
		ch <- prometheus.MustNewConstHistogram(h.desc, c.n, c.sum, cumulative, h.labels[i]...)
	}
}
