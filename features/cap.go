package features

import "container/heap"

// The key cap bounds how many entities a log knows, whoever makes up keys. It is
// kept by each of the index's groups for itself, so that one decision looks at
// the entities of one group only. A group that is full lets go of a few of its
// entities at once: those whose last event is the oldest, of equally old ones
// those with the smaller key. It remembers how far that reaches: an entity that
// is made there later may be one that was evicted, and what a window would see
// of it behind that mark is not known (WARMING).

// evictPart says how many of a full group's entities leave at once, one in so
// many: that often the group is walked, which costs each new entity as many
// looks at others.
const evictPart = 16

// ofMark marks in atBorn that what went before was evicted.
const ofMark = 1 << 63

// shareOf is how many entities a group may have of a log's; 0: any number.
func shareOf(maxKeys int) int {
	if maxKeys <= 0 {
		return 0
	}
	return max(1, maxKeys/numGroups)
}

// leastShare is how many entities a group keeps whatever the memory: of so few
// it is not the entities that take it.
const leastShare = 64

// KeepKeys tightens the key cap of each log to a part (0 to 1) of the entities
// that it has now: memory runs out. Those past it leave when others come.
func (e *Engine) KeepKeys(part float64) {
	for _, l := range e.logs {
		share := max(leastShare, int(part*float64(l.entities.live()))/numGroups+1)
		if l.share == 0 || share < l.share {
			l.share = share
		}
	}
}

// makeRoomFor evicts, where the group of a new entity is full.
func (l *entityLog) makeRoomFor(e *Engine, h hash128) {
	g := l.entities.group(h.hi)
	if l.share == 0 || g.count < l.share {
		return
	}
	l.findOldest(g, max(1, l.share/evictPart, g.count-l.share+1)) // a restored one may be more than full
	for _, a := range l.oldest.all {
		g.mark = max(g.mark, uint64(a.newest))
		l.evict(e, a.slot)
	}
}

// findOldest puts the n entities of a group that leave first into l.oldest.
func (l *entityLog) findOldest(g *group, n int) {
	o := &l.oldest
	o.all, o.entities = o.all[:0], &l.entities
	for _, x := range g.index {
		if x == 0 {
			continue
		}
		a := aged{slot: slot(x) - 1}
		a.newest = l.newestRow(l.entities.state(a.slot))
		switch {
		case len(o.all) < n:
			if o.all = append(o.all, a); len(o.all) == n {
				heap.Init(o)
			}
		case o.before(a, o.all[0]):
			o.all[0] = a
			heap.Fix(o, 0)
		}
	}
}

// newestRow is when the last event of an entity was; 0: it has none yet.
func (l *entityLog) newestRow(w []uint64) int64 {
	rows := l.rows.All(w[atRows:])
	n := l.plan.len(rows)
	if n == 0 {
		return 0
	}
	return l.plan.timeAt(rows, n-1)
}

// evict makes an entity unknown. Where its row is still to be written its state
// stays until that is done: when rows are written decides no value.
func (l *entityLog) evict(e *Engine, n slot) {
	held := l.hold(l.entities.state(n)[atKey], n)
	l.evicted++
	l.entities.unindex(n)
	switch {
	case l.entities.state(n)[atTouched] != 0:
		l.leaving = append(l.leaving, n)
	case held:
		l.entities.nameless(n)
	default:
		l.free(e, n)
	}
}

// freeLeaving frees what was evicted before its row was written, but for what is
// still to be written of a snapshot.
func (l *entityLog) freeLeaving(e *Engine) {
	for _, n := range l.leaving {
		if _, held := l.writing.held[n]; held {
			l.entities.nameless(n)
		} else {
			l.free(e, n)
		}
	}
	l.leaving = l.leaving[:0]
}

// born is what atBorn of an entity that is made now says: up to when there may
// have been an earlier one of that key.
func (l *entityLog) born(h hash128) uint64 {
	g := l.entities.group(h.hi)
	if g.mark > g.swept {
		return g.mark | ofMark
	}
	return g.swept
}

// bornAt is up to when there may have been an earlier entity of that key, and
// what is said of reads that reach behind it. 0: there was none.
func bornAt(w []uint64) (int64, Status) {
	if born := w[atBorn]; born&ofMark != 0 {
		return int64(born &^ ofMark), Warming
	}
	return int64(w[atBorn]), Incomplete
}

// aged is an entity and when its last event was.
type aged struct {
	newest int64
	slot   slot
}

// oldest is the entities that leave first, the last of them at the top: a heap.
type oldest struct {
	entities *entities
	all      []aged
}

// before reports whether a leaves before b.
func (o *oldest) before(a, b aged) bool {
	if a.newest != b.newest {
		return a.newest < b.newest
	}
	return o.entities.key(a.slot) < o.entities.key(b.slot)
}

func (o *oldest) Len() int           { return len(o.all) }
func (o *oldest) Less(i, j int) bool { return o.before(o.all[j], o.all[i]) }
func (o *oldest) Swap(i, j int)      { o.all[i], o.all[j] = o.all[j], o.all[i] }
func (o *oldest) Push(any)           { panic("features: a heap of fixed size") }
func (o *oldest) Pop() any           { panic("features: a heap of fixed size") }
