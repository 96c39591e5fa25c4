package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A life of a row is a chain of events that entered the view, each silence
// shorter than ttl (S22). The state holds the parts of the life at atNow. What
// leaves the log is folded into the base: the parts of the life that reaches
// out of the log, and may go on in it. No life that lies wholly outside can be
// joined any more: the log keeps ttl + lateness.

// enter notes that a row entered a view.
func (l *entityLog) enter(v *viewPlan, w, row []uint64) {
	s, t := w[v.state:], l.plan.time(row)
	s[viewNewest] = max(s[viewNewest], uint64(t))
	if len(v.lives) == 0 {
		return
	}
	if t <= int64(w[atDropped]) && v.misses(s, t) {
		s[viewLost] = 1
	}
	life, now := int64(s[viewLife]), int64(w[atNow])
	switch {
	case life != 0 && t >= life:
	case life == 0 && t == now:
		life = t
		s[viewLife] = uint64(t)
	case life == 0 && now-t >= v.ttl, life != 0 && life-t >= v.ttl:
		l.see(v, w, row) // of an older life
		return
	default:
		l.see(v, w, row)
		l.rebuildLife(v, w)
		return
	}
	for _, k := range v.lives {
		l.plan.add(k, row, w)
	}
	for _, x := range v.tables {
		if l.plan.has(row, x.bit) && l.note(x, w, row).Time() < life {
			for _, c := range x.counts {
				if !c.cursor.scanned {
					w[c.part.at]++
				}
			}
		}
	}
	l.see(v, w, row)
}

// misses reports whether a row that came too late for the log cannot be put
// into the base any more: it joins another life to it, or belongs between the
// events of a part that is put together in the order of time.
func (v *viewPlan) misses(s []uint64, t int64) bool {
	base := int64(s[viewBase])
	if t < base {
		return base-t < v.ttl
	}
	return base != 0 && v.ordered && t < int64(s[viewFolded])
}

// note is what a table says about a row's value.
func (l *entityLog) note(x *tablePlan, w, row []uint64) window.Note {
	return l.tables.Get(w[x.at:], l.plan.word(row, x.lane))
}

// see puts a row's values into the tables of a view's life.
func (l *entityLog) see(v *viewPlan, w, row []uint64) {
	for _, x := range v.tables {
		if !l.plan.has(row, x.bit) {
			continue
		}
		if n, t := l.note(x, w, row), l.plan.time(row); n.Time() < t {
			l.tables.Put(w[x.at:], l.plan.word(row, x.lane), window.NewNote(t, n.Base()))
		}
	}
}

// endLife empties the life at atNow.
func (l *entityLog) endLife(v *viewPlan, w []uint64) {
	w[v.state+viewLife] = 0
	for _, k := range v.lives {
		for _, p := range k.running {
			clear(w[p.at : p.at+p.size()])
		}
	}
}

// rebuildLife makes the life at atNow from the log and the base: a late event
// has joined what was apart.
func (l *entityLog) rebuildLife(v *viewPlan, w []uint64) {
	l.endLife(v, w)
	rows := l.rows.All(w[atRows:])
	begin, base := l.lifeAt(v, w, rows, int64(w[atNow]))
	life := l.lifeSince(v, w, rows, begin, base)
	w[v.state+viewLife] = uint64(life)
	for _, k := range v.lives {
		if base {
			for _, p := range k.running {
				copy(w[p.at:p.at+p.size()], w[p.base:])
			}
		}
		for i := begin; i < l.plan.len(rows); i++ {
			l.plan.add(k, l.plan.row(rows, i), w)
		}
	}
	for _, x := range v.tables {
		n := uint64(0)
		l.tables.Each(w[x.at:], func(_ uint64, note window.Note) {
			if life != 0 && note.Time() >= life {
				n++
			}
		})
		for _, c := range x.counts {
			if !c.cursor.scanned {
				w[c.part.at] = n
			}
		}
	}
}

// lifeAt finds the life that a view's row is in at t: the index of its first
// row (the number of rows where it has none), and whether the base is part of
// it. Rows of a lagging partition may be older than what has left the log.
func (l *entityLog) lifeAt(v *viewPlan, w, rows []uint64, t int64) (begin int, base bool) {
	s := w[v.state:]
	folded, first := int64(s[viewFolded]), int64(s[viewBase])
	n := l.plan.len(rows)
	begin, next := n, t
	for i := n - 1; i >= 0; i-- {
		row := l.plan.row(rows, i)
		if !l.plan.has(row, v.entered) {
			continue
		}
		at := l.plan.time(row)
		if !base && first != 0 && at <= folded && next-folded < v.ttl {
			base, next = true, min(next, first)
		}
		if next-at >= v.ttl {
			return begin, base
		}
		begin, next = i, min(next, at)
	}
	return begin, base || (first != 0 && next-folded < v.ttl)
}

// lifeSince is the time of a life's first event; 0: there is no life.
func (l *entityLog) lifeSince(v *viewPlan, w, rows []uint64, begin int, base bool) int64 {
	since := int64(0)
	if begin < l.plan.len(rows) {
		since = l.plan.timeAt(rows, begin)
	}
	if first := int64(w[v.state+viewBase]); base && (since == 0 || first < since) {
		return first
	}
	return since
}

// fold puts a row that leaves the log into the base of a view it entered.
func (l *entityLog) fold(e *Engine, v *viewPlan, w, row []uint64) {
	s, t := w[v.state:], l.plan.time(row)
	if len(v.lives) == 0 {
		s[viewFolded] = max(s[viewFolded], uint64(t))
		return
	}
	base, folded := int64(s[viewBase]), int64(s[viewFolded])
	if base != 0 && t-folded >= v.ttl {
		l.dropBase(e, v, w)
		base = 0
	}
	if base != 0 && base-t >= v.ttl {
		return // a life before the base's: nothing can reach it any more
	}
	if base == 0 || t < base {
		s[viewBase] = uint64(t)
	}
	s[viewFolded] = max(s[viewFolded], uint64(t))
	for _, k := range v.lives {
		for _, p := range k.parts {
			if l.plan.has(row, p.bit) {
				l.foldPart(e, p, w, row)
			}
		}
	}
	for _, x := range v.tables {
		if l.plan.has(row, x.bit) {
			n := l.note(x, w, row)
			l.tables.Put(w[x.at:], l.plan.word(row, x.lane), window.NewNote(max(n.Time(), t), true))
		}
	}
}

// foldPart puts a row into one part of a base.
func (l *entityLog) foldPart(e *Engine, p *partPlan, w, row []uint64) {
	base := w[p.base : p.base+p.size()]
	switch p.part {
	case 0, aggregate.Matches:
		base[0]++
	case aggregate.Distinct: // the table says which values are in the base
	case aggregate.Counts:
		word := l.plan.word(row, p.lane)
		l.tables.Put(w[p.census.at:], word, l.tables.Get(w[p.census.at:], word)+1)
	case aggregate.Newest, aggregate.Oldest:
		old := [3]uint64{base[0], base[1], base[2]}
		p.part.Add(base, l.plan.input(row, p), p.number)
		if l.plan.isText(p.lane) && (base[0] != old[0] || base[1] != old[1]) {
			e.texts.again(base[2])
			if old[0] != 0 {
				e.texts.release(old[2])
			}
		}
	default:
		p.part.Add(base, l.plan.input(row, p), p.number)
	}
}

// dropBase forgets the base of a view: its life is over, and nothing can reach
// it any more.
func (l *entityLog) dropBase(e *Engine, v *viewPlan, w []uint64) {
	s := w[v.state:]
	folded := int64(s[viewFolded])
	l.releaseBase(e, v, w)
	for _, k := range v.lives {
		for _, p := range k.parts {
			clear(w[p.base : p.base+p.size()])
			if p.census != nil {
				l.slab.FreeHandle(w[p.census.at:])
			}
		}
	}
	for _, x := range v.tables {
		l.tables.Revise(w[x.at:], func(_ uint64, n window.Note) window.Note {
			if n.Time() <= folded {
				return 0
			}
			return window.NewNote(n.Time(), false)
		})
	}
	s[viewBase], s[viewLost] = 0, 0
}

// releaseBase lets go of the texts that a base holds.
func (l *entityLog) releaseBase(e *Engine, v *viewPlan, w []uint64) {
	for _, k := range v.lives {
		for _, p := range k.parts {
			if (p.part == aggregate.Newest || p.part == aggregate.Oldest) && l.plan.isText(p.lane) && w[p.base] != 0 {
				e.texts.release(w[p.base+2])
			}
		}
	}
}

func (l *logPlan) isText(lane int) bool {
	return lane >= 0 && l.source.inputs[l.lanes[lane]].encoding == text
}
