package oracle

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// What S16 and S20 to S25 say of picked values, cut windows, categories and
// events that are taken back, worked out by hand.
const picks = `version: 1
namespace: picks
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    id_field: id
    retracts: undo
    allowed_lateness: 1m
    fields:
      at:   {type: timestamp}
      card: {type: string, optional: true}
      id:   {type: string}
      undo: {type: string, optional: true}
      amt:  {type: decimal(2), optional: true}
      qty:  {type: int, optional: true}
      mcc:  {type: string, optional: true}
      ok:   {type: bool, optional: true}
entities:
  card: {key: card}
feature_views:
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    features:
      n:      {aggregation: count, windows: [10s]}
      all:    {aggregation: count}
      was:    {aggregation: count, delay: 5s, windows: [10s]}
      skew:   {aggregation: skewness, field: amt, windows: [10s]}
      often:  {aggregation: mode, field: mcc, windows: [10s]}
      kinds:  {aggregation: list_distinct, field: mcc, limit: 2, windows: [10s]}
      values: {aggregation: list_last, field: amt, limit: 2, windows: [10s]}
      run:    {aggregation: streak, filter: ok, windows: [10s]}
      speed:  {aggregation: rate, per: 1m, windows: [10s]}
      fresh:  {aggregation: novelty, field: mcc, windows: [10s]}
      avg:    {aggregation: ewma, field: amt, half_lives: [2s]}
      before: {aggregation: lag, field: amt, windows: [10s]}
      second: {aggregation: lag, field: amt, n: 2, windows: [10s]}
      where:  {aggregation: argmax, field: mcc, order_by: amt, windows: [10s]}
      five:   {aggregation: count, filter: ok, last: [2]}
      others: {aggregation: sum, field: qty, last: [2], exclude_current: true}
      old:    {aggregation: sum, field: qty, last: [2], delay: 5s}
      visit:  {aggregation: count, session: 5s}
      rest:   {aggregation: count, session: 5s, exclude_current: true}
      money:  {aggregation: sum, field: amt, by: mcc, top: 2, windows: [10s]}
`

func TestS20PickedValues(t *testing.T) {
	h := handOf(t, picks)
	a := h.send("a", 0, `,"amt":1,"mcc":"x"`)
	h.want(a, "skew_10s", nil, Default)
	h.want(a, "before_10s", nil, Default)
	h.want(a, "run_10s", 0.0, Present)
	h.near(a, "speed_10s", 6)
	b := h.send("b", 2*time.Second, `,"amt":1,"mcc":"y","ok":true`)
	h.want(b, "often_10s", "x", Present)
	h.want(b, "fresh_10s", 1.0, Present)
	h.want(b, "before_10s", 1.0, Present)
	h.want(b, "second_10s", nil, Default)
	h.want(b, "where_10s", "x", Present) // the earliest of two
	c := h.send("c", 4*time.Second, `,"amt":4,"mcc":"x","ok":true`)
	h.near(c, "skew_10s", math.Sqrt(3)) // (1, 1, 4): mean 2, s^2 3, cubes -1 -1 8 over 3 sqrt 3, times 3/2
	h.want(c, "run_10s", 2.0, Present)
	h.near(c, "fresh_10s", 2.0/3)
	h.want(c, "where_10s", "x", Present)
	h.near(c, "avg_hl2s", (0.25+0.5+4)/1.75)
	h.list(c, "kinds_10s", "y", "x")
	h.list(c, "values_10s", 1.0, 4.0)
	d := h.send("d", 5*time.Second, `,"mcc":"z"`)
	h.want(d, "run_10s", 0.0, Present)
	h.list(d, "kinds_10s", "x", "z")
	h.want(d, "before_10s", 4.0, Present)
	if got := h.read(5*time.Second, "second_10s"); got.Value != 1.0 {
		t.Error("in a read nothing is current: lag 2 is", got)
	}
	if got := h.read(15*time.Second, "kinds_10s"); got.Value != nil || got.Status != Default {
		t.Error("the list of nothing is", got)
	}
}

func (h *hand) list(c *Outcome, name string, want ...any) {
	h.t.Helper()
	if got := c.Feature(h.feature(name)); !reflect.DeepEqual(got.Value, want) || got.Status != Present {
		h.t.Errorf("%s is %v %s, want %v", name, got.Value, got.Status, want)
	}
}

func TestS23LastAndSession(t *testing.T) {
	h := handOf(t, picks)
	a := h.send("a", 0, `,"qty":1,"ok":true`)
	h.want(a, "five_last2", 1.0, Present)
	h.want(a, "rest", 0.0, Present)
	h.want(a, "others_last2", 0.0, Present)
	h.send("b", time.Second, `,"qty":2`)
	c := h.send("c", 5999*time.Millisecond, `,"qty":4,"ok":true`)
	h.want(c, "five_last2", 1.0, Present) // of b and c
	h.want(c, "others_last2", 3.0, Present)
	h.want(c, "old_last2", 1.0, Present)
	h.want(c, "visit", 3.0, Present)
	d := h.send("d", 10999*time.Millisecond, `,"qty":8`)
	h.want(d, "visit", 1.0, Present) // a silence of exactly the gap
	h.want(d, "rest", 0.0, Present)
	h.want(d, "old_last2", 6.0, Present) // c is exactly 5s old
	if got := h.read(15998*time.Millisecond, "visit"); got.Value != 1.0 {
		t.Error("within the session:", got)
	}
	if got := h.read(15999*time.Millisecond, "visit"); got.Value != 0.0 || got.Status != Present {
		t.Error("when it has closed:", got)
	}
	h.want(h.send("e", 8*time.Second, ""), "visit", 4.0, Present) // late, and joins the two
	if got := h.read(10999*time.Millisecond, "visit"); got.Value != 5.0 {
		t.Error("joined:", got)
	}
	// last stays within the life.
	h.want(h.send("f", 2*time.Minute, `,"qty":16`), "others_last2", 0.0, Present)
}

func TestS25Categories(t *testing.T) {
	h := handOf(t, picks)
	h.send("a", 0, `,"amt":1,"mcc":"other"`)
	h.send("b", 0, `,"amt":2,"mcc":"x"`)
	h.send("c", 0, `,"amt":4,"mcc":"x"`)
	h.send("d", 0, `,"amt":8,"mcc":"y"`)
	e := h.send("e", 0, `,"amt":16,"mcc":"z"`)
	got := fmt.Sprint(e.Feature(h.feature("money_10s")).Value)
	if want := "[{x {6 PRESENT 0 [] false {0 0}}} {_other {1 PRESENT 0 [] false {0 0}}} {other {24 PRESENT 0 [] false {0 0}}}]"; got != want {
		t.Errorf("categories are %s, want %s", got, want)
	}
	h.send("f", 0, `,"amt":32,"mcc":"_other"`)
	h.send("g", 0, `,"amt":32,"mcc":"_other"`)
	e = h.send("h", 0, `,"amt":64,"mcc":"other"`)
	got = fmt.Sprint(e.Feature(h.feature("money_10s")).Value)
	if want := "[{__other {64 PRESENT 0 [] false {0 0}}} {_other {65 PRESENT 0 [] false {0 0}}} {other {30 PRESENT 0 [] false {0 0}}}]"; got != want {
		t.Errorf("categories are %s, want %s", got, want)
	}
	if got := h.read(10*time.Second, "money_10s"); got.Status != Present || fmt.Sprint(got.Value) != "[]" {
		t.Error("categories of nothing are", got)
	}
}

// The window says how far back its source was read, of each category alike: that
// the sum of one of them is beyond int64 takes nothing of it away.
func TestS19S25ACategoryIsAsWarmAsItsWindow(t *testing.T) {
	h := handOf(t, picks)
	h.o.ReadSince(0, start.UnixMilli())
	h.send("a", 0, `,"amt":"92233720368547758.07","mcc":"x"`)
	h.send("b", time.Second, `,"amt":"92233720368547758.07","mcc":"x"`)
	money := h.feature("money_10s")
	at := func(c *Outcome, category string, value any, status string) {
		t.Helper()
		if got := c.Value(Column{Feature: money, Category: spec.OfCategory(category)}); got.Value != value || got.Status != status {
			t.Errorf("%q is %v %s, want %v %s", category, got.Value, got.Status, value, status)
		}
	}
	c := h.send("c", 2*time.Second, `,"amt":4,"mcc":"y"`)
	at(c, "x", nil, Error)
	at(c, "y", 4.0, Warming)
	at(c, "none", 0.0, Warming)
	if got := c.Feature(money); got.Status != Error {
		t.Error("the map is", got.Status)
	}
	d := h.send("d", 10*time.Second, `,"amt":4,"mcc":"y"`)
	at(d, "none", 0.0, Present)
	at(d, "y", 8.0, Present)
}

func TestS16Retraction(t *testing.T) {
	h := handOf(t, picks)
	h.send("a", 0, "")
	h.send("b", time.Second, "")
	r := h.send("r", 2*time.Second, `,"undo":"a"`)
	h.want(r, "n_10s", 1.0, Present) // itself counts nothing, and it has taken effect
	h.want(r, "was_10s", 0.0, Present)
	if got := h.read(1999*time.Millisecond, "n_10s"); got.Value != 2.0 {
		t.Error("a read before it is", got)
	}
	h.send("s", 3*time.Second, `,"undo":"r"`) // retracting a retraction does nothing
	h.send("u", 3*time.Second, `,"undo":"a"`) // and once is once
	h.want(h.send("c", 3*time.Second, ""), "n_10s", 2.0, Present)
	h.send("v", 4*time.Second, `,"undo":"e"`)
	h.send("d", 4*time.Second, "")
	h.want(h.send("e", 64*time.Second, ""), "all", 0.0, Present) // taken back before it came
	h.send("w", 65*time.Second, `,"undo":"g"`)
	h.want(h.send("g", 125001*time.Millisecond, ""), "all", 1.0, Present) // remembered for a minute
	if got := h.o.With(Record{Time: NoTime, Value: fmt.Appendf(nil, `{"id":"b","at":%d,"card":"c1"}`, start.Add(time.Second).UnixMilli())}); got.Feature(h.feature("n_10s")).Value != 2.0 {
		t.Error("b at its own place is", got.Feature(h.feature("n_10s")))
	}
}

func TestS07WithThisEvent(t *testing.T) {
	h := handOf(t, picks)
	h.send("a", time.Second, `,"amt":1`)
	h.send("b", time.Second, `,"amt":2`)
	ask := func(id string, after time.Duration) *Outcome {
		return h.o.With(Record{Time: NoTime, Value: fmt.Appendf(nil, `{"id":%q,"at":%d,"card":"c1","amt":4}`, id, start.Add(after).UnixMilli())})
	}
	for range 2 { // nothing is remembered
		h.want(ask("new", time.Second), "n_10s", 3.0, Present)
		h.want(ask("new", time.Second), "before_10s", 2.0, Present)
	}
	h.want(ask("a", time.Second), "n_10s", 1.0, Present)
	h.want(ask("b", time.Second), "before_10s", 1.0, Present)
	h.list(ask("b", time.Second), "values_10s", 1.0, 2.0) // what was applied, not what is said
	if got := h.read(time.Second, "n_10s"); got.Value != 2.0 {
		t.Error("afterwards there are", got)
	}
}
