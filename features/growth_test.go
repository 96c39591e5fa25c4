package features_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
)

// growthCuts are the ways to cut a window. Each holds events of a thousand
// seconds or more, but for `last`.
var growthCuts = []struct {
	over aggregate.Over
	keys string
}{
	{aggregate.Sliding, "windows: [500s, 1000s]"},
	{aggregate.Delayed, "windows: [500s, 1000s], delay: 100s"},
	{aggregate.LastN, "last: [5]"},
	{aggregate.LastNDelayed, "last: [5], delay: 500s"},
	{aggregate.Session, "session: 100s"},
	{aggregate.Lifetime, ""},
	{aggregate.LifetimeDelayed, "delay: 100s"},
	{aggregate.HalfLives, "half_lives: [100s]"},
	{aggregate.HalfLivesDelayed, "half_lives: [100s], delay: 100s"},
	{aggregate.By, "windows: [500s, 1000s], by: mcc, top: 3"},
	{aggregate.ByDelayed, "windows: [500s], by: mcc, top: 3, delay: 100s"},
	{aggregate.ByLast, "last: [5], by: mcc, top: 3"},
	{aggregate.BySession, "session: 100s, by: mcc, top: 3"},
	{aggregate.ByLifetime, "by: mcc, top: 3"},
	{aggregate.ByHalfLives, "half_lives: [100s], by: mcc, top: 3"},
}

// growthData are the kinds of data.
var growthData = []aggregate.Data{aggregate.Usual, aggregate.Excluding, aggregate.Rare, aggregate.Unlike, aggregate.Various, aggregate.Apart, aggregate.Changing, aggregate.Reversed}

// growthSpec is the spec of one aggregation over one kind of window, for data of
// a kind; "": the language does not offer it.
func growthSpec(t *testing.T, name, cut string, data aggregate.Data) string {
	t.Helper()
	keys := definitionOf(name, data)
	if keys == nil {
		return ""
	}
	of := specOf
	if data == aggregate.Reversed {
		of = retracting
	}
	text := of("\n  v:\n    version: 1\n    source: pay\n    entity: card\n    ttl: 1d\n    features:\n      f: {" + strings.Join(append(keys, cut), ", ") + "}\n")
	path := filepath.Join(t.TempDir(), "test.freshet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, diagnostics, err := spec.Load([]string{path}); err != nil {
		t.Fatal(err)
	} else if diagnostics.HasErrors() {
		return ""
	}
	return text
}

// definitionOf is what a definition of an aggregation needs, over data of which
// it asks something; else nil.
func definitionOf(name string, data aggregate.Data) []string {
	a, _ := spec.AggregationOf(name)
	takes, filter := a.Input == spec.InputRequired, ""
	switch {
	case data == aggregate.Excluding && a.PastOnly, data == aggregate.Unlike && !takes:
		return nil
	case data == aggregate.Rare:
		filter = "qty < 0"
	case a.Filter:
		filter = "ok"
	}
	field := map[bool]string{true: "amt", false: "user"}[a.Types != spec.AnyType]
	keys := []string{"aggregation: " + name}
	for _, need := range []struct {
		is  bool
		key string
	}{{takes, "field: " + field}, {data == aggregate.Excluding, "exclude_current: true"}, {filter != "", "filter: '" + filter + "'"}, {a.Numerator, "numerator: ok"},
		{a.Per == "required", "per: 1s"}, {a.Q, "q: 0.5"}, {a.Limit, "limit: 3"}, {a.OrderBy, "order_by: qty"}} {
		if need.is {
			keys = append(keys, need.key)
		}
	}
	return keys
}

// growthSteps is what an event looks at when n events come in a thousand
// seconds, five of them rare: on average over the newest, and over those a few
// places late.
func growthSteps(t *testing.T, text string, data aggregate.Data, n int) map[aggregate.When]float64 {
	t.Helper()
	r, rng := newRunOf(t, text, 1), rand.New(rand.NewPCG(1, 2))
	sums, events := map[aggregate.When]float64{}, map[aggregate.When]float64{}
	for i := range 3 * n {
		at, when := 1000*(i+1), aggregate.InOrder
		if i%7 == 6 {
			at, when = at-2500, aggregate.Late
		}
		qty := 1 + rng.IntN(1000)
		if i%(n/5) == n/10 {
			qty = -qty
		}
		amt, user, mcc := rng.IntN(8), rng.IntN(8), rng.IntN(8)
		switch data {
		case aggregate.Changing:
			mcc = i % 8
			fallthrough
		case aggregate.Unlike:
			amt, user = i, i
		case aggregate.Various:
			mcc = rng.IntN(n / 4)
		case aggregate.Apart:
			mcc = i
		}
		fields := fmt.Sprintf(`"qty":%d,"amt":%d,"ok":%t,"mcc":"m%d","user":"u%d"`, qty, amt, rng.IntN(8) > 0, mcc, user)
		if data == aggregate.Reversed && i%10 == 9 {
			fields = fmt.Sprintf(`"undo":"i%d"`, i-1-rng.IntN(min(i, n)))
		}
		before := r.engine.Steps()
		r.pay(fmt.Sprintf("%dms", at*1000/n), fmt.Sprintf(`"id":"i%d","card":"a",%s`, i, fields))
		if i >= 2*n { // the windows are full
			sums[when] += float64(r.engine.Steps() - before)
			events[when]++
		}
	}
	return map[aggregate.When]float64{aggregate.InOrder: sums[aggregate.InOrder] / events[aggregate.InOrder], aggregate.Late: sums[aggregate.Late] / events[aggregate.Late]}
}

// What an event costs does not grow with how many events there are, over every
// aggregation, kind of window and kind of data, but for what the table of
// exceptions says, which is what the reference page says too.
func TestWhatGrowsIsInTheTable(t *testing.T) {
	grown, offered := map[string]bool{}, map[string]bool{}
	for _, a := range aggregate.Table {
		for _, cut := range growthCuts {
			for _, data := range growthData {
				by := strings.HasPrefix(string(cut.over), "by")
				if by && data == aggregate.Rare || !by && (data == aggregate.Various || data == aggregate.Apart || data == aggregate.Changing) {
					continue // as without a filter; as without categories
				}
				if text := growthSpec(t, a.Name, cut.keys, data); text != "" {
					offered[a.Name] = true
					grows(t, text, aggregate.Case{Name: a.Name, Over: cut.over, Data: data}, grown)
				}
			}
		}
		if !offered[a.Name] {
			t.Errorf("%s is over no kind of window", a.Name)
		}
	}
	for _, g := range aggregate.Growths {
		if !grown[g.What] {
			t.Errorf("nothing grows any more by %s, of %v over %v: take it out of the table", g.What, g.Of, g.Over)
		}
	}
}

// grows finds out whether a case grows, and notes by what. What is looked at by
// quarters is so little at first that it seems to: then it is asked again of more, and
// of more still.
func grows(t *testing.T, text string, c aggregate.Case, grown map[string]bool) {
	t.Helper()
	few, many := 30, 150
	if c.Data == aggregate.Rare {
		few, many = 100, 500 // they are far apart
	}
	narrow, wide := growthSteps(t, text, c.Data, few), growthSteps(t, text, c.Data, many)
	for _, c.When = range []aggregate.When{aggregate.InOrder, aggregate.Late} {
		if !grew(narrow, wide, c.When) {
			continue
		}
		if what := c.Grows(); what != "" {
			grown[what] = true
			continue
		}
		less, n, more := wide, 4*many, growthSteps(t, text, c.Data, 4*many)
		if grew(less, more, c.When) {
			less, n, more = more, 16*many, growthSteps(t, text, c.Data, 16*many)
		}
		if grew(less, more, c.When) {
			t.Errorf("%s over %s, %s, %s: %.1f steps with %d events, %.1f with %d", c.Name, c.Over, c.Data, c.When, less[c.When], n/4, more[c.When], n)
		}
	}
}

func grew(narrow, wide map[aggregate.When]float64, w aggregate.When) bool {
	return wide[w] > narrow[w]*2+6
}
