package features

import "github.com/freshet-dev/freshet/features/event"

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

// entity finds the entity of an event in the log that is the ith of its source.
func (l *entityLog) entity(id *identity, i, entity int) known {
	if i < len(id.known) && id.known[i].has(id.hashes[entity]) {
		return id.known[i]
	}
	return l.entities.find(id.hashes[entity])
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
	sum := uint64(0)
	for i := range s.n {
		id := &s.identities[i]
		e.fillIdentity(id, events[i])
		sp := e.plan.sources[id.source]
		for j, plan := range sp.logs {
			sum += e.logs[plan.index].entities.near(id.hashes[sp.entity[j]])
		}
	}
	for i := range s.n {
		sum += e.nearStates(&s.identities[i])
	}
	for i := range s.n {
		sum += e.nearRows(&s.identities[i])
	}
	e.touched = sum
}

// nearStates finds the entities of an event, and touches their states.
func (e *Engine) nearStates(id *identity) uint64 {
	sp, sum := e.plan.sources[id.source], uint64(0)
	id.known = id.known[:0]
	for i, plan := range sp.logs {
		k := e.logs[plan.index].entities.find(id.hashes[sp.entity[i]])
		id.known = append(id.known, k)
		for at := 0; at < len(k.state); at += 8 {
			sum += k.state[at]
		}
	}
	return sum
}

// nearRows touches the rows that an event needs: the ends of its logs, and what
// leaves a window.
func (e *Engine) nearRows(id *identity) uint64 {
	sum := uint64(0)
	for i, plan := range e.plan.sources[id.source].logs {
		if w := id.known[i].state; w != nil {
			sum += e.logs[plan.index].nearRows(w, id.ev.Time)
		}
	}
	return sum
}

// nearRows touches the rows of an entity that an event at t needs.
func (l *entityLog) nearRows(w []uint64, t int64) uint64 {
	rows := l.rows.All(w[atRows:])
	if len(rows) == 0 {
		return 0
	}
	sum := rows[len(rows)-l.plan.width]
	if len(w) == atFirst || t < int64(w[atDue]) {
		return sum
	}
	now, newest := uint64(t)>>dueShift, int64(w[atNow])
	for i := range l.plan.spans {
		x := &l.plan.spans[i]
		if x.ints && newest <= t-x.length {
			continue // it is emptied without a look
		}
		cursor := w[x.at]
		if at := int(cursor&tailMask) * l.plan.width; now >= cursor>>tailBits && at < len(rows) {
			sum += rows[at]
		}
	}
	return sum
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
	c.identity, c.staged = &e.alone, false
	e.fillIdentity(&e.alone, ev)
}

func (e *Engine) fillIdentity(id *identity, ev *event.Event) {
	sp := e.plan.sources[ev.Source]
	id.ev, id.source, id.place = ev, ev.Source, placeOf(ev)
	id.buffer.reset()
	id.keys, id.hashes, id.known = id.keys[:0], id.hashes[:0], id.known[:0]
	for i := range sp.keys {
		key := sp.keys[i].keyText(ev, &id.buffer)
		id.keys, id.hashes = append(id.keys, key), append(id.hashes, e.hash.key(key))
	}
	id.idHash = 0
	if field := sp.source.IDField; field != nil && ev.Values[field.Index].Has() {
		id.idHash = e.hash.of(ev.ID)
	}
}
