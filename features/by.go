package features

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// A feature with `by` has a value for each of the categories with the most
// events, and one for all the others (S25). Over a window by time, and over a life,
// what it is made of is kept by category (divided.go); what cannot be taken back is put
// together from nodes over the rows (dividednodes.go), for a category that loses an
// event (dividedanew.go) or, far behind the state, for all. So are gaps, for each value
// that is shown (dividedgaps.go). Few rows are scanned: the window is walked once to rank
// the categories and once more for each value that is shown. Over a life, the log keeps
// the life's events for it, up to the event budget.

// byPlan is how a cell is divided.
type byPlan struct {
	lane  int // of the category
	input inputPlan
	top   int
}

// category is one of those in a window: the word of its value, and how many
// events reach the aggregation in it.
type category struct {
	word   uint64
	n      int
	text   string
	number int // of its record; only of a window's own
	seat   int // in their order
}

// pick is which rows a scan takes: those of some categories, or all others.
type pick struct {
	lane   int
	words  []category
	others bool
	nodes  *levelsPlan // what a walk passes rows by; nil: it looks at each
}

// takes reports whether a scan takes a row.
func (p *pick) takes(l *logPlan, row []uint64) bool {
	if p == nil {
		return true
	}
	return p.takesWord(l.word(row, p.lane))
}

// takesWord reports whether it takes the rows of a category.
func (p *pick) takesWord(word uint64) bool {
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
	l, d := m.log, division{rows: rows, f: f, status: row}
	if k.last > 0 {
		var since int64
		var full bool
		d.cut, since, full = l.cutLast(k, m, rows)
		d.status = first(row, l.knownLast(e, k, m.state, since, full))
	} else {
		d.cut, _ = l.cutAt(k, m, rows)
		d.status = first(row, first(m.complete(k, 0), e.warming(k, m, 0)))
	}
	e.countDoubts(k.view, d.status, len(cells))
	turned, ok := l.turnOf(k, m, d.cut)
	for i := range cells {
		d.cellOut = &cells[i]
		x := d.cell.divided
		d.kept = ok && x != nil && x.kept && (x.undone || turned.still() || l.turnsSoon(x, m.state, &turned))
		if !d.kept {
			d.records = nil
			if l.divides(&d, m.state) {
				d.records = e.gather(&d, l, m.state)
			}
			e.readCategories(&d, m)
			continue
		}
		l.beginRecords(x, m.state, &turned)
		l.turn(x, m.state, &turned)
		d.records = l.recordsOf(x.ranking(), m.state)
		e.readCategories(&d, m)
		l.turn(x, m.state, turned.back())
	}
}

// division is a column that is divided by category, while it is evaluated.
type division struct {
	*cellOut
	rows    []uint64
	cut     cut
	records []uint64 // nil: the rows are scanned
	kept    bool     // the records are the window's own
	f       frame
	status  Status
}

// readCategories evaluates one column that is divided by category.
func (e *Engine) readCategories(d *division, m *moment) {
	x, out := d.cellOut, d.out
	top, all := e.rank(d, m)
	if x.category.Listed {
		d.f.values[out], d.f.statuses[out] = e.oneCategory(d, m, top, all)
		return
	}
	if all == 0 {
		d.f.values[out], d.f.statuses[out] = event.Value{}, first(d.status, Default)
		if x.agg.ZeroWhenEmpty {
			d.f.values[out], d.f.statuses[out] = event.OfMap(nil), d.status
		}
		return
	}
	start, shown := len(e.lists.entries), d.status
	for i := 0; i <= len(top) && i < all; i++ {
		key, of, others := Other, top, true
		if i < len(top) {
			key, of, others = shownAs(top[i].text), top[i:i+1], false
		}
		v, s := e.ofCategories(d, m, of, others)
		if s != Default {
			shown = first(shown, s)
		}
		e.lists.entries = append(e.lists.entries, event.Entry{Key: key, Value: v})
	}
	n := len(e.lists.entries)
	d.f.values[out], d.f.statuses[out] = event.OfMap(e.lists.entries[start:n:n]), shown
}

// ofCategories evaluates a column over some categories, or over all others.
func (e *Engine) ofCategories(d *division, m *moment, of []category, others bool) (event.Value, Status) {
	picked := pick{lane: d.by.lane, words: of, others: others}
	if d.records == nil {
		e.picked = picked
		e.pick = &e.picked
		e.scan(m.log, d.cursor, m.state, d.rows, d.cut)
	} else {
		e.joinRecords(d, m, &picked)
	}
	m.whole = true
	e.finish(d.cellOut, m, e.scratch, d.f, d.status)
	m.whole, e.pick = false, nil
	return d.f.values[d.out], d.f.statuses[d.out]
}

// oneCategory is the value of the category that a column asks for, as the map
// says it: one that is not in it is an empty window, unless there are others,
// which it may be among.
func (e *Engine) oneCategory(d *division, m *moment, top []category, all int) (event.Value, Status) {
	if d.category.Name == Other {
		if len(top) < all {
			return e.ofCategories(d, m, top, true)
		}
		return e.ofCategories(d, m, nil, false)
	}
	at := slices.IndexFunc(top, func(c category) bool { return shownAs(c.text) == d.category.Name })
	switch {
	case at >= 0:
		return e.ofCategories(d, m, top[at:at+1], false)
	case len(top) < all:
		_, s := e.ofCategories(d, m, nil, false)
		return d.defawlt, first(s, Default)
	}
	return e.ofCategories(d, m, nil, false)
}

// shownAs is the name of a category in a map. What makes room for Other has one
// underscore more than in the event, so that no two categories have one name.
func shownAs(text string) string {
	if strings.TrimLeft(text, "_") == Other {
		return "_" + text
	}
	return text
}

// rank finds the categories of a window with the most events, those with more of
// them first, of equally many the smaller, and how many categories there are. They
// live until the next call.
func (e *Engine) rank(d *division, m *moment) (top []category, all int) {
	l := m.log
	switch {
	case d.records == nil:
		return e.rankRows(d, l)
	case d.kept:
		return e.rankRecords(d.cell.divided.ranking(), l, m.state, d.by)
	}
	top = e.categories[:0]
	width := d.cell.divided.nodes.records.width
	for at := 0; at < len(d.records); at += width {
		top = e.rankOne(top, category{word: d.records[at], n: int(d.records[at+1])}, d.by)
	}
	e.categories = top
	l.steps += int64(len(d.records) / width)
	return top, len(d.records) / width
}

// rankOne puts a category among those with the most events, if it is one of them.
func (e *Engine) rankOne(top []category, c category, by *byPlan) []category {
	full := len(top) == by.top
	if full && c.n < top[len(top)-1].n {
		return top
	}
	c.text = categoryText(by.input.value(c.word, e.texts))
	i, _ := slices.BinarySearchFunc(top, c, byRank)
	if full {
		if i == len(top) {
			return top
		}
		top = top[:len(top)-1]
	}
	return slices.Insert(top, i, c)
}

// rankRows is rank by the rows of a window.
func (e *Engine) rankRows(d *division, log *entityLog) (top []category, all int) {
	l := log.plan
	if e.byWord == nil {
		e.byWord = map[uint64]int{}
	}
	clear(e.byWord)
	e.categories = e.categories[:0]
	for i := d.cut.from; i < d.cut.to; i++ {
		row := l.row(d.rows, i)
		if !l.has(row, d.cell.count.bit) {
			continue
		}
		word := l.word(row, d.by.lane)
		at, known := e.byWord[word]
		if !known {
			at = len(e.categories)
			e.byWord[word] = at
			e.categories = append(e.categories, category{word: word, text: categoryText(d.by.input.value(word, e.texts))})
		}
		e.categories[at].n++
	}
	log.steps += int64(d.cut.to - d.cut.from)
	slices.SortFunc(e.categories, byRank)
	return e.categories[:min(len(e.categories), d.by.top)], len(e.categories)
}

// byRank compares categories by rank.
func byRank(a, b category) int {
	if a.n != b.n {
		return b.n - a.n
	}
	return cmp.Compare(a.text, b.text)
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
