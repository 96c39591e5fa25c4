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

// flatValue is one of a frame's values.
func flatValue(values unsafe.Pointer, out uint32) *event.Value {
	return (*event.Value)(unsafe.Add(values, uintptr(out)*unsafe.Sizeof(event.Value{})))
}

// formulas is count, sum, mean and deviation of the same integers over one
// window: where n, the sum and the sum of squares are among some words, and where
// the four go. It is a cache line.
type formulas struct {
	count, sum, squares uint32
	outs                [plainDev]uint32 // by kind - plainCount
	behind              bool             // n is the rows behind the tail of a cursor, which is at count
	of                  uint16           // in plainReading.moments
	divisor             float64
	lacking             event.Value // the deviation of one event
}

// sums are the words of formulas, of a log of so many rows.
func (x *formulas) sums(words []uint64, rows int64) plainSums {
	n := int64(words[x.count])
	if x.behind {
		n = rows - n&tailMask
	}
	return plainSums{n, int64(words[x.sum]), words[x.squares]}
}

// evaluate evaluates at most 64 formulas over the words of an entity with so many
// rows; the statuses of all are PRESENT. What is left over are the bits of those
// with no event, or sums that doubles may not hold.
func evaluate(list []formulas, words []uint64, rows int64, frame []event.Value, stats []Status) (odd uint64) {
	w, values, statuses := unsafe.Pointer(unsafe.SliceData(words)), unsafe.Pointer(unsafe.SliceData(frame)), unsafe.Pointer(unsafe.SliceData(stats))
	for i := range list {
		x := &list[i]
		n := int64(*flatWord(w, x.count))
		if x.behind {
			n = rows - n&tailMask
		}
		total := int64(*flatWord(w, x.sum))
		hi, lo := bits.Mul64(uint64(n), *flatWord(w, x.squares))
		if n < 1 || hi|lo>>63 != 0 || uint64(total+small) > 2*small {
			odd |= 1 << (i & 63)
			continue
		}
		count, sum := float64(n), float64(total)
		event.SetDouble(flatValue(values, x.outs[0]), count)
		event.SetDouble(flatValue(values, x.outs[plainSum-plainCount]), sum/x.divisor)
		event.SetDouble(flatValue(values, x.outs[plainMean-plainCount]), sum/(count*x.divisor))
		out := x.outs[plainDev-plainCount]
		if n == 1 {
			*flatValue(values, out) = x.lacking
			*(*Status)(unsafe.Add(statuses, uintptr(out))) = Default
			continue
		}
		spread := float64(int64(lo) - total*total)
		event.SetDouble(flatValue(values, out), math.Sqrt(spread/count/(count-1))/x.divisor)
	}
	return odd
}

// emptyInts makes those spans of integers empty that are so short that no row
// later than newest is needed for it, of a log of n rows, at t. They are the first
// ones. It returns how many they are, and when the first of them is due.
func emptyInts(spans []span, n int, words []uint64, newest, t int64) (empty int, next uint64) {
	w := unsafe.Pointer(unsafe.SliceData(words))
	next = dueNever
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
		due := dueAt(t + x.length) // what comes next comes at t or later
		*flatWord(w, uint32(x.at)) = due<<tailBits | uint64(n)
		next = min(next, due)
	}
	return len(spans), next
}

// leaveInts takes the rows up to a time out of a span of integers. It returns its
// new tail.
func (x *span) leaveInts(rows []uint64, tail, width int, words []uint64, to int64) int {
	from := tail * width
	at := from
	for uint(at) < uint(len(rows)) && int64(rows[at]>>window.OwnBits) <= to {
		at += width
		tail++
	}
	for j := range x.ops {
		x.ops[j].takeInts(rows[from:at], width, words)
	}
	return tail
}

// takeInts takes rows out of a part of integers.
func (o *spanOp) takeInts(rows []uint64, width int, words []uint64) {
	count, sum, squares := uint64(0), uint64(0), uint64(0)
	for at := 0; at < len(rows); at += width {
		row := rows[at:]
		if o.certain || row[o.flags]>>o.shift&1 != 0 {
			word := row[o.lane]
			count++
			sum += word
			squares += word * word
		}
	}
	if o.kind == opCount {
		sum = count
	}
	words[o.place.at] -= sum
	if o.kind == opMoments {
		words[o.place.squares] -= squares
	}
}
