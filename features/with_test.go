package features_test

import (
	"fmt"
	"testing"
)

const asked = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    filter: 'amt > 0'
    features:
      n:    {aggregation: count, windows: [10s]}
      past: {aggregation: count, windows: [10s], exclude_current: true}
      sum:  {aggregation: sum, field: amt}
      new:  {aggregation: is_new, field: mcc, windows: [1m]}
      last: {aggregation: last, field: mcc}
      z:    {aggregation: zscore, field: amt, windows: [1m]}
    derived:
      here: {expr: 'event.amt + n_10s', default: 0}
`

func TestS07WithANewEventAndNothingIsRemembered(t *testing.T) {
	r := newRun(t, specOf(asked))
	r.ask("0s", `"id":"1","card":"a","amt":3,"mcc":"x"`) // nobody knows the card
	r.want("v.n_10s", "1", "v.past_10s", "0", "v.sum", "3", "v.new_1m", "true", "v.last", "x", "v.here", "4")
	r.wantRead("v.n_10s", "a", "0s", "0 NOT_FOUND")
	r.pay("0s", `"id":"1","card":"a","amt":3,"mcc":"x"`) // and its id was not remembered
	r.want("v.n_10s", "1", "v.sum", "3", "v.new_1m", "true")
	for range 2 {
		r.ask("5s", `"id":"2","card":"a","amt":2,"mcc":"x"`)
		r.want("v.n_10s", "2", "v.past_10s", "1", "v.sum", "5", "v.new_1m", "false", "v.last", "x")
		r.ask("20s", `"id":"2","card":"a","amt":0,"mcc":"y"`) // does not enter the view
		r.want("v.n_10s", "0", "v.past_10s", "0", "v.sum", "3", "v.new_1m", "true", "v.last", "x", "v.here", "0")
	}
	r.wantRead("v.sum", "a", "20s", "3")
}

func TestS07WithAnAppliedEventIsTheNumberOfItsRecord(t *testing.T) {
	r := newRun(t, specOf(asked))
	r.pay("1s", `"id":"1","card":"a","amt":3,"mcc":"x"`)
	r.pay("2s", `"id":"2","card":"a","amt":2,"mcc":"y"`)
	first := []string{"v.n_10s", "2", "v.past_10s", "1", "v.sum", "5", "v.new_1m", "true", "v.last", "y", "v.z_1m", "-0.7071067811865475"}
	r.want(first...)
	r.pay("2s", `"id":"3","card":"a","amt":4,"mcc":"y"`)
	r.pay("3s", `"id":"4","card":"a","amt":4,"mcc":"z"`)
	r.ask("2s", `"id":"2","card":"a","amt":2,"mcc":"y"`)
	r.want(first...)
	r.ask("2s", `"id":"5","card":"a","amt":2,"mcc":"y"`) // a new one is behind all of its time
	r.want("v.n_10s", "4", "v.past_10s", "3", "v.sum", "11", "v.new_1m", "false")
	if got := r.record("pay", 0, "2s", `"id":"2","card":"a","amt":2,"mcc":"y"`); got != "duplicate" {
		t.Errorf("the applied one is %s", got)
	}
}

func TestS06ReadGivesWhatNeedsAnEventWithoutAValue(t *testing.T) {
	r := newRun(t, specOf(asked))
	r.pay("1s", `"card":"a","amt":3,"mcc":"x"`)
	r.wantRead("v.n_10s", "a", "2s", "1")
	r.wantRead("v.new_1m", "a", "2s", "null NEEDS_EVENT")
	r.wantRead("v.here", "a", "2s", "null NEEDS_EVENT")
	r.wantRead("v.new_1m", "b", "2s", "null NOT_FOUND")
}

const twoMemories = `
  short:
    version: 1
    source: pay
    entity: card
    ttl: 10s
    features:
      n: {aggregation: count, windows: [10s]}
  long:
    version: 1
    source: pay
    entity: user
    ttl: 1d
    features:
      n:    {aggregation: count, windows: [1d]}
      past: {aggregation: sum, field: qty, windows: [1d], exclude_current: true}
`

// The log of the record's first entity keeps events for less time than that of
// another one: what the latter still holds is known there.
func TestS07WithAnAppliedEventThatItsFirstEntityHasLetGoOf(t *testing.T) {
	bothWays(t, specOf(twoMemories), func(r *run) {
		r.pay("0s", `"id":"before","user":"u","qty":1`)
		r.pay("1s", `"id":"known","card":"a","user":"u","qty":2`)
		record := []string{"long.n_1d", "2", "long.past_1d", "1"}
		r.want(record...)
		for i := range 100 {
			r.pay(fmt.Sprintf("%ds", 300+60*i), fmt.Sprintf(`"id":"%d","card":"a"`, i))
		}
		r.ask("1s", `"id":"known","card":"a","user":"u","qty":2`)
		r.want(append(record, "short.n_10s", "0 INCOMPLETE")...)
		r.ask("1s", `"id":"new","card":"a","user":"u","qty":2`) // behind those of its time, if it is new
		r.want("long.n_1d", "3 INCOMPLETE", "long.past_1d", "3 INCOMPLETE")
		r.ask("2s", `"id":"newer","card":"a","user":"u","qty":2`) // whose place is certain
		r.want("long.n_1d", "3", "long.past_1d", "3")
	})
}
