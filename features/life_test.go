package features_test

import (
	"fmt"
	"strings"
	"testing"
)

// A lagging partition feeds events into a life that has left the log: what is
// read behind it is exact.
func TestS22LaggingPartitionJoinsAFoldedLife(t *testing.T) {
	r := newRun(t, `
version: 1
namespace: rules
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    allowed_lateness: 1s
    fields:
      at: {type: timestamp}
      user: {type: string}
      card: {type: string, optional: true}
      amt: {type: int}
entities:
  user: {key: user}
feature_views:
  v:
    version: 1
    source: pay
    entity: user
    ttl: 1s
    features:
      cards: {aggregation: count_distinct, field: card, filter: 'amt > 2'}
`)
	feed := func(partition int, at, card string, amt string) {
		t.Helper()
		if got := r.record("pay", partition, at, `"user":"2","card":"`+card+`","amt":`+amt); got != "accepted" {
			t.Fatal(got)
		}
	}
	feed(0, "5s", "c1", "0")
	feed(1, "4s", "c0", "0")
	feed(0, "10s", "c1", "0")
	feed(1, "5s", "c1", "7")
	feed(1, "5001ms", "c12", "0")
	feed(1, "5999ms", "c12", "0")
	feed(2, "5s", "c3", "0")
	feed(2, "5001ms", "c3", "0")
	feed(2, "6001ms", "c12", "10")
	if got := r.get("v.cards"); got != "2" && got != "2 INCOMPLETE" && got != "1 INCOMPLETE" {
		t.Errorf("cards is %s, want 2", got)
	}
}

const lives = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 10s
    filter: 'ok'
    features:
      n:     {aggregation: count}
      past:  {aggregation: count, exclude_current: true}
      sum:   {aggregation: sum, field: x}
      low:   {aggregation: min, field: qty}
      mccs:  {aggregation: count_distinct, field: mcc}
      new:   {aggregation: is_new, field: mcc}
      mcc:   {aggregation: last, field: mcc}
      since: {aggregation: time_since_last, exclude_current: true}
      old:   {aggregation: count, delay: 5s}
`

func TestS22SilenceOfExactlyTTLBeginsANewLife(t *testing.T) {
	r := newRun(t, specOf(lives))
	r.pay("0s", `"card":"a","ok":true,"qty":1,"mcc":"x"`)
	r.pay("9999ms", `"card":"a","ok":true,"qty":5,"mcc":"y"`)
	r.want("v.n", "2", "v.low", "1", "v.mccs", "2", "v.since", "9.999")
	r.pay("19999ms", `"card":"a","ok":true,"qty":7,"mcc":"x"`)
	r.want("v.n", "1", "v.low", "7", "v.mccs", "1", "v.new", "true", "v.since", "null DEFAULT", "v.past", "0")
}

func TestS22FilteredEventsReadALifeAndDoNotKeepIt(t *testing.T) {
	r := newRun(t, specOf(lives))
	r.pay("0s", `"card":"a","ok":true,"mcc":"x"`)
	r.pay("5s", `"card":"a","ok":false,"mcc":"x"`)
	r.want("v.n", "1", "v.new", "false", "v.since", "5")
	r.pay("10s", `"card":"a","ok":false,"mcc":"x"`)
	r.want("v.n", "0 NOT_FOUND", "v.new", "true NOT_FOUND", "v.mcc", "null NOT_FOUND")
}

func TestS22LateEventJoinsTwoLives(t *testing.T) {
	r := newRun(t, specOf(lives))
	r.pay("0s", `"card":"a","ok":true,"qty":1,"x":1,"mcc":"x"`)
	r.pay("1s", `"card":"a","ok":true,"qty":2,"x":2,"mcc":"y"`)
	r.pay("15s", `"card":"a","ok":true,"qty":4,"x":4,"mcc":"x"`)
	r.want("v.n", "1", "v.sum", "4")
	r.pay("8s", `"card":"a","ok":true,"qty":3,"x":8,"mcc":"z"`)
	r.want("v.n", "3", "v.sum", "11", "v.mccs", "3")
	r.pay("16s", `"card":"a","ok":true,"x":16,"mcc":"z"`)
	r.want("v.n", "5", "v.sum", "31", "v.mccs", "3", "v.low", "1", "v.new", "false")
}

// What leaves the log stays in the life.
func TestS22LifeOutlivesItsLog(t *testing.T) {
	r := newRun(t, specOf(lives))
	mccs := []string{"a", "b", "c", "d", "e"}
	for i := range 500 {
		r.pay(fmt.Sprintf("%ds", 3*i), fmt.Sprintf(`"card":"a","ok":true,"qty":%d,"x":0.5,"mcc":%q`, 1000-i%7, mccs[min(i/100, 4)]))
	}
	r.want("v.n", "500", "v.sum", "250", "v.low", "994", "v.mccs", "5", "v.new", "false", "v.since", "3", "v.past", "499", "v.old", "498")
	r.pay("1480s", `"card":"a","ok":true,"qty":1,"mcc":"b"`) // late, and "b" left the log long ago
	r.want("v.n", "495", "v.new", "false", "v.mccs", "5", "v.low", "1")
	r.wantRead("v.n", "a", "1506s", "501")
	r.wantRead("v.old", "a", "1506s", "501")
	r.wantRead("v.mcc", "a", "1506s", "e")
	r.wantRead("v.n", "a", "1507s", "0 NOT_FOUND")
}

// An entity that is idle for long enough is forgotten, with all it held.
func TestIdleEntitiesAreSwept(t *testing.T) {
	r := newRun(t, specOf(lives))
	for i := range 300 {
		r.pay(fmt.Sprintf("%ds", i), fmt.Sprintf(`"card":"c%d","ok":true,"qty":1,"mcc":"m%d"`, i, i))
		r.engine.DropTouches()
	}
	if keys := r.engine.Stats().Views[0].Keys; keys > 200 {
		t.Errorf("%d entities are kept", keys)
	}
	r.wantRead("v.n", "c0", "300s", "0 NOT_FOUND")
	r.wantRead("v.mcc", "c299", "300s", "m299")
}

// Behind the state, a life is found by a scan: with the same edges.
func TestS22LateReadingFindsTheLifeOfItsTime(t *testing.T) {
	r := newRun(t, specOf(lives))
	for _, at := range []string{"0s", "10s", "19s", "30s"} {
		r.pay(at, `"card":"a","ok":true`)
	}
	r.pay("9999ms", `"card":"a","ok":false`)
	r.want("v.n", "1", "v.since", "9.999")
	r.pay("11s", `"card":"a","ok":false`)
	r.want("v.n", "1", "v.since", "1")
	r.pay("28999ms", `"card":"a","ok":false`)
	r.want("v.n", "2")
	r.pay("29s", `"card":"a","ok":false`)
	r.want("v.n", "0 NOT_FOUND")
}

// An entity is kept as long as a late event may join its life, and no longer.
func TestS22IdleEntitiesAreKeptForLateEvents(t *testing.T) {
	r := newRun(t, specOf(lives))
	r.pay("0s", `"card":"a","ok":true`)
	for i := range 80 {
		r.pay(fmt.Sprintf("%dms", 61_000+100*i), fmt.Sprintf(`"card":"c%d","ok":true`, i))
		r.engine.DropTouches()
	}
	r.pay("9s", `"card":"a","ok":true`)
	r.want("v.n", "2")
}

// A ttl or a window may be longer than the time since 1970.
func TestS22LifeWithoutEnd(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 36500d
    features:
      n:   {aggregation: count}
      new: {aggregation: is_new, field: mcc, windows: [36500d]}
      all: {aggregation: count, windows: [36500d]}
`))
	r.pay("0s", `"card":"a","mcc":"x"`)
	r.want("v.n", "1", "v.new_36500d", "true", "v.all_36500d", "1")
	r.pay("1s", `"card":"a","mcc":"x"`)
	r.want("v.n", "2", "v.new_36500d", "false", "v.all_36500d", "2")
}

// Each event here is folded before the next, older one comes: what has left the
// log is later than the newest row that is put before it.
func TestS22GapsOfALifeWhateverTheOrder(t *testing.T) {
	const gaps = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    event_budget: 1
    features:
      cv: {aggregation: interarrival_cv}
`
	read := func(times ...string) string {
		r := newRunOf(t, specOf(gaps), 1)
		for _, at := range times {
			r.pay(at, `"card":"a"`)
		}
		return r.read("v.cv", "a", "11s")
	}
	if forth, back := read("1s", "3s", "5s", "10s"), read("10s", "5s", "3s", "1s"); forth != back || !strings.HasPrefix(forth, "0.577350269") {
		t.Errorf("in order %s, backwards %s", forth, back)
	}
}

// What a session that is over may lack says nothing about one that began after it.
func TestS26ASessionIsKnownWhateverTheOneBeforeItLacks(t *testing.T) {
	r := newRunOf(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    event_budget: 4
    features:
      n:    {aggregation: count, session: 2s}
      life: {aggregation: count}
`), 1)
	for _, at := range []string{"1s", "4s", "3s", "6s", "6s", "6s", "2s"} {
		r.pay(at, `"card":"a"`)
	}
	r.want("v.n", "2 INCOMPLETE") // late, and joins one that has left the log
	r.pay("7s", `"card":"a"`)
	r.want("v.n", "4", "v.life", "8")
	r.pay("20s", `"card":"a"`)
	r.want("v.n", "1", "v.life", "9")
	if got := r.read("v.n", "a", "30s"); got != "0" {
		t.Errorf("a read of no session is %s", got)
	}
}
