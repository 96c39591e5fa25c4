package features

import (
	"slices"

	"github.com/freshet-dev/freshet/features/event"
)

// Main memory is far: what an event needs of an entity that was not seen for a
// while are several loads, each waiting for the one before. Staged together,
// the loads of one level of several events wait for each other no more.

// StageSize is how many events are staged at once: what they need together
// still fits into the near caches.
const StageSize = 16

// identity is what is known of an event before its entities are: its keys and
// its id.
type identity struct {
	ev     *event.Event
	source int
	place  uint64
	keys   []string  // by Layout.Entities
	hashes []hash128 // of keys
	known  []known   // by the source's logs: the entity where it was
	idHash uint64    // 0: no id
	buffer keyBuffer
}

// entity finds the entity of an event in a log of its source.
func (l *entityLog) entity(id *identity) known {
	h := id.hashes[l.entityAt]
	if i := l.plan.order; i < len(id.known) && id.known[i].has(h) {
		return id.known[i]
	}
	return l.entities.find(h)
}

// stage is the events that are staged and not admitted yet.
type stage struct {
	identities [StageSize]identity
	next, n    int
}

// Stage brings near what the next events need, in the order in which Admit will
// see them. It changes no value, only when memory is waited for. The events are
// not changed until they are admitted; those that are not admitted are
// forgotten with the next call. More than StageSize of them, it stages the
// first.
func (e *Engine) Stage(events []*event.Event) {
	s := &e.stage
	s.next, s.n = 0, min(len(events), StageSize)
	for i := range s.n {
		e.fillIdentity(&s.identities[i], events[i])
	}
	sum := uint64(0)
	for from, to := 0, 0; from < s.n; from = to {
		source := s.identities[from].source
		for to = from + 1; to < s.n && s.identities[to].source == source; {
			to++
		}
		sum += e.sources[source].near(s.identities[from:to])
	}
	e.touched = sum
}

// near brings near what events of a source need. One level after the other: loads
// wait together that have little between them.
func (s *sourceState) near(events []identity) uint64 {
	sum, n := uint64(0), len(s.logs)
	for i := range events {
		events[i].known = slices.Grow(events[i].known[:0], n)[:n]
	}
	for _, l := range s.logs {
		at := l.entityAt
		for i := range events {
			sum += l.entities.near(events[i].hashes[at])
		}
	}
	for order, l := range s.logs {
		sum += l.nearStates(events, order)
	}
	for order, l := range s.logs {
		for i := range events {
			if w := events[i].known[order].state; w != nil {
				sum += l.nearRows(w, events[i].ev.Time)
			}
		}
	}
	return sum
}

// nearStates finds the entities of events in a log, and touches their states.
func (l *entityLog) nearStates(events []identity, order int) uint64 {
	sum, at := uint64(0), l.entityAt
	for i := range events {
		id := &events[i]
		k := l.entities.find(id.hashes[at])
		for line := 0; line < len(k.state); line += 8 {
			sum += k.state[line]
		}
		id.known[order] = k
	}
	return sum
}

// nearRows touches the rows of an entity that an event at t needs.
func (l *entityLog) nearRows(w []uint64, t int64) uint64 {
	rows, width := l.rows.All(w[atRows:]), l.plan.width
	if len(rows) < width {
		return 0
	}
	sum := rows[len(rows)-width]
	if len(w) == atFirst { // all of few are read
		for at := 0; at < len(rows); at += 8 {
			sum += rows[at]
		}
		return sum
	}
	if t < int64(w[atDue]) {
		return sum
	}
	spans, now := l.plan.spans, uint64(t)>>dueShift
	for i := l.plan.emptied(int64(w[atNow]), t); i < len(spans); i++ {
		if cursor := w[spans[i].at]; now >= cursor>>tailBits {
			if at := int(cursor&tailMask) * width; at < len(rows) {
				sum += rows[at]
			}
		}
	}
	return sum
}

// emptied is how many spans of integers have no row left at t that is not later
// than newest: no row has to be looked at for them.
func (l *logPlan) emptied(newest, t int64) int {
	n := 0
	for n < l.ints && newest <= t-l.spans[n].length {
		n++
	}
	return n
}

// identify finds the keys and the id of an event, where they were not staged.
func (e *Engine) identify(ev *event.Event) {
	c, s := &e.current, &e.stage
	c.prepared = true
	for i := s.next; i < s.n; i++ {
		id := &s.identities[i]
		if id.ev == ev && id.place == placeOf(ev) && id.source == ev.Source {
			s.next, c.identity, c.staged = i+1, id, true
			return
		}
	}
	c.identity, c.staged = &e.alone[0], false
	e.fillIdentity(c.identity, ev)
}

func (e *Engine) fillIdentity(id *identity, ev *event.Event) {
	sp := e.plan.sources[ev.Source]
	id.ev, id.source, id.place = ev, ev.Source, placeOf(ev)
	id.buffer.reset()
	n := len(sp.keys)
	keys, hashes := slices.Grow(id.keys[:0], n)[:n], slices.Grow(id.hashes[:0], n)[:n]
	for i := range sp.keys {
		keys[i] = sp.keys[i].keyText(ev, &id.buffer)
		hashes[i] = e.hash.key(keys[i])
	}
	id.keys, id.hashes, id.known = keys, hashes, id.known[:0]
	id.idHash = 0
	if field := sp.source.IDField; field != nil && ev.Values[field.Index].Has() {
		id.idHash = e.hash.of(ev.ID)
	}
}
