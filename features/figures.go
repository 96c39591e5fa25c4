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
	value   uint32 // where the value goes, in bytes
	out     int32
	zero    bool  // no event at all is 0
	least   int64 // the smallest n that the formula holds for
	divisor float64
	cell    *cell
}

// newFigure is a figure of a cell without the places of its words.
func newFigure(kind figureKind, x *cell, out int, least int64, divisor float64) figure {
	return figure{kind: kind, value: uint32(out) * valueSize, out: int32(out), zero: x.zeroOfNone(), least: least, divisor: divisor, cell: x}
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

// asFigure is a direct cell as a figure over an entity's state.
func (c *directCell) asFigure(k *cursorPlan) (figure, bool) {
	kind, divisor := figureOf(c.cell)
	if kind == noFigure || c.parts[0].from != fromState && c.parts[0].from != fromNewest {
		return figure{}, false
	}
	p := c.parts[0].partPlan
	x := newFigure(kind, c.cell, c.out, c.least, divisor)
	if x.behind = c.countAt < 0; x.behind {
		x.count = uint32(k.at)
	} else {
		x.count = uint32(c.countAt)
	}
	if x.at = uint32(p.run); p.newest != nil {
		x.at = uint32(p.newest.at)
	}
	if p.table != nil {
		x.sketch = uint32(p.table.sketch)
	}
	return x, true
}

// figures evaluates figures over words, of a log of so many rows, at t. It reports
// false where a window holds more values than are kept. Their statuses are stamped.
func figures(list []figure, words []uint64, rows, t int64, kept int, f *frame) bool {
	for len(list) > 0 {
		n := simple(list, words, rows, t, f)
		if n == len(list) {
			return true
		}
		if !list[n].settle(words, rows, t, kept, f) {
			return false
		}
		list = list[n+1:]
	}
	return true
}

// simple evaluates figures up to the first of which there is more to say, and
// returns how many they are. As in flat.go, it calls nothing, and places of words
// and values are not checked.
func simple(list []figure, words []uint64, rows, t int64, f *frame) int {
	w, values := unsafe.Pointer(unsafe.SliceData(words)), unsafe.Pointer(unsafe.SliceData(f.values))
	for i := range list {
		x := &list[i]
		n := int64(*flatWord(w, x.count))
		if x.behind {
			n = rows - n&tailMask
		}
		if n < x.least {
			if n == 0 && x.zero {
				event.SetUnsigned(flatValue(values, x.value), 0)
				continue
			}
			*flatValue(values, x.value) = x.cell.defawlt
			f.statuses[x.out] = Default
			continue
		}
		word, v := int64(*flatWord(w, x.at)), float64(n)
		switch x.kind {
		case figureCount:
		case figureSum:
			if uint64(word+small) > 2*small {
				return i
			}
			v = float64(word) / x.divisor
		case figureWord:
			if x.sketch != 0 && *flatWord(w, x.sketch) != 0 {
				return i
			}
			v = float64(word)
		case figureSince:
			v = float64(t-word) / x.divisor
		case figureFading:
			if word < t {
				return i
			}
			v = math.Float64frombits(*flatWord(w, x.at+1))/x.divisor + 0 // -0 + 0 is 0 (S21)
		case figureShare:
			v = float64(word) / v
		case figureMean:
			v = float64(word) / (v * x.divisor)
		default:
			return i
		}
		event.SetUnsigned(flatValue(values, x.value), v)
	}
	return len(list)
}

// settle evaluates a figure over as many events as its formula asks for, of which
// there is more to say. It reports false where they have more values than are kept.
func (x *figure) settle(words []uint64, rows, t int64, kept int, f *frame) bool {
	n, word, v := int64(words[x.count]), int64(words[x.at]), 0.0
	if x.behind {
		n = rows - n&tailMask
	}
	switch x.kind {
	case figureSum:
		v = aggregate.Major(word, int64(x.divisor))
	case figureWord:
		if word > int64(kept) {
			return false
		}
		v = float64(word)
	case figureFading:
		v = aggregate.Faded(words[x.at:], t) / x.divisor
	default:
		sum, squares := [2]uint64{uint64(word), uint64(word >> 63)}, [3]uint64{words[x.squares]}
		v = aggregate.DeviationOfInts(n, sum[:], squares[:], int64(x.divisor))
	}
	event.SetDouble(&f.values[x.out], v)
	return true
}

// without evaluates figures over no event at all: of a life that is over.
func without(list []figure, f *frame) {
	for i := range list {
		list[i].cell.lacking(0, list[i].out, f)
	}
}
