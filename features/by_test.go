package features_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

const divided = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      sum:  {aggregation: sum, field: amt, by: mcc, top: 2, windows: [10s]}
      mean: {aggregation: mean, field: amt, by: mcc, top: 1, min_count: 2, default: -1, windows: [10s]}
      all:  {aggregation: count, by: mcc, top: 3}
      big:  {aggregation: max, field: amt, by: qty, top: 9, session: 10s, exclude_current: true}
`

const oneOfThem = `
feature_services:
  svc:
    version: 1
    on: pay
    features:
      - v: ['sum_10s["x"]', 'sum_10s["other"]', 'sum_10s["nope"]', 'mean_10s["x"]', 'all["_other"]']
`

// entries is a map as text.
func entries(v event.Value) string {
	var parts []string
	for _, e := range v.Entries() {
		text := "null"
		if x, ok := e.Value.Number(2); ok {
			text = show(event.OfDouble(x), 0, 9)
		}
		parts = append(parts, e.Key+":"+text)
	}
	return strings.Join(parts, " ")
}

func (r *run) wantMap(name, want string) {
	r.t.Helper()
	for i, c := range r.plan.Layout(r.last).Columns {
		if c.Name == name {
			if got := entries(r.vectors[r.last].Values[i]); got != want {
				r.t.Errorf("%s is %q, want %q", name, got, want)
			}
			return
		}
	}
	r.t.Fatalf("no column %s", name)
}

func TestS25TopCategoriesAndTheOthers(t *testing.T) {
	r, svc := newRun(t, specOf(divided)), newRun(t, specOf(divided+oneOfThem))
	pay := func(at, fields string) {
		r.pay(at, `"card":"a",`+fields)
		svc.pay(at, `"card":"a",`+fields)
	}
	pay("0s", `"amt":1,"mcc":"x","qty":7`)
	r.wantMap("v.sum_10s", "x:1")
	r.wantMap("v.mean_10s", "x:-1")
	r.wantMap("v.big", "")
	svc.want(`v.sum_10s["x"]`, "1", `v.sum_10s["other"]`, "0", `v.sum_10s["nope"]`, "0", `v.mean_10s["x"]`, "-1 DEFAULT", `v.all["_other"]`, "0")
	pay("1s", `"amt":2,"mcc":"y","qty":7`)
	r.wantMap("v.sum_10s", "x:1 y:2") // equally many: the smaller first
	r.wantMap("v.mean_10s", "x:-1 other:-1")
	r.wantMap("v.big", "7:1")
	pay("2s", `"amt":4,"mcc":"other"`)
	r.wantMap("v.sum_10s", "_other:4 x:1 other:2")
	svc.want(`v.sum_10s["x"]`, "1", `v.sum_10s["other"]`, "2", `v.sum_10s["nope"]`, "null DEFAULT", `v.all["_other"]`, "1")
	pay("3s", `"amt":8,"mcc":"y"`)
	pay("4s", `"amt":16`) // no category
	r.wantMap("v.sum_10s", "y:10 _other:4 other:1")
	r.wantMap("v.mean_10s", "y:5 other:2.5")
	pay("10s", `"amt":32,"mcc":"x"`) // the first has left the window, not the life
	r.wantMap("v.sum_10s", "y:10 _other:4 other:32")
	r.wantMap("v.all", "x:2 y:2 _other:1")
}

// No two categories are shown by one name, and an empty one can be listed too.
func TestS25CategoriesWithTheNamesOfOthers(t *testing.T) {
	text := specOf(strings.ReplaceAll(divided, "top: 2", "top: 4"))
	list := strings.Replace(oneOfThem, `'sum_10s["nope"]'`, `'sum_10s["_other"]', 'sum_10s["__other"]', 'sum_10s[""]'`, 1)
	r, svc := newRun(t, text), newRun(t, text+list)
	for i, mcc := range []string{"other", "_other", "__other", "", "x", "_others"} {
		fields := fmt.Sprintf(`"card":"a","amt":%d,"mcc":"%s"`, 1<<i, mcc)
		r.pay(seconds(i), fields)
		svc.pay(seconds(i), fields)
	}
	r.wantMap("v.sum_10s", ":8 ___other:4 __other:2 _others:32 other:17")
	svc.want(`v.sum_10s[""]`, "8", `v.sum_10s["__other"]`, "2", `v.sum_10s["_other"]`, "null DEFAULT", `v.sum_10s["other"]`, "17")
	for _, layout := range svc.plan.Reads() {
		var names []string
		for _, c := range layout.Columns {
			names = append(names, c.Name())
		}
		if !slices.Contains(names, `v.sum_10s[""]`) || !slices.Contains(names, "v.sum_10s") {
			t.Errorf("a read has %q", names)
		}
	}
}

// Of a life that is longer than the log, the log keeps the events.
func TestS25CategoriesOfALongLife(t *testing.T) {
	r := newRun(t, specOf(divided))
	for i := range 300 {
		r.pay(seconds(600*i), `"card":"a","amt":1,"mcc":"`+string(rune('a'+i%3))+`"`)
	}
	r.wantMap("v.all", "a:100 b:100 c:100")
}

// What the log of a long life lets go of is in no record any more: neither of
// what can be taken back, nor of what cannot.
func TestS26CategoriesOfALifePastTheBudget(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    event_budget: 20
    features:
      all: {aggregation: count, by: mcc, top: 3}
      big: {aggregation: max, field: amt, by: mcc, top: 3}
`))
	for i := range 50 {
		r.pay(seconds(i), fmt.Sprintf(`"card":"a","amt":%d,"mcc":"%c"`, 100-i, 'a'+i/10))
	}
	r.wantMap("v.all", "d:10 e:10")
	r.wantMap("v.big", "d:70 e:60")
}

// Of values that are counted by category, what has left the window has left their
// buckets too: those that remain are one number, and the quantile is that one.
func TestS25AQuantileByCategoryForgets(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      half:  {aggregation: quantile, field: qty, q: 0.5, by: mcc, top: 1, windows: [10s]}
      kinds: {aggregation: count_distinct, field: qty, by: mcc, top: 1, windows: [10s]}
`))
	for i := range 30 { // so many that it has a running state
		r.pay(seconds(i%2), `"card":"a","qty":999,"mcc":"x"`)
	}
	for at, fields := range []string{`1001,"mcc":"x"`, `1001,"mcc":"y"`, `1005,"mcc":"z"`, `1001,"mcc":"x"`} {
		r.pay(seconds(2+2*at), `"card":"a","qty":`+fields)
	}
	r.wantMap("v.kinds_10s", "x:2 other:2")
	r.pay("11s", `"card":"a","qty":1001,"mcc":"x"`)
	r.wantMap("v.half_10s", "x:1001 other:1001")
	r.wantMap("v.kinds_10s", "x:1 other:2")
}

// What a service lists of a map can be read without an event too; the store
// keeps the map alone.
func TestS25ACategoryIsReadBesideItsMap(t *testing.T) {
	r := newRun(t, specOf(divided+oneOfThem))
	r.pay("0s", `"card":"a","amt":1,"mcc":"x"`)
	r.pay("1s", `"card":"a","amt":2,"mcc":"y"`)
	r.pay("2s", `"card":"a","amt":4,"mcc":"z"`)
	var row features.Row
	r.engine.Read(r.plan.Reads()[0].View, "a", start.Add(9*time.Second).UnixMilli(), &row)
	got := map[string]string{}
	for i, c := range row.Layout.Columns {
		if c.Category.Listed {
			got[c.Name()] = show(row.Values[i], c.Scale, row.Statuses[i])
		}
	}
	want := map[string]string{`v.sum_10s["x"]`: "1", `v.sum_10s["other"]`: "4", `v.sum_10s["nope"]`: "null DEFAULT", `v.mean_10s["x"]`: "-1 DEFAULT",
		`v.all["_other"]`: "0"}
	if !maps.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	for _, layout := range r.plan.Rows() {
		for _, c := range layout.Columns {
			if c.Category.Listed {
				t.Errorf("the store holds %s", c.Name())
			}
		}
	}
}

// Sums by category follow the window, and are read without a look at its rows.
func TestWarmCategoriesAllocateNothing(t *testing.T) {
	head, _, _ := strings.Cut(plainSpec, "feature_views:")
	warmAllocatesNothing(t, compile(t, head+`feature_views:
  v:
    version: 1
    source: payments
    entity: card
    ttl: 31d
    features:
      spent: {aggregation: sum, field: amount, by: merchant, top: 3, windows: [24h, 7d]}
      past:  {aggregation: mean, field: amount, by: merchant, top: 3, windows: [7d], exclude_current: true}
      then:  {aggregation: count, by: device, top: 3, windows: [7d], delay: 1d}
      life:  {aggregation: sum, field: amount, by: merchant, top: 3}
      most:  {aggregation: max, field: amount, by: merchant, top: 3}
      kinds: {aggregation: count_distinct, field: device, by: merchant, top: 3, windows: [7d]}
      usual: {aggregation: mode, field: device, by: merchant, top: 3, windows: [24h]}
      half:  {aggregation: quantile, field: amount, q: 0.5, by: merchant, top: 3, windows: [24h]}
      run:   {aggregation: streak, filter: 'amount > 5', by: merchant, top: 3, windows: [24h]}
`))
}

// Of many categories, which come and leave one by one, the map has those with the
// most events and what is left of all: of a window and of a life, of what can be taken
// back and of what cannot.
func TestS25ManyCategories(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      sum: {aggregation: sum, field: amt, by: mcc, top: 2, windows: [40s]}
      max: {aggregation: max, field: amt, by: mcc, top: 2}
      new: {aggregation: last, field: amt, by: mcc, top: 2}
`))
	rng := rand.New(rand.NewPCG(3, 4))
	type seen struct{ n, sum, max, last int }
	var events []struct{ amt, mcc int }
	for i := range 300 {
		amt, mcc := 1+rng.IntN(1000), int(40*rng.Float64()*rng.Float64())
		if i >= 200 {
			mcc = i * 37 % 97 // no two in the window are of one
		}
		events = append(events, struct{ amt, mcc int }{amt, mcc})
		r.pay(seconds(i), fmt.Sprintf(`"card":"a","amt":%d,"mcc":"m%02d"`, amt, mcc))
		for _, of := range []struct {
			name string
			from int
			pick func(seen) int
		}{{"v.sum_40s", max(0, i-39), func(s seen) int { return s.sum }}, {"v.max", 0, func(s seen) int { return s.max }}, {"v.new", 0, func(s seen) int { return s.last }}} {
			by := map[int]seen{}
			add := func(s seen, amt int) seen {
				return seen{s.n + 1, s.sum + amt, max(s.max, amt), amt}
			}
			for _, x := range events[of.from:] {
				by[x.mcc] = add(by[x.mcc], x.amt)
			}
			keys := slices.SortedFunc(maps.Keys(by), func(a, b int) int { return cmp.Or(by[b].n-by[a].n, a-b) })
			var parts []string
			for _, k := range keys[:min(2, len(keys))] {
				parts = append(parts, fmt.Sprintf("m%02d:%d", k, of.pick(by[k])))
			}
			var rest seen
			for _, x := range events[of.from:] {
				if !slices.Contains(keys[:min(2, len(keys))], x.mcc) {
					rest = add(rest, x.amt)
				}
			}
			if rest.n > 0 {
				parts = append(parts, fmt.Sprintf("other:%d", of.pick(rest)))
			}
			r.wantMap(of.name, strings.Join(parts, " "))
		}
	}
}
