package features

import (
	"math"
	"slices"

	"github.com/freshet-dev/freshet/features/event"
)

// ReadWith fills out with what ev would be enriched with, and remembers nothing
// (S7). An event that was applied, known by its id and time, is evaluated at the
// place where it was, never counted twice; any other one behind all events of its
// time. Its values live until the engine's next call. It reads the entity's rows
// one by one: for an answer, not for every event.
func (e *Engine) ReadWith(ev *event.Event, out *Vector) {
	c, sp := &e.current, e.plan.sources[ev.Source]
	counts := slices.Clone(e.counts) // they are of what was applied
	e.ofVector.reset()
	e.lists = &e.ofVector
	e.identify(ev)
	c.prepared = false
	e.ask(ev)
	known, gone := e.placeApplied(ev)
	if !known {
		c.place = math.MaxUint64
	}
	c.places = c.places[:0]
	for i, plan := range sp.logs {
		p := placed{standing: behind, instead: true}
		if c.keys[sp.entity[i]] != "" {
			e.logs[plan.index].suppose(e, &p, sp.entity[i], ev, known)
			p.unplaced = gone && p.hasPeers(plan, ev.Time)
		}
		c.places = append(c.places, p)
	}
	stamp(out.Statuses)
	e.enrich(sp, ev, out)
	for i, plan := range sp.logs {
		if l, p := e.logs[plan.index], &c.places[i]; p.made {
			l.releaseTexts(e, l.plan.row(p.rows, l.plan.len(p.rows)-1))
		}
	}
	copy(e.counts, counts)
}

// placeApplied finds the place of an event that was applied, by its id and time
// in the logs of its entities: one may have let go of it that another one holds.
// Of one that none of them holds, gone says that some log may have let go of it.
func (e *Engine) placeApplied(ev *event.Event) (known, gone bool) {
	c := &e.current
	if c.idHash == 0 {
		return false, false
	}
	for _, l := range e.sources[ev.Source].logs {
		if c.keys[l.entityAt] == "" {
			continue
		}
		if row := l.rowOfID(c.identity); row != nil {
			c.place = l.plan.place(row)
			return true, false
		}
		gone = gone || l.letGo(c.hashes[l.entityAt]) >= ev.Time
	}
	return false, gone
}

// letGo is the time of the newest event that a key's log may have held and does
// not any more; 0: there is none.
func (l *entityLog) letGo(key hash128) int64 {
	w := l.unknown(key)
	if k := l.entities.find(key); k.state != nil {
		w, _ = l.facing(k.state)
	}
	born, _ := bornAt(w)
	return max(born, l.left(w))
}

// hasPeers reports whether events of the time of the one at hand are seen: where
// its place is not known, it may be before or behind them.
func (p *placed) hasPeers(l *logPlan, t int64) bool {
	n := l.len(p.rows)
	if p.made {
		n--
	}
	return n > 0 && l.timeAt(p.rows, n-1) == t
}

// suppose makes what the event at hand sees of one of its entities: the rows up
// to its own, which is put behind them in a copy where it was not applied.
func (l *entityLog) suppose(e *Engine, p *placed, entity int, ev *event.Event, known bool) {
	c := &e.current
	p.in = l.plan.counted(c) != 0 || c.takes.yes
	if k := l.entities.find(c.hashes[entity]); k.state != nil {
		p.slot, p.state = k.slot, k.state
		rows := l.rows.All(p.state[atRows:])
		p.index = l.rows.FirstBehind(rows, ev.Time, c.place)
		p.rows = l.plan.upTo(rows, p.index)
		p.lost = p.slot.isLarge() && ev.Time <= l.foldedAt(p.state) && p.index == 0
	}
	if known {
		if p.in = p.index > 0; p.in {
			last := l.plan.row(p.rows, p.index-1)
			p.in = l.plan.time(last) == ev.Time && l.plan.place(last) == c.place
		}
		return
	}
	if p.in {
		p.made = true
		l.supposed = append(l.supposed[:0], p.rows...)
		l.supposed = append(l.supposed, make([]uint64, l.plan.width)...)
		l.fill(e, l.supposed[len(p.rows):], ev)
		p.rows = l.supposed
		if l.plan.retracts {
			row := l.plan.row(p.rows, l.plan.len(p.rows)-1)
			if t, is := l.takenBefore(p.state, row); is {
				l.plan.take(row, t, 0)
				l.plan.strip(row)
			}
			l.plan.settleAmong(p.rows)
		}
	}
}
