package features_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// What is kept beside a window, under values that come, go and come again and
// events that are late, against a scan of all events.
func TestBesideEqualsAScan(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      ent: {aggregation: entropy, field: mcc, windows: [3s, 10s]}
      top: {aggregation: top_share, field: mcc, windows: [10s], filter: 'qty > 2'}
      sd:  {aggregation: interarrival_stddev, windows: [10s]}
      cv:  {aggregation: interarrival_cv, windows: [10s], filter: 'qty > 2'}
`))
	type seen struct {
		at, qty int
		mcc     string
	}
	var all []seen
	random := rand.New(rand.NewPCG(5, 6))
	now := 0
	for n := range 4000 {
		now += random.IntN(400)
		x := seen{now, random.IntN(6), string(rune('a' + random.IntN(1+n/400)))}
		if random.IntN(5) == 0 {
			x.at = max(0, now-random.IntN(12_000))
		}
		r.pay(fmt.Sprintf("%dms", x.at), fmt.Sprintf(`"card":"a","qty":%d,"mcc":"%s"`, x.qty, x.mcc))
		i := len(all)
		for i > 0 && all[i-1].at > x.at {
			i--
		}
		all = slices.Insert(all, i, x)
		var times, filtered []float64
		counts := map[int]map[string]float64{3000: {}, 10_000: {}, 2: {}}
		for _, y := range all[:i+1] {
			if y.at > x.at-3000 {
				counts[3000][y.mcc]++
			}
			if y.at <= x.at-10_000 {
				continue
			}
			counts[10_000][y.mcc]++
			times = append(times, float64(y.at)/1000)
			if y.qty > 2 {
				filtered = append(filtered, float64(y.at)/1000)
				counts[2][y.mcc]++
			}
		}
		r.near("v.ent_3s", r.entropyOf(values(counts[3000])...))
		r.near("v.ent_10s", r.entropyOf(values(counts[10_000])...))
		if len(filtered) > 0 {
			r.near("v.top_10s", slices.Max(values(counts[2]))/float64(len(filtered)))
		}
		if _, sd := gapsOf(times); len(times) > 2 {
			r.near("v.sd_10s", sd)
		}
		if mean, sd := gapsOf(filtered); len(filtered) > 2 && mean > 0 {
			r.near("v.cv_10s", sd/mean)
		}
		if t.Failed() {
			t.Fatalf("after %d events", n+1)
		}
	}
}

func values(m map[string]float64) []float64 {
	var list []float64
	for _, x := range m {
		list = append(list, x)
	}
	return list
}

// gapsOf is the mean and the sample standard deviation of the gaps between
// neighbours.
func gapsOf(times []float64) (mean, deviation float64) {
	n := float64(len(times) - 1)
	if n < 1 {
		return 0, 0
	}
	mean = (times[len(times)-1] - times[0]) / n
	squares := 0.0
	for i := range times[1:] {
		g := times[i+1] - times[i] - mean
		squares += g * g
	}
	return mean, math.Sqrt(squares / (n - 1))
}

// BenchmarkFurther is one key with 10,000 events in each window.
func BenchmarkFurther(b *testing.B) {
	for _, feature := range []string{
		"{aggregation: count, windows: [10000s]}",
		"{aggregation: entropy, field: mcc, windows: [10000s]}",
		"{aggregation: top_share, field: mcc, windows: [10000s]}",
		"{aggregation: interarrival_cv, windows: [10000s]}",
		"{aggregation: first, field: mcc, windows: [10000s]}",
		"{aggregation: slope, field: amt, per: 1s, windows: [10000s]}",
		"{aggregation: zscore, field: amt, windows: [10000s]}",
		"{aggregation: decayed_sum, field: amt, half_lives: [1h]}",
		"{aggregation: entropy, field: mcc, windows: [10000s], delay: 1s}",
	} {
		name, _, _ := strings.Cut(strings.TrimPrefix(feature, "{aggregation: "), ",")
		if strings.Contains(feature, "delay") {
			name += " delayed"
		}
		b.Run(name, func(b *testing.B) {
			plan := compile(b, specOf("  v: {version: 1, source: pay, entity: card, ttl: 3h, features: {f: "+feature+"}}\n"))
			engine, reader, out := features.NewEngine(plan, features.Options{}), plan.NewReader(0), plan.NewVector(0)
			var ev event.Event
			apply := func(n int) {
				ev = event.Event{Offset: int64(n), RecordTime: event.NoTime}
				text := fmt.Appendf(nil, `{"at":%d,"id":"x%d","card":"a","amt":%d,"mcc":"%d"}`, start.UnixMilli()+int64(n)*1000, n, n%100, n%50)
				if rej := reader.Read(text, &ev); rej != nil {
					b.Fatal(rej.Reason)
				}
				engine.Apply(&ev, out)
				engine.DropTouches()
			}
			n := 0
			for ; n < 12_000; n++ {
				apply(n)
			}
			for b.Loop() {
				apply(n)
				n++
			}
		})
	}
}

// What is kept beside the windows of an entity goes with it.
func TestBesideIsForgottenWithItsEntity(t *testing.T) {
	r := newRun(t, specOf(further))
	bytes := func(from, to int) int64 {
		for n := from; n < to; n++ {
			r.pay(fmt.Sprintf("%ds", n), fmt.Sprintf(`"card":"c%d","mcc":"%d"`, n, n))
			r.engine.DropTouches()
		}
		return r.engine.Stats().Logs[0].Bytes
	}
	few := bytes(0, 1000)
	if many := bytes(1000, 5000); many > few*5/4 {
		t.Errorf("%d bytes after 1,000 keys, %d after 5,000", few, many)
	}
}
