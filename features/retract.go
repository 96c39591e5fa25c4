package features

import (
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// An event of a source with `retracts` may take back another one (S16). Both
// keep a row in the log of each entity they carry: which of the two comes first
// decides nothing. A row that is taken back says from which place on, and is struck:
// it loses its flags, but for those that hold its place in time, and what runs does
// without it (strike.go). Who reads between the two sees it as it stood.

// takes is what the event at hand takes back.
type takes struct {
	yes  bool
	id   uint64 // the hash of the id that it names
	time uint64 // 1 + the time in ms that the original must have; 0: any
}

// takesOf is what an event takes back.
func (e *Engine) takesOf(ev *event.Event) takes {
	src := e.plan.sources[ev.Source].source
	if src.Retracts == nil || !ev.Values[src.Retracts.Index].Has() {
		return takes{}
	}
	x := takes{yes: true, id: e.hash.of(e.current.buffer.text(ev.Values[src.Retracts.Index]))}
	if f := src.RetractsTimeField; f != nil && ev.Values[f.Index].Has() {
		x.time = uint64(ev.Values[f.Index].Int()) + 1
	}
	return x
}

// The words of a row that belong to retraction. Of a row that takes back: the id
// and time that it names, as takes has them. Of others: 1 + the time, and the
// place, of the earliest row that takes this one back; 0: none does. Behind these are
// the flags that a struck row had, at strippedAt.
const takenWords = 2

// fillTaking writes the row of an event that takes another one back: it has no
// flag of any view, and holds no text.
func (l *logPlan) fillTaking(row []uint64, c *current) {
	clear(row[l.lanesAt:])
	row[2] = c.idHash
	l.setBit(row, l.taking)
	row[l.takenAt], row[l.takenAt+1] = c.takes.id, c.takes.time
}

// takenBy reports whether a row is taken back for who reads at a place.
func (l *logPlan) takenBy(row []uint64, t int64, place uint64) bool {
	at := row[l.takenAt]
	if at == 0 || l.has(row, l.taking) {
		return false
	}
	by := int64(at - 1)
	return by < t || (by == t && row[l.takenAt+1] <= place)
}

// names reports whether a row that takes back means another one: an original
// that is later by more than the lateness is not waited for.
func (l *logPlan) names(taking, row []uint64) bool {
	id, at := taking[l.takenAt], taking[l.takenAt+1]
	return l.id(row) == id && !l.has(row, l.taking) &&
		(at == 0 || at == uint64(l.time(row))+1) && l.time(row)-l.time(taking) <= l.lateness
}

// struck reports whether a row is taken back.
func (l *logPlan) struck(row []uint64) bool {
	return row[l.takenAt] != 0 && !l.has(row, l.taking)
}

// take notes that a row is taken back from a place on. The earliest one counts.
func (l *logPlan) take(row []uint64, t int64, place uint64) {
	if !l.takenBy(row, t, place) {
		row[l.takenAt], row[l.takenAt+1] = uint64(t)+1, place
	}
}

// takenFrom reports whether a row is taken back from the place of another one on.
func (l *logPlan) takenFrom(row, taking []uint64) bool {
	return row[l.takenAt] == uint64(l.time(taking))+1 && row[l.takenAt+1] == l.place(taking)
}

// The words of an entity's state that belong to retraction: 1 + the time of the
// newest row that was taken back, and of the newest that takes back; 0: none.
const (
	stateTaken = iota
	stateTaking
	takenStateWords
)

// takenAt is the time of the newest row of an entity that was taken back; 0: none was.
func (l *entityLog) takenAt(w []uint64) int64 {
	if !l.plan.retracts || w[l.plan.atTaken+stateTaken] == 0 {
		return 0
	}
	return int64(w[l.plan.atTaken+stateTaken]) - 1
}

// noteTakings notes what rows of an entity take back others that are there too.
func (l *entityLog) noteTakings(w, rows []uint64) {
	for i := range l.plan.len(rows) {
		taking := l.plan.row(rows, i)
		if !l.plan.has(taking, l.plan.taking) {
			continue
		}
		l.noteTaking(w, taking)
		for j := range l.plan.len(rows) {
			if row := l.plan.row(rows, j); l.plan.names(taking, row) {
				l.noteTaken(w, row, l.plan.time(taking))
			}
		}
	}
}

// noteTaking notes a row that takes back.
func (l *entityLog) noteTaking(w, taking []uint64) {
	newest := &w[l.plan.atTaken+stateTaking]
	*newest = max(*newest, uint64(l.plan.time(taking))+1)
}

// noteTaken notes a row that is taken back at a time.
func (l *entityLog) noteTaken(w, row []uint64, at int64) {
	newest := &w[l.plan.atTaken+stateTaken]
	*newest = max(*newest, uint64(l.plan.time(row))+1)
	for _, v := range l.plan.views {
		if l.plan.has(row, v.entered) {
			w[v.state+viewTaken] = max(w[v.state+viewTaken], uint64(at))
		}
	}
}

// settle finds what row i takes back, or what takes it back. It returns the touch
// bits of the views whose original was taken back by it.
func (l *entityLog) settle(w []uint64, i int) (views uint64) {
	row := l.plan.row(l.rows.All(w[atRows:]), i)
	if !l.plan.has(row, l.plan.taking) {
		if l.plan.id(row) != 0 {
			for _, j := range l.takings(w, row) {
				l.takeBack(w, i, j)
			}
		}
		return 0
	}
	for _, j := range l.originals(w, row) {
		views |= l.takeBack(w, j, i)
	}
	return views
}

// takeBack takes row i back by row j. It returns the touch bits of the views that
// row i entered.
func (l *entityLog) takeBack(w []uint64, i, j int) (views uint64) {
	taking := l.plan.row(l.rows.All(w[atRows:]), j)
	l.plan.setBit(taking, l.plan.found)
	return l.takeBackAt(w, i, l.plan.time(taking), l.plan.place(taking))
}

// takeBackAt takes row i back from a place on.
func (l *entityLog) takeBackAt(w []uint64, i int, t int64, place uint64) (views uint64) {
	row, large := l.plan.row(l.rows.All(w[atRows:]), i), len(w) > atFirst
	if large {
		l.noteTaken(w, row, t)
	}
	stood := !l.plan.struck(row)
	if stood && large {
		l.withdraw(w, i)
	}
	l.plan.take(row, t, place)
	if stood {
		l.plan.strip(row)
		if large {
			l.mend(w, i)
		}
	}
	for _, v := range l.plan.views {
		if l.plan.has(row, v.entered) {
			views |= v.touch
		}
	}
	return views
}

// originals are the rows that a row takes back. They live until the next call.
func (l *entityLog) originals(w, taking []uint64) []int {
	rows := l.rows.All(w[atRows:])
	l.meant = l.meant[:0]
	switch at := taking[l.plan.takenAt+1]; {
	case at != 0:
		l.meet(rows, int64(at-1), func(row []uint64) bool { return l.plan.names(taking, row) })
	case len(w) == atFirst:
		for i := range l.plan.len(rows) {
			if l.plan.names(taking, l.plan.row(rows, i)) {
				l.meant = append(l.meant, i)
			}
		}
	default:
		l.eachLinked(w, taking[l.plan.takenAt], func(t int64) {
			l.meet(rows, t, func(row []uint64) bool { return l.plan.names(taking, row) })
		})
	}
	return l.meant
}

// takings are the rows that take a row back. They live until the next call.
func (l *entityLog) takings(w, row []uint64) []int {
	rows := l.rows.All(w[atRows:])
	takes := func(other []uint64) bool { return l.plan.has(other, l.plan.taking) && l.plan.names(other, row) }
	l.meant = l.meant[:0]
	if len(w) > atFirst {
		l.eachLinked(w, ^l.plan.id(row), func(t int64) { l.meet(rows, t, takes) })
		return l.meant
	}
	for i := range l.plan.len(rows) {
		if takes(l.plan.row(rows, i)) {
			l.meant = append(l.meant, i)
		}
	}
	return l.meant
}

// meet adds the rows of a time that a row means to l.meant.
func (l *entityLog) meet(rows []uint64, t int64, means func(row []uint64) bool) {
	for i := l.rows.FirstAfter(rows, t-1); i < l.plan.len(rows) && l.plan.timeAt(rows, i) == t; i++ {
		l.steps++
		if means(l.plan.row(rows, i)) {
			l.meant = append(l.meant, i)
		}
	}
}

// eachLinked calls f for the times of the rows with an id, newest first.
func (l *entityLog) eachLinked(w []uint64, id uint64, f func(t int64)) {
	x := l.plan.ids
	l.linkAll(x, w)
	for t := l.linked(x, w, id, newestOfAll); t != noOccurrence; t = l.linked(x, w, id, t) {
		f(int64(t))
	}
}

// settleAmong takes back, in a copy of rows, what their last one takes back, or that
// one itself.
func (l *logPlan) settleAmong(rows []uint64) {
	last := l.row(rows, l.len(rows)-1)
	for i := range l.len(rows) {
		row, original, taking := l.row(rows, i), []uint64(nil), []uint64(nil)
		switch {
		case l.has(last, l.taking):
			original, taking = row, last
		case l.has(row, l.taking) && l.id(last) != 0:
			original, taking = last, row
		default:
			continue
		}
		if !l.names(taking, original) {
			continue
		}
		stood := !l.struck(original)
		if l.take(original, l.time(taking), l.place(taking)); stood {
			l.strip(original)
		}
	}
}

// retract settles the event that was just put into the log.
func (l *entityLog) retract(e *Engine, p *placed) {
	w, c := p.state, &e.current
	row := l.plan.row(l.rows.All(w[atRows:]), p.index)
	small, taking := len(w) == atFirst, l.plan.has(row, l.plan.taking)
	switch {
	case taking:
		p.views |= l.settle(w, p.index)
		if !small {
			l.noteTaking(w, row)
		}
	case small:
		l.settle(w, p.index)
	default:
		if t, is := l.takenBefore(w, row); is {
			l.takeBackAt(w, p.index, t, 0)
		}
		if int64(w[l.plan.atTaken+stateTaking])-1 >= c.ev.Time-l.plan.lateness {
			l.settle(w, p.index)
		}
	}
	if !taking {
		l.doubt(w, c.ev.Time)
	}
	key, newest := c.hashes[e.plan.sources[c.source].entity[l.plan.order]], e.sources[c.source].newest
	if taking && !l.plan.has(row, l.plan.found) {
		l.await(waiting{key, c.ev.Time, c.place, newest})
	}
	l.expireWaits(l.waitsOf(key), newest)
	l.expireNextWaits(newest)
}

// pend keeps a row that takes back and leaves the log, for an event that is still to
// come: by that one's id, and its time where it names that, when the newest was, which
// waits longest.
func (l *entityLog) pend(w, taking []uint64) {
	h, t := w[l.plan.atPending:], l.plan.time(taking)
	key := l.counting.hash.spreadPair(taking[l.plan.takenAt], taking[l.plan.takenAt+1])
	if n := l.tables.Get(h, key); n == 0 || t > n.Time() {
		l.tables.Put(h, key, window.NewNote(t, false))
	}
}

// unpend forgets those of what was kept, in a few slots, that take back nothing but what
// would be older than all rows.
func (l *entityLog) unpend(w []uint64) {
	l.tables.Expire(w[l.plan.atPending:], int(w[l.plan.atTurn]), purgeSlots, l.left(w)-l.plan.lateness-1)
}

// takenBefore is when a row was taken back by one that has left the log before it came.
func (l *entityLog) takenBefore(w, row []uint64) (at int64, is bool) {
	id, t := l.plan.id(row), l.plan.time(row)
	if len(w) <= atFirst || w[l.plan.atPending] == 0 || id == 0 || l.plan.has(row, l.plan.taking) || t > l.left(w)+l.plan.lateness {
		return 0, false
	}
	for _, named := range [...]uint64{0, uint64(t) + 1} {
		n := l.tables.Get(w[l.plan.atPending:], l.counting.hash.spreadPair(id, named))
		if n != 0 && t-n.Time() <= l.plan.lateness && (!is || n.Time() < at) {
			at, is = n.Time(), true
		}
	}
	return at, is
}

// doubt notes that what takes an event back may have been forgotten with its entity
// before it came, as that of a partition which lags far may have been: what needs the
// event is INCOMPLETE.
func (l *entityLog) doubt(w []uint64, t int64) {
	if born, why := bornAt(w); born != 0 && why == Incomplete && t <= born+l.plan.lateness {
		w[atDropped] = max(w[atDropped], uint64(t))
	}
}

// pendLeaving keeps those of rows that take others back, which leave the log by age.
func (l *entityLog) pendLeaving(w, rows []uint64) {
	if !l.plan.retracts {
		return
	}
	for i := range l.plan.len(rows) {
		if row := l.plan.row(rows, i); l.plan.has(row, l.plan.taking) {
			l.pend(w, row)
			w[l.plan.atTurn]++
			l.unpend(w)
		}
	}
}

// asOf is what time a view's row is of: its newest event's, or that of the
// newest event that took one back from it.
func (l *entityLog) asOf(v *viewPlan, w []uint64) int64 {
	t := l.newest(v, w)
	switch {
	case !l.plan.retracts:
	case len(w) > atFirst:
		t = max(t, int64(w[v.state+viewTaken]))
	default:
		rows := l.rows.All(w[atRows:])
		for i := range l.plan.len(rows) {
			if taking := l.plan.row(rows, i); l.plan.has(taking, l.plan.taking) && l.tookFrom(v, w, taking) {
				t = max(t, l.plan.time(taking))
			}
		}
	}
	return t
}

// tookFrom reports whether a row takes one back that entered a view.
func (l *entityLog) tookFrom(v *viewPlan, w, taking []uint64) bool {
	rows := l.rows.All(w[atRows:])
	for _, i := range l.originals(w, taking) {
		if l.plan.has(l.plan.row(rows, i), v.entered) {
			return true
		}
	}
	return false
}
