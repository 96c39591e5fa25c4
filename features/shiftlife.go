package features

import "github.com/freshet-dev/freshet/features/aggregate"

// Of a life, no row leaves one by one: what a reading behind the state sees of it
// is the state's, without the rows that have come since. Most parts can be taken
// back; the others are one input, which in most cases is still seen.

// lifeShiftOf is shiftOf for a life, and when it began: the one that the state
// stands in, which a moment behind its first event is in too.
func (l *entityLog) lifeShiftOf(k *cursorPlan, m *moment) (s shift, life int64, ok bool) {
	if k.life == nil || k.scanned || m.standing != behind || m.small || m.apart || m.lost {
		return shift{}, 0, false
	}
	if life = int64(m.state[k.life.state+chainLife]); life == 0 || life >= m.t || m.t > int64(m.state[atNow]) {
		return shift{}, 0, false
	}
	rows := l.rows.All(m.state[atRows:])
	s = shift{k: k, log: l, state: m.state, t: m.t, rows: rows, to: l.plan.len(m.rows), head: l.plan.len(rows), after: life - 1}
	s.from = l.rows.FirstAfter(rows, s.after)
	s.tail = s.from
	base := int64(m.state[k.life.state+chainBase])
	s.base = base != 0 && life <= base
	late := s.base && s.from < s.head && l.plan.timeAt(rows, s.from) < int64(m.state[k.life.view.state+viewFolded]) // rows among what has left the log
	if late || s.head-s.to >= s.to-s.from {
		return shift{}, 0, false
	}
	for _, p := range k.parts {
		if p.part.Decays() || p.part == aggregate.Distinct && m.state[p.table.sketch] != 0 {
			return shift{}, 0, false
		}
	}
	return s, life, true
}

// shiftLifePoint makes a part of a life that is one input: the state's, unless it
// is not seen.
func (e *Engine) shiftLifePoint(s *shift, p *partPlan, words []uint64) {
	l, unseen := s.log, false
	if p.newest != nil {
		copy(words, s.state[p.newest.at:p.newest.at+3])
	}
	switch p.part {
	case aggregate.Oldest: // is seen, or nothing is
	case aggregate.Newest, aggregate.Best:
		unseen = s.hides(words)
	default:
		for i := s.to; i < s.head && words[0] != 0; i++ {
			row := l.plan.row(s.rows, i)
			unseen = unseen || l.plan.has(row, p.bit) && aggregate.OrderCode(l.plan.word(row, p.lane), p.number) == words[1]
		}
	}
	if !unseen {
		return
	}
	clear(words)
	if s.base {
		copy(words, s.state[p.base:p.base+p.size()])
	}
	if p.part != aggregate.Newest {
		l.sum(p, s.state, s.rows, s.from, s.to, words)
		return
	}
	if i := l.lastWith(p, s.state, s.rows, s.to); i >= s.from {
		l.scanPart(p, s.rows, i, i+1, words)
	}
}

// hides reports whether a moment does not see an input that was put in.
func (s *shift) hides(words []uint64) bool {
	if s.to == s.head || words[0] == 0 {
		return false
	}
	first := s.log.plan.row(s.rows, s.to)
	t, place := uint64(s.log.plan.time(first)), s.log.plan.place(first)
	return words[0] > t || words[0] == t && words[1] >= place
}

// joinLife puts a row into the parts of a life that are more than the sum of
// their rows; one that comes in order, behind all that are in them, or not.
func (l *entityLog) joinLife(k *cursorPlan, w, row []uint64, inOrder bool) {
	for _, p := range k.beside {
		switch {
		case !l.plan.has(row, p.bit):
		case p.part.Counted():
			l.recountRow(p, w, p.own(w), row, false)
		case inOrder:
			p.part.Add(w[p.at:p.at+p.size()], l.plan.input(row, p), p.number)
		default:
			l.joinLifeGaps(k, p, w, row)
		}
	}
}

// joinLifeGaps puts a row into the gaps of a life. One that is older than what has
// left the log makes them anew.
func (l *entityLog) joinLifeGaps(k *cursorPlan, p *partPlan, w, row []uint64) {
	rows, t := l.rows.All(w[atRows:]), l.plan.time(row)
	from, base := l.rows.FirstAfter(rows, int64(w[k.life.state+chainLife])-1), l.baseOfGaps(k, p, w)
	if uint64(t) >= base {
		l.joinGaps(p, w, rows, l.rows.FirstBehind(rows, t, l.plan.place(row))-1, from, base)
		return
	}
	words := w[p.at : p.at+p.size()]
	copy(words, w[p.base:])
	l.sum(p, w, rows, from, l.plan.len(rows), words)
}

// baseOfGaps is when the last event was of those that have left the log of the
// life that the state stands in; 0: there is none.
func (l *entityLog) baseOfGaps(k *cursorPlan, p *partPlan, w []uint64) uint64 {
	s := w[k.life.state:]
	if base := s[chainBase]; base == 0 || s[chainLife] > base {
		return 0
	}
	return aggregate.LastOfGaps(w[p.base : p.base+p.size()])
}
