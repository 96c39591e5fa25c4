package features

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// A feature with `by` has a value for each of the categories with the most
// events, and one for all the others (S25). It is scanned: its window is walked
// once to rank the categories and once more for each value that is shown. Over a
// life, the log keeps the life's events for it, up to the event budget.

// byPlan is how a cell is divided.
type byPlan struct {
	lane  int // of the category
	input inputPlan
	top   int
}

// category is one of those in a window: the word of its value, and how many
// events reach the aggregation in it.
type category struct {
	word uint64
	n    int
	text string
}

// pick is which rows a scan takes: those of some categories, or all others.
type pick struct {
	lane   int
	words  []category
	others bool
}

// takes reports whether a scan takes a row.
func (p *pick) takes(l *logPlan, row []uint64) bool {
	if p == nil {
		return true
	}
	word := l.word(row, p.lane)
	return slices.ContainsFunc(p.words, func(c category) bool { return c.word == word }) != p.others
}

// readBy evaluates the columns of one window that are divided by category.
func (e *Engine) readBy(g *cellGroup, m *moment, f frame, row Status) {
	rows := m.rows
	if m.current && g.cursor.delay == 0 {
		rows = m.log.plan.upTo(rows, m.log.plan.len(rows)-1)
	}
	if len(g.before) > 0 {
		e.readByOf(g.cursor, g.before, m, rows, f, row)
	}
	if len(g.after) > 0 {
		e.readByOf(g.cursor, g.after, m, m.rows, f, row)
	}
}

func (e *Engine) readByOf(k *cursorPlan, cells []cellOut, m *moment, rows []uint64, f frame, row Status) {
	l, c, status := m.log, cut{}, row
	if k.last > 0 {
		var since int64
		var full bool
		c, since, full = l.cutLast(k, rows, m.t)
		status = first(row, l.knownLast(e, k, m.state, since, full))
	} else {
		c = l.cutAt(k, m.state, rows, m.t)
		status = first(row, first(m.complete(k, 0), e.warming(k, m, 0)))
	}
	e.countDoubts(k.view, status, len(cells))
	for i := range cells {
		e.readCategories(&cells[i], m, rows, c, f, status)
	}
}

// readCategories evaluates one column that is divided by category.
func (e *Engine) readCategories(x *cellOut, m *moment, rows []uint64, c cut, f frame, status Status) {
	all := e.rank(x, m.log.plan, rows, c)
	m.log.steps += int64(c.to - c.from)
	top := all[:min(len(all), x.by.top)]
	of := func(words []category, others bool) (event.Value, Status) {
		e.pick = &pick{x.by.lane, words, others}
		e.scan(m.log, x.cursor, m.state, rows, c)
		e.finish(x, m, e.scratch, f, status)
		e.pick = nil
		return f.values[x.out], f.statuses[x.out]
	}
	if x.category != "" {
		f.values[x.out], f.statuses[x.out] = e.oneCategory(x, all, top, of)
		return
	}
	if len(all) == 0 {
		f.values[x.out], f.statuses[x.out] = event.Value{}, first(status, Default)
		if x.agg.ZeroWhenEmpty {
			f.values[x.out], f.statuses[x.out] = event.OfMap(nil), status
		}
		return
	}
	entries := make([]event.Entry, 0, len(top)+1)
	shown := status
	put := func(key string, v event.Value, s Status) {
		if s != Default {
			shown = first(shown, s)
		}
		entries = append(entries, event.Entry{Key: key, Value: v})
	}
	for i := range top {
		v, s := of(top[i:i+1], false)
		put(shownAs(top[i].text), v, s)
	}
	if len(top) < len(all) {
		v, s := of(top, true)
		put(Other, v, s)
	}
	f.values[x.out], f.statuses[x.out] = event.OfMap(entries), shown
}

// oneCategory is the value of the category that a column asks for, as the map
// says it: one that is not in it is an empty window, unless there are others,
// which it may be among.
func (e *Engine) oneCategory(x *cellOut, all, top []category, of func([]category, bool) (event.Value, Status)) (event.Value, Status) {
	if x.category == Other {
		if len(top) < len(all) {
			return of(top, true)
		}
		return of(nil, false)
	}
	at := slices.IndexFunc(top, func(c category) bool { return shownAs(c.text) == x.category })
	switch {
	case at >= 0:
		return of(top[at:at+1], false)
	case len(top) < len(all):
		_, s := of(nil, false)
		return x.defawlt, first(s, Default)
	}
	return of(nil, false)
}

// shownAs is the name of a category in a map.
func shownAs(text string) string {
	if text == Other {
		return "_" + Other
	}
	return text
}

// rank finds the categories of a window, those with the most events first, of
// equally many the smaller. They live until the next call.
func (e *Engine) rank(x *cellOut, l *logPlan, rows []uint64, c cut) []category {
	all := e.categories[:0]
	if e.byWord == nil {
		e.byWord = map[uint64]int{}
	}
	clear(e.byWord)
	for i := c.from; i < c.to; i++ {
		row := l.row(rows, i)
		if !l.has(row, x.cell.count.bit) {
			continue
		}
		word := l.word(row, x.by.lane)
		at, known := e.byWord[word]
		if !known {
			at = len(all)
			e.byWord[word] = at
			all = append(all, category{word: word, text: categoryText(x.by.input.value(word, e.texts))})
		}
		all[at].n++
	}
	slices.SortFunc(all, func(a, b category) int {
		if a.n != b.n {
			return b.n - a.n
		}
		return cmp.Compare(a.text, b.text)
	})
	e.categories = all
	return all
}

// categoryText is a category as a map's key.
func categoryText(v event.Value) string {
	switch v.Kind() {
	case event.String:
		return v.Str()
	case event.Bool:
		return strconv.FormatBool(v.Bool())
	}
	return strconv.FormatInt(v.Int(), 10)
}

// countDoubts counts values that are not all that their window asks for.
func (e *Engine) countDoubts(v *viewPlan, status Status, values int) {
	switch status {
	case Incomplete:
		e.counts[v.view.Index].incomplete += int64(values)
	case Degraded:
		e.counts[v.view.Index].degraded += int64(values)
	}
}

// divide makes a cell one with a value for each category.
func (c *compiler) divide(x *cell, l *logPlan) {
	d := x.feature.Def
	in := c.input(l.source, &spec.Definition{Field: d.By}, text)
	x.by = &byPlan{lane: l.lane(in), input: l.source.inputs[in], top: d.Top}
}
