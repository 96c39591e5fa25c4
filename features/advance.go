package features

import "github.com/freshet-dev/freshet/features/aggregate"

// The running state of an entity stands at atNow, at or after its newest row:
// it is what a scan of every window at atNow would find. Nothing ticks: a
// window empties when the state is moved on, in the path of an event, or in a
// copy, in the path of a reading.

// advance moves an entity's running state on to t.
func (l *entityLog) advance(w []uint64, t int64) {
	if int64(w[atNow]) >= t {
		return
	}
	w[atNow] = uint64(t)
	rows := l.rows.All(w[atRows:])
	for _, k := range l.plan.sliding {
		w[k.at] = l.move(k, rows, w, w[k.at], t, true)
	}
	for _, v := range l.plan.views {
		if len(v.lives) > 0 && w[v.state+viewLife] != 0 && t-int64(w[v.state+viewNewest]) >= v.ttl {
			l.endLife(v, w)
		}
	}
}

// move moves a sliding window on to t: rows enter it at the head, where it has
// a delay, and leave it at the tail. The parts are in words: the entity's state
// (own) or a copy. The new tail and head are returned.
func (l *entityLog) move(k *cursorPlan, rows, words []uint64, cursor uint64, t int64, own bool) uint64 {
	width := l.plan.width
	tail, n := int(uint32(cursor)), len(rows)/width
	head, entered := n, 0
	if k.delay > 0 {
		head = int(cursor >> 32)
		for head < n && int64(rows[head*width]) <= t-k.delay {
			l.add(k, rows[head*width:(head+1)*width], words)
			head++
		}
		entered = head
	}
	for from := t - k.delay - k.length; tail < head && int64(rows[tail*width]) <= from; tail++ {
		row := rows[tail*width : (tail+1)*width]
		l.remove(k, row, words)
		if own {
			l.forget(k, row, words)
		}
	}
	return uint64(entered)<<32 | uint64(tail)
}

// forget takes the values whose newest occurrence leaves their longest window
// out of the tables.
func (l *entityLog) forget(k *cursorPlan, row, w []uint64) {
	for _, x := range k.longest {
		if l.plan.has(row, x.unique) {
			l.tables.Delete(w[x.at:], row[l.plan.lanesAt+x.lane])
		}
	}
}

// add puts a row into the running parts of a window.
func (l *entityLog) add(k *cursorPlan, row, words []uint64) {
	for _, p := range k.running {
		if !l.plan.has(row, p.unique) {
			continue
		}
		switch p.part {
		case 0, aggregate.Matches:
			words[p.at]++
		case aggregate.Distinct:
			if k.life == nil { // a life counts its values by the table
				words[p.at]++
			}
		default:
			p.part.Add(words[p.at:p.at+p.size()], l.plan.input(row, p), p.number)
		}
	}
}

// remove takes a row out of the running parts of a sliding window.
func (l *entityLog) remove(k *cursorPlan, row, words []uint64) {
	for _, p := range k.running {
		if !l.plan.has(row, p.unique) {
			continue
		}
		switch p.part {
		case 0, aggregate.Matches, aggregate.Distinct:
			words[p.at]--
		default:
			p.part.Remove(words[p.at:p.at+p.size()], l.plan.input(row, p), p.number)
		}
	}
}
