package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// What counts values keeps by category how often each of them occurs there. What is
// shown is made of the records of the values of a category, or of all others: there
// a value counts once, in however many of them it occurs.

// value is a value as a record of its category has it: its key, or that of its
// bucket and what this sums up.
type value struct {
	key        uint64
	sum, check uint64
}

// valueOf is what a row counts as.
func (l *entityLog) valueOf(x *dividedPlan, row []uint64) value {
	switch p := x.values; {
	case p == nil:
		return value{}
	case p.part == aggregate.Buckets:
		b := l.counting.binOf(p, l.plan.word(row, p.lane))
		return value{uint64(b.Key), b.Sum, b.Check}
	default:
		return value{key: l.counting.keyOf(l.plan, p, row)}
	}
}

// count notes in a record that a value occurs once more, or less.
func (x *dividedPlan) count(r []uint64, v value, gone bool) {
	switch {
	case x.values.part != aggregate.Buckets:
	case gone:
		r[recordSum] -= v.sum
		r[recordCheck] -= v.check
	default:
		r[recordSum] += v.sum
		r[recordCheck] += v.check
	}
}

// joinValues makes the part that counts values of some categories, in e.scratch.
func (e *Engine) joinValues(d *division, l *entityLog, of *pick) {
	x, p := d.cell.divided, d.cell.divided.values
	words := e.scratch[p.at : p.at+p.size()]
	clear(words)
	set, bins := (*aggregate.Set)(nil), (*binned)(nil)
	if p.part == aggregate.Buckets {
		bins = e.binned[p.set]
		bins.bins = bins.bins[:0]
	} else {
		set = e.sets[p.set]
		set.Reset()
	}
	for at := 0; at < len(d.records); at += x.width {
		r := d.records[at : at+x.width]
		if !of.takesWord(r[0]) {
			continue
		}
		e.scratch[d.cell.count.at] += r[1]
		if bins != nil {
			bins.bins = append(bins.bins, window.Bin{Key: uint32(r[recordKey]), N: uint32(r[1]), Sum: r[recordSum], Check: r[recordCheck]})
		} else {
			set.AddTimes(r[recordKey], uint32(r[1]))
		}
	}
	l.steps += int64(len(d.records) / x.width)
	if p.part == aggregate.Distinct {
		words[0] = uint64(set.Len())
		return
	}
	e.tallyPart(l.plan, p, words)
}

// rankValues is rank by the records of values.
func (e *Engine) rankValues(d *division, l *entityLog) (top []category, all int) {
	e.unranked()
	width := d.cell.divided.width
	for at := 0; at < len(d.records); at += width {
		e.meet(d.by, d.records[at], int(d.records[at+1]))
	}
	l.steps += int64(len(d.records) / width)
	return e.ranked(d.by)
}
