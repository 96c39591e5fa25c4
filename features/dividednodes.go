package features

import (
	"math"
	"slices"

	"github.com/freshet-dev/freshet/features/window"
)

// What cannot be taken back, as an extreme or the newest event, is put together by
// category from nodes over the rows (levels.go). A node has a record for each
// category of its rows, as dividedPlan says, ascending by the category's word. The
// records of all nodes are one behind the other in a block of their own, so that a
// node is no more than where they begin, and what was forgotten is written over. Of
// what is walked to, a record is no more than how many events there are
// (dividedwalk.go).

// branch are the nodes for the records of a cell, shared by all windows; nil: all that
// is asked of them can be taken back, or they are of no fixed number of words, or of few
// rows. Gaps have nodes beside their records (dividedgaps.go).
func (l *logPlan) branch(k *cursorPlan, x *dividedPlan) *levelsPlan {
	few := k.last > 0 && k.last < math.MaxInt
	if x.values != nil || x.gaps != nil || x.kept && x.undone && !x.walks || few {
		return nil
	}
	for _, b := range l.branches {
		if b.records != nil && b.records.alike(x) {
			return b
		}
	}
	b := &levelsPlan{width: 1, least: leastSummed, records: x}
	l.branches = append(l.branches, b)
	return b
}

// alike reports whether the records of two cells have the same in them.
func (x *dividedPlan) alike(y *dividedPlan) bool {
	return x.bit == y.bit && x.lane == y.lane && slices.EqualFunc(x.parts, y.parts, func(p, q *partPlan) bool {
		return p.part == q.part && p.bit == q.bit && p.lane == q.lane && p.half == q.half && p.order == q.order
	})
}

// divideNode makes a node of rows.
func (l *entityLog) divideNode(x *levelsPlan, w []uint64, at int, rows []uint64) {
	d, from := x.records, l.recordsEnd(x, w, at)
	n := l.plan.len(rows)
	l.blockRoom(&w[x.held], from, from+n*d.width)
	all := l.slab.Words(window.Ref(w[x.held]))[from : from+n*d.width]
	used := 0
	for i := range n {
		row := l.plan.row(rows, i)
		if !l.plan.has(row, d.bit) {
			continue
		}
		word, k := l.plan.word(row, d.lane), 0
		for k < used && all[k] < word {
			k += d.width
		}
		if k == used || all[k] != word {
			copy(all[k+d.width:used+d.width], all[k:used])
			used += d.width
			clear(all[k : k+d.width])
			all[k] = word
		}
		l.divideRow(d, row, all[k:k+d.width])
	}
	l.endRecordsAt(x, w, at, from+used)
}

// divideRow puts a row into the record of its category.
func (l *entityLog) divideRow(d *dividedPlan, row, r []uint64) {
	r[1]++
	at := recordParts
	for _, p := range d.parts {
		if l.plan.has(row, p.bit) {
			p.part.Add(r[at:at+p.size()], l.plan.input(row, p), p.number)
		}
		at += p.size()
	}
}

// joinDivided makes a node from the four that end before it, which are merged by
// the words of their categories.
func (l *entityLog) joinDivided(x *levelsPlan, w []uint64, at, apart int) {
	d, from := x.records, l.recordsEnd(x, w, at)
	places := l.slab.Words(window.Ref(w[x.at]))
	var next, ends [fanOut]int
	most := from
	for i := range fanOut {
		of := at - 1 - (fanOut-1-i)*apart
		next[i], ends[i] = int(places[of]), int(places[of+1])
		most += ends[i] - next[i]
	}
	l.blockRoom(&w[x.held], from, most)
	all := l.slab.Words(window.Ref(w[x.held]))
	used := from
	for {
		least := -1
		for i := range fanOut {
			if next[i] < ends[i] && (least < 0 || all[next[i]] < all[next[least]]) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		r := all[next[least] : next[least]+d.width]
		next[least] += d.width
		l.steps++
		if used > from && all[used-d.width] == r[0] {
			d.merge(all[used-d.width:used], r)
			continue
		}
		copy(all[used:used+d.width], r)
		used += d.width
	}
	l.endRecordsAt(x, w, at, used)
}

// changeDivided makes the records of its category anew in the nodes that hold row i,
// which was struck or raised. One that is of no row any more stays where it is. Nodes
// that were made without the row are forgotten.
func (l *entityLog) changeDivided(x *levelsPlan, w, rows []uint64, i int) {
	if w[x.at] == 0 {
		return
	}
	gone, made := int(w[x.at+1]>>32), int(uint32(w[x.at+1]))
	row, places := l.plan.row(rows, i), l.slab.Words(window.Ref(w[x.at]))
	word := l.plan.word(row, x.records.lane)
	for size, level, apart := fanOut, 0, 0; ; size, level, apart = size*fanOut, level+1, apart*fanOut+1 {
		end := ((i+gone)/size + 1) * size
		if end > made*fanOut {
			return
		}
		at := nodesBefore(end/fanOut-1) + level
		r := l.recordIn(x, l.recordsAt(x, w, places[at:]), word)
		if r == nil {
			if l.plan.has(row, x.records.bit) {
				l.cutNodesOf(x, w, i)
			}
			return
		}
		clear(r[1:])
		l.steps += fanOut
		if level == 0 {
			l.redivide(x.records, rows, max(0, end-fanOut-gone), end-gone, r)
			continue
		}
		for j := range fanOut {
			if of := l.recordIn(x, l.recordsAt(x, w, places[at-1-j*apart:]), word); of != nil {
				x.records.merge(r, of)
			}
		}
	}
}

// redivide puts those of the rows of a node into a record that are of its category.
func (l *entityLog) redivide(d *dividedPlan, rows []uint64, from, to int, r []uint64) {
	for i := from; i < to; i++ {
		if row := l.plan.row(rows, i); l.plan.has(row, d.bit) && l.plan.word(row, d.lane) == r[0] {
			l.divideRow(d, row, r)
		}
	}
}

// merge puts one record into another of the same category.
func (x *dividedPlan) merge(r, from []uint64) {
	r[1] += from[1]
	x.mergeParts(r[recordParts:], from[recordParts:])
}

// mergeParts puts the parts of one record into those of another.
func (x *dividedPlan) mergeParts(parts, from []uint64) {
	at := 0
	for _, p := range x.parts {
		p.part.Merge(parts[at:at+p.size()], from[at:at+p.size()])
		at += p.size()
	}
}

// recordsEnd is where the records before those of the node at a place end.
func (l *entityLog) recordsEnd(x *levelsPlan, w []uint64, at int) int {
	places := l.slab.Words(window.Ref(w[x.at]))
	if at == 0 {
		places[0] = 0
	}
	return int(places[at])
}

// endRecordsAt notes where the records of the node at a place end.
func (l *entityLog) endRecordsAt(x *levelsPlan, w []uint64, at, end int) {
	l.slab.Words(window.Ref(w[x.at]))[at+1] = uint64(end)
}

// divides reports whether a column can be put together from nodes.
func (l *entityLog) divides(d *division, w []uint64) bool {
	x := d.cell.divided
	return x != nil && x.nodes != nil && d.cut.to-d.cut.from >= x.nodes.least && l.isLog(w, d.rows)
}

// gather makes the records of a stretch of rows from nodes. They live until the next
// call.
func (e *Engine) gather(d *division, l *entityLog, w []uint64) []uint64 {
	x := d.cell.divided.nodes
	l.makeNodes(x, w, d.rows, d.cut.to)
	if e.byWord == nil {
		e.byWord = map[uint64]int{}
	}
	clear(e.byWord)
	e.gathered = e.gathered[:0]
	for i := d.cut.from; i < d.cut.to; {
		node, n := l.nodeAt(x, w, i, d.cut.to)
		if node == nil {
			if row := l.plan.row(d.rows, i); l.plan.has(row, x.records.bit) {
				l.divideRow(x.records, row, e.gatheredOf(x.records, l.plan.word(row, x.records.lane)))
			}
			l.steps++
		} else {
			all := l.slab.Words(window.Ref(w[x.held]))[node[0]:node[1]]
			for at := 0; at < len(all); at += x.records.width {
				if all[at+1] == 0 {
					continue // all its rows here were taken back
				}
				x.records.merge(e.gatheredOf(x.records, all[at]), all[at:at+x.records.width])
			}
			l.steps += 1 + int64(len(all)/x.records.width)
		}
		i += n
	}
	return e.gathered
}

// gatheredOf is the record of a category among those at hand.
func (e *Engine) gatheredOf(x *dividedPlan, word uint64) []uint64 {
	at, known := e.byWord[word]
	if !known {
		at = len(e.gathered)
		e.byWord[word] = at
		e.gathered = slices.Grow(e.gathered, x.width)[:at+x.width]
		clear(e.gathered[at:])
		e.gathered[at] = word
	}
	return e.gathered[at : at+x.width]
}
