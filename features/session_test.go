package features_test

import (
	"strconv"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

const sessions = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n:     {aggregation: count, session: 10s}
      past:  {aggregation: count, session: 10s, exclude_current: true}
      sum:   {aggregation: sum, field: amt, session: 10s}
      big:   {aggregation: max, field: amt, session: 10s}
      mccs:  {aggregation: count_distinct, field: mcc, session: 10s}
      since: {aggregation: time_since_first, session: 10s}
      long:  {aggregation: count, session: 30s}
      all:   {aggregation: count}
`

func TestS23SessionClosesAtExactlyTheGap(t *testing.T) {
	r := newRun(t, specOf(sessions))
	r.pay("0s", `"card":"a","amt":4,"mcc":"x"`)
	r.pay("9999ms", `"card":"a","amt":1,"mcc":"x"`)
	r.want("v.n", "2", "v.past", "1", "v.sum", "5", "v.big", "4", "v.mccs", "1", "v.since", "9.999", "v.long", "2")
	r.wantRead("v.n", "a", "19998ms", "2")
	r.wantRead("v.n", "a", "19999ms", "0")
	r.wantRead("v.big", "a", "19999ms", "null DEFAULT")
	r.wantRead("v.long", "a", "19999ms", "2")
	r.pay("19999ms", `"card":"a","amt":2,"mcc":"y"`) // exactly the gap later: another session
	r.want("v.n", "1", "v.past", "0", "v.sum", "2", "v.big", "2", "v.mccs", "1", "v.since", "0", "v.long", "3", "v.all", "3")
}

func TestS23LateEventJoinsTwoSessions(t *testing.T) {
	for _, few := range []int{1, 100} { // with a running state, and without
		r := newRun(t, specOf(sessions))
		r.engine = features.NewEngine(r.plan, features.Options{Seed: [16]byte{7}, Few: few})
		r.pay("0s", `"card":"a","amt":4,"mcc":"x"`)
		r.pay("15s", `"card":"a","amt":1,"mcc":"y"`)
		r.want("v.n", "1", "v.mccs", "1")
		r.pay("5001ms", `"card":"a","amt":2,"mcc":"x"`) // 9999 ms before the second
		r.want("v.n", "2", "v.past", "1")
		r.wantRead("v.n", "a", "15s", "3")
		r.wantRead("v.sum", "a", "15s", "7")
		r.wantRead("v.mccs", "a", "15s", "2")
		r.wantRead("v.since", "a", "15s", "15")
	}
}

// The beginning of a session that outlives the log is in its base.
func TestS22LongSessionLeavesTheLog(t *testing.T) {
	r := newRun(t, specOf(sessions))
	for i := range 3000 {
		r.pay(seconds(9*i), `"card":"a","amt":1,"mcc":"x"`)
	}
	r.want("v.n", "3000", "v.past", "2999", "v.sum", "3000", "v.since", "26991", "v.mccs", "1")
	r.pay(seconds(9*2999+10), `"card":"a","amt":1,"mcc":"z"`)
	r.want("v.n", "1", "v.sum", "1", "v.long", "3001", "v.all", "3001", "v.mccs", "1")
}

func seconds(n int) string { return strconv.Itoa(n) + "s" }
