package features

import (
	"math/bits"
	"unsafe"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// Most events come behind all rows of their entities, and most views keep no
// more beside their rows than sums of one input. Of those, all that an event does
// to an entity is one loop over its spans, once it is known that there is nothing
// else to do: follow asks that in one place, and touches nothing before. Whatever
// it does not see to goes by find and put.

// following is what follow needs of a log's plan.
type following struct {
	is      bool // it sees to events of this log
	input   int  // in current.words
	keeps   int  // words of a span behind its cursor: none, the sum, or that and the sum of squares
	squares int  // the sum of squares of the longest span, which is the largest
	// Where in a row, in bytes, the input is, and how far it is to the next.
	lane, width uintptr
	newests     []int // where the newest events of the views are
	spans       []followedSpan
}

// followedSpan is a span, and where in a state, in bytes, its words are.
type followedSpan struct {
	length int64 // ms
	at     uintptr
}

// spanWords are the words of a span: sums are there as far as they are kept.
type spanWords struct{ cursor, sum, squares uint64 }

// layFollowing finds out whether follow can see to the events of a log, once its
// spans are laid.
func (l *logPlan) layFollowing() {
	x := following{input: -1, width: uintptr(l.width) * 8}
	x.is = l.summing && !l.retracts && len(l.chains)+len(l.choosy)+len(l.lists)+len(l.texts) == 0 && len(l.columns) <= 1 && len(l.spans) <= 64 // see slide
	if x.is && len(l.columns) == 1 {
		x.is = x.sumsUp(l, &l.columns[0])
	}
	for i := range l.spans {
		x.is = x.is && len(l.spans[i].ops) == len(l.columns)
		x.spans = append(x.spans, followedSpan{l.spans[i].length, uintptr(l.spans[i].at) * 8})
	}
	for _, v := range l.views {
		x.newests = append(x.newests, v.state+viewNewest)
	}
	l.following = x
}

// sumsUp lays out the sums of the one input of a log. It reports false where they
// are anything else, or not behind the cursors of all spans.
func (x *following) sumsUp(l *logPlan, c *spanColumn) bool {
	switch c.kind {
	case opSum:
		x.keeps = 1
	case opMoments:
		x.keeps = 2
	default:
		return false
	}
	if !c.certain || len(c.places) != len(l.spans) { // an input that may be missing has a column beside it, of how many there are
		return false
	}
	for i := range c.places {
		at, p := int32(l.spans[i].at), &c.places[i]
		if p.at != at+1 || c.kind == opMoments && p.squares != at+2 {
			return false
		}
	}
	x.lane, x.squares = uintptr(c.lane)*8, int(c.places[len(c.places)-1].squares)
	x.input = l.lanes[int(c.lane)-l.lanesAt]
	return true
}

// follow puts the event at hand behind all rows of its entity and moves the spans
// on, where that is all there is to do. It reports false, and has changed
// nothing, where there is more.
func (l *entityLog) follow(e *Engine, p *placed, ev *event.Event) bool {
	c, x := &e.current, &l.plan.following
	if !x.is || l.held != nil || l.plan.order >= len(c.known) {
		return false
	}
	k := &c.known[l.plan.order]
	w := k.state
	if len(w) < l.plan.words || !k.has(c.hashes[l.entityAt]) || ev.Time <= int64(w[atNow]) || int(w[atKey]>>56) == l.writing.group {
		return false
	}
	word := uint64(0)
	if x.keeps > 0 {
		if l.isWide(w) {
			return false
		}
		word = c.words[x.input]
		if sizeOf(word) > l.plan.small || x.keeps > 1 && w[x.squares]>>63 != 0 {
			return false
		}
	}
	n, rows := l.rows.Len(w[atRows:]), []uint64(nil)
	if n >= l.plan.budget {
		return false
	}
	if n%trimEvery != 0 {
		rows = l.rows.More(w[atRows:])
	}
	if rows == nil {
		n = l.trimBefore(e, w, n)
		l.rows.Insert(w[atRows:], n)
		rows = l.rows.All(w[atRows:])
	}
	l.fill(e, l.plan.row(rows, n), ev)
	w[atDue] = l.slide(w[:l.plan.words], rows, int64(n), ev.Time, word) << dueShift
	w[atNow] = uint64(ev.Time)
	for _, at := range x.newests {
		w[at] = uint64(ev.Time)
	}
	p.state, p.slot, p.index, p.in, p.standing, p.views, p.followed = w, k.slot, n, true, at, l.plan.always, true
	l.touchRow(p)
	return true
}

// slide moves the spans of a log on to t, when row n comes to the others, of which
// a word is summed up. It returns when the first of them is due.
func (l *entityLog) slide(words, rows []uint64, n, t int64, word uint64) uint64 {
	w, base := unsafe.Pointer(unsafe.SliceData(words)), unsafe.Pointer(unsafe.SliceData(rows))
	i, next := l.plan.following.empty(w, int64(words[atNow]), n, t, word)
	dues, other := l.plan.following.stay(w, i, uint64(t)>>dueShift, word)
	next = min(next, other)
	for spans := l.plan.following.spans; dues != 0; dues &= dues - 1 {
		s := &spans[bits.TrailingZeros64(dues)]
		next = min(next, l.shed(s, w, base, n, t))
	}
	return next
}

// empty lets go of all rows of spans where none is later than was and such are too
// old: row n at t is all that is left in those. They are the first ones. It
// returns how many they are, and when the first of them is due.
func (x *following) empty(w unsafe.Pointer, was, n, t int64, word uint64) (i int, next uint64) {
	spans := x.spans
	next = dueNever
	for i = range spans {
		s := &spans[i]
		if was > t-s.length {
			return i, next
		}
		due := dueAt(t + s.length)
		next = min(next, due)
		c := (*spanWords)(unsafe.Add(w, s.at))
		c.cursor = due<<tailBits | uint64(n)
		if x.keeps > 1 {
			c.squares = word * word
		}
		if x.keeps > 0 {
			c.sum = word
		}
	}
	return len(spans), next
}

// stay puts a word into the sums of the spans from one on. It returns which of
// them are due at now, as bits, and when the first of the others is.
func (x *following) stay(w unsafe.Pointer, from int, now, word uint64) (dues, next uint64) {
	spans, square, bit := x.spans[from:], word*word, uint64(1)<<(from&63)
	next = dueNever
	for i := range spans {
		c := (*spanWords)(unsafe.Add(w, spans[i].at))
		if x.keeps > 1 {
			c.squares += square
		}
		if x.keeps > 0 {
			c.sum += word
		}
		if due := c.cursor >> tailBits; now < due {
			next = min(next, due)
		} else {
			dues |= bit
		}
		bit <<= 1
	}
	return dues, next
}

// shed takes the rows that are too old at t out of a span; row n is not. It
// returns when the span is due.
func (l *entityLog) shed(s *followedSpan, w, row unsafe.Pointer, n, t int64) uint64 {
	x, c, from := &l.plan.following, (*spanWords)(unsafe.Add(w, s.at)), t-s.length
	tail, sum, squares := int64(c.cursor&tailMask), uint64(0), uint64(0)
	l.steps -= tail
	row = unsafe.Add(row, uintptr(tail)*x.width)
	for ; tail <= n; tail++ {
		if first := int64(*(*uint64)(row) >> window.OwnBits); first > from {
			l.steps += tail
			due := dueAt(first + s.length)
			c.cursor = due<<tailBits | uint64(tail)
			if x.keeps > 1 {
				c.squares -= squares
			}
			if x.keeps > 0 {
				c.sum -= sum
			}
			return due
		}
		v := *(*uint64)(unsafe.Add(row, x.lane))
		sum += v
		squares += v * v
		row = unsafe.Add(row, x.width)
	}
	panic("features: a window ends behind its log")
}
