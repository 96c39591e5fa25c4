package features

import "github.com/freshet-dev/freshet/features/event"

// view is how a reading stands to the running state of an entity.
type standing uint8

const (
	behind  standing = iota // before atNow, or between events of its time: a scan
	at                      // at atNow: the running state
	forward                 // after it: a copy of the state, moved on
)

// placed is where the event at hand is in one of its logs.
type placed struct {
	state    []uint64 // the entity's; nil: the entity is not known
	slot     slot
	index    int // where its row is, or would be
	in       bool
	lost     bool // it is before events that were folded
	standing standing
	views    uint64 // the touch bits of the views it enters
	followed bool   // it came behind all rows, and all of the state is of now
	few      bool   // the entity has but few rows: they have just given it its running state

	// Of an event that is not applied: what it sees instead of the log.
	instead  bool
	made     bool // the last of rows is its own
	unplaced bool // it may belong before those of its time that it sees
	rows     []uint64
}

// find places the event at hand in the log of one of its entities. Where a view
// counts it, the entity is made if it is new, and the row is to be inserted. The
// log of the record's first entity keeps a row even where no view counts it:
// its id is found there again (S10 a).
func (l *entityLog) find(e *Engine, p *placed, ev *event.Event, first bool) {
	c := &e.current
	p.views, p.standing = l.plan.counted(c), at
	p.in = p.views != 0 || (first && l.plan.hasID && c.idHash != 0) || c.takes.yes
	k := l.entity(c.identity)
	if k.state == nil {
		if !p.in {
			return
		}
		k = l.makeEntity(e, c.keys[l.entityAt], c.hashes[l.entityAt])
		l.sweep(e, sweepOnMake, e.sources[ev.Source].reference())
	}
	l.asItWas(e, k.state[atKey], k.slot)
	p.slot, p.state = k.slot, k.state
	if !p.slot.isLarge() {
		p.standing = behind
		p.index = l.rows.FirstBehind(l.rows.All(p.state[atRows:]), ev.Time, c.place)
		return
	}
	if ev.Time > int64(p.state[atNow]) { // the newest of the log: nothing to look for
		p.index = l.rows.Len(p.state[atRows:])
		l.advance(p.state, ev.Time)
		return
	}
	rows := l.rows.All(p.state[atRows:])
	p.index = l.rows.FirstBehind(rows, ev.Time, c.place)
	if ev.Time < int64(p.state[atNow]) || p.index < l.plan.len(rows) {
		p.standing = behind
	}
	p.lost = ev.Time <= l.foldedAt(p.state) && p.index == 0
}

// makeEntity makes an entity that is not known.
func (l *entityLog) makeEntity(e *Engine, key string, h hash128) known {
	l.makeRoomFor(e, h)
	n := l.entities.make(key, h)
	w := l.entities.state(n)
	w[atDropped], w[atBorn] = l.entities.group(h.hi).swept, l.born(h)
	if l.few == 0 {
		n = l.entities.promote(n)
	}
	return known{n, l.entities.state(n)}
}

// How many entities are looked at, whether they can be forgotten, for each new
// one, and each time that so many events have come: they are all over memory, and
// looked at together they are waited for together.
const (
	sweepOnMake  = 2
	sweepOnApply = 16
)

// put inserts the event's row where find has placed it.
func (l *entityLog) put(e *Engine, p *placed, ev *event.Event) {
	if !p.in {
		return
	}
	if p.slot.isLarge() {
		p.index = l.insert(e, p.state, p.index, ev)
	} else {
		l.fill(e, l.rows.Insert(p.state[atRows:], p.index), ev)
		p.state[atNow] = max(p.state[atNow], uint64(ev.Time))
		if n := l.rows.Len(p.state[atRows:]); n > l.few {
			p.slot, p.state = l.promote(e, p.slot)
			if p.index == n-1 && !l.plan.past { // the state stands at the newest row, and no one has to see it before that
				p.standing = at
			} else {
				p.few = l.plan.few(n) == n
			}
		}
	}
	if l.plan.retracts {
		l.retract(e, p)
	}
	l.keepBudget(e, p)
	if p.views != 0 {
		l.touchRow(p)
	}
}

// touchRow notes that the rows of the views that an event enters are to be written.
func (l *entityLog) touchRow(p *placed) {
	if p.state[atTouched] == 0 {
		l.touched = append(l.touched, p.slot)
	}
	p.state[atTouched] |= p.views
}

// counted has the touch bits of the views that an event enters.
func (l *logPlan) counted(c *current) uint64 {
	if c.takes.yes {
		return 0
	}
	views := l.always
	for _, v := range l.choosy {
		if l.bits[v.entered].holds(c) {
			views |= v.touch
		}
	}
	return views
}

// holds reports whether an event has the bit. What is unique, the log says.
func (b *bitPlan) holds(c *current) bool {
	switch {
	case b.unique > 0, b.mark != noMark:
		return false
	case b.filter >= 0 && c.conds[b.filter] != holds:
		return false
	case b.cond >= 0 && c.conds[b.cond] != holds:
		return false
	case b.numerator >= 0 && (c.conds[b.numerator] == unknown || (b.hit && c.conds[b.numerator] != holds)):
		return false
	}
	if (b.order > 0 && !c.values[b.order-1].Has()) || (b.category > 0 && !c.values[b.category-1].Has()) {
		return false
	}
	return b.input < 0 || c.values[b.input].Has()
}
