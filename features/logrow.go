package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// A row of a log, and nothing outside this file and package window knows it:
// the event time in the upper bits of the first word with the first flags in
// the lower ones; the place; the id's hash (where hasID); further flags; what
// is taken back, and the flags it had (where retracts); lanes.

// rowLayout is where the parts of a log's rows are.
type rowLayout struct {
	hasID   bool
	flagsAt int // the flags that do not fit into the first word
	takenAt int // of a source with `retracts`: takenWords, and behind them,
	// strippedAt, the flags that a struck row had: those of its first word, and the others
	strippedAt int
	lanesAt    int
	width      int // words of a row

	certains uint64     // the flags in the first word that every row has
	asked    []askedBit // those that an event may have beyond those
}

// askedBit is where in a row a bit goes that the source's events are asked for.
type askedBit struct {
	of   int // in sourcePlan.bits
	word int
	mask uint64
}

// layRow lays out the rows of a log.
func (l *logPlan) layRow() {
	l.flagsAt = 2
	if l.hasID {
		l.flagsAt = 3
	}
	l.lanesAt = l.flagsAt
	if further := len(l.bits) - window.OwnBits; further > 0 {
		l.lanesAt += (further + 63) / 64
	}
	if l.retracts {
		l.takenAt, l.strippedAt = l.lanesAt, l.lanesAt+takenWords
		l.lanesAt = l.strippedAt + 1 + l.lanesAt - l.flagsAt
	}
	l.width = l.lanesAt + len(l.lanes)
	for i := range l.bits {
		switch b := &l.bits[i]; {
		case l.certain(i) && i < window.OwnBits:
			l.certains |= 1 << i
		case b.unique == 0 && b.mark == noMark:
			word, shift := l.bitAt(i)
			l.asked = append(l.asked, askedBit{l.source.bit(*b), word, 1 << shift})
		}
	}
	for _, v := range l.views {
		if l.certain(v.entered) {
			l.always |= v.touch
		} else {
			l.choosy = append(l.choosy, v)
		}
	}
}

// row is the words of one row of several.
func (l *logPlan) row(rows []uint64, i int) []uint64 {
	return rows[i*l.width : (i+1)*l.width : (i+1)*l.width]
}

// upTo is the first n rows.
func (l *logPlan) upTo(rows []uint64, n int) []uint64 { return rows[:n*l.width] }

// len is how many rows there are.
func (l *logPlan) len(rows []uint64) int { return len(rows) / l.width }

// time is a row's event time in ms.
func (l *logPlan) time(row []uint64) int64 { return window.Time(row) }

// timeAt is the event time in ms of one row of several.
func (l *logPlan) timeAt(rows []uint64, i int) int64 { return window.Time(rows[i*l.width:]) }

// place is a row's place among those of equal time.
func (l *logPlan) place(row []uint64) uint64 { return window.Place(row) }

// id is the hash of a row's id, 0: the row has none. Only with hasID.
func (l *logPlan) id(row []uint64) uint64 { return row[2] }

// word is the word of a row's lane.
func (l *logPlan) word(row []uint64, lane int) uint64 { return row[l.lanesAt+lane] }

// bitAt is where in a row a flag is.
func (l *logPlan) bitAt(bit int) (word int, shift uint8) {
	if bit < window.OwnBits {
		return 0, uint8(bit)
	}
	bit -= window.OwnBits
	return l.flagsAt + bit>>6, uint8(bit & 63)
}

// has reports whether a row has a flag.
func (l *logPlan) has(row []uint64, bit int) bool {
	word, shift := l.bitAt(bit)
	return row[word]>>shift&1 != 0
}

func (l *logPlan) setBit(row []uint64, bit int) {
	word, shift := l.bitAt(bit)
	row[word] |= 1 << shift
}

func (l *logPlan) clearBit(row []uint64, bit int) {
	word, shift := l.bitAt(bit)
	row[word] &^= 1 << shift
}

// input is a row as a part sees it.
func (l *logPlan) input(row []uint64, p *partPlan) aggregate.Input {
	in := aggregate.Input{Time: l.time(row), Place: l.place(row), Half: p.half}
	if p.lane >= 0 {
		in.Word = l.word(row, p.lane)
	}
	if p.order > 0 {
		in.Order = aggregate.OrderCode(l.word(row, p.order-1), p.orders)
	}
	return in
}

// fill writes the event's row.
func (l *entityLog) fill(e *Engine, row []uint64, ev *event.Event) {
	p, c := l.plan, &e.current
	window.Stamp(row, ev.Time, c.place)
	if c.takes.yes {
		clear(row[2:p.lanesAt])
		p.fillTaking(row, c)
		return
	}
	if p.hasID {
		row[2] = c.idHash
	}
	for i := p.flagsAt; i < p.lanesAt; i++ {
		row[i] = 0
	}
	row[0] |= p.certains
	for i := range p.asked {
		if b := &p.asked[i]; c.bits[b.of] {
			row[b.word] |= b.mask
		}
	}
	for i, input := range p.lanes {
		row[p.lanesAt+i] = c.words[input]
	}
	for _, lane := range p.texts {
		if v := c.values[p.lanes[lane]]; v.Has() {
			row[p.lanesAt+lane] = e.texts.hold(v.Str())
		}
	}
}
