package features

import (
	"cmp"
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
)

// A span is a sliding window without delay that has a running state. Spans end
// at the same time and are nested: an event that is in one is in all longer
// ones. So a row is put into all of them at once, part by part.

// spanColumn is one part over the spans that keep it.
type spanColumn struct {
	op
	at    []int32  // by span that keeps it, ascending: the offset in the state
	first []uint16 // by span: how many of those are shorter
}

// laySpans finds the spans and what a row does to them, once all offsets are
// known.
func (l *logPlan) laySpans() {
	for _, k := range l.sliding {
		if k.delay == 0 {
			l.spans = append(l.spans, k)
		} else {
			l.delayed = append(l.delayed, k)
		}
	}
	slices.SortFunc(l.spans, func(a, b *cursorPlan) int { return cmp.Compare(a.length, b.length) })
	for s, k := range l.spans {
		if len(k.beside) > 0 {
			l.beside = append(l.beside, k)
		}
		for i := range k.ops {
			c := l.spanColumn(&k.ops[i])
			for len(c.first) <= s {
				c.first = append(c.first, uint16(len(c.at)))
			}
			c.at = append(c.at, k.ops[i].at)
		}
	}
	for i := range l.columns {
		c := &l.columns[i]
		for len(c.first) < len(l.spans) {
			c.first = append(c.first, uint16(len(c.at)))
		}
	}
}

func (l *logPlan) spanColumn(o *op) *spanColumn {
	for i := range l.columns {
		c := &l.columns[i]
		if c.part == o.part && c.flags == o.flags && c.shift == o.shift && c.lane == o.lane && c.order == o.order {
			return c
		}
	}
	l.columns = append(l.columns, spanColumn{op: *o})
	return &l.columns[len(l.columns)-1]
}

// enterSpans puts a row into the cursors of the spans. It returns the first
// span that the row is in: it has left the shorter ones already.
func (l *logPlan) enterSpans(w []uint64, t, now int64) int {
	first := 0
	for first < len(l.spans) && t <= now-l.spans[first].length {
		w[l.spans[first].at]++
		first++
	}
	due := w[atDue]
	for _, k := range l.spans[first:] {
		leaves := uint64(t + k.length)
		if w[k.at+1] > leaves {
			w[k.at+1] = leaves
			due = min(due, leaves)
		}
	}
	w[atDue] = due
	return first
}

// addSpans puts a row into the running parts of the spans from the first on.
func (l *logPlan) addSpans(row, w []uint64, first int) {
	if first == len(l.spans) {
		return
	}
	for i := range l.columns {
		c := &l.columns[i]
		if row[c.flags]>>c.shift&1 == 0 {
			continue
		}
		ats := c.at[c.first[first]:]
		switch c.part {
		case 0, aggregate.Matches, aggregate.Distinct:
			for _, at := range ats {
				w[at]++
			}
		case aggregate.Sum:
			word := row[c.lane]
			for _, at := range ats {
				aggregate.AddInt(w[at:at+2], word)
			}
		case aggregate.Squares:
			square := aggregate.SquareOf(row[c.lane])
			for _, at := range ats {
				square.AddTo(w[at : at+3])
			}
		default:
			in := l.seen(&c.op, row)
			for _, at := range ats {
				c.part.Add(w[at:int(at)+c.part.Words()], in, c.number)
			}
		}
	}
}
