package features

// An entity with few events has no running state: what it is asked is put
// together from its rows, which costs less than to keep up what is asked of
// them. The same is said of it either way.

// fewRows is how many events an entity may have without a running state.
const fewRows = 8

// promote gives an entity its running state as of its newest row: each row is
// accounted for as a late one is, and asks nothing of windows that it has left.
func (l *entityLog) promote(e *Engine, n slot) (slot, []uint64) {
	n = l.entities.promote(n)
	w := l.entities.state(n)
	if w[atTouched] != 0 {
		l.touched = append(l.touched, n)
	}
	rows := l.rows.All(w[atRows:])
	w[atNow] = 0
	l.rows.Show(w[atRows:], 0)
	l.advance(w, l.plan.lastTime(rows))
	for i := range l.plan.len(rows) {
		l.rows.Show(w[atRows:], i+1)
		l.account(w, l.plan.row(l.rows.All(w[atRows:]), i), i)
	}
	if l.plan.retracts {
		l.noteTakings(w, rows)
	}
	return n, w
}

// facing is a state as a reading sees it, and whether it is a small one, which
// stands nowhere: it has its rows alone, and has lost none of them.
func (l *entityLog) facing(w []uint64) (state []uint64, small bool) {
	if len(w) == len(l.nobody) {
		return w, false
	}
	copy(l.nobody, w)
	return l.nobody, true
}

// unknown is the state of a key that has none.
func (l *entityLog) unknown(key hash128) []uint64 {
	clear(l.nobody[:atFirst])
	l.nobody[atDropped], l.nobody[atBorn] = l.entities.group(key.hi).swept, l.born(key)
	return l.nobody
}

// newest is when the newest event that entered a view was; 0: never.
func (l *entityLog) newest(v *viewPlan, w []uint64) int64 {
	if s, small := l.facing(w); small {
		return l.newestAt(v, s, l.rows.All(w[atRows:]))
	}
	return int64(w[v.state+viewNewest])
}
