package features

// Every is a place in the walk over all entities. Its zero value is the
// beginning.
type Every struct {
	log, at int
	large   bool // among the large states, which come behind the small ones
}

// TouchMore touches the rows of the next n places of entities, so that Rows
// gives them, and reports whether there are more. Between two calls events may be
// applied: an entity that moves to where the walk has been was touched by the
// event that moved it. A row whose last life has ended by t is left out: no store
// has it any more.
func (e *Engine) TouchMore(from *Every, n int, t int64) (more bool) {
	e.again = true
	for ; from.log < len(e.logs); *from = (Every{log: from.log + 1}) {
		l := e.logs[from.log]
		for {
			states, bit := &l.entities.small, slot(0)
			if from.large {
				states, bit = &l.entities.large, largeSlot
			}
			for ; from.at < states.n; from.at++ {
				if n == 0 {
					return true
				}
				n--
				l.touch(slot(from.at)|bit, t)
			}
			if from.large {
				break
			}
			from.at, from.large = 0, true
		}
	}
	return false
}

// touch touches the rows of a slot, if it is one of an entity.
func (l *entityLog) touch(n slot, t int64) {
	if l.entities.key(n) == "" {
		return
	}
	w := l.entities.state(n)
	var views uint64
	for _, v := range l.plan.views {
		if newest := l.newest(v, w); newest != 0 && (v.ttl == 0 || newest+v.ttl > t) {
			views |= v.touch
		}
	}
	if views != 0 && w[atTouched] == 0 {
		l.touched = append(l.touched, n)
	}
	w[atTouched] |= views
}
