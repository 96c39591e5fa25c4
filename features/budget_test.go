package features_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// budgeted is one view with small budgets and most kinds of parts.
func budgeted(budget int, granularity string) string {
	return specOf(fmt.Sprintf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    event_budget: %d
%s    features:
      n:     {aggregation: count, windows: [2s, 10s]}
      few:   {aggregation: count, filter: 'qty > 1', windows: [10s]}
      past:  {aggregation: count, windows: [10s], exclude_current: true}
      old:   {aggregation: sum, field: qty, windows: [4s], delay: 3s}
      olds:  {aggregation: max, field: qty, windows: [4s], delay: 3s}
      sum:   {aggregation: sum, field: qty, windows: [2s, 10s]}
      xs:    {aggregation: sum, field: x, windows: [10s]}
      dev:   {aggregation: variance, field: qty, windows: [10s]}
      part:  {aggregation: ratio, numerator: 'qty > 1', windows: [10s]}
      min:   {aggregation: min, field: qty, windows: [10s]}
      max:   {aggregation: max, field: qty, windows: [2s, 10s]}
      first: {aggregation: first, field: mcc, windows: [10s]}
      last:  {aggregation: last, field: mcc, filter: 'qty > 1', windows: [10s]}
      since: {aggregation: time_since_first, windows: [10s], unit: ms}
      gap:   {aggregation: interarrival_mean, windows: [10s], unit: ms}
      kinds: {aggregation: count_distinct, field: mcc, windows: [2s, 10s]}
      new:   {aggregation: is_new, field: mcc, windows: [2s, 10s]}
      top:   {aggregation: top_share, field: mcc, windows: [10s]}
      all:   {aggregation: sum, field: qty}
      types: {aggregation: count_distinct, field: mcc}
`, budget, granularity))
}

// paid is one event of the model.
type paid struct {
	at  int64 // ms from start
	seq int   // offset
	qty int64
	mcc string
}

func byPlace(a, b paid) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) }

// budgetModel is S26 by brute force over the set of events, for a reader at t
// that sees events and not the current one where a feature asks for that.
type budgetModel struct {
	budget int
	grid   int64 // 0: the default
	set    []paid
}

// folded is the time of the newest event beyond the budget.
func (m *budgetModel) folded() (int64, bool) {
	if n := len(m.set) - m.budget; n > 0 {
		return m.set[n-1].at, true
	}
	return 0, false
}

// window are the events of (t-delay-length, t-delay] as S26 cuts it, and whether
// it is DEGRADED.
func (m *budgetModel) window(seen []paid, t, delay, length int64) ([]paid, bool) {
	grid := m.grid
	if grid == 0 {
		grid = (delay + length) / 60
	}
	base := start.UnixMilli()
	down := func(x int64) int64 { return (x+base+1)/grid*grid - 1 - base }
	from, to := t-delay-length, t-delay
	folded, has := m.folded()
	degraded := has && folded > from
	if degraded {
		if from = down(from); to < folded {
			to = down(to)
		}
	}
	var in []paid
	for _, p := range seen {
		if p.at > from && p.at <= to {
			in = append(in, p)
		}
	}
	return in, degraded
}

// newest are those of some events that are not folded.
func (m *budgetModel) newest(in []paid) []paid {
	return slices.DeleteFunc(slices.Clone(in), func(p paid) bool {
		i, _ := slices.BinarySearchFunc(m.set, p, byPlace)
		return i < len(m.set)-m.budget
	})
}

func kindsOf(in []paid) map[string]int {
	kinds := map[string]int{}
	for _, p := range in {
		kinds[p.mcc]++
	}
	return kinds
}

// values are all features of budgeted at t. The current event is among seen.
func (m *budgetModel) values(seen []paid, t int64, current *paid) map[string]string {
	want := map[string]string{}
	put := func(name string, v any, degraded bool) {
		text := fmt.Sprint(v)
		if f, ok := v.(float64); ok {
			text = fmt.Sprint(float64(f))
		}
		switch {
		case degraded && v == nil:
			text = "null DEGRADED"
		case degraded:
			text += " DEGRADED"
		case v == nil:
			text = "null DEFAULT"
		}
		want["v."+name] = text
	}
	without := seen
	if current != nil {
		without = slices.DeleteFunc(slices.Clone(seen), func(p paid) bool { return p.seq == current.seq })
	}
	for _, w := range []int64{2000, 10000} {
		in, degraded := m.window(seen, t, 0, w)
		suffix := fmt.Sprintf("_%ds", w/1000)
		sum, most := float64(0), any(nil)
		for _, p := range in {
			sum += float64(p.qty)
			if most == nil || float64(p.qty) > most.(float64) {
				most = float64(p.qty)
			}
		}
		put("n"+suffix, float64(len(in)), degraded)
		put("sum"+suffix, sum, degraded)
		put("max"+suffix, most, degraded)
		put("kinds"+suffix, float64(len(kindsOf(in))), degraded)
		if current != nil {
			before, _ := m.window(without, t, 0, w)
			put("new"+suffix, kindsOf(before)[current.mcc] == 0, degraded)
		}
	}
	in, degraded := m.window(seen, t, 0, 10000)
	before, _ := m.window(without, t, 0, 10000)
	put("past_10s", float64(len(before)), degraded)
	many := slices.DeleteFunc(slices.Clone(in), func(p paid) bool { return p.qty <= 1 })
	put("few_10s", float64(len(many)), degraded)
	var least, first, last, since, gap, part, top any
	if len(in) > 0 {
		least = float64(slices.MinFunc(in, func(a, b paid) int { return cmp.Compare(a.qty, b.qty) }).qty)
		first, since = in[0].mcc, float64(t-in[0].at)
		part = float64(len(many)) / float64(len(in))
	}
	if len(many) > 0 {
		last = many[len(many)-1].mcc
	}
	if len(in) > 1 {
		gap = float64(in[len(in)-1].at-in[0].at) / float64(len(in)-1)
	}
	most, rows := 0, in
	if degraded {
		rows = m.newest(in)
	}
	for _, n := range kindsOf(rows) {
		most = max(most, n)
	}
	if len(rows) > 0 {
		top = float64(most) / float64(len(rows))
	}
	put("min_10s", least, degraded)
	put("first_10s", first, degraded)
	put("since_10s", since, degraded)
	put("part_10s", part, degraded)
	put("last_10s", last, degraded)
	put("gap_10s", gap, degraded)
	put("top_10s", top, degraded)
	in, degraded = m.window(seen, t, 3000, 4000)
	sum, largest := float64(0), any(nil)
	for _, p := range in {
		sum += float64(p.qty)
		if largest == nil || float64(p.qty) > largest.(float64) {
			largest = float64(p.qty)
		}
	}
	put("old_4s", sum, degraded)
	put("olds_4s", largest, degraded)
	sum = 0
	for _, p := range seen {
		sum += float64(p.qty)
	}
	put("all", sum, false)
	put("types", float64(len(kindsOf(seen))), false)
	return want
}

// Past its event budget an entity's windows begin with the tile that their tail
// is in, whatever the order of arrival; what they hold is exact.
func TestS26PastTheBudgetAWindowBeginsWithItsTile(t *testing.T) {
	specs := map[string]string{}
	rapid.Check(t, func(rt *rapid.T) {
		m := &budgetModel{budget: rapid.SampledFrom([]int{1, 2, 4, 16}).Draw(rt, "budget")}
		granularity := ""
		if rapid.Bool().Draw(rt, "granularity") {
			granularity, m.grid = "    granularity: 1s\n", 1000
		}
		key := fmt.Sprint(m.budget, granularity)
		if specs[key] == "" {
			specs[key] = budgeted(m.budget, granularity)
		}
		r := newRun(t, specs[key])
		now := int64(0)
		for seq := range rapid.IntRange(1, 60).Draw(rt, "events") {
			p := paid{seq: seq, qty: rapid.Int64Range(0, 3).Draw(rt, "qty"), mcc: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "mcc")}
			p.at = max(0, now+rapid.SampledFrom([]int64{0, 1, 40, 300, 300, 1000, 2500, -1, -40, -300, -3000, -9000}).Draw(rt, "step"))
			late := p.at < now
			now = max(now, p.at)
			i, _ := slices.BinarySearchFunc(m.set, p, byPlace)
			m.set = slices.Insert(m.set, i, p)
			r.pay(fmt.Sprintf("%dms", p.at), fmt.Sprintf(`"card":"a","qty":%d,"x":%d.5,"mcc":"%s"`, p.qty, p.qty, p.mcc))
			for name, want := range m.values(m.set[:i+1], p.at, &p) {
				got := r.get(name)
				if sketchy := strings.Contains(name, "kinds") || strings.Contains(name, "new"); sketchy && late && strings.HasSuffix(want, "DEGRADED") {
					continue
				}
				if folded, has := m.folded(); has && p.at <= folded {
					if !strings.HasSuffix(got, "INCOMPLETE") && (p.at < folded || got != want) {
						rt.Fatalf("event %d at %d: %s is %s, and lies before what was folded", seq, p.at, name, got)
					}
					continue
				}
				if got != want {
					rt.Fatalf("event %d at %d: %s is %s, want %s", seq, p.at, name, got, want)
				}
			}
			if rapid.IntRange(0, 3).Draw(rt, "read") == 0 {
				at := now + rapid.SampledFrom([]int64{0, 1, 50, 500, 4000, 11000}).Draw(rt, "after")
				for name, want := range m.values(m.set, at, nil) {
					if got := r.read(name, "a", fmt.Sprintf("%dms", at)); got != want {
						rt.Fatalf("read at %d after event %d: %s is %s, want %s", at, seq, name, got, want)
					}
				}
			}
		}
	})
}

// The log of a hot key stays as large as its budget, and its tiles few.
func TestS26AHotKeyStaysBounded(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    event_budget: 100
    features:
      n: {aggregation: count, windows: [1s, 1m, 30m]}
      k: {aggregation: count_distinct, field: mcc, windows: [1m]}
      m: {aggregation: min, field: qty, windows: [1m, 30m]}
`))
	var bytes int64
	for i := range 60_000 { // 5,000 a second
		r.pay(fmt.Sprintf("%dus", i*200), fmt.Sprintf(`"card":"a","mcc":"%d","qty":%d`, i%1000, i))
		if i == 10_000 {
			bytes = r.engine.Stats().Logs[0].Bytes
		}
	}
	r.want("v.n_1s", "5040 DEGRADED", "v.n_1m", "60000 DEGRADED", "v.k_1m", "1000 DEGRADED", "v.m_30m", "0 DEGRADED")
	s := r.engine.Stats().Logs[0]
	if s.Folded != 59_900 {
		t.Errorf("%d events folded", s.Folded)
	}
	if now := r.engine.Stats().Logs[0].Bytes; now > bytes+bytes/2 {
		t.Errorf("%d bytes after 10,000 events, %d after 60,000", bytes, now)
	}
}

// What is_new asks of a window whose tail is past the budget begins with the tile
// of the tail too: with all of it, and not with the tile before.
func TestS26AValueIsKnownFromTheTileOfTheTailOn(t *testing.T) {
	text := specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    event_budget: 1
    granularity: 1s
    features:
      new: {aggregation: is_new, field: mcc, windows: [10s]}
`)
	for at, want := range map[string]string{"10998ms": "false DEGRADED", "10999ms": "true DEGRADED"} {
		r := newRun(t, text)
		r.pay("500ms", `"card":"a","mcc":"x"`)
		r.pay("5s", `"card":"a","mcc":"y"`)
		r.pay("6s", `"card":"a","mcc":"y"`)
		r.pay(at, `"card":"a","mcc":"x"`)
		r.want("v.new_10s", want)
	}
}

// A row that has left every window may be in the tile that a window begins with
// once the budget is passed.
func TestS26TheTileOfTheTailHasWhatLeftTheWindowBefore(t *testing.T) {
	r := newRunOf(t, strings.Replace(specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    event_budget: 7
    features:
      n:   {aggregation: count, windows: [2s]}
      sum: {aggregation: sum, field: qty, windows: [2s]}
`), "allowed_lateness: 1m", "allowed_lateness: 1ms", 1), 1)
	for _, p := range []paid{{at: 0, qty: 2}, {at: 2000, qty: -1}, {at: 1999}, {at: 1999}, {at: 1999, qty: 1}, {at: 2001, qty: 2}, {at: 2000}, {at: 2000, qty: 1}, {at: 2001, qty: 2}} {
		r.pay(fmt.Sprintf("%dms", p.at), fmt.Sprintf(`"card":"a","qty":%d`, p.qty))
	}
	r.want("v.n_2s", "9 DEGRADED", "v.sum_2s", "7 DEGRADED")
}

// What is gone has the values of empty windows, though a tile, which begins before the
// window, has an event.
func TestS19WhatIsGoneIsInNoTile(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 90s
    filter: ok
    event_budget: 3
    features:
      n:     {aggregation: count, windows: [90s]}
      first: {aggregation: first, field: mcc, windows: [90s]}
      past:  {aggregation: count, windows: [90s], exclude_current: true}
`))
	r.pay("0s", `"card":"a","ok":true,"mcc":"x"`)
	for i := range 4 {
		r.pay(fmt.Sprintf("%dms", 86_500+i*500), `"card":"a","ok":false`)
	}
	r.want("v.n_90s", "1 DEGRADED", "v.first_90s", "x DEGRADED", "v.past_90s", "1 DEGRADED")
	r.pay("90s", `"card":"a","ok":false`)
	r.want("v.n_90s", "0 NOT_FOUND", "v.first_90s", "null NOT_FOUND", "v.past_90s", "0 NOT_FOUND")
}
