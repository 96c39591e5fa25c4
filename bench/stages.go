package main

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// The stages of a running instance, from its native histograms: their buckets
// are a tenth wide, which the text form does not show.

// spread is a native histogram: how many observations each of its buckets has.
type spread struct {
	base    float64 // a bucket ends at base to the power of its number
	buckets map[int]int64
	n       int64
}

// histograms reads those of the instance, by name and by the value of their one
// label.
func (r *rig) histograms(names ...string) (map[string]spread, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+r.listen+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	request.Header.Set("Accept", string(format))
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	all := map[string]spread{}
	for decoder := expfmt.NewDecoder(reply.Body, format); ; {
		var family dto.MetricFamily
		if decoder.Decode(&family) != nil {
			return all, nil
		}
		if !slices.Contains(names, family.GetName()) {
			continue
		}
		for _, m := range family.GetMetric() {
			all[m.GetLabel()[0].GetValue()] = spreadOf(m.GetHistogram())
		}
	}
}

// spreadOf unfolds a histogram: its buckets come as spans, and as differences.
func spreadOf(h *dto.Histogram) spread {
	s := spread{base: math.Pow(2, math.Pow(2, -float64(h.GetSchema()))), buckets: map[int]int64{}, n: int64(h.GetSampleCount())}
	at, count, i := 0, int64(0), 0
	for _, span := range h.GetPositiveSpan() {
		at += int(span.GetOffset())
		for range span.GetLength() {
			count += h.GetPositiveDelta()[i]
			s.buckets[at] = count
			at, i = at+1, i+1
		}
	}
	s.buckets[math.MinInt32] = int64(h.GetZeroCount())
	return s
}

// since is what came after an earlier look.
func (s spread) since(before spread) spread {
	out := spread{base: s.base, buckets: map[int]int64{}, n: s.n - before.n}
	for b, n := range s.buckets {
		out.buckets[b] = n - before.buckets[b] // a histogram that was made coarser meanwhile would be wrong: it has few buckets
	}
	return out
}

// quantile is the upper end of the bucket that has it.
func (s spread) quantile(q float64) time.Duration {
	var order []int
	for b := range s.buckets {
		order = append(order, b)
	}
	slices.Sort(order)
	left := int64(q * float64(s.n))
	for _, b := range order {
		if left -= s.buckets[b]; left < 0 {
			return time.Duration(math.Pow(s.base, float64(b)) * float64(time.Second))
		}
	}
	return 0
}

// stages are the histograms that the bench shows, in the order of an event's
// way.
var stages = []string{"fetch", "wait", "decode", "features", "score", "encode", "redis", "records", "commit", "emit", "moment"}

const (
	stageMetric = "freshet_process_duration_seconds"
	writeMetric = "freshet_online_write_duration_seconds"
)

func (i *instance) stages() map[string]spread {
	found, err := i.r.histograms(stageMetric, writeMetric)
	if err != nil {
		return nil
	}
	return found
}

// printStages shows where the time of a run went.
func printStages(before, after map[string]spread, took time.Duration) {
	for _, name := range stages {
		s := after[name].since(before[name])
		if s.n == 0 {
			continue
		}
		round := func(q float64) time.Duration { return s.quantile(q).Round(10 * time.Microsecond) }
		fmt.Printf("    stage %-8s %6.0f a second, p50 %v, p90 %v, p99 %v, p99.9 %v\n", name, float64(s.n)/took.Seconds(), round(0.5), round(0.9), round(0.99), round(0.999))
	}
}
