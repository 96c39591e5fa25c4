package features_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

func TestExtremesOverWindows(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      low:  {aggregation: min, field: amt, windows: [5s, 10s]}
      high: {aggregation: max, field: x, windows: [5s, 10s]}
      was:  {aggregation: max, field: x, windows: [5s], exclude_current: true}
      then: {aggregation: max, field: x, windows: [5s], delay: 5s}
`))
	r.pay("0s", `"card":"a","amt":-1.5,"x":9`)
	r.pay("4s", `"card":"a","amt":2,"x":-3`)
	r.want("v.low_5s", "-1.5", "v.high_5s", "9", "v.was_5s", "9")
	r.pay("5s", `"card":"a","amt":2,"x":-3`)
	r.want("v.low_5s", "2", "v.low_10s", "-1.5", "v.high_5s", "-3", "v.high_10s", "9", "v.then_5s", "9")
	r.pay("3s", `"card":"a","amt":-7,"x":5`) // late
	r.want("v.low_5s", "-7", "v.high_5s", "9")
	r.pay("6s", `"card":"a"`)
	r.want("v.low_5s", "-7", "v.high_5s", "5", "v.was_5s", "5")
	r.wantRead("v.high_5s", "a", "8s", "-3")
	r.wantRead("v.high_10s", "a", "9s", "9")
	r.wantRead("v.high_10s", "a", "10s", "5")
	r.wantRead("v.then_5s", "a", "11s", "5")
	r.wantRead("v.then_5s", "a", "13s", "-3")
}

func TestLastAndTimeSince(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      mcc:   {aggregation: last, field: mcc, windows: [5s]}
      prev:  {aggregation: last, field: mcc, windows: [5s], exclude_current: true}
      since: {aggregation: time_since_last, field: x, windows: [5s], unit: ms}
`))
	r.pay("0s", `"card":"a","mcc":"one","x":1`)
	r.want("v.mcc_5s", "one", "v.prev_5s", "null DEFAULT", "v.since_5s", "0")
	r.pay("3s", `"card":"a","mcc":"two"`)
	r.want("v.mcc_5s", "two", "v.prev_5s", "one", "v.since_5s", "3000")
	r.pay("1s", `"card":"a","mcc":"late","x":1`)
	r.want("v.mcc_5s", "late", "v.prev_5s", "one", "v.since_5s", "0")
	r.pay("4s", `"card":"a"`)
	r.want("v.mcc_5s", "two", "v.since_5s", "3000")
	r.wantRead("v.mcc_5s", "a", "7999ms", "two")
	r.wantRead("v.mcc_5s", "a", "8s", "null DEFAULT")
}

// One table answers every window, also when a value leaves and comes again.
func TestDistinctReentersAWindow(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      m: {aggregation: count_distinct, field: mcc, windows: [2s, 10s]}
`))
	r.pay("0s", `"card":"a","mcc":"x"`)
	r.pay("1s", `"card":"a","mcc":"y"`)
	r.pay("5s", `"card":"a","mcc":"x"`)
	r.want("v.m_2s", "1", "v.m_10s", "2")
	r.pay("11s", `"card":"a","mcc":"z"`)
	r.want("v.m_2s", "1", "v.m_10s", "2")
	r.pay("2s", `"card":"a","mcc":"y"`) // late: newer than the y that has left
	r.want("v.m_2s", "1", "v.m_10s", "2")
	r.wantRead("v.m_10s", "a", "11s", "3")
	r.wantRead("v.m_10s", "a", "12s", "2")
	r.wantRead("v.m_10s", "a", "15s", "1")
}

// Each touched row is read once, as of its own newest event.
func TestRowsAreReadOnceAsOfTheirNewestEvent(t *testing.T) {
	r := newRun(t, specOf(`
  v: {version: 1, source: pay, entity: card, ttl: 1h, filter: 'ok', features: {n: {aggregation: count, windows: [10s]}}}
  w: {version: 1, source: pay, entity: user, ttl: 1h, features: {n: {aggregation: count, windows: [10s]}}}
`))
	r.pay("0s", `"card":"a","user":"u","ok":true`)
	r.pay("4s", `"card":"a","user":"u","ok":true`)
	r.pay("12s", `"card":"a","user":"u","ok":false`)
	r.pay("3s", `"card":"b"`)
	rows := func() string {
		var got []string
		r.engine.Rows(func(row *features.Row) {
			got = append(got, row.Layout.View.Name+"/"+row.Key+" "+show(row.Values[0], 0, row.Statuses[0])+
				fmt.Sprintf(" at %d", row.AsOf-start.UnixMilli()))
		})
		return strings.Join(got, "; ")
	}
	if got, want := rows(), "v/a 2 at 4000; w/u 2 at 12000"; got != want {
		t.Errorf("rows: %s, want %s", got, want)
	}
	if got := rows(); got != "" {
		t.Errorf("again: %s", got)
	}
}

// The language may have words that a build cannot run: here two that no build
// has.
func TestUnavailableSaysWhatAndWhere(t *testing.T) {
	def := func(name string, line int) *spec.Definition {
		return &spec.Definition{Aggregation: name, Pos: spec.Position{File: "later.freshet.yaml", Line: line}}
	}
	s := &spec.Spec{Views: []*spec.View{{Definitions: []*spec.Definition{def("foresight", 8), def("hindsight", 9), def("foresight", 8)}}}}
	_, err := features.Compile(s, features.Served)
	var unavailable *features.Unavailable
	if !errors.As(err, &unavailable) || len(unavailable.Items) != 2 {
		t.Fatalf("got %v", err)
	}
	want := "not available yet: foresight, later.freshet.yaml:8\nnot available yet: hindsight, later.freshet.yaml:9"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
