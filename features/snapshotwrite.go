package features

import (
	"encoding/binary"
	"slices"

	"github.com/freshet-dev/freshet/features/window"
)

// A key group is written as it was at one moment, and in parts, so that nobody
// waits for all of it (docs/decisions/0032). Its entities are written one after
// the other, in the order of the index as it was; one that is about to change, or
// to go, before its turn is written then, beside the others, and passed over
// later.

// writing is the group of a log that is being written.
type writing struct {
	group       int             // noGroup: none
	index       []uint64        // group.index, as it was
	early       []uint64        // a bit for each place in it: that entity was written before its turn
	at          int             // the place in it whose turn is next
	held        map[slot]string // the keys of those that are gone and stay until their turn
	n           int             // entities
	swept, mark uint64
	before      []byte   // the entities that were written before their turn
	moved       int      // how much of before is in the piece
	walked      bool     // all entities are
	waits       []uint64 // the events that waited for others
	named       named
	told        int // how many of the texts are written
}

// noGroup is that of a log of which nothing is being written.
const noGroup = -1

// What writing costs beside the bytes, in bytes that take as long.
const (
	entityCost = 512
	placeCost  = 8
	textCost   = 32
)

// unfinished is where the piece of the group that is being written stands.
type unfinished struct {
	group   int
	log     int // whose section is being written; -1: nothing is
	open    bool
	section int // where that begins
}

// BeginGroup begins to write a key group, as it is at this moment, of every log.
// Between batches only. One that was not written to its end is given up.
func (e *Engine) BeginGroup(group int) {
	for _, l := range e.logs {
		l.giveUpWriting(e)
		l.beginWriting(group)
	}
	e.unfinished = unfinished{group: group, log: -1}
}

// AppendSome adds what comes next of the group that was begun to dst, which is as
// the call before has left it: about so many bytes, or what takes as long; with a
// little more one entity. It reports whether there is more. Events may be applied
// meanwhile.
func (e *Engine) AppendSome(dst []byte, most int) (_ []byte, more bool) {
	u := &e.unfinished
	if u.log < 0 {
		dst = appendHead(dst, groupPiece, len(e.logs))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(u.group))
		u.log = 0
	}
	for ; u.log < len(e.logs); u.log++ {
		l := e.logs[u.log]
		if !u.open {
			u.open, u.section = true, len(dst)
			dst = l.beginSection(dst)
		}
		if dst, most = l.appendWalk(e, dst, u.section, most); !l.writing.walked {
			return dst, true
		}
		if dst, most = l.appendTexts(dst, most); l.writing.told < len(l.writing.named.texts) {
			return dst, true
		}
		dst = l.endSection(dst, u.section)
		u.open = false
	}
	return dst, false
}

// AppendGroup adds all entities of a key group to dst, of every log. Between
// batches only.
func (e *Engine) AppendGroup(dst []byte, group int) []byte {
	e.BeginGroup(group)
	for more := true; more; {
		dst, more = e.AppendSome(dst, 1<<30)
	}
	return dst
}

// beginWriting takes down what a group of the log is at this moment.
func (l *entityLog) beginWriting(number int) {
	g, w := &l.entities.groups[number], &l.writing
	w.group, w.at, w.told, w.n, w.swept, w.mark = number, 0, 0, g.count, g.swept, g.mark
	w.index = append(w.index[:0], g.index...)
	w.early = slices.Grow(w.early[:0], (len(g.index)+63)/64)[:(len(g.index)+63)/64]
	clear(w.early)
	w.before, w.moved, w.walked, w.waits = w.before[:0], 0, false, w.waits[:0]
	w.named.reset()
	for _, x := range l.waits[number].left() {
		w.waits = append(w.waits, x.key.hi, x.key.lo, uint64(x.time), x.place, uint64(x.since))
	}
}

// asItWas writes an entity of the group that is being written, where it has not
// been yet: it is about to change. Whatever changes an entity or lets go of one
// calls it first.
func (l *entityLog) asItWas(e *Engine, tag uint64, n slot) {
	if int(tag>>56) == l.writing.group {
		l.writeEarly(e, tag, n)
	}
}

func (l *entityLog) writeEarly(e *Engine, tag uint64, n slot) {
	w := &l.writing
	if i, waits := w.turn(tag, n); waits {
		w.early[i>>6] |= 1 << (i & 63)
		w.before = l.appendEntity(e, w.before, l.entities.key(n), n)
	}
}

// turn is the place in the index of an entity of the group, and whether it is
// still to be written.
func (w *writing) turn(tag uint64, n slot) (i int, waits bool) {
	mask := len(w.index) - 1
	for i := int(tag>>32) & mask; w.index[i] != 0; i = (i + 1) & mask {
		if w.index[i] == tag&^(1<<32-1)|uint64(n+1) {
			return i, i >= w.at && w.early[i>>6]>>(i&63)&1 == 0
		}
	}
	return 0, false
}

// hold keeps the state of an entity that is about to go until it was written,
// where it is still to be: of those that are evicted thousands go at once.
func (l *entityLog) hold(tag uint64, n slot) (held bool) {
	w := &l.writing
	if int(tag>>56) != w.group {
		return false
	}
	if _, held = w.turn(tag, n); held {
		if w.held == nil {
			w.held = map[slot]string{}
		}
		w.held[n] = l.entities.key(n)
	}
	return held
}

// appendNext writes an entity whose turn it is, and lets it go where it was held
// for that.
func (l *entityLog) appendNext(e *Engine, dst []byte, n slot) []byte {
	key, held := l.writing.held[n]
	if !held {
		return l.appendEntity(e, dst, l.entities.key(n), n)
	}
	dst = l.appendEntity(e, dst, key, n)
	l.unhold(e, n)
	return dst
}

// unhold lets go of an entity that was held. One whose row is to be written goes
// behind that.
func (l *entityLog) unhold(e *Engine, n slot) {
	delete(l.writing.held, n)
	if l.entities.state(n)[atTouched] == 0 {
		l.free(e, n)
	}
}

// giveUpWriting lets go of what was held for a group that is not written to its
// end.
func (l *entityLog) giveUpWriting(e *Engine) {
	w := &l.writing
	for ; len(w.held) > 0; w.at++ {
		if x := w.index[w.at]; x != 0 {
			if _, held := w.held[slot(x)-1]; held {
				l.unhold(e, slot(x)-1)
			}
		}
	}
}

// The beginning of a section: its length, how many entities there are and how
// long they are, and what is known of those that are gone.
const (
	atEntities   = 8
	atBytes      = atEntities + 4
	sectionBytes = atBytes + 8 + 8 + 8
)

// beginSection adds the beginning of the section of the log's group.
func (l *entityLog) beginSection(dst []byte) []byte {
	w := &l.writing
	dst = append(dst, make([]byte, atEntities)...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.n))
	dst = append(dst, make([]byte, 8)...)
	dst = binary.LittleEndian.AppendUint64(dst, w.swept)
	return binary.LittleEndian.AppendUint64(dst, w.mark)
}

// appendWalk adds the entities whose turn it is, and behind the last one those
// that were written before theirs, and how many texts they all mention.
func (l *entityLog) appendWalk(e *Engine, dst []byte, section, most int) (_ []byte, left int) {
	w := &l.writing
	for ; w.at < len(w.index) && most > 0; w.at++ {
		most -= placeCost
		if x := w.index[w.at]; x != 0 && w.early[w.at>>6]>>(w.at&63)&1 == 0 {
			before := len(dst)
			dst = l.appendNext(e, dst, slot(x)-1)
			most -= entityCost + len(dst) - before
		}
	}
	if w.at < len(w.index) || w.walked {
		return dst, most
	}
	n := max(0, min(most, len(w.before)-w.moved))
	dst = append(dst, w.before[w.moved:w.moved+n]...)
	if w.moved, most = w.moved+n, most-n; w.moved < len(w.before) {
		return dst, most
	}
	w.walked = true
	binary.LittleEndian.PutUint64(dst[section+atBytes:], uint64(len(dst)-section-sectionBytes))
	return binary.LittleEndian.AppendUint32(dst, uint32(len(w.named.texts))), most
}

// appendTexts adds the texts that were mentioned, by place.
func (l *entityLog) appendTexts(dst []byte, most int) (_ []byte, left int) {
	w := &l.writing
	for ; w.told < len(w.named.texts) && most > 0; w.told++ {
		text := w.named.texts[w.told]
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
		most -= textCost + len(text)
	}
	return dst, most
}

// waitWords is the size of a waiting event in a snapshot.
const waitWords = 5

// endSection adds the events that wait, and how long the section is. Nothing more
// is kept of the group.
func (l *entityLog) endSection(dst []byte, section int) []byte {
	w := &l.writing
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(w.waits)/waitWords))
	dst = window.AppendWords(dst, w.waits)
	binary.LittleEndian.PutUint64(dst[section:], uint64(len(dst)-section-atEntities))
	w.group = noGroup
	w.named.reset()
	return dst
}
