package features

import "github.com/freshet-dev/freshet/features/aggregate"

// This file is the exact path without running state: a window is cut from the
// log and its rows are put together again. It serves readings behind the
// newest event, and is what the running state must agree with.

// cut is which rows of a log a cursor's window holds, as row indexes.
type cut struct{ from, to int }

// cutAt is the window of a cursor at t among the first n rows. A life begins
// at its first event (S22).
func (l *entityLog) cutAt(k *cursorPlan, rows []uint64, n int, t int64) cut {
	rows = rows[:n*l.plan.width]
	to := n
	if k.delay > 0 {
		to = l.rows.FirstAfter(rows, t-k.delay)
	}
	if k.life != nil {
		return cut{l.lifeAt(k.life, rows, t), to}
	}
	return cut{l.rows.FirstAfter(rows, t-k.delay-k.length), to}
}

// lifeAt is the index of the first row of the life that a view's row is in at
// t: walking back from the newest event that entered the view, each silence is
// shorter than ttl. Without a life it is the number of rows.
func (l *entityLog) lifeAt(v *viewPlan, rows []uint64, t int64) int {
	n := len(rows) / l.plan.width
	begin, next := n, t
	for i := n - 1; i >= 0; i-- {
		row := rows[i*l.plan.width:]
		if !l.plan.has(row, v.entered) {
			continue
		}
		if next-int64(row[0]) >= v.ttl {
			break
		}
		begin, next = i, int64(row[0])
	}
	return begin
}

// newestAt is the time of the newest event that entered a view among rows; 0:
// none.
func (l *entityLog) newestAt(v *viewPlan, rows []uint64) int64 {
	for i := len(rows)/l.plan.width - 1; i >= 0; i-- {
		if row := rows[i*l.plan.width:]; l.plan.has(row, v.entered) {
			return int64(row[0])
		}
	}
	return 0
}

// scan makes the parts of a cursor from the rows of a cut, in e.scratch.
func (e *Engine) scan(l *entityLog, k *cursorPlan, rows []uint64, c cut) {
	for _, p := range k.parts {
		clear(e.scratch[p.at : p.at+p.size()])
		if p.part == aggregate.Distinct {
			e.sets[p.set].Reset()
		}
	}
	for i := c.from; i < c.to; i++ {
		e.scanRow(l, k, rows[i*l.plan.width:(i+1)*l.plan.width])
	}
}

// scanRow adds one row to the parts of a cursor in e.scratch.
func (e *Engine) scanRow(l *entityLog, k *cursorPlan, row []uint64) {
	for _, p := range k.parts {
		if !l.plan.has(row, p.bit) {
			continue
		}
		w := e.scratch[p.at : p.at+p.size()]
		switch p.part {
		case 0:
			w[0]++
		case aggregate.Distinct:
			set := e.sets[p.set]
			set.Add(row[l.plan.lanesAt+p.lane])
			w[0] = uint64(set.Len())
		default:
			p.part.Add(w, l.plan.input(row, p), p.number)
		}
	}
}

// input is a row as a part sees it.
func (l *logPlan) input(row []uint64, p *partPlan) aggregate.Input {
	in := aggregate.Input{Time: int64(row[0]), Place: row[1]}
	if p.lane >= 0 {
		in.Word = row[l.lanesAt+p.lane]
	}
	return in
}
