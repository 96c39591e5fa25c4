package features

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// A reading is even where count, sum, mean and deviation of one input over every
// row of some windows are all that is asked for. Windows with as many rows are the
// same rows, and have the same values.

// isEven reports whether the plain cells of a view are even.
func (p *plainReading) isEven() bool {
	if len(p.flat) == 0 || len(p.flat) != len(p.windows) || len(p.moments) != len(p.flat) || len(p.ratios) > 0 || len(p.columns) != 1 || !p.columns[0].certain {
		return false
	}
	for i := range p.flat {
		if x := &p.flat[i]; !x.behind || x.divisor != p.flat[0].divisor {
			return false
		}
	}
	return true
}

// settleEven evaluates even formulas over the words of an entity with so many
// rows.
func (p *plainReading) settleEven(words []uint64, rows int64, f *frame) {
	for list := p.flat; ; {
		n := evaluateEven(list, words, rows, f)
		if n == len(list) {
			return
		}
		p.moments[list[n].of].settleEach(list[n].sums(words, rows), f)
		list = list[n+1:]
	}
}

// evaluateEven is evaluate for even formulas.
func evaluateEven(list []formulas, words []uint64, rows int64, f *frame) int {
	w, values := unsafe.Pointer(unsafe.SliceData(words)), unsafe.Pointer(unsafe.SliceData(f.values))
	last, statuses := int64(-1), f.statuses
	var count, sum, mean, deviation float64
	for i := range list {
		x := &list[i]
		if n := rows - int64(*flatWord(w, x.count)&tailMask); n != last {
			total := int64(*flatWord(w, x.sum))
			hi, lo := bits.Mul64(uint64(n), *flatWord(w, x.squares))
			if n < 1 || uint64(total+small) > 2*small || hi|lo>>63 != 0 {
				return i
			}
			last, count = n, float64(n)
			sum, mean = float64(total)/x.divisor, float64(total)/(count*x.divisor)
			deviation = math.Sqrt(float64(int64(lo)-total*total)/(count*(count-1))) / x.divisor
		}
		event.SetUnsigned(flatValue(values, x.outs[0]), count)
		event.SetUnsigned(flatValue(values, x.outs[plainSum-plainCount]), sum)
		event.SetUnsigned(flatValue(values, x.outs[plainMean-plainCount]), mean)
		if last > 1 {
			event.SetUnsigned(flatValue(values, x.outs[plainDev-plainCount]), deviation)
		} else {
			event.SetNumber(flatValue(values, x.outs[plainDev-plainCount]), x.lacking)
			statuses[x.status] = Default
		}
	}
	return len(list)
}

// evenFew puts into words what even formulas ask for, of the few rows of an entity without running state: one
// walk back, in which the windows end one after the other. It reports false where a sum may not fit into a word.
func (p *plainReading) evenFew(l *logPlan, rows []uint64, t int64, words []uint64) bool {
	lane, at, n := int(p.columns[0].lane), len(rows)-l.width, uint64(l.len(rows))
	tail, sum, squares := n, uint64(0), uint64(0)
	w, earlier := unsafe.Pointer(unsafe.SliceData(words)), timeOf(rows, at)
	for k := range p.flat {
		x := &p.flat[k]
		from := t - x.length
		for earlier > from {
			word := rows[at+lane]
			if sizeOf(word) > l.small || squares>>63 != 0 {
				return false
			}
			tail, sum, squares = tail-1, sum+word, squares+word*word
			at -= l.width
			earlier = timeOf(rows, at)
		}
		*flatWord(w, x.count), *flatWord(w, x.sum), *flatWord(w, x.squares) = tail, sum, squares
	}
	return true
}

// timeOf is when the row was that is at a place of rows, long ago where there is none.
func timeOf(rows []uint64, at int) int64 {
	if at < 0 {
		return math.MinInt64
	}
	return int64(rows[at] >> window.OwnBits)
}
