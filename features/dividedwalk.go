package features

import "github.com/freshet-dev/freshet/features/window"

// Who walks back to the newest events of a category, or of all but some, may pass many
// others on the way. After the first few of them he asks the nodes over the rows
// (dividednodes.go), whose records here are no more than how many events of each
// category there are: a node that has none of those that are walked to is passed at
// once.

// passed counts the rows that a walk has passed, one after another or not.
type passed int

// pass is how many of the rows before one that a walk does not take are left to look
// at: behind them there is none that it takes.
func (n *passed) pass(l *entityLog, p *pick, w []uint64, s *stretch, i int) int {
	if *n++; *n < farRows || p.nodes == nil {
		return i
	}
	return l.lastTaken(p, w, s, i)
}

// lastTaken is how many of the first n rows of a stretch there are up to the last that
// a walk takes.
func (l *entityLog) lastTaken(p *pick, w []uint64, s *stretch, n int) int {
	x := p.nodes
	l.makeNodes(x, w, s.rows, n)
	gone := int(w[x.at+1] >> 32)
	for n > s.from {
		if (n+gone)%fanOut == 0 {
			if rows := l.withoutTaken(p, w, n+gone); rows > 0 {
				n -= rows
				continue
			}
		}
		l.steps++
		if row := l.plan.row(s.rows, n-1); l.plan.has(row, x.records.bit) && p.takes(l.plan, row) {
			return n
		}
		n--
	}
	return n
}

// withoutTaken is how many rows the largest node holds that ends behind so many and
// has none that a walk takes; 0: there is none.
func (l *entityLog) withoutTaken(p *pick, w []uint64, end int) int {
	at, size := nodesBefore(end/fanOut-1), fanOut
	for ; end%(size*fanOut) == 0; size *= fanOut {
		at++
	}
	for ; size >= fanOut; size /= fanOut {
		if l.steps++; !l.hasTaken(p, w, at) {
			return size
		}
		at--
	}
	return 0
}

// hasTaken reports whether the node at a place has a category that a walk takes.
func (l *entityLog) hasTaken(p *pick, w []uint64, at int) bool {
	x := p.nodes
	all := l.recordsAt(x, w, l.slab.Words(window.Ref(w[x.at]))[at:])
	categories := len(all) / x.records.width
	if p.others && categories > len(p.words) {
		return true
	}
	found := 0
	for i := range p.words {
		if l.recordIn(x, all, p.words[i].word) != nil {
			found++
		}
	}
	if p.others {
		return found < categories
	}
	return found > 0
}
