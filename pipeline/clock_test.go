package pipeline

import (
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/sources"
)

// Reliability 14: a wall clock that somebody sets decides nothing. Records, rows,
// the times at which things leave, and checkpoints are those of a clock that
// nobody has touched; the stream's time never goes back; nobody takes a step of
// the clock for time without progress; and no metric is below nothing.
func TestAWallClockThatIsSetChangesNothing(t *testing.T) {
	calm := setClock(t, func(at time.Duration) time.Duration { return at })
	if len(calm.records) < 250 || calm.checkpoints < 3 {
		t.Fatalf("%d records, %v checkpoints", len(calm.records), calm.checkpoints)
	}
	for name, clock := range map[string]func(at time.Duration) time.Duration{
		"an hour forth":          set(time.Hour, 0),
		"an hour back":           set(-time.Hour, 0),
		"an hour forth and back": set(time.Hour, -time.Hour),
		"an hour back and forth": set(-time.Hour, time.Hour),
		"a day forth and back":   set(24*time.Hour, -24*time.Hour),
		"a day back":             set(-24*time.Hour, 0),
		"it stands":              func(at time.Duration) time.Duration { return min(at, setAt) },
	} {
		t.Run(name, func(t *testing.T) {
			got := setClock(t, clock)
			if !reflect.DeepEqual(got.records, calm.records) {
				t.Errorf("the records differ, %d and %d of them", len(got.records), len(calm.records))
			}
			if !reflect.DeepEqual(got.rows, calm.rows) {
				t.Error("the rows differ")
			}
			if got.steps != calm.steps || got.cycle != calm.cycle || got.checkpoints != calm.checkpoints {
				t.Errorf("%d steps and %v checkpoints up to %d, want %d and %v up to %d",
					got.steps, got.checkpoints, got.cycle, calm.steps, calm.checkpoints, calm.cycle)
			}
			if !slices.IsSorted(got.alive) || len(got.alive) != len(calm.alive) {
				t.Errorf("alive was written %d times, want %d, or went back", len(got.alive), len(calm.alive))
			}
		})
	}
}

const setAt = 30 * time.Second // of a run of a minute and a half

// set is a clock that is set by one time after another, half a minute apart.
func set(by ...time.Duration) func(time.Duration) time.Duration {
	return func(at time.Duration) time.Duration {
		now := at
		for i, d := range by {
			if at >= time.Duration(i+1)*setAt {
				now += d
			}
		}
		return now
	}
}

// processedAt is all that a record says of the wall clock.
var processedAt = regexp.MustCompile(`"processed_at":"[^"]*"`)

// underClock is what a run has done.
type underClock struct {
	records     []string
	rows        map[string]string
	alive       []int64
	steps       int // and batches: what happened to store, outputs and offsets
	cycle       uint64
	checkpoints float64
}

// setClock runs a minute and a half of a stream that never rests, with a wall clock
// that shows what clock makes of the time that has passed.
func setClock(t *testing.T, clock func(time.Duration) time.Duration) (out underClock) {
	synctest.Test(t, func(t *testing.T) {
		w, f := newWorld(t), newFolder()
		feed := newWorld(t)
		feed.fill(400, 7)
		began := time.Now()
		wall := func() time.Time { return time.UnixMilli(clock0).Add(clock(time.Since(began))) }
		var stalled atomic.Pointer[string]
		m := w.join(func(c *Config) {
			f.kept(20 * time.Second)(c)
			c.Metrics, c.Clock = w.metrics, wall
			c.Stalled = func(why string) { stalled.Store(&why) }
		})
		w.broker.assign(m.consumer.fakeConsumer)
		for second := range 90 {
			var come []sources.Record
			for _, id := range feed.broker.ids() {
				p := feed.broker.partitions[id]
				n := min(len(p.records), 3)
				for _, rec := range p.records[:n] {
					rec.Time = clock0 + int64(second)*1000
					come = append(come, rec)
				}
				p.records = p.records[n:]
			}
			w.broker.appendRecord(come...) // at once: so are the steps the same
			pass(time.Second)
			w.checkGauges()
		}
		// Nothing comes: the watchdog has its time twice. The end is between two ticks: one at the
		// same instant would be a matter of chance.
		pass(3*time.Minute + tick/2)
		m.drain(t)
		w.checkGauges()
		if why := stalled.Load(); why != nil {
			t.Errorf("the watchdog: %s", *why)
		}
		for _, r := range w.output.all() {
			out.records = append(out.records, processedAt.ReplaceAllString(string(r.Value), ""))
		}
		out.rows, out.alive, out.cycle, out.steps = w.store.contents(), w.store.alive, f.manifest(t).Cycle, len(w.broker.journal.all())
		out.checkpoints = w.counter("freshet_checkpoints_total")
	})
	return out
}

// checkGauges looks for what cannot be below nothing.
func (w *world) checkGauges() {
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			v := min(m.GetGauge().GetValue(), m.GetCounter().GetValue(), m.GetHistogram().GetSampleSum())
			if v < 0 || math.IsNaN(v) || strings.HasSuffix(f.GetName(), "_seconds") && v > 1e10 {
				w.t.Errorf("%s is %v", f.GetName(), v)
			}
		}
	}
}
