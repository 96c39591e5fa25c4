package features

import (
	"math"
	"unsafe"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
)

// figure is a cell whose value is one step away from some words: those of an entity's
// state, or what a walk over few rows has made.
type figure struct {
	kind    figureKind
	behind  bool   // n is the rows behind the tail of a cursor, which is at count
	count   uint32 // the place of n
	at      uint32 // of its part
	squares uint32 // of the sum of squares, of a deviation
	sketch  uint32 // of values: the handle of what is kept where they are too many; 0: there is none
	out     int32
	least   int64 // the smallest n that the formula holds for
	divisor float64
	cell    *cell
}

// figureKind is a formula.
type figureKind uint8

const (
	noFigure     figureKind = iota
	figureWord              // the word
	figureSince             // the time since the word's
	figureFading            // the decayed sum
	figureShare             // the word's share of n
	// Of a sum of integers in one word, in the order of plainCount to plainDev:
	figureCount
	figureSum
	figureMean
	figureDev
)

// figureOf is the formula of an aggregation that is a figure.
func figureOf(x *cell) (kind figureKind, divisor float64) {
	switch x.agg.Name {
	case "count_distinct":
		return figureWord, 1
	case "time_since_first", "time_since_last":
		return figureSince, x.unit
	case "decayed_count": // of a field it counts the events that have it
		return figureFading, 1
	case "decayed_sum":
		return figureFading, float64(x.divisor)
	}
	return noFigure, 0
}

// asFigure is a direct cell as a figure over an entity's state, and over few rows.
func (c *directCell) asFigure(k *cursorPlan, sums []directSum) (state, few figure, ok bool) {
	kind, divisor := figureOf(c.cell)
	if kind == noFigure || c.parts[0].from != fromState && c.parts[0].from != fromNewest {
		return figure{}, figure{}, false
	}
	p := c.parts[0].partPlan
	x := figure{kind: kind, out: int32(c.out), least: c.least, divisor: divisor, cell: c.cell}
	state, few = x, x
	if state.behind = c.countAt < 0; state.behind {
		state.count = uint32(k.at)
	} else {
		state.count = uint32(c.countAt)
	}
	if state.at = uint32(p.run); p.newest != nil {
		state.at = uint32(p.newest.at)
	}
	if p.table != nil {
		state.sketch = uint32(p.table.sketch)
	}
	few.count, few.at = uint32(sums[c.countSum].at), uint32(sums[c.parts[0].sum].at)
	return state, few, true
}

// figures evaluates figures over words, of a log of so many rows, at t. It reports
// false where a window holds more values than are kept. The places of words are of
// the plan, and not checked.
func figures(list []figure, words []uint64, rows, t int64, kept int, f *frame) bool {
	w := unsafe.Pointer(unsafe.SliceData(words))
	for i := range list {
		x := &list[i]
		n := int64(*flatWord(w, x.count))
		if x.behind {
			n = rows - n&tailMask
		}
		f.statuses[x.out] = Present
		if n < x.least {
			x.cell.lacking(n, x.out, f)
			continue
		}
		word, v := int64(*flatWord(w, x.at)), float64(n)
		switch x.kind {
		case figureCount:
		case figureSum:
			if v = float64(word) / x.divisor; uint64(word+small) > 2*small {
				v = aggregate.Major(word, int64(x.divisor))
			}
		case figureWord:
			if v = float64(word); x.sketch != 0 && *flatWord(w, x.sketch) != 0 && word > int64(kept) {
				return false
			}
		case figureSince:
			v = float64(t-word) / x.divisor
		case figureFading:
			if v = math.Float64frombits(*flatWord(w, x.at+1)); word < t {
				v = aggregate.Faded(words[x.at:], t)
			}
			v /= x.divisor
		case figureShare:
			v = float64(word) / v
		case figureMean:
			v = float64(word) / (v * x.divisor)
		default:
			sum, squares := [2]uint64{uint64(word), uint64(word >> 63)}, [3]uint64{*flatWord(w, x.squares)}
			v = aggregate.DeviationOfInts(n, sum[:], squares[:], int64(x.divisor))
		}
		event.SetDouble(&f.values[x.out], v)
	}
	return true
}

// without evaluates figures over no event at all: of a life that is over.
func without(list []figure, f *frame) {
	for i := range list {
		f.statuses[list[i].out] = Present
		list[i].cell.lacking(0, list[i].out, f)
	}
}
