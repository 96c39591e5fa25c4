package features_test

import "testing"

const lastn = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 10s
    filter: 'qty > 0'
    features:
      n:    {aggregation: count, last: [2, 3]}
      bad:  {aggregation: count, filter: 'ok == false', last: [3]}
      sum:  {aggregation: sum, field: amt, last: [2]}
      big:  {aggregation: max, field: amt, last: [2]}
      past: {aggregation: sum, field: amt, last: [2], exclude_current: true}
      old:  {aggregation: sum, field: amt, last: [2], delay: 2s}
      new:  {aggregation: is_new, field: mcc, last: [2]}
`

func TestS23LastIsCutFromAllEventsAndTheFilterSelectsInside(t *testing.T) {
	r := newRun(t, specOf(lastn))
	r.pay("0s", `"card":"a","qty":1,"ok":false,"amt":1,"mcc":"x"`)
	r.pay("1s", `"card":"a","qty":1,"ok":true,"amt":2,"mcc":"y"`)
	r.want("v.n_last2", "2", "v.n_last3", "2", "v.bad_last3", "1", "v.sum_last2", "3", "v.past_last2", "1", "v.new_last2", "true")
	r.pay("2s", `"card":"a","qty":0,"ok":false,"amt":100,"mcc":"x"`) // does not enter the view, and reads it
	r.want("v.n_last3", "2", "v.bad_last3", "1", "v.sum_last2", "3", "v.past_last2", "3", "v.new_last2", "false")
	r.pay("3s", `"card":"a","qty":1,"ok":true,"amt":4,"mcc":"x"`)
	r.want("v.n_last3", "3", "v.bad_last3", "1", "v.sum_last2", "6", "v.past_last2", "3", "v.new_last2", "false", "v.old_last2", "3")
	r.pay("4s", `"card":"a","qty":1,"ok":true,"amt":0.5,"mcc":"x"`)
	r.want("v.n_last3", "3", "v.bad_last3", "0", "v.sum_last2", "4.5", "v.big_last2", "4", "v.past_last2", "6", "v.new_last2", "false")
	r.pay("5s", `"card":"a","qty":1,"ok":true,"amt":8,"mcc":"y"`)
	r.want("v.new_last2", "true", "v.old_last2", "6")
	r.wantRead("v.sum_last2", "a", "6s", "8.5")
	r.wantRead("v.old_last2", "a", "6s", "4.5")
}

func TestS23LateEventsEnterTheLastOnes(t *testing.T) {
	r := newRun(t, specOf(lastn))
	for _, at := range []string{"10s", "11s", "13s", "14s"} {
		r.pay(at, `"card":"a","qty":1,"amt":1`)
	}
	r.pay("12s", `"card":"a","qty":1,"amt":8`)
	r.want("v.sum_last2", "9", "v.past_last2", "2")
	r.pay("13s", `"card":"a","qty":1,"amt":16`) // a peer, behind the other by its place
	r.want("v.sum_last2", "17", "v.past_last2", "9", "v.n_last3", "3")
	r.wantRead("v.sum_last2", "a", "14s", "17")
}

func TestS22LastCountsWithinTheSameLife(t *testing.T) {
	r := newRun(t, specOf(lastn))
	r.pay("0s", `"card":"a","qty":1,"amt":1`)
	r.pay("10s", `"card":"a","qty":1,"amt":2`) // a silence of exactly ttl
	r.want("v.n_last2", "1", "v.sum_last2", "2", "v.past_last2", "0")
	r.pay("5s", `"card":"a","qty":1,"amt":4`) // joins the two
	r.wantRead("v.sum_last2", "a", "10s", "6")
	r.wantRead("v.n_last3", "a", "19999ms", "3")
	r.wantRead("v.n_last3", "a", "20s", "0 NOT_FOUND")
}

// The log keeps what the last n need, however old it is, for events that are
// late by all that is allowed.
func TestS23TheLastOnesAreKeptWhateverTheirAge(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 3h
    filter: 'qty > 0'
    features:
      sum: {aggregation: sum, field: amt, last: [2]}
  w:
    version: 1
    source: pay
    entity: card
    ttl: 3h
    features:
      n: {aggregation: count, windows: [1s]}
`))
	r.pay("0s", `"card":"a","qty":1,"amt":1`)
	r.pay("1h", `"card":"a","qty":1,"amt":2`)
	for range 300 {
		r.pay("2h", `"card":"a","qty":0`)
	}
	r.want("v.sum_last2", "3")
	r.pay("2h1m", `"card":"a","qty":1,"amt":4`)
	for range 300 {
		r.pay("2h1m", `"card":"a","qty":0`)
	}
	r.want("v.sum_last2", "6")
	r.pay("2h1s", `"card":"a","qty":1,"amt":8`)
	r.want("v.sum_last2", "10")
}

// The last n are known where the log has them, though others of their time were folded.
func TestS26TheLastAtTheTimeOfWhatWasFolded(t *testing.T) {
	r := newRun(t, specOf(`
  v: {version: 1, source: pay, entity: card, ttl: 1m, event_budget: 8, features: {n: {aggregation: count, last: [2, 8]}}}
`))
	for range 9 {
		r.pay("1s", `"card":"a"`)
	}
	r.want("v.n_last2", "2", "v.n_last8", "8")
}
