package features

import (
	"cmp"
	"slices"
)

// What takes back an event that is not there waits for it as long as it may come, and
// is then counted as one that took nothing back. A shop that gives money back for what
// it sold last month has many of them: they are kept by key group, so that a snapshot
// of one group has to look at no others.

// waiting is an event whose original was not there yet.
type waiting struct {
	key   hash128
	time  int64
	place uint64
	since int64 // the newest event time of its source when it came, ms
}

// waits are those of a key group, in order of since.
type waits struct {
	list  []waiting
	first int // those before it have waited
}

// left are those that still wait.
func (q *waits) left() []waiting { return q.list[q.first:] }

// waitsOf are the events of a key's group that wait.
func (l *entityLog) waitsOf(key hash128) *waits { return &l.waits[key.hi>>56] }

// await remembers an event whose original was not there.
func (l *entityLog) await(x waiting) {
	q := l.waitsOf(x.key)
	if q.first*2 >= len(q.list) {
		q.list = q.list[:copy(q.list, q.left())]
		q.first = 0
	}
	q.list = append(q.list, x)
}

// expireWaits counts the events of a group that have waited in vain up to an event time.
func (l *entityLog) expireWaits(q *waits, newest int64) {
	for q.first < len(q.list) && newest-q.list[q.first].since > l.plan.lateness {
		if x := q.list[q.first]; !l.foundSince(x) {
			l.unknowns++
		}
		q.first++
	}
}

// expireNextWaits counts those of one group after the other: soon after they have waited,
// while the log still tells whether that was in vain.
func (l *entityLog) expireNextWaits(newest int64) {
	l.expiring = (l.expiring + 1) % numGroups
	l.expireWaits(&l.waits[l.expiring], newest)
}

// expireAllWaits counts those of all groups.
func (l *entityLog) expireAllWaits(newest int64) {
	for i := range l.waits {
		l.expireWaits(&l.waits[i], newest)
	}
}

// sortWaits puts in order what records were read into that were behind one another.
func (l *entityLog) sortWaits() {
	for i := range l.waits {
		slices.SortStableFunc(l.waits[i].left(), func(a, b waiting) int { return cmp.Compare(a.since, b.since) })
	}
}

// foundSince reports whether the original of an event came after it.
func (l *entityLog) foundSince(x waiting) bool {
	k := l.entities.find(x.key)
	if k.state == nil {
		return false
	}
	rows := l.rows.All(k.state[atRows:])
	i := l.rows.FirstBehind(rows, x.time, x.place) - 1
	if i < 0 {
		return false
	}
	row := l.plan.row(rows, i)
	return l.plan.time(row) == x.time && l.plan.place(row) == x.place && l.plan.has(row, l.plan.found)
}
