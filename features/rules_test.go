package features_test

import (
	"fmt"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

const counting = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n:    {aggregation: count, windows: [10s]}
      past: {aggregation: count, windows: [10s], exclude_current: true}
      sum:  {aggregation: sum, field: amt, windows: [10s]}
      old:  {aggregation: count, windows: [10s], delay: 10s}
`

func TestWindowEdgesAreExact(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.pay("0s", `"card":"a","amt":1`)
	r.pay("9999ms", `"card":"a","amt":2`)
	r.want("v.n_10s", "2")
	r.pay("10s", `"card":"a","amt":4`) // the first is exactly 10s old: out
	r.want("v.n_10s", "2", "v.sum_10s", "6")
	r.wantRead("v.n_10s", "a", "19998ms", "2")
	r.wantRead("v.n_10s", "a", "19999ms", "1")
	r.wantRead("v.n_10s", "a", "20s", "0")
}

func TestS01LateEventIsEnrichedAtItsPlaceAndCountedFromThenOn(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.pay("0s", `"card":"a"`)
	r.pay("8s", `"card":"a"`)
	r.pay("5s", `"card":"a"`)
	r.want("v.n_10s", "2", "v.past_10s", "1")
	r.pay("9s", `"card":"a"`)
	r.want("v.n_10s", "4", "v.past_10s", "3")
}

func TestS02TheCurrentEventCounts(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.pay("0s", `"card":"a"`)
	r.want("v.n_10s", "1", "v.past_10s", "0")
}

func TestS03PeersOfEqualTimeComeByPartitionAndOffset(t *testing.T) {
	r := newRun(t, specOf(counting))
	for i, c := range []struct {
		partition int
		want      string
	}{{1, "1"}, {1, "2"}, {0, "1"}, {2, "4"}} {
		if got := r.record("pay", c.partition, "5s", `"card":"a"`); got != "accepted" {
			t.Fatal(got)
		}
		if got := r.get("v.n_10s"); got != c.want {
			t.Errorf("peer %d counts %s, want %s", i, got, c.want)
		}
	}
	r.wantRead("v.n_10s", "a", "5s", "4")
}

const twoSources = `
  mine:
    version: 1
    source: pay
    entity: user
    ttl: 1h
    features:
      n: {aggregation: count, windows: [10s]}
  theirs:
    version: 1
    source: act
    entity: user
    ttl: 1h
    features:
      n:    {aggregation: count, windows: [10s]}
      past: {aggregation: count, windows: [10s], exclude_current: true}
      new:  {aggregation: is_new, field: kind, windows: [10s]}
`

func TestS04AnotherSourceIsReadUpToTheTimeAndExcludesNothing(t *testing.T) {
	r := newRun(t, specOf(twoSources))
	for _, at := range []string{"0s", "5s", "5s", "6s"} {
		r.record("act", 0, at, `"user":"u","kind":"login"`)
	}
	r.pay("5s", `"user":"u"`)
	r.want("theirs.n_10s", "3", "theirs.past_10s", "3", "theirs.new_10s", "null NEEDS_EVENT")
	r.pay("10s", `"user":"u"`)
	r.want("theirs.n_10s", "3", "mine.n_10s", "2")
	r.pay("15s", `"user":"u"`)
	r.want("theirs.n_10s", "1")
	r.pay("16s", `"user":"u"`)
	r.want("theirs.n_10s", "0")
}

func TestS06ReadsWithoutAnEventExcludeNothing(t *testing.T) {
	r := newRun(t, specOf(counting+`
  w:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      new: {aggregation: is_new, field: mcc, windows: [10s]}
      n:   {aggregation: count, windows: [10s]}
    derived:
      here: {expr: 'event.x + n_10s', default: 0}
`))
	r.pay("0s", `"card":"a","x":1`)
	r.want("v.past_10s", "0", "w.here", "2")
	r.wantRead("v.past_10s", "a", "0s", "1")
	for _, layout := range r.plan.Rows() {
		for _, c := range layout.Columns {
			if c.Feature.EventBound {
				t.Errorf("%s is in the row", c.Feature.Full())
			}
		}
	}
}

func TestS08FilteredRecordsMoveNoTime(t *testing.T) {
	r := newRun(t, `
version: 1
namespace: rules
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    id_field: id
    allowed_lateness: 1m
    filter: 'twice != 2'
    fields:
      id: {type: string}
      at: {type: timestamp}
      card: {type: string}
      qty: {type: int}
    computed_fields:
      twice: {type: double, expr: 'qty * 2'}
entities:
  card: {key: card}
feature_views:
  v: {version: 1, source: pay, entity: card, ttl: 1h, features: {n: {aggregation: count, windows: [10s]}}}
`)
	r.pay("0s", `"id":"1","card":"a","qty":5`)
	for want, fields := range map[string]string{
		"filtered": `"id":"9","card":"a","qty":1`,
		"schema":   `"id":"9","card":"a","qty":"x"`,
		"decode":   `"id":"9","card":"a","qty":1,,`,
	} {
		if got := r.record("pay", 0, "10h", fields); got != want {
			t.Errorf("%s: %s, want %s", fields, got, want)
		}
	}
	if got := r.record("pay", 0, "1s", `"id":"9","card":"a","qty":5`); got != "accepted" {
		t.Errorf("after refused records: %s", got)
	}
	r.want("v.n_10s", "2")
}

func TestS09LateExactlyEqualIsAccepted(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.pay("10m", `"card":"a"`)
	r.pay("9m", `"card":"a"`)
	if got := r.record("pay", 0, "8m59s999ms", `"card":"a"`); got != "late" {
		t.Errorf("1 ms beyond allowed_lateness: %s", got)
	}
	if got := r.record("pay", 1, "0s", `"card":"a"`); got != "accepted" {
		t.Errorf("in its own partition it is the newest: %s", got)
	}
}

func TestS10SameIdAndTimeIsADuplicateForEver(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.pay("0s", `"card":"a","id":"1"`)
	if got := r.record("pay", 3, "0s", `"card":"a","id":"1"`); got != "duplicate" {
		t.Errorf("in another partition: %s", got)
	}
	r.pay("30s", `"card":"a","id":"2"`)
	if got := r.record("pay", 0, "0s", `"card":"a","id":"1"`); got != "duplicate" {
		t.Errorf("again: %s", got)
	}
}

func TestS10RetryStampedAgainIsADuplicateWithinTheWindow(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.pay("0s", `"card":"a","id":"1"`)
	r.pay("10m", `"card":"b","id":"2"`)
	if got := r.record("pay", 0, "10m", `"card":"c","id":"1"`); got != "duplicate" {
		t.Errorf("the partition moved exactly dedup_window: %s", got)
	}
	r.pay("10m1ms", `"card":"b","id":"3"`)
	if got := r.record("pay", 0, "10m1ms", `"card":"c","id":"1"`); got != "accepted" {
		t.Errorf("it moved further: %s", got)
	}
}

func TestS10DuplicatesOfEventsThatNoViewCounts(t *testing.T) {
	r := newRun(t, specOf(`
  v: {version: 1, source: pay, entity: card, ttl: 1h, filter: 'amt > 5', features: {n: {aggregation: count, windows: [10s]}}}
`))
	r.pay("0s", `"card":"a","amt":1,"id":"1"`)
	r.want("v.n_10s", "0 NOT_FOUND")
	if got := r.record("pay", 1, "0s", `"card":"a","amt":1,"id":"1"`); got != "duplicate" {
		t.Errorf("filtered from the view: %s", got)
	}
	r.pay("0s", `"id":"2"`) // no entity at all
	if got := r.record("pay", 1, "0s", `"id":"2"`); got != "duplicate" {
		t.Errorf("without an entity: %s", got)
	}
}

func TestS13SumBeyondInt64IsAnErrorAndComesBack(t *testing.T) {
	bothWays(t, specOf(counting), func(r *run) {
		r.pay("0s", `"card":"a","amt":90000000000000000`)
		r.pay("1s", `"card":"a","amt":90000000000000000`)
		r.want("v.sum_10s", "null ERROR")
		r.pay("10s", `"card":"a","amt":1`)
		r.want("v.sum_10s", "9e+16")
	})
}

func TestS15MissingAndEmptyKeysAreNoEntity(t *testing.T) {
	r := newRun(t, specOf(counting+`
  b: {version: 1, source: pay, entity: both, ttl: 1h, features: {n: {aggregation: count, windows: [10s]}}}
`))
	r.pay("0s", `"card":"","user":"u","amt":1`)
	r.want("v.n_10s", "null NO_ENTITY", "v.sum_10s", "null NO_ENTITY", "b.n_10s", "null NO_ENTITY")
	r.pay("0s", `"card":"a,b%","user":"u"`)
	r.want("v.n_10s", "1", "b.n_10s", "1")
	r.wantRead("b.n_10s", features.JoinKey([]string{"a,b%", "u"}), "0s", "1")
	if got := features.JoinKey([]string{"a,b%", "u"}); got != "a%2Cb%25,u" {
		t.Errorf("joined: %s", got)
	}
	if got := features.JoinKey([]string{"a,b%"}); got != "a,b%" {
		t.Errorf("a single part: %s", got)
	}
}

func TestS17MissingInputsAreSkipped(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n:    {aggregation: count, filter: 'x > 1 || ok', windows: [10s]}
      sum:  {aggregation: sum, value: 'x * 2', windows: [10s]}
      part: {aggregation: ratio, numerator: 'ok', windows: [10s]}
      asks: {aggregation: count, filter: '!present(x)', windows: [10s]}
    derived:
      twice: {expr: 'sum_10s / n_10s', default: -1}
`))
	r.pay("0s", `"card":"a","ok":true`) // x is missing: no short-circuit
	r.want("v.n_10s", "0", "v.sum_10s", "0", "v.part_10s", "1", "v.asks_10s", "1", "v.twice", "-1 DEFAULT")
	r.pay("1s", `"card":"a","x":3,"ok":false`)
	r.pay("2s", `"card":"a","x":4`) // ok is missing: neither part of the ratio
	r.want("v.n_10s", "1", "v.sum_10s", "14", "v.part_10s", "0.5", "v.asks_10s", "1", "v.twice", "14")
}

func TestS18EmptyMinCountDefault(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n:     {aggregation: count, windows: [10s], filter: 'qty > 0'}
      n2:    {aggregation: count, windows: [10s], filter: 'qty > 0', min_count: 2}
      mean:  {aggregation: mean, field: qty, windows: [10s]}
      meand: {aggregation: mean, field: qty, windows: [10s], default: 7}
      sumd:  {aggregation: sum, field: qty, windows: [10s], default: -1}
      dev:   {aggregation: stddev, field: qty, windows: [10s], default: 0.5}
`))
	r.pay("0s", `"card":"a"`)
	r.want("v.n_10s", "0", "v.n2_10s", "null DEFAULT", "v.mean_10s", "null DEFAULT", "v.meand_10s", "7 DEFAULT", "v.sumd_10s", "-1 DEFAULT")
	r.pay("1s", `"card":"a","qty":4`)
	r.want("v.n_10s", "1", "v.n2_10s", "null DEFAULT", "v.mean_10s", "4", "v.dev_10s", "0.5 DEFAULT")
	r.pay("2s", `"card":"a","qty":6`)
	r.want("v.n2_10s", "2", "v.mean_10s", "5", "v.sumd_10s", "10")
}

// Count, sum, mean and deviation of one input over one window are evaluated
// together: the deviation alone lacks a second event.
func TestS18ADeviationOfOneEventBesideItsMean(t *testing.T) {
	bothWays(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n:    {aggregation: count, field: qty, windows: [10s, 1m]}
      sum:  {aggregation: sum, field: qty, windows: [10s, 1m], default: -1}
      mean: {aggregation: mean, field: qty, windows: [10s, 1m]}
      dev:  {aggregation: stddev, field: qty, windows: [10s, 1m], default: 0.5}
`), func(r *run) {
		r.pay("0s", `"card":"a","qty":4`)
		r.want("v.n_10s", "1", "v.sum_10s", "4", "v.mean_10s", "4", "v.dev_10s", "0.5 DEFAULT", "v.dev_1m", "0.5 DEFAULT")
		r.pay("20s", `"card":"a","qty":8`)
		r.want("v.n_10s", "1", "v.sum_10s", "8", "v.mean_10s", "8", "v.dev_10s", "0.5 DEFAULT", "v.n_1m", "2", "v.sum_1m", "12", "v.mean_1m", "6")
		if got := r.get("v.dev_1m"); got != "2.8284271247461903" {
			t.Errorf("v.dev_1m is %s, want that of 4 and 8", got)
		}
		r.pay("70s", `"card":"a"`)
		r.want("v.n_10s", "0", "v.sum_10s", "-1 DEFAULT", "v.mean_10s", "null DEFAULT", "v.dev_10s", "0.5 DEFAULT", "v.n_1m", "1", "v.sum_1m", "8", "v.dev_1m", "0.5 DEFAULT")
	})
}

func TestS18IsNewOfNothingIsTrue(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      new: {aggregation: is_new, field: mcc, windows: [10s], default: false}
`))
	r.pay("0s", `"card":"a","mcc":"x"`)
	r.want("v.new_10s", "true")
	r.pay("1s", `"card":"a","mcc":"x"`)
	r.want("v.new_10s", "false")
	r.pay("2s", `"card":"a"`)
	r.want("v.new_10s", "false DEFAULT")
	r.pay("11s", `"card":"a","mcc":"x"`) // exactly 10s after the last
	r.want("v.new_10s", "true")
}

func TestS19UnknownAndGoneEntitiesAreNotFound(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.wantRead("v.n_10s", "a", "0s", "0 NOT_FOUND")
	r.pay("0s", `"card":"a"`)
	r.wantRead("v.n_10s", "a", "59m59s999ms", "0")
	r.wantRead("v.n_10s", "a", "1h", "0 NOT_FOUND")
}

func TestS19WarmingUntilTheWindowIsCovered(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.engine.SetCoverage(0, features.Coverage{Since: start.UnixMilli()})
	r.pay("9999ms", `"card":"a"`)
	r.want("v.n_10s", "1 WARMING")
	r.pay("10s", `"card":"a"`)
	r.want("v.n_10s", "2", "v.old_10s", "0 WARMING")
	r.pay("20s", `"card":"a"`)
	r.want("v.old_10s", "2") // (0s, 10s], both ends exact
}

func TestS21NumbersAreEqualByValue(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      xs:   {aggregation: count_distinct, field: x, windows: [10s]}
      amts: {aggregation: count_distinct, field: amt, windows: [10s]}
`))
	r.pay("0s", `"card":"a","x":0,"amt":"1.50"`)
	r.pay("0s", `"card":"a","x":-0.0,"amt":1.5`)
	r.want("v.xs_10s", "1", "v.amts_10s", "1")
	r.pay("1s", `"card":"a","x":1e-300,"amt":1.51`)
	r.want("v.xs_10s", "2", "v.amts_10s", "2")
	r.pay("10s", `"card":"a"`)
	r.want("v.xs_10s", "1", "v.amts_10s", "1")
}

func TestS24DelayedWindowsGainAndLoseWithoutAnEvent(t *testing.T) {
	r := newRun(t, specOf(counting))
	r.pay("0s", `"card":"a"`)
	r.want("v.old_10s", "0")
	r.wantRead("v.old_10s", "a", "9999ms", "0")
	r.wantRead("v.old_10s", "a", "10s", "1")
	r.wantRead("v.old_10s", "a", "19999ms", "1")
	r.wantRead("v.old_10s", "a", "20s", "0")
}

func TestS30RequestIsTheEventsField(t *testing.T) {
	r := newRun(t, specOf(counting)+`
feature_services:
  risk:
    version: 1
    on: pay
    request_fields: {amt: double, other: double}
    features:
      - v: [n_10s]
    derived:
      share: {expr: 'request.amt / max(v.sum_10s, 1)', default: 0}
      lost:  {expr: 'request.other + 1', default: -1}
`)
	r.pay("0s", `"card":"a","amt":"2.50"`)
	r.want("risk.share", "1", "risk.lost", "-1 DEFAULT", "v.n_10s", "1")
	r.pay("1s", `"amt":"2.50"`)
	r.want("risk.share", "0 NO_ENTITY", "v.n_10s", "null NO_ENTITY")
	for i, c := range r.plan.Layout(0).Columns {
		if want := i < 3; c.Emit != want {
			t.Errorf("%s leaves in the record: %v", c.Name, c.Emit)
		}
	}
}

// A late event may have left the short windows of the state already, and still
// be in the long ones.
func TestS01LateEventBehindAShortWindow(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n: {aggregation: count, windows: [2s, 10s]}
      d: {aggregation: count, windows: [2s], delay: 5s}
`))
	r.pay("0s", `"card":"a"`)
	r.pay("8s", `"card":"a"`)
	r.pay("3s", `"card":"a"`)
	r.want("v.n_2s", "1", "v.n_10s", "2")
	r.wantRead("v.d_2s", "a", "8s", "1")
	r.pay("9s", `"card":"a"`)
	r.want("v.n_2s", "2", "v.n_10s", "4", "v.d_2s", "1")
	r.pay("10s", `"card":"a"`)
	r.want("v.n_2s", "2", "v.n_10s", "4", "v.d_2s", "0")
}

// The log keeps what the latest acceptable event needs.
func TestS09LateEventIsItselfEnrichedExactly(t *testing.T) {
	r := newRun(t, specOf(counting))
	for i := range 300 {
		r.pay(fmt.Sprintf("%ds", i), `"card":"a","amt":1`)
	}
	r.pay("239s", `"card":"a","amt":1`)
	r.want("v.n_10s", "11", "v.sum_10s", "11", "v.old_10s", "10")
}

// A partition that lags by more than the lateness may need what is gone: the
// value says so.
func TestS09LaggingPartitionIsIncomplete(t *testing.T) {
	r := newRun(t, specOf(counting))
	for i := range 300 {
		r.pay(fmt.Sprintf("%ds", i), `"card":"a","amt":1`)
	}
	if got := r.record("pay", 1, "100s", `"card":"a"`); got != "accepted" {
		t.Fatal(got)
	}
	if got := r.get("v.n_10s"); got != "1 INCOMPLETE" {
		t.Errorf("100s: %s", got)
	}
	if n := r.engine.Stats().Views[0].Incomplete; n != 4 {
		t.Errorf("%d INCOMPLETE values were counted, want 4", n)
	}
	r.pay("300s", `"card":"a","amt":1`)
	r.want("v.n_10s", "10", "v.sum_10s", "10")
}
