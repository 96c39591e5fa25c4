package features_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

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

// ordered is a view with what a life puts together in the order of events.
func ordered(budget int) string {
	return specOf(fmt.Sprintf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 10s
    event_budget: %d
    features:
      run: {aggregation: streak, filter: 'ok'}
      dev: {aggregation: interarrival_stddev, unit: ms}
`, budget))
}

func (r *run) okay(partition int, at, ok string) {
	r.t.Helper()
	if got := r.record("pay", partition, at, `"card":"a","ok":`+ok); got != "accepted" {
		r.t.Fatalf("at %s: %s", at, got)
	}
}

// An event at the very time of events that were folded: its place says whether
// it goes before or behind them, and between them nobody knows what it breaks.
func TestS26AStreakKnowsThePlacesOfWhatWasFolded(t *testing.T) {
	for _, c := range []struct {
		partition int
		ok, want  string
	}{
		{0, "true", "2"},
		{2, "true", "2 INCOMPLETE"},
		{2, "false", "2 INCOMPLETE"},
		{4, "true", "3"},
		{4, "false", "1"},
	} {
		t.Run(fmt.Sprint(c.partition, c.ok), func(t *testing.T) {
			r := newRun(t, ordered(1))
			r.okay(5, "2s", "true")
			r.okay(1, "1s", "false")
			r.okay(3, "1s", "true")
			r.okay(c.partition, "1s", c.ok)
			r.wantRead("v.run", "a", "2s", c.want)
			r.okay(5, "12s", "true") // that life has ended
			r.okay(5, "13s", "true")
			r.wantRead("v.run", "a", "13s", "2")
		})
	}
}

// A lagging partition's event lies before what has left the log, and the log
// keeps it: a streak that has ended there is not longer by it, and the gaps of two
// such events are no others than they were.
func TestS22AnOrderBeforeWhatHasLeftTheLogIsNotKnown(t *testing.T) {
	for last := 90; last < 400; last += 10 {
		r := newRun(t, ordered(100_000))
		r.okay(0, "10s", "false")
		for at := 12; at <= last; at += 2 {
			r.okay(0, fmt.Sprintf("%ds", at), "true")
		}
		now := fmt.Sprintf("%ds", last)
		r.wantRead("v.run", "a", now, fmt.Sprint((last-10)/2))
		r.wantRead("v.dev", "a", now, "0")
		r.okay(1, "7s", "true")
		r.okay(1, "5s", "true")
		for _, name := range []string{"v.run", "v.dev"} {
			if got := r.read(name, "a", now); !strings.HasSuffix(got, " INCOMPLETE") && got != orderedAt(name, last) {
				t.Errorf("%s at %s is %s, want %s or INCOMPLETE", name, now, got, orderedAt(name, last))
			}
		}
	}
}

// orderedAt is v.run, and v.dev, over 5s, 7s, 10s, and all of 2 s until last.
func orderedAt(name string, last int) string {
	n := (last - 10) / 2
	if name == "v.run" {
		return fmt.Sprint(n)
	}
	gaps, sum, squares := float64(n+2), float64(last-5), float64(4*n+4+9)
	return fmt.Sprint(1000 * math.Sqrt((squares-sum*sum/gaps)/(gaps-1)))
}
