package features

import (
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// What cannot be taken back, as an extreme or a half-life, has to be put together
// anew for a moment behind the state, and so has a life with a delay. Not row by
// row: four rows are put together once, four of such nodes again, and so on, and any
// stretch of the log is a few dozen of rows and nodes at most. The nodes are begun
// when someone asks for more than a few rows; a late event forgets those from its
// place on; a snapshot does without them. By category, a node holds a record for
// each category that its rows have (dividednodes.go).

const (
	fanOut = 4
	// leastSummed is how many rows are looked at by nodes.
	leastSummed = 3 * fanOut
	// idleNodes is how many rows that have left the log may still have nodes, beyond
	// as many as it holds.
	idleNodes = 1 << 10
)

// levelsPlan is the nodes of a log. Each has the words of all parts, or is where its
// records begin. They are in
// one block in the order in which they are complete: behind every fourth node comes
// the one that holds these four. The second word of the handle is how many rows
// have left the log since row 0 (high half), and how many nodes of four rows there
// are.
type levelsPlan struct {
	parts []*partPlan
	width int
	at    int
	least int // rows that are looked at by nodes

	records *dividedPlan // what a record has, of nodes by category
	but     *dividedPlan // of nodes over all categories but some: what is divided
	held    int          // handle of the block of their records, or of the words of those categories
}

// layLevels finds the parts that nodes hold, and the windows that are all of such
// parts, but for those that count words.
func (l *logPlan) layLevels() {
	l.levels.least = leastSummed
	for _, k := range l.cursors {
		k.summed = true
		for _, p := range k.parts {
			switch {
			case p.part == aggregate.Distinct || p.part.Counted():
				k.words = append(k.words, p)
			case p.part.Walks():
			case k.joins(p):
				p.node = l.levels.node(p)
			default:
				k.summed = false
			}
		}
	}
}

// joins reports whether a part is put together anew, by nodes.
func (k *cursorPlan) joins(p *partPlan) bool {
	if k.life != nil && (k.delay > 0 || slices.ContainsFunc(k.parts, func(p *partPlan) bool { return p.part.Decays() })) {
		return true
	}
	return k.keeps() && (p.part == aggregate.Smallest || p.part == aggregate.Largest || p.part == aggregate.Best)
}

// node is 1 + where a part is in a node, shared by all that are alike.
func (x *levelsPlan) node(p *partPlan) int {
	for _, o := range x.parts {
		if o.part == p.part && o.bit == p.bit && o.lane == p.lane && o.half == p.half && o.order == p.order {
			return o.node
		}
	}
	x.parts = append(x.parts, p)
	x.width += p.size()
	return 1 + x.width - p.size()
}

// isLog reports whether rows are the log's own, from its first one on, of an
// entity with a running state.
func (l *entityLog) isLog(w, rows []uint64) bool {
	if &w[0] == &l.nobody[0] {
		return false
	}
	all := l.rows.All(w[atRows:])
	return len(rows) > 0 && len(all) >= len(rows) && &all[0] == &rows[0]
}

// sum puts rows into a part, by nodes where they are many.
func (l *entityLog) sum(p *partPlan, w, rows []uint64, from, to int, words []uint64) {
	if p.node == 0 || to-from < l.plan.levels.least || !l.isLog(w, rows) {
		l.scanPart(p, rows, from, to, words)
		return
	}
	x := &l.plan.levels
	l.makeNodes(x, w, rows, to)
	for i := from; i < to; {
		l.steps++
		node, n := l.nodeAt(x, w, i, to)
		if node == nil {
			l.sumRow(p, l.plan.row(rows, i), words)
		} else {
			l.sumNode(p, node, words)
		}
		i += n
	}
}

// sumAll puts rows into all parts of a window that nodes hold, in e.scratch.
func (e *Engine) sumAll(l *entityLog, k *cursorPlan, w, rows []uint64, c cut) {
	x := &l.plan.levels
	l.makeNodes(x, w, rows, c.to)
	for i := c.from; i < c.to; {
		l.steps++
		node, n := l.nodeAt(x, w, i, c.to)
		for _, p := range k.parts {
			if p.node == 0 {
				continue // it may have no words here
			}
			if words := e.scratch[p.at : p.at+p.size()]; node == nil {
				l.sumRow(p, l.plan.row(rows, i), words)
			} else {
				l.sumNode(p, node, words)
			}
		}
		i += n
	}
}

func (l *entityLog) sumRow(p *partPlan, row, words []uint64) {
	switch {
	case !l.plan.has(row, p.bit):
	case p.part == 0:
		words[0]++
	default:
		p.part.Add(words, l.plan.input(row, p), p.number)
	}
}

func (l *entityLog) sumNode(p *partPlan, node, words []uint64) {
	from := node[p.node-1 : p.node-1+p.size()]
	if p.part == 0 {
		words[0] += from[0]
	} else {
		p.part.Merge(words, from)
	}
}

// nodesBefore is how many nodes are complete before node i of four rows is.
func nodesBefore(i int) (n int) {
	for ; i > 0; i /= fanOut {
		n += i
	}
	return n
}

// nodeAt is the largest node that begins with row i and ends by row to, and how
// many rows it holds; nil and 1: none does. Of nodes by category the next one follows.
func (l *entityLog) nodeAt(x *levelsPlan, w []uint64, i, to int) (node []uint64, rows int) {
	gone := int(w[x.at+1] >> 32)
	if i, to = i+gone, to+gone; i%fanOut != 0 || i+fanOut > to {
		return nil, 1
	}
	size, level := fanOut, 0
	for i%(size*fanOut) == 0 && i+size*fanOut <= to {
		size, level = size*fanOut, level+1
	}
	at := (nodesBefore((i+size)/fanOut-1) + level) * x.width
	return l.slab.Words(window.Ref(w[x.at]))[at:], size
}

// makeNodes makes the nodes that are complete with the first n rows.
func (l *entityLog) makeNodes(x *levelsPlan, w, rows []uint64, n int) {
	gone, made := int(w[x.at+1]>>32), int(uint32(w[x.at+1]))
	if (made+1)*fanOut <= gone { // those that would come next hold nothing: they are counted from here on
		gone, made = 0, 0
	}
	for ; (made+1)*fanOut <= gone+n; made++ {
		at := nodesBefore(made)
		l.nodeRoom(x, w, at, nodesBefore(made+1))
		l.makeNode(x, w, at, rows[max(0, made*fanOut-gone)*l.plan.width:((made+1)*fanOut-gone)*l.plan.width])
		l.steps += fanOut
		below := 1 // how far apart in the block the nodes of a level are
		for i := made + 1; i%fanOut == 0; i /= fanOut {
			at++
			l.joinNodes(x, w, at, below)
			l.steps += fanOut
			below = below*fanOut + 1
		}
	}
	w[x.at+1] = uint64(gone)<<32 | uint64(made)
}

// makeNode makes a node of rows.
func (l *entityLog) makeNode(x *levelsPlan, w []uint64, at int, rows []uint64) {
	if x.records != nil {
		l.divideNode(x, w, at, rows)
		return
	}
	node := l.slab.Words(window.Ref(w[x.at]))[at*x.width : (at+1)*x.width]
	clear(node)
	for i := range l.plan.len(rows) {
		row := l.plan.row(rows, i)
		if x.but != nil && l.leavesOut(x, w, row) {
			continue
		}
		for _, p := range x.parts {
			l.sumRow(p, row, node[p.node-1:p.node-1+p.size()])
		}
	}
}

// joinNodes makes a node from the four that end before it, each so many nodes behind
// the one before.
func (l *entityLog) joinNodes(x *levelsPlan, w []uint64, at, apart int) {
	if x.records != nil {
		l.joinDivided(x, w, at, apart)
		return
	}
	block := l.slab.Words(window.Ref(w[x.at]))
	node := block[at*x.width : (at+1)*x.width]
	clear(node)
	for i := fanOut - 1; i >= 0; i-- {
		of := (at - 1 - i*apart) * x.width
		for _, p := range x.parts {
			l.sumNode(p, block[of:of+x.width], node[p.node-1:p.node-1+p.size()])
		}
	}
}

// changeNode makes the nodes of a log anew that hold row i: it has changed.
func (l *entityLog) changeNode(x *levelsPlan, w, rows []uint64, i int) {
	if x.width == 0 || w[x.at] == 0 {
		return
	}
	gone, made := int(w[x.at+1]>>32), int(uint32(w[x.at+1]))
	leaf := (i + gone) / fanOut
	if leaf >= made {
		return
	}
	at := nodesBefore(leaf)
	l.makeNode(x, w, at, rows[max(0, leaf*fanOut-gone)*l.plan.width:((leaf+1)*fanOut-gone)*l.plan.width])
	l.steps += fanOut
	below := 1
	for size, level := fanOut*fanOut, 1; ; size, level = size*fanOut, level+1 {
		end := ((i+gone)/size + 1) * size
		if end > made*fanOut {
			return
		}
		l.joinNodes(x, w, nodesBefore(end/fanOut-1)+level, below)
		l.steps += fanOut
		below = below*fanOut + 1
	}
}

// nodeRoom makes room for so many nodes, of which some are in use, and for a word
// behind them.
func (l *entityLog) nodeRoom(x *levelsPlan, w []uint64, used, nodes int) {
	l.blockRoom(&w[x.at], used*x.width+1, nodes*x.width+1)
}

// blockRoom makes a block one of so many words, some of which are in use.
func (l *entityLog) blockRoom(block *uint64, used, words int) {
	old := l.slab.Words(window.Ref(*block))
	if len(old) >= words {
		return
	}
	ref := l.slab.Alloc(words + words/recordsGrow)
	copy(l.slab.Words(ref), old[:min(used, len(old))])
	l.slab.Free(window.Ref(*block))
	*block = uint64(ref)
}

// cutNodes forgets the nodes that hold rows from row i on, before which one is put.
func (l *entityLog) cutNodes(w []uint64, i int) {
	l.cutNodesOf(&l.plan.levels, w, i)
	for _, x := range l.plan.branches {
		l.cutNodesOf(x, w, i)
	}
}

func (l *entityLog) cutNodesOf(x *levelsPlan, w []uint64, i int) {
	if x.width == 0 || w[x.at] == 0 {
		return
	}
	gone, made := w[x.at+1]>>32, uint64(uint32(w[x.at+1]))
	w[x.at+1] = gone<<32 | min(made, (gone+uint64(i))/fanOut)
}

// dropRows takes the first n rows out of the log. Nodes that are mostly of such rows
// are begun anew.
func (l *entityLog) dropRows(w []uint64, n int) {
	for _, k := range l.plan.ripening {
		l.leaveRipe(k, w, n)
	}
	l.rows.DropFront(w[atRows:], n)
	l.dropNodes(&l.plan.levels, w, n)
	for _, x := range l.plan.branches {
		l.dropNodes(x, w, n)
	}
}

func (l *entityLog) dropNodes(x *levelsPlan, w []uint64, n int) {
	if x.width == 0 || w[x.at] == 0 {
		return
	}
	w[x.at+1] += uint64(n) << 32
	if int(w[x.at+1]>>32) > l.rows.Len(w[atRows:])+idleNodes {
		l.slab.FreeHandle(w[x.at:])
		if x.held != 0 {
			l.slab.FreeHandle(w[x.held:])
		}
	}
}
