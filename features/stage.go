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
	idHash uint64    // 0: no id
	buffer keyBuffer
}

// stage is the events that are staged and not admitted yet.
type stage struct {
	identities [StageSize]identity
	next, n    int
	states     [][]uint64 // of their entities
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
	s.states = s.states[:0]
	for i := range s.n {
		id := &s.identities[i]
		sp := e.plan.sources[id.source]
		for j, plan := range sp.logs {
			l := e.logs[plan.index]
			var w []uint64
			if n, ok := l.entities.find(id.hashes[sp.entity[j]]); ok {
				w = l.entities.state(n)
			}
			for at := 0; at < len(w); at += 8 {
				sum += w[at]
			}
			s.states = append(s.states, w)
		}
	}
	at := 0
	for i := range s.n {
		id := &s.identities[i]
		for _, plan := range e.plan.sources[id.source].logs {
			sum += e.logs[plan.index].nearRows(s.states[at], id.ev.Time)
			at++
		}
	}
	e.touched = sum
}

// nearRows touches the rows that an event at t needs: the end of the log, and
// what leaves a window.
func (l *entityLog) nearRows(w []uint64, t int64) uint64 {
	if w == nil {
		return 0
	}
	sum := l.rows.Last(w[atRows:])
	if len(w) == atFirst || t < int64(w[atDue]) {
		return sum
	}
	for i := range l.plan.spans {
		if k := l.plan.spans[i].cursor; k.isDue(w, t) {
			sum += l.rows.TimeOf(w[atRows:], k.tail(w))
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
	id.keys, id.hashes = id.keys[:0], id.hashes[:0]
	for i := range sp.keys {
		key := sp.keys[i].keyText(ev, &id.buffer)
		id.keys, id.hashes = append(id.keys, key), append(id.hashes, e.hash.key(key))
	}
	id.idHash = 0
	if field := sp.source.IDField; field != nil && ev.Values[field.Index].Has() {
		id.idHash = e.hash.of(ev.ID)
	}
}
