package verify

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// The traps that other engines of this kind fell into, each as one story that
// is told to the engine alone, with its numbers worked out by hand.
const trapSpec = `version: 1
namespace: traps
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    id_field: id
    allowed_lateness: 2h
    fields:
      id:   {type: string}
      at:   {type: timestamp, unit: us}
      card: {type: string}
      amt:  {type: double, optional: true}
entities:
  card: {key: card}
feature_views:
  v:
    version: 1
    source: pay
    entity: card
    ttl: 7d
    features:
      n:    {aggregation: count, windows: [1m, 1h, 7d]}
      sum:  {aggregation: sum, field: amt, windows: [1m, 1h]}
      top:  {aggregation: max, field: amt, windows: [1m]}
      heat: {aggregation: decayed_count, half_lives: [1m]}
`

// story is told to two engines: one that keeps a running state for every
// entity, and one that has none for entities with few events.
type story struct {
	t       *testing.T
	plan    *features.Plan
	engines []*features.Engine
	vectors []*features.Vector
	reader  *features.Reader
	offset  int64
	ids     int
}

func newStory(t *testing.T) *story {
	t.Helper()
	return storyOf(t, trapSpec)
}

func storyOf(t *testing.T, text string) *story {
	t.Helper()
	path := filepath.Join(t.TempDir(), "story.freshet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, diagnostics, err := spec.Load([]string{path})
	if err != nil || diagnostics.HasErrors() {
		t.Fatal(err, diagnostics)
	}
	plan, err := features.Compile(specs[0], features.All)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, plan: plan, reader: plan.NewReader(0)}
	for _, few := range []int{0, 1} {
		s.engines = append(s.engines, features.NewEngine(plan, features.Options{Few: few}))
		s.vectors = append(s.vectors, plan.NewVector(0))
	}
	return s
}

// send gives the engines a payment of c1 at a time from the story's start, and
// returns why it was refused, "" if it was not.
func (s *story) send(after time.Duration, amount float64) string {
	s.ids++
	return s.tell(fmt.Sprint("i", s.ids), origin*1000+after.Microseconds(), amount)
}

func (s *story) tell(id string, us int64, amount float64) string {
	return s.apply(id, us, amount, s.vectors)
}

func (s *story) apply(id string, us int64, amount float64, out []*features.Vector) string {
	s.t.Helper()
	var ev event.Event
	s.offset++
	ev.Offset, ev.RecordTime = s.offset, event.NoTime
	raw := fmt.Appendf(nil, `{"id":%q,"at":%d,"card":"c1","amt":%v}`, id, us, amount)
	if rejection := s.reader.Read(raw, &ev); rejection != nil {
		return rejection.Reason.String()
	}
	reasons := make([]string, len(s.engines))
	for i, engine := range s.engines {
		if rejection := engine.Admit(&ev); rejection != nil {
			reasons[i] = rejection.Reason.String()
			continue
		}
		engine.Apply(&ev, out[i])
	}
	if len(slices.Compact(slices.Clone(reasons))) > 1 {
		s.t.Errorf("%s is %q", raw, reasons)
	}
	return reasons[0]
}

// says checks a value that the last event was enriched with.
func (s *story) says(name string, want any) {
	s.t.Helper()
	for i, c := range s.plan.Layout(0).Columns {
		if c.Name != "v."+name {
			continue
		}
		for _, vector := range s.vectors {
			if got := outside(vector.Values[i], c.Scale); got != want {
				s.t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		return
	}
	s.t.Fatalf("no column %s", name)
}

// reads checks a value of a read of now.
func (s *story) reads(after time.Duration, name string, want any, status features.Status) {
	s.t.Helper()
	for _, engine := range s.engines {
		var row features.Row
		engine.Read(s.plan.Spec().Views[0], "c1", origin+after.Milliseconds(), &row)
		i := slices.IndexFunc(row.Layout.Columns, func(c features.RowColumn) bool { return c.Feature.Short == name })
		if got := outside(row.Values[i], row.Layout.Columns[i].Scale); got != want || row.Statuses[i] != status {
			s.t.Errorf("%s at %s is %v %s, want %v %s", name, after, got, row.Statuses[i], want, status)
		}
	}
}

// An event comes before any eviction could have run: what it sees has expired
// by the event's own time.
func TestTrapTimerIsNoBarrier(t *testing.T) {
	s := newStory(t)
	for range 3 {
		s.send(0, 100)
	}
	s.send(time.Minute, 1) // exactly the window later, and nothing was read between
	s.says("n_1m", 1.0)
	s.says("sum_1m", 1.0)
	s.says("top_1m", 1.0)
	s.says("n_1h", 4.0)
	s.says("heat_hl1m", 2.5)
}

// Nothing is rounded to a tile, at no phase of any grid: the left edge is
// exact to the millisecond.
func TestTrapLeftEdgeTile(t *testing.T) {
	for phase := range 60 {
		s := newStory(t)
		at := time.Duration(phase) * 1017 * time.Millisecond
		s.send(at, 1)
		s.send(at+30*time.Second, 2)
		s.reads(at+time.Minute-time.Millisecond, "n_1m", 2.0, features.Present)
		s.reads(at+time.Minute, "n_1m", 1.0, features.Present)
		s.reads(at+90*time.Second-time.Millisecond, "sum_1m", 2.0, features.Present)
		s.reads(at+90*time.Second, "sum_1m", 0.0, features.Present)
	}
}

// A late event enters the windows that still hold its time, and no other.
func TestTrapLateReInflation(t *testing.T) {
	s := newStory(t)
	s.send(0, 1)
	s.send(10*time.Minute, 2)
	s.send(9*time.Minute, 64) // one minute old: out of n_1m at 10m, in n_1h
	s.reads(10*time.Minute, "n_1m", 1.0, features.Present)
	s.reads(10*time.Minute, "top_1m", 2.0, features.Present)
	s.reads(10*time.Minute, "n_1h", 3.0, features.Present)
	s.send(9*time.Minute+time.Millisecond, 128)
	s.reads(10*time.Minute, "top_1m", 128.0, features.Present)
	s.reads(10*time.Minute+time.Millisecond, "top_1m", 2.0, features.Present)
	s.reads(10*time.Minute+time.Millisecond, "sum_1m", 2.0, features.Present)
}

// Before its past is known a value says so, however large the number is: 7
// never stands where 100 should without a word.
func TestTrapPublishedBeforeItsBaseline(t *testing.T) {
	s := newStory(t)
	for _, engine := range s.engines {
		engine.SetCoverage(0, features.Coverage{Since: origin - time.Minute.Milliseconds()})
	}
	s.send(0, 1)
	s.reads(0, "n_1m", 1.0, features.Present)
	s.reads(0, "n_1h", 1.0, features.Warming)
	s.reads(time.Hour-time.Minute-time.Millisecond, "n_1h", 1.0, features.Warming)
	s.reads(time.Hour-time.Minute, "n_1h", 1.0, features.Present)
}

// A replay is as fast as it can be, and event time is all that decays: state
// is that of the live run, and a replay publishes nothing.
func TestTrapReplayOutrunsEventTime(t *testing.T) {
	live, replay := newStory(t), newStory(t)
	for i := range 500 {
		after := time.Duration(i*i%977) * time.Second
		id, us := fmt.Sprint("i", i), origin*1000+after.Microseconds()
		live.tell(id, us, float64(i))
		live.engines[0].Rows(func(*features.Row) {})
		replay.apply(id, us, float64(i), []*features.Vector{nil, nil})
	}
	for _, engine := range replay.engines {
		engine.DropTouches()
		engine.Rows(func(*features.Row) { t.Error("a replay has written a row") })
	}
	last := 20 * time.Minute
	live.send(last, 5)
	replay.ids = live.ids - 1
	replay.send(last, 5)
	for i, c := range live.plan.Layout(0).Columns {
		for j := range live.vectors {
			got, want := outside(replay.vectors[j].Values[i], c.Scale), outside(live.vectors[j].Values[i], c.Scale)
			if got != want {
				t.Errorf("%s is %v after the replay, %v live", c.Name, got, want)
			}
		}
	}
}

// What was counted already is not counted again when it is sent again, be it a
// whole hour of it.
func TestTrapReplayedEventsCountTwice(t *testing.T) {
	s := newStory(t)
	for range 2 {
		for i := range 60 {
			got := s.tell(fmt.Sprint("i", i), (origin+int64(i)*60_000)*1000, 1)
			if want := s.offset > 60; want != (got == "duplicate") {
				t.Fatalf("record %d is %q", s.offset, got)
			}
		}
	}
	s.reads(59*time.Minute, "n_1h", 60.0, features.Present)
	s.reads(59*time.Minute, "sum_1h", 60.0, features.Present)
}

// A day without events clears what it should, without an event that says so.
func TestTrapSilenceLeavesStaleValues(t *testing.T) {
	s := newStory(t)
	s.send(0, 10)
	s.reads(24*time.Hour, "n_1h", 0.0, features.Present)
	s.reads(24*time.Hour, "top_1m", nil, features.Default)
	s.reads(24*time.Hour, "n_7d", 1.0, features.Present)
	s.reads(7*24*time.Hour, "n_7d", 0.0, features.NotFound)
}

// Lateness and windows go by one time: the event's, floored to the millisecond
// once.
func TestTrapTwoClocks(t *testing.T) {
	s := newStory(t)
	s.tell("a", origin*1000+999, 1) // 0.999 ms into a millisecond
	s.tell("b", (origin+60_000)*1000, 1)
	s.says("n_1m", 1.0) // a is exactly a minute old
	if got := s.tell("c", (origin+60_000-2*3_600_000)*1000, 1); got != "" {
		t.Error("exactly allowed_lateness late:", got)
	}
	if got := s.tell("d", (origin+60_000-2*3_600_000)*1000-1, 1); got != "late" {
		t.Errorf("a microsecond later still is the millisecond before: %q, want late", got)
	}
}

// However late an accepted event is, every window counts it; what is too late
// is refused by name, and nothing degrades silently.
func TestTrapLateBatch(t *testing.T) {
	s := newStory(t)
	s.send(48*time.Hour, 1)
	for i := range 100 {
		if got := s.send(46*time.Hour+time.Duration(i)*time.Second, 1); got != "" {
			t.Fatal("refused:", got)
		}
		s.says("n_7d", float64(i+1))
		s.says("n_1h", float64(i+1))
	}
	if got := s.send(46*time.Hour-time.Millisecond, 1); got != "late" {
		t.Errorf("beyond allowed_lateness: %q", got)
	}
	s.reads(48*time.Hour, "n_7d", 101.0, features.Present)
	s.reads(48*time.Hour, "n_1h", 1.0, features.Present)
}

// However many events and windows an entity has, what a reader gets is one row,
// and all of its values stand in it: nothing is left to be put together.
func TestTrapTilesToBeMergedByTheReader(t *testing.T) {
	s := newStory(t)
	for i := range 2000 {
		s.send(time.Duration(i)*5*time.Minute, 1)
	}
	for i, engine := range s.engines {
		rows := 0
		engine.Rows(func(row *features.Row) {
			rows++
			for j, c := range row.Layout.Columns {
				at := slices.IndexFunc(s.plan.Layout(0).Columns, func(x features.Column) bool { return x.Feature == c.Feature })
				if got, want := outside(row.Values[j], c.Scale), outside(s.vectors[i].Values[at], c.Scale); got != want || want == nil {
					t.Errorf("%s is %v in the row, and %v in the record", c.Name(), got, want)
				}
			}
		})
		if rows != 1 {
			t.Errorf("%d rows of one entity", rows)
		}
	}
}

// The pieces of a checkpoint are of several moments: what came between them is
// neither lost nor counted twice, whichever moment the entity's is of.
func TestTrapPiecesOfACheckpointLeaveAGap(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := newStory(t)
		engine, cuts := s.engines[1], func() features.Cuts { return features.Cuts{{s.offset + 1}} }
		var groups [features.NumGroups][]byte
		write := func() {
			for i := range groups {
				groups[i] = engine.AppendGroup(nil, i)
			}
		}
		minute := func(from, to int) {
			for i := from; i < to; i++ {
				s.tell(fmt.Sprint("i", i), (origin+int64(i)*60_000)*1000, 1)
			}
		}
		minute(0, 10)
		admission, first := engine.BeginSnapshot().Append(nil), cuts()
		of := first
		if !late {
			write()
		}
		minute(10, 20)
		if late {
			write()
			of = cuts()
		}
		minute(20, 30)
		refused, last := engine.EndSnapshot(nil), cuts()

		s.engines[1] = features.NewEngine(s.plan, features.Options{Few: 1})
		back := features.NewRestore(s.engines[1], s.plan.LogIDs())
		if err := back.Admission(bytes.NewReader(admission), refused, first, last); err != nil {
			t.Fatal(err)
		}
		for i := range groups {
			g, err := back.Check(i, groups[i])
			if err != nil {
				t.Fatal(err)
			}
			back.Attach(g, of)
		}
		s.engines = s.engines[1:]
		s.offset = first[0][0] - 1
		minute(10, 30)
		s.engines[0].EndReplay()
		s.reads(29*time.Minute, "n_1h", 30.0, features.Present)
		s.reads(29*time.Minute, "sum_1h", 30.0, features.Present)
		minute(0, 30) // all of it once more
		s.reads(29*time.Minute, "n_1h", 30.0, features.Present)
	}
}

// Sums of doubles are exactly reversible: after 100,000 values with spikes of
// 1e15 among them have come and gone, exactly the sum of what remains is left.
func TestS20SpikesLeaveExactlyWhatRemains(t *testing.T) {
	s := newStory(t)
	random := rand.New(rand.NewPCG(1, 2))
	const n = 100_000
	values := make([]float64, n)
	at := func(i int) time.Duration { return time.Duration(i) * 7 * time.Millisecond }
	for i := range values {
		values[i] = float64(random.Int64N(1<<40)-1<<39) / (1 << 20)
		if random.IntN(50) == 0 {
			values[i] = []float64{1e15, -1e15, 1e15 - 0.125, 1e-6}[random.IntN(4)]
		}
		if got := s.send(at(i), values[i]); got != "" {
			t.Fatalf("value %d is %s", i, got)
		}
	}
	remaining := func(from time.Duration) float64 {
		sum := new(big.Float).SetPrec(400)
		for i := n - 1; i >= 0 && at(i) > from; i-- {
			sum.Add(sum, new(big.Float).SetFloat64(values[i]))
		}
		x, _ := sum.Float64()
		return x
	}
	s.says("sum_1m", remaining(at(n-1)-time.Minute))
	for left := range 100 { // one by one, down to the last value
		now := at(n-1) + time.Minute - time.Duration(100-left)*7*time.Millisecond
		s.reads(now, "sum_1m", remaining(now-time.Minute), features.Present)
	}
}
