package features

import "github.com/freshet-dev/freshet/features/aggregate"

// The running state of an entity stands at atNow, at or after its newest row:
// it is what a scan of every window at atNow would find. Nothing ticks: a
// window empties when the state is moved on, in the path of an event, or in a
// copy, in the path of a reading.

// advance moves an entity's running state on to t.
func (l *entityLog) advance(w []uint64, t int64) {
	newest := int64(w[atNow])
	if newest >= t {
		return
	}
	w[atNow] = uint64(t)
	if t >= int64(w[atDue]) {
		due := l.leaveSpans(w, newest, t)
		for _, k := range l.plan.delayed {
			rows := l.rows.All(w[atRows:])
			if t >= int64(w[k.at+1]) {
				w[k.at] = l.move(k, rows, w, w[k.at], t, true)
				w[k.at+1] = l.due(k, rows, w[k.at])
			}
			due = min(due, w[k.at+1])
		}
		w[atDue] = due
	}
	for _, c := range l.plan.chains {
		if w[c.state+chainLife] != 0 && t-int64(w[c.view.state+viewNewest]) >= c.gap {
			l.endLife(c, w)
		}
	}
}

// never is the due time of a window that nothing will enter or leave.
const never = 1<<63 - 1

// due is when the next row enters a delayed window at its head or leaves it at
// its tail.
func (l *entityLog) due(k *cursorPlan, rows []uint64, cursor uint64) uint64 {
	at, n := uint64(never), l.plan.len(rows)
	if tail := int(uint32(cursor)); tail < n {
		at = uint64(l.plan.timeAt(rows, tail) + k.delay + k.length)
	}
	if head := int(cursor >> 32); head < n {
		at = min(at, uint64(l.plan.timeAt(rows, head)+k.delay))
	}
	return at
}

// move moves a delayed window on to t: rows enter it at the head and leave it at
// the tail. The parts are in words: the entity's state (own) or a copy. The new
// tail and head are returned.
func (l *entityLog) move(k *cursorPlan, rows, words []uint64, cursor uint64, t int64, own bool) uint64 {
	tail, head, n := int(uint32(cursor)), int(cursor>>32), l.plan.len(rows)
	for head < n && l.plan.timeAt(rows, head) <= t-k.delay {
		row := l.plan.row(rows, head)
		if own {
			l.occurAll(k, words, head)
		}
		l.plan.add(k, row, words)
		head++
		if own {
			words[k.at] = uint64(head)<<32 | uint64(tail)
			l.joinAll(k, words, head-1, head)
			for _, x := range k.stacks {
				l.outdo(x, words, row, t)
			}
			for _, x := range k.newests {
				l.renew(x, words, row, t)
			}
		}
	}
	for from := t - k.delay - k.length; tail < head && l.plan.timeAt(rows, tail) <= from; tail++ {
		l.plan.remove(k, l.plan.row(rows, tail), words)
		if own {
			l.leaveMore(k, rows, tail, head, words)
		}
	}
	l.steps += int64(tail - int(uint32(cursor)) + head - int(cursor>>32))
	return uint64(head)<<32 | uint64(tail)
}

// forget takes the values whose newest occurrence leaves their longest window
// out of the tables.
func (l *entityLog) forget(k *cursorPlan, row, w []uint64) {
	for _, x := range k.longest {
		if !l.plan.has(row, x.unique) {
			continue
		}
		// The mark may be left over of a value that was forgotten and came again.
		if word := l.plan.word(row, x.lane); l.tables.Get(w[x.at:], word).Time() == l.plan.time(row) {
			l.tables.Delete(w[x.at:], word)
		}
	}
}

// add puts a row into the running parts of a window.
func (l *logPlan) add(k *cursorPlan, row, words []uint64) {
	for i := range k.ops {
		o := &k.ops[i]
		if row[o.flags]>>o.shift&1 == 0 {
			continue
		}
		switch o.part {
		case 0, aggregate.Matches, aggregate.Distinct:
			words[o.at]++
		case aggregate.Sum:
			aggregate.AddInt(words[o.at:], row[o.lane])
		case aggregate.Squares:
			aggregate.AddSquare(words[o.at:], row[o.lane])
		case aggregate.DecayedOnes, aggregate.DecayedInts, aggregate.DecayedDoubles:
			o.part.AddDecayed(words[o.at:], l.time(row), row[o.lane], o.half)
		default:
			w := words[o.at:]
			o.part.Add(w[:o.part.Words()], l.seen(o, row), o.number)
		}
	}
}

// seen is a row as an op sees it.
func (l *logPlan) seen(o *op, row []uint64) aggregate.Input {
	in := aggregate.Input{Time: l.time(row), Place: l.place(row), Half: o.half}
	if o.lane > 0 {
		in.Word = row[o.lane]
	}
	if o.order > 0 {
		in.Order = aggregate.OrderCode(row[o.order], o.orders)
	}
	return in
}

// remove takes a row out of the running parts of a window, but for those of a life
// that cannot be undone.
func (l *logPlan) remove(k *cursorPlan, row, words []uint64) {
	for i := range k.ops {
		o := &k.ops[i]
		if row[o.flags]>>o.shift&1 == 0 {
			continue
		}
		w := words[o.at:]
		switch o.part {
		case 0, aggregate.Matches, aggregate.Distinct:
			w[0]--
		case aggregate.Sum:
			aggregate.SubInt(w, row[o.lane])
		case aggregate.Squares:
			aggregate.SubSquare(w, row[o.lane])
		default:
			if k.life == nil || o.part.Retractable() { // else see shiftlife.go
				o.part.Remove(w[:o.part.Words()], aggregate.Input{Time: l.time(row), Word: row[o.lane]}, o.number)
			}
		}
	}
}
