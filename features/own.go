package features

// What is read of a view needs no look at each window where nothing special is to
// be said: its row exists, all of its windows is known, and the running state
// stands where it is read, or there are but few rows.

// done is how much of a reading is evaluated.
type done uint8

const (
	nothingDone done = iota
	plainDone        // the plain cells
	directDone       // and the direct ones
	allDone
)

// readOwn evaluates what it can of a reading for the event at hand without
// asking how its windows stand to the state.
func (e *Engine) readOwn(r *viewReading, f *frame) done {
	if !r.own || len(r.groups) == 0 {
		return nothingDone
	}
	l, p, t := e.logs[r.view.log.index], &e.current.places[r.view.log.order], e.current.ev.Time
	w := p.state
	if w == nil || p.lost || p.instead {
		return nothingDone
	}
	if !p.slot.isLarge() || p.few {
		all := l.rows.All(w[atRows:])
		rows := l.plan.upTo(all, p.index+one(p.in))
		if l.plan.retracts && len(rows) < len(all) {
			return nothingDone // some may be taken back by later ones
		}
		newest := l.newestOf(r.view, rows)
		if newest == 0 || t-newest >= r.view.ttl {
			return nothingDone
		}
		return e.readFew(r, l, w, rows, p.in, t, f)
	}
	newest := int64(w[r.view.state+viewNewest])
	if p.standing != at || newest == 0 || t-newest >= r.view.ttl {
		return nothingDone
	}
	return e.readState(r, l, w, t, f)
}

// findEven finds the readings that readEven sees to.
func (sp *sourcePlan) findEven() {
	for _, r := range sp.readings {
		r.even = r.own && r.entity >= 0 && r.view != nil && r.view.ttl > 0 && r.view.log.following.is && len(r.rest)+len(r.bound) == 0 && r.plain.even
	}
}

// readEven is readOwn where nothing but flat formulas is asked for, one of each window. Their statuses are
// stamped. It reports false where more may be to say.
func (e *Engine) readEven(r *viewReading, t int64, f *frame) bool {
	p, l := &e.current.places[r.view.log.order], e.logs[r.view.log.index]
	w := p.state
	switch {
	case w == nil || p.lost || p.instead || t-r.plain.longest < e.knownSince(l, w):
	case p.followed:
		r.plain.settleEven(w[:l.plan.words], int64(p.index)+1, f)
		return true
	case !p.slot.isLarge():
		rows := l.plan.upTo(l.rows.All(w[atRows:]), p.index+1)
		if r.plain.evenFew(l.plan, rows, t, e.scratch[:l.plan.words]) {
			r.plain.settleEven(e.scratch[:l.plan.words], int64(p.index)+1, f)
			return true
		}
	}
	return false
}

// readThere is readOwn for a moment at which the view's row exists.
func (e *Engine) readThere(r *viewReading, m *moment, f *frame) done {
	switch {
	case m.small:
		return e.readFew(r, m.log, m.state, m.rows, m.current, m.t, f)
	case r.own, m.standing == behind, m.standing == forward && m.t >= int64(m.state[atDue]):
		return nothingDone
	}
	return e.readState(r, m.log, m.state, m.t, f)
}

// readNewest is readOwn for the row of a view as of its newest event, where no
// other came behind that. It returns when it was.
func (e *Engine) readNewest(r *viewReading, l *entityLog, w []uint64, f *frame) (int64, done) {
	if len(r.bound) > 0 || r.view.ttl == 0 {
		return 0, nothingDone
	}
	if len(w) > atFirst {
		t := int64(w[r.view.state+viewNewest])
		if t == 0 || t != int64(w[atNow]) {
			return 0, nothingDone
		}
		return t, e.readState(r, l, w, t, f)
	}
	rows := l.rows.All(w[atRows:])
	t := l.newestOf(r.view, rows)
	if t == 0 || t != l.plan.lastTime(rows) {
		return 0, nothingDone
	}
	return t, e.readFew(r, l, w, rows, false, t, f)
}

// readState evaluates what it can of a reading at t from a running state from
// which nothing leaves until then.
func (e *Engine) readState(r *viewReading, l *entityLog, w []uint64, t int64, f *frame) done {
	since := e.knownSince(l, w)
	switch {
	case len(r.plain.windows) > 0 && (t-r.plain.longest < since || !e.settleState(&r.plain, l, w, f)):
		return nothingDone
	case len(r.rest) == len(r.others):
	case !r.direct.bound && r.direct.before.any(), t-r.direct.longest < since, !e.directState(r, l, w, t, f):
		return plainDone
	}
	return r.allButOthers()
}

// readFew evaluates what it can of a reading at t from the rows that are seen of
// an entity that has few; the last one may be the event at hand.
func (e *Engine) readFew(r *viewReading, l *entityLog, w, rows []uint64, current bool, t int64, f *frame) done {
	if t-r.few.longest < e.knownSince(l, w) {
		return nothingDone
	}
	if words := e.scratch[:l.plan.words]; r.plain.even && len(r.rest) == 0 && r.plain.evenFew(l.plan, rows, t, words) {
		r.plain.settleEven(words, int64(l.plan.len(rows)), f)
		return allDone
	}
	earlier := rows
	if current {
		earlier = l.plan.upTo(rows, l.plan.len(rows)-1)
	}
	if !e.settleFew(&r.few.before, l, w, earlier, t, f) || !e.settleFew(&r.few.after, l, w, rows, t, f) {
		return nothingDone
	}
	return r.allButOthers()
}

// allButOthers is how much is evaluated when all is that is at hand.
func (r *viewReading) allButOthers() done {
	if len(r.others) > 0 {
		return directDone
	}
	return allDone
}

// knownSince is the time behind which all is known of an entity: nothing of it
// has left the log, and its source was read.
func (e *Engine) knownSince(l *entityLog, w []uint64) int64 {
	born, _ := bornAt(w)
	since := max(e.coverageOf(l).since(), int64(w[atDropped]), born)
	if len(w) > atFirst {
		since = max(since, l.foldedAt(w))
	}
	return since
}
