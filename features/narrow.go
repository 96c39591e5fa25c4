package features

import (
	"math/bits"
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// The sums of integers of a span and the sums of their squares are one word
// each, as long as that is enough: for amounts in cents it always is. Before a
// sum may outgrow its word, its entity gets a block with all its sums in full,
// which count from then on, until they fit again when the log is trimmed.
//
// A count of every row has no word: it is the rows behind the span's tail.

// certain reports whether every row of the log has a bit.
func (l *logPlan) certain(bit int) bool {
	return l.bits[bit] == bitPlan{filter: -1, cond: -1, numerator: -1, input: -1} && !l.retracts
}

// sums reports whether a span keeps sums of integers.
func (k *cursorPlan) sums() bool {
	return k.isSpan() && slices.ContainsFunc(k.parts, func(p *partPlan) bool { return p.part == aggregate.Sum || p.part == aggregate.Squares })
}

// keep decides how a running part of a span is kept, and how many words of the
// state that takes.
func (l *logPlan) keep(p *partPlan) int {
	switch {
	case p.part == 0 && l.certain(p.unique):
		p.implied = true
		return 0
	case p.part == aggregate.Sum, p.part == aggregate.Squares:
		p.narrow, p.full = true, l.fulls
		l.fulls += p.size()
		return 1
	}
	return p.size()
}

// largestOf is how large integers may be, so many of which always fit into a
// word.
func largestOf(rows int) uint64 { return 1 << 62 / uint64(rows+2) }

// sizeOf is the magnitude of an integer.
func sizeOf(word uint64) uint64 {
	if int64(word) < 0 {
		return -word
	}
	return word
}

// staysNarrow reports whether the parts of a column are one word each and stay
// so when an integer comes. Where they would not, it makes them wide. The last
// place is that of the longest span, whose sum of squares is the largest.
func (l *entityLog) staysNarrow(c *spanColumn, last *spanPlace, w []uint64, word uint64) bool {
	if l.isWide(w) {
		return false
	}
	size := sizeOf(word)
	fits := size <= l.plan.largest
	if c.kind == opMoments {
		hi, lo := bits.Mul64(size, size)
		_, carry := bits.Add64(w[last.squares], lo, 0)
		fits = fits && hi|carry == 0
	}
	if !fits {
		l.widen(w)
	}
	return fits
}

// isWide reports whether an entity's sums are in a block, in full.
func (l *entityLog) isWide(w []uint64) bool { return w[l.plan.atWide] != 0 }

// fulls are an entity's sums in full.
func (l *entityLog) fulls(w []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[l.plan.atWide]))[:l.plan.fulls]
}

// widen puts an entity's sums into a block.
func (l *entityLog) widen(w []uint64) {
	w[l.plan.atWide], w[l.plan.atWide+1] = uint64(l.slab.Alloc(l.plan.fulls)), uint64(l.plan.fulls)
	words := l.fulls(w)
	clear(words)
	for _, p := range l.plan.narrows {
		words[p.full] = w[p.run]
		if p.part == aggregate.Sum {
			words[p.full+1] = uint64(int64(w[p.run]) >> 63)
		}
	}
}

// narrowAgain frees the block of an entity whose sums fit into a word each, and
// will do so whatever leaves their windows: squares only become less, and no
// integer of a sum is large.
func (l *entityLog) narrowAgain(w []uint64) {
	words, rows := l.fulls(w), l.rows.All(w[atRows:])
	for _, p := range l.plan.narrows {
		for at := l.plan.lanesAt + p.lane; p.part == aggregate.Sum && at < len(rows); at += l.plan.width {
			if sizeOf(rows[at]) > l.plan.largest {
				return
			}
		}
		sum := words[p.full : p.full+p.size()]
		beyond := uint64(0)
		if p.part == aggregate.Sum {
			beyond = uint64(int64(sum[0]) >> 63)
		}
		if slices.ContainsFunc(sum[1:], func(x uint64) bool { return x != beyond }) {
			return
		}
	}
	for _, p := range l.plan.narrows {
		w[p.run] = words[p.full]
	}
	l.slab.FreeHandle(w[l.plan.atWide:])
}

// addWide puts an integer into sums in full.
func (l *entityLog) addWide(kind opKind, p *spanPlace, w []uint64, word uint64) {
	words := l.fulls(w)
	aggregate.AddInt(words[p.full:p.full+2], word)
	if kind == opMoments {
		aggregate.AddSquare(words[p.fullSquares:p.fullSquares+3], word)
	}
}

// subWide takes an integer out of sums in full.
func (l *entityLog) subWide(kind opKind, p *spanPlace, w []uint64, word uint64) {
	words := l.fulls(w)
	aggregate.SubInt(words[p.full:p.full+2], word)
	if kind == opMoments {
		aggregate.SubSquare(words[p.fullSquares:p.fullSquares+3], word)
	}
}

// lift is the words of a window's running parts in full, as formulas want them:
// those of the state where they are, and else in e.scratch.
func (e *Engine) lift(l *entityLog, k *cursorPlan, w []uint64) []uint64 {
	if !k.lifted {
		return w
	}
	for _, p := range k.running {
		l.lift(k, p, w, e.scratch[p.at:p.at+p.size()])
	}
	return e.scratch
}

// lift puts a running part of a window in full into words.
func (l *entityLog) lift(k *cursorPlan, p *partPlan, w, to []uint64) {
	switch {
	case p.implied:
		to[0] = uint64(l.rows.Len(w[atRows:]) - k.tail(w))
	case !p.narrow:
		copy(to, w[p.run:])
	case l.isWide(w):
		copy(to, l.fulls(w)[p.full:])
	default:
		clear(to)
		if to[0] = w[p.run]; p.part == aggregate.Sum {
			to[1] = uint64(int64(to[0]) >> 63)
		}
	}
}
