package features

import (
	"math"

	"github.com/freshet-dev/freshet/features/event"
)

// An event of a source with `retracts` may take back another one (S16). Both
// keep a row in the log of each entity they carry: which of the two comes first
// decides nothing. A row that is taken back says from which place on. Whoever
// reads sees the rows as they stand at its own place. Windows run as if nothing
// was taken back, and one that reaches back to a row that was is scanned instead:
// nothing has to be undone. Lives and the last n events are always scanned.

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
// place, of the earliest row that takes this one back, and 1 + the time of the
// newest; 0: none does.
const takenWords = 3

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

// take notes that a row is taken back by another one. The earliest one counts.
func (l *logPlan) take(row, taking []uint64) {
	l.setBit(taking, l.found)
	if t := l.time(taking); row[l.takenAt] == 0 || !l.takenBy(row, t, l.place(taking)) {
		row[l.takenAt], row[l.takenAt+1] = uint64(t)+1, l.place(taking)
	}
	row[l.takenAt+2] = max(row[l.takenAt+2], uint64(l.time(taking))+1)
}

// The words of an entity's state that belong to retraction: 1 + the time of the
// newest row that was taken back, of the newest that takes back, and of the newest of
// these that may have left the log; 0: none.
const (
	stateTaken = iota
	stateTaking
	stateLeft
	takenStateWords
)

// noteTaken notes when the newest of some rows was that was taken back, or takes
// back.
func (l *entityLog) noteTaken(w, rows []uint64) {
	s := w[l.plan.atTaken:]
	for i := range l.plan.len(rows) {
		row := l.plan.row(rows, i)
		t := uint64(l.plan.time(row)) + 1
		if l.plan.has(row, l.plan.taking) {
			s[stateTaking] = max(s[stateTaking], t)
		} else if row[l.plan.takenAt] != 0 {
			s[stateTaken] = max(s[stateTaken], t)
		}
	}
}

// undisturbed reports whether no row later than a time was taken back.
func (l *entityLog) undisturbed(w []uint64, from int64) bool {
	if len(w) == atFirst {
		return false // not known without looking
	}
	taken := w[l.plan.atTaken+stateTaken]
	return taken == 0 || int64(taken)-1 <= from
}

// settle finds what row i takes back, or what takes it back, among rows. It
// returns the touch bits of the views whose original was taken back by it.
func (l *entityLog) settle(rows []uint64, i int) uint64 {
	row, views := l.plan.row(rows, i), uint64(0)
	if !l.plan.has(row, l.plan.taking) {
		if l.plan.id(row) == 0 {
			return 0
		}
		from := l.rows.FirstAfter(rows, l.plan.time(row)-l.plan.lateness-1)
		for j := from; j < l.plan.len(rows); j++ {
			l.steps++
			if other := l.plan.row(rows, j); l.plan.has(other, l.plan.taking) && l.plan.names(other, row) {
				l.plan.take(row, other)
			}
		}
		return 0
	}
	to, since := l.plan.len(rows), int64(math.MinInt64)
	if at := row[l.plan.takenAt+1]; at != 0 {
		since = int64(at - 1)
		to = l.rows.FirstAfter(rows, since)
	}
	for j := to - 1; j >= 0 && l.plan.timeAt(rows, j) >= since; j-- {
		l.steps++
		if other := l.plan.row(rows, j); l.plan.names(row, other) {
			l.plan.take(other, row)
			for _, v := range l.plan.views {
				if l.plan.has(other, v.entered) {
					views |= v.touch
				}
			}
		}
	}
	return views
}

// retract settles the event that was just put into the log.
func (l *entityLog) retract(e *Engine, p *placed) {
	w, rows := p.state, l.rows.All(p.state[atRows:])
	row := l.plan.row(rows, p.index)
	if len(w) == atFirst || l.plan.has(row, l.plan.taking) || int64(w[l.plan.atTaken+stateTaking])-1 >= e.current.ev.Time-l.plan.lateness {
		p.views |= l.settle(rows, p.index)
		switch {
		case len(w) == atFirst:
		case l.plan.has(row, l.plan.taking):
			l.noteTaken(w, rows)
		default:
			l.noteTaken(w, row)
			l.doubt(w, e.current.ev.Time)
		}
	}
	newest := e.sources[e.current.source].newest
	if c := &e.current; c.takes.yes && !l.plan.has(l.plan.row(rows, p.index), l.plan.found) {
		entity := e.plan.sources[c.source].entity[l.plan.order]
		l.await(waiting{c.hashes[entity], c.ev.Time, c.place, newest})
	}
	l.expireWaits(newest)
}

// doubt notes that what takes an event back may have left the log before it came,
// as a partition that lags far may have it: what needs the event is INCOMPLETE.
func (l *entityLog) doubt(w []uint64, t int64) {
	if left := int64(w[l.plan.atTaken+stateLeft]); left != 0 && t <= left-1+l.plan.lateness {
		w[atDropped] = max(w[atDropped], uint64(t))
	}
}

// noteLeft notes that rows, of which some may take others back, leave the log.
func (l *entityLog) noteLeft(w, rows []uint64) {
	if !l.plan.retracts || len(w) == atFirst {
		return
	}
	for i := l.plan.len(rows) - 1; i >= 0; i-- {
		if row := l.plan.row(rows, i); l.plan.has(row, l.plan.taking) {
			l.noteTakingLeft(w, l.plan.time(row))
			return
		}
	}
}

// noteTakingLeft notes that what takes others back up to a time may have left.
func (l *entityLog) noteTakingLeft(w []uint64, t int64) {
	left := &w[l.plan.atTaken+stateLeft]
	*left = max(*left, uint64(t)+1)
}

// everything is longer than any log goes back, in ms.
const everything = 1 << 62

// reach is how far behind a reader a window goes back, in ms, with the tile that
// it may begin with.
func (k *cursorPlan) reach() int64 {
	if !k.slides() {
		return everything
	}
	return k.delay + k.length + k.grid
}

// stand makes the rows that a reading sees what they are where it stands.
func (e *Engine) stand(r *viewReading, m *moment) {
	if m.small || m.apart || !m.log.undisturbed(m.state, m.t-r.reach) {
		m.rows, m.apart, m.disturbed = e.standing(m), true, true
	}
}

// standing are the rows that a moment sees, as they stand there: those that
// were taken back keep their place in time, and nothing else. They live until
// the next call.
func (e *Engine) standing(m *moment) []uint64 {
	l, first := m.log.plan, 0
	n := l.len(m.rows)
	for first < n && !l.takenBy(l.row(m.rows, first), m.t, m.place) {
		first++
	}
	if first == n {
		return m.rows
	}
	m.log.steps += int64(n)
	e.stood = append(e.stood[:0], m.rows...)
	for i := first; i < n; i++ {
		if row := l.row(e.stood, i); l.takenBy(row, m.t, m.place) {
			l.strip(row)
		}
	}
	return e.stood
}

// strip takes the flags out of a row, but for those that hold its place in time.
func (l *logPlan) strip(row []uint64) {
	for bit := range l.bits {
		if !l.bits[bit].held {
			l.clearBit(row, bit)
		}
	}
}

// leaveTaken readies a row that leaves the log: what was taken back is folded
// without its contribution.
func (l *entityLog) leaveTaken(w, row []uint64) {
	if !l.plan.takenBy(row, math.MaxInt64, math.MaxUint64) {
		return
	}
	for _, v := range l.plan.views {
		if at := &w[v.state+viewTaken]; l.plan.has(row, v.entered) {
			*at = max(*at, row[l.plan.takenAt+2]-1)
		}
	}
	l.plan.strip(row)
}

// asOf is what time a view's row is of: its newest event's, or that of the
// newest event that took one back from it.
func (l *entityLog) asOf(v *viewPlan, w []uint64) int64 {
	t := l.newest(v, w)
	if !l.plan.retracts {
		return t
	}
	rows := l.rows.All(w[atRows:])
	if len(rows) > 0 && l.undisturbed(w, l.plan.timeAt(rows, 0)-1) {
		rows = nil
	}
	l.steps += int64(l.plan.len(rows))
	for i := range l.plan.len(rows) {
		row := l.plan.row(rows, i)
		if l.plan.has(row, v.entered) && l.plan.takenBy(row, math.MaxInt64, math.MaxUint64) {
			t = max(t, int64(row[l.plan.takenAt+2]-1))
		}
	}
	if len(w) > atFirst {
		t = max(t, int64(w[v.state+viewTaken]))
	}
	return t
}

// waiting is an event whose original was not there yet.
type waiting struct {
	key   hash128
	time  int64
	place uint64
	since int64 // the newest event time of its source when it came, ms
}

// await remembers an event whose original was not there, and counts those that
// have waited for the lateness in vain.
func (l *entityLog) await(w waiting) {
	if l.awaited > 0 && l.awaited*2 >= len(l.waits) {
		l.waits = l.waits[:copy(l.waits, l.waits[l.awaited:])]
		l.awaited = 0
	}
	l.waits = append(l.waits, w)
}

// expireWaits counts the events that have waited in vain up to an event time.
func (l *entityLog) expireWaits(newest int64) {
	for l.awaited < len(l.waits) && newest-l.waits[l.awaited].since > l.plan.lateness {
		w := l.waits[l.awaited]
		l.awaited++
		if !l.foundSince(w) {
			l.unknowns++
		}
	}
}

// foundSince reports whether the original of an event came after it.
func (l *entityLog) foundSince(x waiting) bool {
	k := l.entities.find(x.key)
	if k.state == nil {
		return false
	}
	rows := l.rows.All(k.state[atRows:])
	i := l.rows.FirstBehind(rows, x.time, x.place) - 1
	if i < 0 {
		return false
	}
	row := l.plan.row(rows, i)
	return l.plan.time(row) == x.time && l.plan.place(row) == x.place && l.plan.has(row, l.plan.found)
}
