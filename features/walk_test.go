package features_test

import "testing"

const walking = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 10s
    features:
      last3: {aggregation: list_last, field: mcc, limit: 3, windows: [5s]}
      amts:  {aggregation: list_last, field: amt, limit: 2}
      was:   {aggregation: list_last, field: mcc, limit: 2, windows: [5s], exclude_current: true}
      then:  {aggregation: list_last, field: mcc, limit: 2, windows: [5s], delay: 2s}
      kinds: {aggregation: list_distinct, field: mcc, limit: 2, windows: [5s]}
      ever:  {aggregation: list_distinct, field: mcc, limit: 2}
      prev:  {aggregation: lag, field: mcc, windows: [5s]}
      prev2: {aggregation: lag, field: amt, n: 2}
      bad:   {aggregation: streak, filter: 'ok == false', windows: [5s]}
      bads:  {aggregation: streak, filter: 'ok == false'}
      top:   {aggregation: argmax, field: mcc, order_by: amt, windows: [5s]}
      best:  {aggregation: argmax, field: mcc, order_by: amt}
`

func TestS20ListsLagStreakArgmax(t *testing.T) {
	bothWays(t, specOf(walking), func(r *run) {
		r.pay("0s", `"card":"a","mcc":"x","amt":1,"ok":false`)
		r.want("v.last3_5s", "[x]", "v.amts", "[1]", "v.was_5s", "null DEFAULT", "v.then_5s", "null DEFAULT", "v.kinds_5s", "[x]",
			"v.prev_5s", "null DEFAULT", "v.prev2", "null DEFAULT", "v.bad_5s", "1", "v.top_5s", "x")
		r.pay("1s", `"card":"a","mcc":"y","amt":3,"ok":false`)
		r.want("v.last3_5s", "[x y]", "v.was_5s", "[x]", "v.prev_5s", "x", "v.prev2", "null DEFAULT", "v.bad_5s", "2", "v.top_5s", "y")
		r.pay("2s", `"card":"a","mcc":"x","amt":3`) // ok has no value: no match
		r.want("v.last3_5s", "[x y x]", "v.was_5s", "[x y]", "v.then_5s", "[x]", "v.kinds_5s", "[y x]", "v.ever", "[y x]",
			"v.prev_5s", "y", "v.prev2", "1", "v.bad_5s", "0", "v.bads", "0", "v.top_5s", "y", "v.best", "y")
		r.pay("3s", `"card":"a","amt":9,"ok":false`) // no mcc: reaches streak and amts only
		r.want("v.last3_5s", "[x y x]", "v.amts", "[3 9]", "v.was_5s", "[y x]", "v.prev_5s", "x", "v.prev2", "3", "v.bad_5s", "1", "v.top_5s", "y")
		r.pay("1500ms", `"card":"a","mcc":"late","amt":4,"ok":false`)
		r.want("v.last3_5s", "[x y late]", "v.bad_5s", "3", "v.prev_5s", "y", "v.prev2", "1", "v.top_5s", "late")
		r.pay("6s", `"card":"a","mcc":"z","amt":2,"ok":false`)
		r.want("v.last3_5s", "[late x z]", "v.kinds_5s", "[x z]", "v.ever", "[x z]", "v.bad_5s", "2", "v.bads", "2", "v.top_5s", "late", "v.then_5s", "[late x]")
		r.wantRead("v.last3_5s", "a", "7s", "[z]")
		r.wantRead("v.then_5s", "a", "8s", "[x z]")
		r.wantRead("v.prev_5s", "a", "7s", "z")
		r.wantRead("v.prev2", "a", "7s", "9")
		r.wantRead("v.amts", "a", "16s", "null NOT_FOUND")
	})
}

// What has left the log is still in the lists of a life: here the log keeps 20
// s, and the life goes on.
func TestS22ListsOfALifeOutliveTheLog(t *testing.T) {
	bothWays(t, specOf(walking), func(r *run) {
		for i, c := range []struct{ at, fields, amts, ever, prev2, bads, best string }{
			{"0s", `"mcc":"x","amt":9,"ok":false`, "[9]", "[x]", "null DEFAULT", "1", "x"},
			{"9s", `"mcc":"y","amt":9,"ok":false`, "[9 9]", "[x y]", "null DEFAULT", "2", "x"},
			{"18s", `"mcc":"","ok":false`, "[9 9]", "[y ]", "9", "3", "x"},
			{"27s", `"ok":false`, "[9 9]", "[y ]", "9", "4", "x"},
			{"36s", `"ok":false`, "[9 9]", "[y ]", "9", "5", "x"},
			{"45s", `"ok":false`, "[9 9]", "[y ]", "9", "6", "x"},
			{"54s", `"ok":false`, "[9 9]", "[y ]", "9", "7", "x"},
			{"63s", `"mcc":"y","amt":1,"ok":true`, "[9 1]", "[ y]", "9", "0", "x"},
			{"72s", `"ok":false`, "[9 1]", "[ y]", "9", "1", "x"},
			{"81s", `"ok":false`, "[9 1]", "[ y]", "9", "2", "x"},
			{"90s", `"mcc":"w","ok":false`, "[9 1]", "[y w]", "9", "3", "x"},
			{"99s", `"mcc":"v","ok":false`, "[9 1]", "[w v]", "9", "4", "x"},
			{"109s", `"ok":false`, "null DEFAULT", "null DEFAULT", "null DEFAULT", "1", "null DEFAULT"},
		} {
			r.pay(c.at, `"card":"a",`+c.fields)
			r.t.Logf("step %d at %s", i, c.at)
			r.want("v.amts", c.amts, "v.ever", c.ever, "v.prev2", c.prev2, "v.bads", c.bads, "v.best", c.best)
		}
	})
}

func TestS20StreakEndsAtTheWindowsEdge(t *testing.T) {
	bothWays(t, specOf(walking), func(r *run) {
		r.pay("0s", `"card":"a","ok":false`)
		r.pay("2s", `"card":"a","ok":false`)
		r.pay("5s", `"card":"a","ok":false`)
		r.want("v.bad_5s", "2", "v.bads", "3")
		r.wantRead("v.bad_5s", "a", "7s", "1")
	})
}
