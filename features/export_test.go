package features

import "math"

// Group is the group of the index that a key is in.
func (e *Engine) Group(key string) int { return int(e.hash.key(key).hi >> 56) }

// Steps is how many rows, values and tiles were looked at one by one.
func (e *Engine) Steps() (n int64) {
	for _, l := range e.logs {
		n += l.steps
	}
	return n
}

// Texts is how many texts are held.
func (e *Engine) Texts() int { return len(e.texts.numbers) }

// TailLimit is how many rows a span's cursor can count.
const TailLimit = tailMask

// DueAt is the time in ms at which a span is looked at that changes at t.
func DueAt(t int64) int64 { return int64(dueAt(t) << dueShift) }

// WrittenEarly is how many bytes of entities were written before their turn, of
// the group that is being written.
func (e *Engine) WrittenEarly() (n int) {
	for _, l := range e.logs {
		n += len(l.writing.before)
	}
	return n
}

// Slots is how many entities have a state.
func (e *Engine) Slots() (n int) {
	for _, l := range e.logs {
		for _, s := range []*states{&l.entities.small, &l.entities.large} {
			n += s.n - len(s.free)
		}
	}
	return n
}

// RowByRow makes a plan do without nodes, and without records of categories.
func (p *Plan) RowByRow() {
	for _, l := range p.logs {
		l.levels.least = math.MaxInt
		for _, k := range l.cursors {
			k.ripe = nil
		}
		l.ripening = nil
	}
	for _, v := range p.views {
		if v != nil {
			for _, x := range v.cells {
				x.divided = nil
			}
		}
	}
}

// Waiting is how many events wait for the one that they take back.
func (e *Engine) Waiting() (n int) {
	for _, l := range e.logs {
		for i := range l.waits {
			n += len(l.waits[i].left())
		}
	}
	return n
}
