package features

import (
	"encoding/binary"

	"github.com/freshet-dev/freshet/features/window"
)

// A snapshot is the engine's state as bytes, in pieces that are taken at
// different moments: the admission of all sources first, then the entities of
// one key group after the other, at last which records were refused meanwhile
// because another partition had brought them before. Each piece has its cuts:
// how far each partition was applied. Whoever restores it reads all records from
// the first cuts on again; an entity is not given again what its group has
// (docs/decisions/0019).
//
// Pieces hold no pointers and no number that another engine would not know. They
// are bound to SnapshotFormat, to the seed of the engine and, log by log, to
// LogID.Hash. They hold keys and texts as they are.

// SnapshotFormat is the version of the bytes of a snapshot, and of what they
// mean. Bytes of another version are refused.
const SnapshotFormat = 2

// NumGroups is how many key groups there are.
const NumGroups = numGroups

// Cuts says how far records were applied: by spec.Source.Index and partition,
// the offset of the first record that was not. What is not there is 0.
type Cuts [][]int64

// of is the cuts of one source, by partition.
func (c Cuts) of(source int) []int64 {
	if source >= len(c) {
		return nil
	}
	return c[source]
}

// below reports whether a record is below the cut of its partition.
func below(cuts []int64, partition int32, offset int64) bool {
	return int(partition) < len(cuts) && offset < cuts[partition]
}

// BeginSnapshot gives the admission of all sources: watermarks, the ids that may
// come again, what was read. From here to EndSnapshot the engine notes which
// records it refuses because of another partition. Between batches only: rows that
// are to be written are not part of a snapshot.
func (e *Engine) BeginSnapshot() *Admission {
	for _, s := range e.sources {
		s.noting, s.refused = true, s.refused[:0]
	}
	return e.admission()
}

// EndSnapshot adds to dst which records were refused since BeginSnapshot because
// another partition had brought them before, and notes no more of them. The
// records from the first cuts to those of this moment are admitted by it again.
// A snapshot that is given up ends with it too, and the group that is being written.
func (e *Engine) EndSnapshot(dst []byte) []byte {
	dst = e.appendRefused(dst)
	for _, s := range e.sources {
		s.noting, s.refused = false, nil
	}
	for _, l := range e.logs {
		l.giveUpWriting(e)
		l.writing = writing{group: noGroup}
	}
	return dst
}

// piece tells the pieces of a snapshot apart.
type piece uint32

const (
	admissionPiece piece = 0x61665246 + iota // "FRfa" as bytes
	groupPiece
	refusedPiece
)

// appendHead begins a piece: its kind, the format, and how many sources or logs
// follow.
func appendHead(dst []byte, kind piece, parts int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(kind))
	dst = binary.LittleEndian.AppendUint32(dst, SnapshotFormat)
	return binary.LittleEndian.AppendUint32(dst, uint32(parts))
}

// The flags of an entity in a snapshot.
const (
	entityLarge = 1 << iota
	entityDropped
	entityBorn
	entityFlags
)

// appendEntity adds one entity: its key, its rows, its state, and the blocks of
// its handles.
func (l *entityLog) appendEntity(e *Engine, dst []byte, key string, n slot) []byte {
	w := l.entities.state(n)
	flags := byte(0)
	if n.isLarge() {
		flags |= entityLarge
	}
	if w[atDropped] != 0 {
		flags |= entityDropped
	}
	if w[atBorn] != 0 {
		flags |= entityBorn
	}
	rows := l.rows.All(w[atRows:])
	start, room := l.shapeOf(w)
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = append(dst, key...)
	dst = binary.AppendUvarint(dst, uint64(l.plan.len(rows)))
	dst = binary.AppendUvarint(dst, uint64(start))
	dst = binary.AppendUvarint(dst, uint64(room))
	dst = binary.LittleEndian.AppendUint64(dst, w[atNow])
	if w[atDropped] != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, w[atDropped])
	}
	if w[atBorn] != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, w[atBorn])
	}
	at := len(dst)
	dst = window.AppendWords(dst, rows)
	if len(l.plan.texts) > 0 {
		l.nameRows(e, window.Words(dst[at:]))
	}
	if n.isLarge() {
		dst = l.appendLarge(e, dst, w)
	}
	return dst
}

// shapeOf is where in which room the rows of an entity lie. Where most of the
// room is empty, they are packed.
func (l *entityLog) shapeOf(w []uint64) (start, room int) {
	n := l.rows.Len(w[atRows:])
	if start, room = l.rows.Shape(w[atRows:]); n == 0 || room > l.rows.MaxRoom(n) {
		return 0, n * l.plan.width
	}
	return start, room
}

// appendLarge adds the words of a large state and the blocks of its handles. A
// handle says how many words its block has, and what is said about them.
func (l *entityLog) appendLarge(e *Engine, dst []byte, w []uint64) []byte {
	at := len(dst)
	dst = window.AppendWords(dst, w[atFirst:])
	for _, h := range l.plan.handles {
		if h.kind == rowsHandle {
			continue
		}
		meta, words := l.content(h, w)
		state := window.Words(dst[at:])
		state.Set(h.at-atFirst, uint64(len(words)))
		state.Set(h.at-atFirst+1, meta)
		dst = window.AppendWords(dst, words)
	}
	if l.plan.mentions.any() {
		l.nameLarge(e, window.Words(dst[at:]))
	}
	return dst
}

// content is what a block holds, and what is said about it.
func (l *entityLog) content(h handlePlan, w []uint64) (meta uint64, words []uint64) {
	switch x := w[h.at:]; h.kind {
	case stackHandle:
		return l.stacks.Content(x)
	case tableHandle:
		return l.tables.Content(x)
	case tilesHandle:
		return l.tiles.Content(x)
	case histogramHandle:
		return l.bins.Content(x)
	case cacheHandle:
		return 0, nil
	default: // words, and how many they are
		if x[0] == 0 {
			return 0, nil
		}
		return x[1], l.slab.Words(window.Ref(x[0]))[:x[1]]
	}
}
