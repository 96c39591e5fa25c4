package features

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// The loops over windows that every event goes through. They call nothing, so
// that what they hold stays in registers, and do not check places in an entity's
// words or in a frame one by one: those are of the plan, and whoever calls checks
// that the last of them is there. Places that depend on data are checked.

// flatWord is one of an entity's words.
func flatWord(w unsafe.Pointer, at uint32) *uint64 {
	return (*uint64)(unsafe.Add(w, uintptr(at)*8))
}

// flatValue is one of a frame's values, where it is in bytes.
func flatValue(values unsafe.Pointer, at uint32) *event.Value {
	return (*event.Value)(unsafe.Add(values, uintptr(at)))
}

const valueSize = uint32(unsafe.Sizeof(event.Value{}))

// formulas is count, sum, mean and deviation of the same integers over one
// window: where n, the sum and the sum of squares are among some words, and where
// the four go. It is a cache line.
type formulas struct {
	count, sum, squares uint32
	outs                [plainDev]uint32 // by kind - plainCount, in bytes
	status              uint32           // of the deviation
	behind              bool             // n is the rows behind the tail of a cursor, which is at count
	of                  uint16           // in plainReading.moments
	divisor             float64
	lacking             *event.Value // the deviation of one event
	length              int64        // ms, of the window
}

// sums are the words of formulas, of a log of so many rows.
func (x *formulas) sums(words []uint64, rows int64) plainSums {
	n := int64(words[x.count])
	if x.behind {
		n = rows - n&tailMask
	}
	return plainSums{n, int64(words[x.sum]), words[x.squares]}
}

// evaluate evaluates formulas over the words of an entity with so many rows; the
// statuses of all are PRESENT. It ends before one with no event, or with sums that
// doubles may not hold, and returns how many it has evaluated.
func evaluate(list []formulas, words []uint64, rows int64, f *frame) int {
	w, values := unsafe.Pointer(unsafe.SliceData(words)), unsafe.Pointer(unsafe.SliceData(f.values))
	for i := range list {
		x := &list[i]
		n := int64(*flatWord(w, x.count))
		if x.behind {
			n = rows - n&tailMask
		}
		total := int64(*flatWord(w, x.sum))
		if n < 1 || uint64(total+small) > 2*small {
			return i
		}
		count, sum := float64(n), float64(total)
		if n == 1 {
			event.SetUnsigned(flatValue(values, x.outs[0]), count)
			event.SetUnsigned(flatValue(values, x.outs[plainSum-plainCount]), sum/x.divisor)
			event.SetUnsigned(flatValue(values, x.outs[plainMean-plainCount]), sum/x.divisor)
			*flatValue(values, x.outs[plainDev-plainCount]) = *x.lacking
			f.statuses[x.status] = Default
			continue
		}
		hi, lo := bits.Mul64(uint64(n), *flatWord(w, x.squares))
		if hi|lo>>63 != 0 {
			return i
		}
		event.SetUnsigned(flatValue(values, x.outs[0]), count)
		event.SetUnsigned(flatValue(values, x.outs[plainSum-plainCount]), sum/x.divisor)
		event.SetUnsigned(flatValue(values, x.outs[plainMean-plainCount]), sum/(count*x.divisor))
		spread := float64(int64(lo) - total*total)
		event.SetUnsigned(flatValue(values, x.outs[plainDev-plainCount]), math.Sqrt(spread/(count*(count-1)))/x.divisor)
	}
	return len(list)
}

// emptyInts makes those spans of integers empty that are so short that no row
// later than newest is needed for it, of a log of n rows, at t. They are the first
// ones. It returns how many they are, and when the first of them is due.
func emptyInts(spans []span, n int, words []uint64, newest, t int64) (empty int, next uint64) {
	w := unsafe.Pointer(unsafe.SliceData(words))
	next = dueNever
	if len(spans) > 0 && newest <= t-spans[0].length {
		next = dueAt(t + spans[0].length) // of the shortest
	}
	for i := range spans {
		x := &spans[i]
		if newest > t-x.length {
			return i, next
		}
		for j := range x.ops {
			p := &x.ops[j].place
			*flatWord(w, uint32(p.at)) = 0
			*flatWord(w, uint32(p.squares)) = 0
		}
		*flatWord(w, uint32(x.at)) = dueAt(t+x.length)<<tailBits | uint64(n) // what comes next comes at t or later
	}
	return len(spans), next
}

// addInts puts an integer into sums, and its square into those of squares.
func addInts(places []spanPlace, words []uint64, word uint64, squares bool) {
	w := unsafe.Pointer(unsafe.SliceData(words))
	for i := range places {
		p := &places[i]
		*flatWord(w, uint32(p.at)) += word
		if squares {
			*flatWord(w, uint32(p.squares)) += word * word
		}
	}
}

// leaveInts takes the rows up to a time out of a span of integers. It returns its
// new tail.
func (x *span) leaveInts(rows []uint64, tail, width int, words []uint64, to int64) int {
	w := unsafe.Pointer(unsafe.SliceData(words))
	for at := tail * width; uint(at) < uint(len(rows)) && int64(rows[at]>>window.OwnBits) <= to; at += width {
		row := rows[at:]
		for j := range x.ops {
			o := &x.ops[j]
			if !o.certain && row[o.flags]>>o.shift&1 == 0 {
				continue
			}
			word := uint64(1)
			if o.kind != opCount {
				word = row[o.lane]
			}
			*flatWord(w, uint32(o.place.at)) -= word
			if o.kind == opMoments {
				*flatWord(w, uint32(o.place.squares)) -= word * word
			}
		}
		tail++
	}
	return tail
}
