package features

import (
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// Some parts look for the next row with a bit, which few rows may have. Where one
// was far away, the times of all rows with the bit are listed from then on, and
// the others are not looked at again. A snapshot does without the list.

// listedPlan is the times of the rows with a bit: a handle of as many words as
// are in use, ascending. Those of rows that have left the log may be among them.
type listedPlan struct{ bit, at int }

// farRows is how many rows are looked at before a list is begun.
const farRows = 16

// listed is the list for a part that looks for rows with its bit; nil: all rows
// have it, or none is looked for.
func (l *logPlan) listed(k *cursorPlan, p *partPlan) *listedPlan {
	looks := p.part.Limited() || k.keeps() && (p.part == aggregate.Newest || k.life == nil && p.part == aggregate.Oldest)
	if !looks || l.certain(p.bit) {
		return nil
	}
	for _, x := range l.lists {
		if x.bit == p.bit {
			return x
		}
	}
	x := &listedPlan{bit: p.bit}
	l.lists = append(l.lists, x)
	return x
}

// lastWith is the last of the first n rows that has a part's bit; -1: none has.
func (l *entityLog) lastWith(p *partPlan, w, rows []uint64, n int) int {
	for i := n - 1; i >= 0; i-- {
		if l.plan.has(l.plan.row(rows, i), p.bit) {
			return i
		}
		if l.steps++; n-i == farRows && l.lists(p, w, rows) {
			times := l.timesOf(p.listed, w, rows)
			at, _ := slices.BinarySearch(times, uint64(l.plan.timeAt(rows, i))+1)
			if at == 0 {
				return -1
			}
			i = min(i, l.rows.FirstAfter(rows, int64(times[at-1])))
			n = i
		}
	}
	return -1
}

// firstWith is the first row from a place on that has a part's bit; the number of
// rows where none has.
func (l *entityLog) firstWith(p *partPlan, w, rows []uint64, from int) int {
	for i := from; i < l.plan.len(rows); i++ {
		if l.plan.has(l.plan.row(rows, i), p.bit) {
			return i
		}
		if l.steps++; i-from == farRows && l.lists(p, w, rows) {
			times := l.timesOf(p.listed, w, rows)
			at, _ := slices.BinarySearch(times, uint64(l.plan.timeAt(rows, i)))
			if at == len(times) {
				break
			}
			i = max(i, l.rows.FirstAfter(rows, int64(times[at])-1)-1)
			from = i + 1
		}
	}
	return l.plan.len(rows)
}

// lists reports whether rows are the log's own, of which a part may have a list:
// an entity without a running state has none.
func (l *entityLog) lists(p *partPlan, w, rows []uint64) bool {
	if p.listed == nil || &w[0] == &l.nobody[0] {
		return false
	}
	all := l.rows.All(w[atRows:])
	return len(all) >= len(rows) && &all[0] == &rows[0]
}

// timesOf are the times of all rows of the log with a bit, and maybe older ones.
func (l *entityLog) timesOf(x *listedPlan, w, rows []uint64) []uint64 {
	if w[x.at] == 0 {
		all := l.rows.All(w[atRows:])
		w[x.at], w[x.at+1] = uint64(l.slab.Alloc(leastRoom)), 0
		for i := range l.plan.len(all) {
			l.list(x, w, l.plan.row(all, i))
		}
		l.steps += int64(l.plan.len(all))
	}
	return l.slab.Words(window.Ref(w[x.at]))[:w[x.at+1]]
}

// list puts a row into a list, if there is one.
func (l *entityLog) list(x *listedPlan, w, row []uint64) {
	if w[x.at] == 0 || !l.plan.has(row, x.bit) {
		return
	}
	block, n := l.slab.Words(window.Ref(w[x.at])), int(w[x.at+1])
	if n == len(block) {
		block, n = l.roomInList(x, w, block)
	}
	t := uint64(l.plan.time(row))
	i := n
	for i > 0 && block[i-1] > t {
		i--
	}
	copy(block[i+1:n+1], block[i:n])
	block[i] = t
	w[x.at+1] = uint64(n + 1)
}

// roomInList forgets what has left the log, or makes a full list larger.
func (l *entityLog) roomInList(x *listedPlan, w, block []uint64) ([]uint64, int) {
	gone, _ := slices.BinarySearch(block, uint64(l.plan.timeAt(l.rows.All(w[atRows:]), 0)))
	if gone <= len(block)/4 {
		ref := l.slab.Alloc(len(block) + len(block)/2)
		n := copy(l.slab.Words(ref), block[gone:])
		l.slab.Free(window.Ref(w[x.at]))
		w[x.at], w[x.at+1] = uint64(ref), uint64(n)
		return l.slab.Words(ref), n
	}
	n := copy(block, block[gone:])
	w[x.at+1] = uint64(n)
	return block, n
}
