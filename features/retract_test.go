package features_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

// retracting is specOf for a source whose events may take others back.
func retracting(views string) string {
	text := strings.Replace(specOf(views), "    id_field: id\n", "    id_field: id\n    retracts: undo\n    retracts_time_field: undone\n", 1)
	return strings.Replace(text, "      mcc: {", "      undo: {type: string, optional: true}\n      undone: {type: timestamp, optional: true}\n      mcc: {", 1)
}

const taken = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    filter: 'qty > 0'
    features:
      n:    {aggregation: count, windows: [10s]}
      sum:  {aggregation: sum, field: amt, windows: [10s]}
      past: {aggregation: sum, field: amt, windows: [10s], exclude_current: true}
      bad:  {aggregation: count, filter: 'ok == false', windows: [10s]}
      old:  {aggregation: sum, field: amt, windows: [10s], delay: 5s}
      all:  {aggregation: sum, field: amt}
      list: {aggregation: list_last, field: amt, limit: 3, windows: [10s]}
      few:  {aggregation: sum, field: amt, last: [2]}
      run:  {aggregation: count, session: 3s}
      new:  {aggregation: is_new, field: mcc, windows: [10s]}
      top:  {aggregation: max, field: amt, windows: [10s]}
`

func TestS16ARetractionIsEffectiveFromItsOwnTimeOn(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1,"ok":false,"mcc":"x"`)
		r.pay("1s", `"id":"2","card":"a","qty":1,"amt":2,"mcc":"x"`)
		r.pay("4s", `"id":"3","card":"a","undo":"1"`) // no qty: the view's filter is not asked
		r.want("v.n_10s", "1", "v.sum_10s", "2", "v.past_10s", "2", "v.bad_10s", "0", "v.all", "2", "v.list_10s", "[2]",
			"v.few_last2", "2", "v.top_10s", "2")
		r.wantRead("v.sum_10s", "a", "3999ms", "3")
		r.wantRead("v.bad_10s", "a", "3999ms", "1")
		r.wantRead("v.sum_10s", "a", "4s", "2")
		r.wantRead("v.old_10s", "a", "7s", "2") // a delayed window asks the reader's time
		r.pay("3s", `"card":"a","qty":1,"amt":4,"mcc":"y"`)
		r.want("v.sum_10s", "7", "v.list_10s", "[1 2 4]") // it is before the retraction
		r.pay("5s", `"card":"a","qty":1,"amt":8,"mcc":"z"`)
		r.want("v.sum_10s", "14", "v.past_10s", "6", "v.list_10s", "[2 4 8]")
	})
}

// peers of equal time are in the order of partition and offset.
func TestS16AtEqualTimeThePlaceDecides(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1`)
		r.record("pay", 1, "2s", `"card":"a","undo":"1"`)
		r.want("v.sum_10s", "0")
		r.pay("2s", `"id":"2","card":"a","qty":1,"amt":2`)
		r.want("v.sum_10s", "3")
		r.record("pay", 2, "2s", `"id":"3","card":"a","qty":1,"amt":4`)
		r.want("v.sum_10s", "6")
		r.wantRead("v.sum_10s", "a", "2s", "6")
	})
}

func TestS16WhicheverComesFirst(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		r.record("pay", 1, "4s", `"id":"u","card":"a","undo":"1"`)
		r.want("v.sum_10s", "0 NOT_FOUND")
		r.pay("2s", `"id":"1","card":"a","qty":1,"amt":1`)
		r.want("v.sum_10s", "1")
		r.wantRead("v.sum_10s", "a", "3999ms", "1")
		r.wantRead("v.sum_10s", "a", "4s", "0")
		r.record("pay", 2, "5s", `"id":"2","card":"a","qty":1,"amt":2`)
		r.want("v.sum_10s", "2", "v.n_10s", "1")
		r.record("pay", 2, "6s", `"id":"3","card":"a","undo":"4"`) // earlier than its original
		r.record("pay", 2, "7s", `"id":"4","card":"a","qty":1,"amt":4`)
		r.want("v.sum_10s", "2")
	})
}

func TestS16OnceAndNotOfARetraction(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1`)
		r.pay("1s", `"id":"2","card":"a","qty":1,"amt":2`)
		r.pay("4s", `"id":"u","card":"a","undo":"1"`)
		r.pay("5s", `"id":"w","card":"a","undo":"1"`)
		r.want("v.sum_10s", "2", "v.n_10s", "1")
		r.pay("6s", `"card":"a","undo":"u"`)
		r.want("v.sum_10s", "2")
		r.record("pay", 1, "3s", `"card":"a","undo":"1"`) // the earliest counts
		r.wantRead("v.sum_10s", "a", "3s", "2")
		r.wantRead("v.sum_10s", "a", "2999ms", "3")
	})
}

func TestS16ByTimeToo(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1`)
		r.pay("4s", `"card":"a","undo":"1","undone":1767607200001`)
		r.want("v.sum_10s", "1")
		r.pay("5s", `"card":"a","undo":"1","undone":1767607200000`)
		r.want("v.sum_10s", "0", "v.n_10s", "0")
	})
}

// What is taken back holds lives and sessions together all the same, and makes
// room among the last ones.
func TestS16ATakenEventKeepsItsPlaceInTime(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1`)
		r.pay("2s", `"id":"2","card":"a","qty":1,"amt":2`)
		r.pay("4s", `"id":"3","card":"a","qty":1,"amt":4`)
		r.want("v.run", "3", "v.few_last2", "6")
		r.pay("4s", `"card":"a","undo":"2"`)
		r.want("v.run", "2", "v.few_last2", "5")
		r.pay("4s", `"card":"a","undo":"3"`)
		r.pay("4s", `"card":"a","undo":"1"`)
		r.want("v.run", "0", "v.few_last2", "0", "v.n_10s", "0", "v.top_10s", "null DEFAULT")
		r.wantRead("v.n_10s", "a", "3603s", "0")
		r.wantRead("v.n_10s", "a", "3604s", "0 NOT_FOUND")
	})
}

func TestS16WithAnEventThatTakesBack(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1`)
		r.pay("1s", `"id":"2","card":"a","qty":1,"amt":2`)
		r.ask("2s", `"id":"9","card":"a","undo":"1"`)
		r.want("v.sum_10s", "2", "v.past_10s", "2")
		r.ask("2s", `"id":"8","card":"a","qty":1,"amt":4`) // nothing was remembered
		r.want("v.sum_10s", "7")
	})
}

const ofTwo = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n: {aggregation: count, windows: [10s]}
  w:
    version: 1
    source: pay
    entity: user
    ttl: 1h
    features:
      n: {aggregation: count, windows: [10s]}
`

func TestS16AnEntityWhoseKeyItLacksKeepsTheContributionCounted(t *testing.T) {
	bothWays(t, retracting(ofTwo), func(r *run) {
		r.pay("0s", `"id":"1","card":"a","user":"u"`)
		r.pay("1s", `"card":"a","undo":"1"`)
		r.want("v.n_10s", "0")
		r.wantRead("w.n_10s", "u", "1s", "1")
		r.pay("2s", `"card":"b","user":"u","undo":"1"`) // not the card's
		r.want("v.n_10s", "0 NOT_FOUND", "w.n_10s", "0")
		for _, l := range r.engine.Stats().Logs {
			if want := map[string]int64{"card": 0, "user": 1}[l.Entity.Name]; l.RetractKeyless != want {
				t.Errorf("%s: %d without a key, want %d", l.Entity.Name, l.RetractKeyless, want)
			}
		}
	})
}

func TestS16WhatIsNotFoundWithinTheLatenessIsCounted(t *testing.T) {
	bothWays(t, retracting(ofTwo), func(r *run) {
		r.pay("0s", `"card":"a","undo":"1"`)
		r.pay("1s", `"card":"a","undo":"2"`)
		r.pay("2s", `"id":"3","card":"a"`)
		r.pay("3s", `"card":"a","undo":"3"`)
		r.record("pay", 1, "0s", `"id":"2","card":"a"`)
		if unknown(r.engine) != 0 {
			t.Errorf("%d are unknown before the lateness is over", unknown(r.engine))
		}
		r.pay("2m", `"card":"a"`)
		if unknown(r.engine) != 1 {
			t.Errorf("%d are unknown, want 1", unknown(r.engine))
		}
	})
}

func TestS16TheRowsOfItsViewsAreWritten(t *testing.T) {
	bothWays(t, retracting(taken), func(r *run) {
		rows := func() (list []string) {
			r.engine.Rows(func(row *features.Row) {
				sum := ""
				for i, c := range row.Layout.Columns {
					if c.Feature.Short == "sum_10s" {
						sum = show(row.Values[i], c.Scale, row.Statuses[i])
					}
				}
				list = append(list, row.Key+" "+sum+" at "+show(row.Values[0], 0, features.Present))
				if want := start.UnixMilli() + 4000; len(list) > 0 && row.AsOf != want {
					t.Errorf("as of %d, want %d", row.AsOf, want)
				}
			})
			return list
		}
		r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1`)
		r.pay("1s", `"id":"2","card":"a","qty":1,"amt":2`)
		r.engine.DropTouches()
		r.pay("4s", `"card":"a","undo":"1"`)
		if got := rows(); len(got) != 1 || got[0] != "a 2 at 1" {
			t.Errorf("rows %q", got)
		}
		r.pay("5s", `"card":"a","undo":"unknown"`)
		if got := rows(); len(got) != 0 {
			t.Errorf("rows %q of a retraction that took nothing back", got)
		}
	})
}

// What was taken back and then leaves the log of a hot key is not in the tiles of
// its windows; and its row stays as of the event that took it back.
func TestS16WhatWasTakenBackIsFoldedWithoutItsContribution(t *testing.T) {
	r := newRun(t, retracting(strings.Replace(taken, "ttl: 1h\n", "ttl: 1h\n    event_budget: 3\n", 1)))
	r.pay("0s", `"id":"1","card":"a","qty":1,"amt":1`)
	r.pay("4s", `"card":"a","undo":"1"`)
	r.pay("1s", `"card":"a","qty":1,"amt":2`)
	r.pay("2s", `"card":"a","qty":1,"amt":4`)
	r.pay("3s", `"card":"a","qty":1,"amt":8`)
	if folded := r.engine.Stats().Logs[0].Folded; folded != 2 {
		t.Fatalf("%d events are folded", folded)
	}
	r.wantRead("v.sum_10s", "a", "5s", "14 DEGRADED")
	r.wantRead("v.n_10s", "a", "5s", "3 DEGRADED")
	rows := 0
	r.engine.Rows(func(row *features.Row) {
		rows++
		if want := start.UnixMilli() + 4000; row.AsOf != want {
			t.Errorf("as of %d, want %d", row.AsOf, want)
		}
	})
	if rows != 1 {
		t.Errorf("%d rows", rows)
	}
}

// What takes an event back may leave the log before that one comes, of a partition that
// lags: it is kept, and leaves nothing in doubt.
func TestS16WhatTakesAnEventBackMayLeaveTheLogBeforeThat(t *testing.T) {
	text := regexp.MustCompile(`allowed_lateness: \S+`).ReplaceAllString(retracting(`
  v: {version: 1, source: pay, entity: card, ttl: 2m, features: {n: {aggregation: count}}}
`), "allowed_lateness: 1ms")
	r := newRunOf(t, text, 1)
	r.record("pay", 0, "999ms", `"id":"u","card":"a","undo":"1"`)
	r.record("pay", 0, "121999ms", `"id":"2","card":"a"`)
	r.record("pay", 1, "1000ms", `"id":"1","card":"a"`)
	r.want("v.n", "0")
	r.record("pay", 1, "1002ms", `"id":"3","card":"a"`)
	r.record("pay", 1, "121999ms", `"id":"4","card":"a"`)
	r.want("v.n", "2")

	bothWays(t, retracting("\n  v:\n    version: 1\n    source: pay\n    entity: card\n    ttl: 10m\n    features:\n      n: {aggregation: count, windows: [1s]}\n"), func(r *run) {
		r.pay("0s", `"id":"1","card":"a"`)
		r.pay("1s", `"card":"a","undo":"1"`)
		r.pay("2s", `"card":"a","undo":"2"`)
		for i := range 12 {
			r.pay(fmt.Sprintf("%ds", 300+i), `"card":"a"`)
		}
		r.pay("312s", `"card":"a","undo":"nobody"`)
		r.record("pay", 1, "50s", `"id":"3","card":"a"`)
		r.want("v.n_1s", "1")
		r.asks = true
		r.record("pay", 1, "60s", `"id":"2","card":"a"`)
		r.asks = false
		r.want("v.n_1s", "0")
		r.record("pay", 1, "61s", `"id":"1","card":"a"`) // the other one of that id had been found
		r.want("v.n_1s", "0")
		r.record("pay", 1, "62s", `"id":"2","card":"a"`)
		r.want("v.n_1s", "0")
		r.record("pay", 2, "63s", `"id":"2","card":"a"`) // which is not waited for any more
		r.want("v.n_1s", "1")
	})
}

// An entity with what takes an event back is known as long as that is waited for, however
// short its views are.
func TestS16WhatTakesAnEventBackIsNotForgotten(t *testing.T) {
	bothWays(t, retracting("\n  v: {version: 1, source: pay, entity: card, ttl: 10s, features: {n: {aggregation: count, windows: [5s]}}}\n"), func(r *run) {
		r.pay("0s", `"card":"a","undo":"1"`)
		for i := range 20 {
			r.record("pay", i%2, "75s", fmt.Sprintf(`"card":"c%d"`, i))
			r.engine.DropTouches()
		}
		r.pay("20s", `"id":"1","card":"a"`)
		r.want("v.n_5s", "0")
	})
}

// Of a partition that lags by more than a day, it may have been forgotten.
func TestS16WhatWasForgottenMayHaveTakenAnEventBack(t *testing.T) {
	bothWays(t, retracting("\n  v: {version: 1, source: pay, entity: card, ttl: 10m, features: {n: {aggregation: count, windows: [5s]}}}\n"), func(r *run) {
		r.pay("0s", `"card":"a","undo":"1"`)
		for i := range 20 {
			r.pay("25h", fmt.Sprintf(`"card":"c%d"`, i))
			r.engine.DropTouches()
		}
		r.record("pay", 1, "30s", `"id":"1","card":"a"`)
		r.want("v.n_5s", "1 INCOMPLETE")
		r.record("pay", 1, "61s", `"id":"2","card":"a"`) // is not waited for any more
		r.want("v.n_5s", "1")
	})
}

// What takes an event back may be folded before that one comes: it is kept for as long as
// that is waited for, and leaves nothing else in doubt.
func TestS16WhatTakesAnEventBackMayBeFoldedBeforeThat(t *testing.T) {
	text := retracting("\n  v:\n    version: 1\n    source: pay\n    entity: card\n    ttl: 10m\n    event_budget: 3\n" +
		"    features: {n: {aggregation: count, windows: [1s]}, few: {aggregation: count, last: [3]}}\n")
	for _, x := range []struct{ named, at, n string }{
		{"", "11s", "1"},
		{`,"undone":1767607211000`, "11s", "1"},
		{`,"undone":1767607212000`, "11s", "2"}, // another event of that id
		{"", "63s", "1"},                        // which is not waited for any more
	} {
		r := newRun(t, text)
		r.pay("1s", `"card":"a","undo":"1"`+x.named)
		for i := range 3 {
			r.pay(fmt.Sprintf("%ds", 2+i), `"card":"a"`)
		}
		r.want("v.n_1s", "1", "v.few_last3", "3")
		r.pay("11s", `"id":"2","card":"a"`)
		r.want("v.n_1s", "1")
		r.pay(x.at, `"id":"1","card":"a"`)
		r.want("v.n_1s", x.n)
	}
}

// Of two that name one event to come, the newer one takes it back, where the older one
// has waited too long.
func TestS16TwoThatTakeAnEventBackMayBeFoldedBeforeThat(t *testing.T) {
	r := newRun(t, retracting("\n  v:\n    version: 1\n    source: pay\n    entity: card\n    ttl: 10m\n    event_budget: 3\n    features: {n: {aggregation: count, windows: [1s]}}\n"))
	r.pay("1s", `"card":"a","undo":"1"`)
	r.pay("30s", `"card":"a","undo":"1"`)
	for i := range 3 {
		r.pay(fmt.Sprintf("%ds", 31+i), `"card":"a"`)
	}
	r.pay("63s", `"id":"2","card":"a"`)
	r.want("v.n_1s", "1")
	r.pay("63s", `"id":"1","card":"a"`)
	r.want("v.n_1s", "1")
}
