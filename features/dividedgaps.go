package features

import (
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// What lies between the events of a category is put together of nodes over the rows
// (dividednodes.go), in each of which the category is searched for, as it is when a
// reading asks: its record says no more than how many events there are, which is
// what it is ranked by. What lies between the events of the others lies between those
// of several categories, and is no sum of what each of them has. It has nodes of its
// own: over all rows but those of the categories that are shown. They are right for as
// long as the same ones are shown, so the nodes of the sets that were shown last are
// kept: where two categories have about as many events, they take turns.

// keptOthers is of how many sets of categories the nodes over all others are kept.
const keptOthers = 4

// branchGaps gives the gaps of a window by category their nodes, but for windows of few
// rows. Columns of one window share those over all others.
func (l *logPlan) branchGaps(k *cursorPlan, x *dividedPlan) {
	size := x.gaps.size()
	records := &dividedPlan{bit: x.bit, lane: x.lane, parts: []*partPlan{x.gaps}, width: recordParts + size}
	if x.nodes = l.branch(k, records); x.nodes == nil {
		return
	}
	x.nodes.records.nodes = x.nodes
	for _, o := range k.divided {
		if o.gaps == x.gaps && o.lane == x.lane {
			x.others = o.others
			return
		}
	}
	p := *x.gaps
	p.node = 1
	for range keptOthers {
		b := &levelsPlan{parts: []*partPlan{&p}, width: size, least: leastSummed, but: x}
		x.others, l.branches = append(x.others, b), append(l.branches, b)
	}
}

// joinGaps makes the gaps between the events of some categories, in e.scratch.
func (e *Engine) joinGaps(d *division, m *moment, of *pick) {
	x, l := d.cell.divided, m.log
	words := e.scratch[x.gaps.at : x.gaps.at+x.gaps.size()]
	clear(words)
	if of.others {
		l.othersGaps(x, m.state, d, of, words)
		return
	}
	for i := range of.words {
		r := l.recordBut(x.nodes.records, m.state, d.rows, d.cut, d.cut.to, of.words[i].word, uint64(of.words[i].n))
		copy(words, r[recordParts:])
	}
}

// othersGaps puts the gaps between the events of all categories but some into words.
func (l *entityLog) othersGaps(x *dividedPlan, w []uint64, d *division, of *pick, words []uint64) {
	from, to := d.cut.from, d.cut.to
	if to-from < leastSummed || !l.isLog(w, d.rows) {
		for i := from; i < to; i++ {
			if row := l.plan.row(d.rows, i); of.takes(l.plan, row) {
				l.sumRow(x.gaps, row, words)
			}
		}
		l.steps += int64(to - from)
		return
	}
	nodes := l.nodesBut(x, w, of.words)
	l.makeNodes(nodes, w, d.rows, to)
	for i := from; i < to; {
		l.steps++
		node, n := l.nodeAt(nodes, w, i, to)
		if node != nil {
			aggregate.Gaps.Merge(words, node[:x.gaps.size()])
		} else if row := l.plan.row(d.rows, i); !l.leavesOut(nodes, w, row) {
			l.sumRow(x.gaps, row, words)
		}
		i += n
	}
}

// nodesBut are the nodes over all rows but those of some categories. They are the first
// ones then; where there were none, they take the place of those that were asked for
// longest ago.
func (l *entityLog) nodesBut(x *dividedPlan, w []uint64, shown []category) *levelsPlan {
	l.tops = l.tops[:0]
	for i := range shown {
		l.tops = append(l.tops, shown[i].word)
	}
	slices.Sort(l.tops)
	found, last := 0, len(x.others)-1
	for found < last && !slices.Equal(l.leftOut(x.others[found], w), l.tops) {
		found++
	}
	l.steps += int64(len(shown) + found)
	for ; found > 0; found-- {
		a, b := x.others[found], x.others[found-1]
		for i := range window.HandleWords {
			w[a.at+i], w[b.at+i] = w[b.at+i], w[a.at+i]
			w[a.held+i], w[b.held+i] = w[b.held+i], w[a.held+i]
		}
	}
	first := x.others[0]
	if !slices.Equal(l.leftOut(first, w), l.tops) {
		l.slab.FreeHandle(w[first.at:])
		l.slab.FreeHandle(w[first.held:])
		w[first.held], w[first.held+1] = uint64(l.slab.Alloc(len(l.tops))), uint64(len(l.tops))
		copy(l.slab.Words(window.Ref(w[first.held])), l.tops)
	}
	return first
}

// leftOut are the words of the categories that nodes leave out, ascending.
func (l *entityLog) leftOut(x *levelsPlan, w []uint64) []uint64 {
	if w[x.held] == 0 {
		return nil
	}
	return l.slab.Words(window.Ref(w[x.held]))[:w[x.held+1]]
}

// leavesOut reports whether nodes leave out a row.
func (l *entityLog) leavesOut(x *levelsPlan, w, row []uint64) bool {
	_, found := slices.BinarySearch(l.leftOut(x, w), l.plan.word(row, x.but.lane))
	return found
}
