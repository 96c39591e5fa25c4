package features_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/features"
)

// manyLives is a view with all that a life, a session or the last events say of
// values, under budgets that histories exceed.
func manyLives(events, values int) string {
	return strings.Replace(specOf(fmt.Sprintf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 6s
    event_budget: %d
    distinct_budget: %d
    features:
      kinds:   {aggregation: count_distinct, field: mcc}
      kindsd:  {aggregation: count_distinct, field: mcc, delay: 2s}
      about:   {aggregation: approx_count_distinct, field: mcc, filter: 'ok', delay: 1s}
      fresh:   {aggregation: novelty, field: mcc}
      freshd:  {aggregation: novelty, field: mcc, delay: 2s}
      sum:     {aggregation: sum, field: qty, delay: 2s}
      evenly:  {aggregation: top_share, field: mcc}
      evenlyd: {aggregation: top_share, field: mcc, delay: 2s}
      most:    {aggregation: mode, field: mcc}
      mostd:   {aggregation: mode, field: mcc, delay: 2s}
      first:   {aggregation: first, field: mcc, delay: 2s}
      list:    {aggregation: list_distinct, field: mcc, limit: 4}
      by:      {aggregation: count, by: mcc, top: 2}
      byd:     {aggregation: count_distinct, field: qty, by: mcc, top: 2, delay: 2s}
      since:   {aggregation: count_distinct, field: mcc, session: 3s}
      window:  {aggregation: count_distinct, field: mcc, windows: [4s], delay: 1s}
`, events, values)), "allowed_lateness: 1m", "allowed_lateness: 3s", 1)
}

// arrival is a record of a set, and when it comes.
type arrival struct {
	number    int
	at, comes int64 // ms
	times     int   // that it comes
	fields    string
}

// S1, S26: past the distinct_budget too, what is read of a life is a function of
// the set of its events: whatever the order in which they came, each no later
// than is allowed, with copies between them, a restart in the middle, and from
// however many events on an entity has a running state.
func TestS01ALifeOfTooManyValuesIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events, steps := 1<<16, []int64{0, 1, 100, 500, 999, 2000, 3000, 5999, 6000}
		if rapid.Bool().Draw(rt, "small") { // of one life, which no order of arrival tears apart (docs/decisions/0005)
			events, steps = rapid.IntRange(1, 20).Draw(rt, "events"), []int64{0, 1, 40, 50}
		}
		text := manyLives(events, rapid.SampledFrom([]int{1, 2, 3, 5}).Draw(rt, "values"))
		var set []arrival
		now := int64(0)
		for range rapid.IntRange(3, 50).Draw(rt, "n") {
			now += rapid.SampledFrom(steps).Draw(rt, "after")
			set = append(set, arrival{number: len(set), at: now, times: 1, fields: fmt.Sprintf(`"card":"a","id":"i%d","mcc":"m%d","qty":%d,"ok":%t`,
				len(set), rapid.IntRange(0, 7).Draw(rt, "mcc"), rapid.IntRange(0, 3).Draw(rt, "qty"), rapid.Bool().Draw(rt, "ok"))})
		}
		var times []int64
		for _, after := range []int64{0, 1, 999, 1000, 1999, 2000, 2999, 3000, 5999, 6000} {
			times = append(times, now+after)
		}
		want := lived(t, text, set, 0, -1, times)
		for _, few := range []int{0, 1} {
			order := slices.Clone(set)
			for i := range order {
				order[i].comes = order[i].at + rapid.Int64Range(0, 3000).Draw(rt, "comes")
				order[i].times = rapid.IntRange(1, 1+min(1, events/len(set))).Draw(rt, "times") // past the event budget an id is not known any more (S10)
			}
			slices.SortStableFunc(order, func(a, b arrival) int { return int(a.comes - b.comes) })
			lost := rapid.IntRange(-1, len(order)-1).Draw(rt, "lost")
			got := lived(t, text, order, few, lost, times)
			for i := range want {
				if got[i] != want[i] {
					rt.Fatalf("few %d, lost %d: %s, in order %s\n%v\n%v", few, lost, got[i], want[i], set, order)
				}
			}
		}
	})
}

// lived is what is read of an entity at some times once all records have come.
// The engine is lost behind one of them, and another has its snapshot.
func lived(t *testing.T, text string, order []arrival, few, lost int, times []int64) []string {
	r := newRunOf(t, text, few)
	for i, x := range order {
		for copies, want := range []string{"accepted", "duplicate"}[:x.times] { // each from a partition of its own: none is late
			if got := r.record("pay", 2*x.number+copies, fmt.Sprintf("%dms", x.at), x.fields); got != want {
				t.Fatalf("%v is %s", x, got)
			}
		}
		if i == lost {
			r.engine = reborn(t, r, few)
		}
	}
	r.engine.DropTouches()
	var said []string
	var row features.Row
	for _, at := range times {
		r.engine.Read(r.plan.Reads()[0].View, "a", start.UnixMilli()+at, &row)
		for i, c := range row.Layout.Columns {
			said = append(said, fmt.Sprintf("%s at %d: %s", c.Name(), at, show(row.Values[i], c.Scale, row.Statuses[i])))
		}
	}
	return said
}

// reborn is another engine with the state of a run's, as its snapshot says it.
func reborn(t *testing.T, r *run, few int) *features.Engine {
	other := features.NewEngine(r.plan, features.Options{Seed: [16]byte{7}, Few: few})
	back := features.NewRestore(other, r.plan.LogIDs())
	admission := r.engine.BeginSnapshot().Append(nil)
	for i := range features.NumGroups {
		g, err := back.Check(i, r.engine.AppendGroup(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		back.Attach(g, nil)
	}
	if err := back.Admission(bytes.NewReader(admission), r.engine.EndSnapshot(nil), nil, nil); err != nil {
		t.Fatal(err)
	}
	other.EndReplay()
	return other
}

// S1: INCOMPLETE is said from the event on behind which a life's first one may
// have left the log, not from the one with which it has: and never of a life whose
// values are all kept.
func TestS01ALifeIsIncompleteByWhatMayHaveLeft(t *testing.T) {
	text := manyLives(1<<16, 2)
	for _, values := range []int{2, 3} {
		r := newRunOf(t, text, 1)
		for n := range 200 {
			r.pay(fmt.Sprint(n, "s"), fmt.Sprintf(`"card":"a","mcc":"m%d"`, n%values))
			want := fmt.Sprint(min(values, max(0, n-1)))
			if values > 2 && n >= 11 { // ttl + delay + lateness before it
				want += " INCOMPLETE"
			}
			if got := r.read("v.kindsd", "a", fmt.Sprint(n, "s")); n > 1 && got != want {
				t.Fatalf("%d values, event %d: %s, want %s", values, n, got, want)
			}
		}
	}
}
