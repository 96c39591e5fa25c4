package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// insert puts the event at hand into the log before row i, and into everything
// that runs. The state stands at or after the event's time. It returns the
// row's index.
func (l *entityLog) insert(e *Engine, w []uint64, i int, ev *event.Event) int {
	h := w[atRows:]
	n, row := l.rows.Len(h), []uint64(nil)
	if i == n && n%trimEvery != 0 {
		row = l.rows.Behind(h)
	}
	if row == nil {
		i = l.trimBefore(e, w, i)
		row = l.rows.Insert(h, i)
		l.cutNodes(w, i)
	}
	l.fill(e, row, ev)
	for _, x := range l.plan.lists {
		l.list(x, w, row)
	}
	l.account(w, row, i)
	return i
}

// trimBefore trims where a block is full or it is time to, before row i is put in.
// It returns where the row belongs then.
func (l *entityLog) trimBefore(e *Engine, w []uint64, i int) int {
	switch n := l.rows.Len(w[atRows:]); {
	case l.rows.Full(w[atRows:]):
		i = max(0, i-l.trim(e, w, n))
	case n%trimEvery == 0 && len(l.plan.lasts) == 0:
		i = max(0, i-l.trim(e, w, trimMost))
	}
	return i
}

// account puts row i of the log into everything that runs. The state stands at
// or after the row's time, and is that of the log without the row. A late event
// moves the cursors behind it, and may join two lives; nothing else tells it
// from the newest one.
func (l *entityLog) account(w, row []uint64, i int) {
	t, now := l.plan.time(row), int64(w[atNow])
	first := l.plan.enterSpans(w, t, now)
	if l.plan.summing {
		l.addSpans(row, w, first)
		l.enterViews(w, row)
		return
	}
	for _, k := range l.plan.ripening {
		l.joinRipe(k, w, row, i)
	}
	for _, k := range l.plan.delayed {
		if t <= now-k.delay-k.length { // it has left this window already
			w[k.at]++
		}
		switch {
		case t > now-k.delay:
			w[k.at+1] = min(w[k.at+1], uint64(t+k.delay))
		default: // its delay is over
			w[k.at] += 1 << 32
			w[k.at+1] = min(w[k.at+1], uint64(t+k.delay+k.length))
		}
		w[atDue] = min(w[atDue], w[k.at+1])
	}
	for _, x := range l.plan.earliers {
		if w[x.at] != 0 {
			l.linkRow(x, w, row)
		}
	}
	for _, x := range l.plan.tables {
		if x.life == nil && t <= now-x.delay && l.plan.has(row, x.bit) {
			l.occur(x, w, i)
		}
	}
	l.addSpans(row, w, first)
	for _, k := range l.plan.delayed {
		if t > now-k.delay-k.length && t <= now-k.delay {
			l.plan.add(k, row, w)
			l.joinAll(k, w, i, k.head(w))
		}
	}
	for _, k := range l.plan.beside {
		if t > now-k.length {
			l.joinAll(k, w, i, l.rows.Len(w[atRows:]))
		}
	}
	for _, x := range l.plan.stacks {
		l.outdo(x, w, row, now)
	}
	for _, x := range l.plan.newests {
		l.renew(x, w, row, now)
	}
	l.enterViews(w, row)
}

// outdo puts a row into a stack, as of now.
func (l *entityLog) outdo(x *stackPlan, w, row []uint64, now int64) {
	if t := l.plan.time(row); l.plan.has(row, x.bit) && t > now-x.delay-x.reach && t <= now-x.delay {
		l.stacks.Expire(w[x.at:], now-x.delay-x.reach)
		code := aggregate.OrderCode(l.plan.word(row, x.lane), x.number)
		l.stacks.Put(w[x.at:], t, code, x.largest, x.ties)
	}
}

// enterViews notes which views a row entered.
func (l *entityLog) enterViews(w, row []uint64) {
	t := uint64(l.plan.time(row))
	for _, v := range l.plan.views {
		if !l.plan.has(row, v.entered) {
			continue
		}
		newest := &w[v.state+viewNewest]
		*newest = max(*newest, t)
		for _, c := range v.chains {
			l.link(c, w, row)
		}
	}
}

// renew makes a row the newest of its bit, if it is as of now.
func (l *entityLog) renew(x *newestPlan, w, row []uint64, now int64) {
	w = w[x.at:]
	t, place := uint64(l.plan.time(row)), l.plan.place(row)
	if !l.plan.has(row, x.bit) || int64(t) > now-x.delay || t < w[0] || (t == w[0] && place < w[1]) {
		return
	}
	word := uint64(0)
	if x.lane >= 0 {
		word = l.plan.word(row, x.lane)
	}
	if x.text {
		l.counting.texts.again(word)
		if w[0] != 0 {
			l.counting.texts.release(w[2])
		}
	}
	w[0], w[1], w[2] = t, place, word
}

// occurAll notes the values of row i, whose delay is over, in the tables that a
// window feeds.
func (l *entityLog) occurAll(k *cursorPlan, w []uint64, i int) {
	for _, x := range k.tables {
		if l.plan.has(l.plan.row(l.rows.All(w[atRows:]), i), x.bit) {
			l.occur(x, w, i)
		}
	}
}

// occur notes that a value occurs in row i: the row is marked as the newest of
// its value and the older one is not any more, unless it is the late one.
func (l *entityLog) occur(x *tablePlan, w []uint64, i int) {
	rows := l.rows.All(w[atRows:])
	row := l.plan.row(rows, i)
	t, word := l.plan.time(row), l.plan.word(row, x.lane)
	if t <= int64(w[atNow])-x.delay-x.keep {
		return // it has left every window
	}
	if note := l.tables.Get(w[x.at:], word); note != 0 {
		if note.Time() > t {
			return
		}
		switch j := l.marked(x, w, rows, note.Time(), word); {
		case j < 0:
			l.recur(x, w, note.Time())
		case j > i:
			return // a peer of equal time that comes later
		default:
			l.plan.clearBit(l.plan.row(rows, j), x.unique)
			for _, c := range x.counts {
				if j >= c.cursor.tail(w) && (x.delay == 0 || j < c.cursor.head(w)) {
					w[c.part.run]--
				}
			}
		}
	}
	l.plan.setBit(row, x.unique)
	l.tables.Put(w[x.at:], word, window.NewNote(t, false))
	l.crowd(x, w, word, t)
}

// marked is the row of time t that is marked as the newest of its value; -1: it
// was folded.
func (l *entityLog) marked(x *tablePlan, w, rows []uint64, t int64, word uint64) int {
	for j := l.rows.FirstAfter(rows, t) - 1; j >= 0; j-- {
		row := l.plan.row(rows, j)
		if l.plan.has(row, x.unique) && l.plan.word(row, x.lane) == word {
			return j
		}
		if l.plan.time(row) != t {
			break
		}
	}
	if t <= l.foldedAt(w) {
		return -1
	}
	panic("features: the newest occurrence of a value is not in the log")
}

// A log whose block is full lets go of all rows that it can. Before that it does so
// now and then, so that there are never many when it is.
const (
	trimEvery = 8
	trimMost  = 4 * trimEvery
)

// trim drops the rows that nothing can need any more: older than every window
// of an event that is late by as much as is allowed; the oldest ones, so many at
// most. It returns how many.
func (l *entityLog) trim(e *Engine, w []uint64, most int) int {
	rows := l.rows.All(w[atRows:])
	if len(rows) == 0 {
		return 0
	}
	newest := l.unwritten(w, l.plan.timeAt(rows, l.plan.len(rows)-1))
	if r := e.replay; r != nil && !r.fromStart[l.plan.source.source.Index] { // partitions may come again one after the other, as they never came
		newest = min(newest, e.sources[l.plan.source.source.Index].reference())
	}
	// A window may begin with the tile of its tail, now or when events past the budget
	// have come.
	oldest := newest - l.plan.span - l.plan.lateness - l.plan.coarsest
	l.unfold(e, w, oldest)
	if l.plan.timeAt(rows, 0) > oldest {
		return 0
	}
	n := l.rows.FirstAfter(l.plan.upTo(rows, min(most, l.plan.len(rows))), oldest)
	if n = l.spare(w, rows, newest, n); n == 0 {
		return 0
	}
	if l.plan.light {
		l.dropLight(w, l.plan.upTo(rows, n))
	} else {
		l.drop(e, w, l.plan.upTo(rows, n))
	}
	w[atDropped] = max(w[atDropped], uint64(l.plan.timeAt(rows, n-1)))
	l.pendLeaving(w, l.plan.upTo(rows, n))
	l.dropRows(w, n)
	for _, k := range l.plan.sliding {
		w[k.at] -= uint64(n)
		if k.delay > 0 {
			w[k.at] -= uint64(n) << 32
		}
	}
	if l.plan.fulls > 0 && l.isWide(w) {
		l.narrowAgain(w)
	}
	return n
}

// unwritten is what time the oldest row of an entity is of that is still to be
// written, at most newest: a filter may have refused all events since, and a batch
// may be any stretch of time.
func (l *entityLog) unwritten(w []uint64, newest int64) int64 {
	if w[atTouched]&^l.plan.always == 0 {
		return newest
	}
	for _, v := range l.plan.choosy {
		if w[atTouched]&v.touch != 0 && v.row != nil {
			newest = min(newest, l.newest(v, w))
		}
	}
	return newest
}

// drop lets go of what rows hold that leave the log, and folds them.
func (l *entityLog) drop(e *Engine, w, rows []uint64) {
	n := l.plan.len(rows)
	l.steps += int64(n)
	for i := range n {
		row := l.plan.row(rows, i)
		for _, v := range l.plan.views {
			if l.plan.has(row, v.entered) {
				l.fold(e, v, w, row)
			}
		}
		l.releaseTexts(e, row)
	}
}

// dropLight is drop where nothing is kept of rows but when the newest entered a
// view.
func (l *entityLog) dropLight(w, rows []uint64) {
	for _, v := range l.plan.views {
		if newest := l.newestOf(v, rows); newest != 0 {
			w[v.state+viewFolded] = max(w[v.state+viewFolded], uint64(newest))
		}
	}
}

// releaseTexts lets go of the texts that a row holds.
func (l *entityLog) releaseTexts(e *Engine, row []uint64) {
	for _, lane := range l.plan.texts {
		if word := l.plan.word(row, lane); word != 0 {
			e.texts.release(word)
		}
	}
}

// sweep looks at a few entities, in turn, and forgets those that no accepted
// event can need any more: reference is a time that no partition is behind.
func (l *entityLog) sweep(e *Engine, steps int, reference int64) {
	for range steps {
		if l.hand = l.entities.after(l.hand); l.entities.live() > 0 {
			l.forgetIdle(e, l.hand, reference)
		}
	}
}

// forgetIdle forgets the entity of a slot, if it is one whose last life has ended,
// lateness included.
func (l *entityLog) forgetIdle(e *Engine, slot slot, reference int64) {
	w := l.entities.state(slot)
	keep := l.plan.ttl + l.plan.lateness
	if l.plan.retracts { // what takes back an event that is still to come is waited with
		keep = max(keep, 2*l.plan.lateness)
	}
	if w[atTouched] != 0 || int64(w[atNow])+keep >= reference {
		return // the state stands at or after the newest row
	}
	rows := l.rows.All(w[atRows:])
	if len(rows) == 0 || l.entities.key(slot) == "" {
		return
	}
	newest := l.plan.timeAt(rows, l.plan.len(rows)-1)
	if newest+keep >= reference {
		return
	}
	l.asItWas(e, w[atKey], slot)
	g := l.entities.group(w[atKey])
	g.swept = max(g.swept, uint64(newest))
	l.entities.unindex(slot)
	l.free(e, slot)
}

// free frees all that an entity holds that is not known any more.
func (l *entityLog) free(e *Engine, slot slot) {
	w := l.entities.state(slot)
	rows := l.rows.All(w[atRows:])
	for i := range l.plan.len(rows) {
		l.releaseTexts(e, l.plan.row(rows, i))
	}
	if slot.isLarge() {
		l.releaseState(e, w)
	}
	l.slab.FreeHandle(w[atRows:])
	l.entities.release(slot)
}

// releaseState lets go of what a large state holds beside its rows.
func (l *entityLog) releaseState(e *Engine, w []uint64) {
	for _, x := range l.plan.newests {
		if x.text && w[x.at] != 0 {
			e.texts.release(w[x.at+2])
		}
	}
	for _, c := range l.plan.chains {
		l.releaseBase(e, c, w)
	}
	l.releaseTiles(e, w)
	for _, h := range l.plan.handles {
		if h.kind != rowsHandle {
			l.slab.FreeHandle(w[h.at:])
		}
	}
}
