package features

import "github.com/freshet-dev/freshet/features/event"

// place finds where an event is in the log of one of its entities and puts it
// there, if a view of the entity counts it. The log of the record's first
// entity keeps a row even where no view does: the id is found there again
// (S10 a).
func (l *entityLog) place(e *Engine, key string, ev *event.Event, first bool) placed {
	c := &e.current
	slot, known := l.entities.find(key)
	keep := first && l.plan.hasID && c.idHash != 0
	counted := l.plan.counted(c)
	if !known {
		if !keep && counted == 0 {
			return placed{}
		}
		slot = l.entities.make(key)
	}
	w := l.entities.state(slot)
	at := placed{state: w}
	i := l.rows.FirstBehind(l.rows.All(w[atRows:]), ev.Time, c.place)
	if keep || counted != 0 {
		at.in = true
		row := l.rows.Insert(w[atRows:], i)
		l.fill(e, row, ev, first)
		i++
		l.touch(slot, w, counted, ev.Time)
	}
	at.end = i
	return at
}

// counted has the touch bits of the views that an event enters.
func (l *logPlan) counted(c *current) uint64 {
	var views uint64
	for _, v := range l.views {
		if l.bits[v.entered].holds(c) {
			views |= v.touch
		}
	}
	return views
}

// holds reports whether an event has the bit.
func (b *bitPlan) holds(c *current) bool {
	if b.filter >= 0 && c.conds[b.filter] != holds {
		return false
	}
	if b.cond >= 0 && c.conds[b.cond] != holds {
		return false
	}
	if b.numerator >= 0 && (c.conds[b.numerator] == unknown || (b.hit && c.conds[b.numerator] != holds)) {
		return false
	}
	return b.input < 0 || c.values[b.input].Has()
}

// fill writes the event's row.
func (l *entityLog) fill(e *Engine, row []uint64, ev *event.Event, first bool) {
	p, c := l.plan, &e.current
	row[0], row[1] = uint64(ev.Time), c.place
	if p.hasID {
		row[2] = 0
		if first {
			row[2] = c.idHash
		}
	}
	flags := row[p.flagsAt:p.lanesAt]
	clear(flags)
	for i := range p.bits {
		if p.bits[i].holds(c) {
			flags[i>>6] |= 1 << (i & 63)
		}
	}
	for i, input := range p.lanes {
		v := c.values[input]
		word := c.word(input)
		if p.source.inputs[input].encoding == text && v.Has() {
			word = e.texts.hold(v.Str())
		}
		row[p.lanesAt+i] = word
	}
}

// touch notes that the rows of views have changed.
func (l *entityLog) touch(slot uint32, w []uint64, views uint64, t int64) {
	if views == 0 {
		return
	}
	if w[atTouched] == 0 {
		l.touched = append(l.touched, slot)
	}
	w[atTouched] |= views
	for _, v := range l.plan.views {
		if views&v.touch != 0 {
			w[v.state+viewNewest] = max(w[v.state+viewNewest], uint64(t))
		}
	}
}

// has reports whether a row has a bit.
func (l *logPlan) has(row []uint64, bit int) bool {
	return row[l.flagsAt+bit>>6]>>(bit&63)&1 != 0
}
