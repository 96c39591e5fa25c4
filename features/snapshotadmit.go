package features

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/freshet-dev/freshet/features/window"
)

// Admission is what admits the next record of each source, and what was read for
// each log, at one moment. It does not change any more: whoever has it may write
// it beside the engine.
type Admission struct {
	parts []admissionPart
	size  int
}

// admissionPart is some bytes, and hashes behind them.
type admissionPart struct {
	bytes  []byte
	hashes lentHashes
}

// Size is how many bytes Append adds.
func (a *Admission) Size() int { return a.size }

// Append adds the bytes to dst.
func (a *Admission) Append(dst []byte) []byte {
	for chunk := range a.Chunks(1 << 20) {
		dst = append(dst, chunk...)
	}
	return dst
}

// Chunks gives the bytes in pieces of so many, but for the last one, each valid
// until the next: they may be more than should lie in memory twice.
func (a *Admission) Chunks(size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		chunk := make([]byte, 0, min(size, a.size)+hashBytes*recentPerBlock)
		whole := func() (more bool) {
			for len(chunk) >= size {
				if !yield(chunk[:size]) {
					return false
				}
				chunk = chunk[:copy(chunk, chunk[size:])]
			}
			return true
		}
		for _, p := range a.parts {
			chunk = append(chunk, p.bytes...)
			for i := range p.hashes.blocks {
				if chunk = p.hashes.appendBlock(chunk, i); !whole() {
					return
				}
			}
		}
		if whole() && len(chunk) > 0 {
			yield(chunk)
		}
	}
}

func (a *Admission) put(p admissionPart) {
	a.parts = append(a.parts, p)
	a.size += len(p.bytes) + hashBytes*p.hashes.len()
}

// putSet adds some bytes and a set behind them, with how many it has.
func (a *Admission) putSet(bytes []byte, r *recent) {
	hashes := r.lend()
	a.put(admissionPart{binary.LittleEndian.AppendUint32(bytes, uint32(hashes.len())), hashes})
}

// hashBytes is the size of a hash with its stamp in a snapshot.
const hashBytes = 16

// admission is that of now.
func (e *Engine) admission() *Admission {
	a := &Admission{}
	a.put(admissionPart{bytes: appendHead(nil, admissionPiece, len(e.sources))})
	for _, s := range e.sources {
		one := s.admission()
		a.put(admissionPart{bytes: binary.LittleEndian.AppendUint64(nil, uint64(one.size))})
		a.parts, a.size = append(a.parts, one.parts...), a.size+one.size
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(e.logs)))
	for _, l := range e.logs {
		b = appendCoverage(b, e.coverageOf(l))
	}
	a.put(admissionPart{bytes: b})
	return a
}

// coverageWords is the size of a Coverage in a snapshot.
const coverageWords = 3

func appendCoverage(dst []byte, c Coverage) []byte {
	fromStart := uint64(0)
	if c.FromStart {
		fromStart = 1
	}
	return window.AppendWords(dst, []uint64{fromStart, uint64(c.Since), uint64(c.Hole)})
}

func coverageIn(w window.Words) Coverage {
	return Coverage{FromStart: w.At(0) == 1, Since: int64(w.At(1)), Hole: int64(w.At(2))}
}

// admission is that of one source.
func (s *sourceState) admission() *Admission {
	a := &Admission{}
	a.putSet(binary.LittleEndian.AppendUint64([]byte(s.plan.acceptance()), uint64(s.newest)), &s.orphans)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(s.partitions)))
	for _, p := range s.partitions {
		if p == nil {
			b = append(b, 0)
			continue
		}
		a.putSet(binary.LittleEndian.AppendUint64(append(b, 1), uint64(p.watermark)), &p.ids)
		b = nil
	}
	a.put(admissionPart{bytes: b})
	return a
}

// appendRefused adds the places of the records that were refused because of
// another partition.
func (e *Engine) appendRefused(dst []byte) []byte {
	dst = appendHead(dst, refusedPiece, len(e.sources))
	for _, s := range e.sources {
		dst = append(dst, s.plan.acceptance()...)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.refused)))
		dst = window.AppendWords(dst, s.refused)
	}
	return dst
}

// hexBytes is the size of an acceptance.
const hexBytes = 64

// Piece is a piece of a snapshot that is read from its beginning, of which there
// may be more than should lie in memory. Len is how much is left.
type Piece interface {
	io.Reader
	Len() int
}

// streamed reads a Piece: nothing is used before its length was checked. What is
// read of a bad one is zero.
type streamed struct {
	from Piece
	left uint64 // of the part that is read
	err  error
	buf  []byte
}

var errNotWritten = errors.New("it is not what was written")

// bytes are the next n, until the next ones.
func (in *streamed) bytes(n int) []byte {
	if in.err == nil && uint64(n) > in.left {
		in.err = errNotWritten
	}
	if in.err != nil {
		return nil
	}
	in.buf = slices.Grow(in.buf[:0], n)[:n]
	if _, in.err = io.ReadFull(in.from, in.buf); in.err != nil {
		return nil
	}
	in.left -= uint64(n)
	return in.buf
}

func (in *streamed) u32() uint32 {
	if b := in.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (in *streamed) u64() uint64 {
	if b := in.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// set puts the next hashes with their stamps into an empty set; nil: nowhere.
func (in *streamed) set(r *recent) {
	n := uint64(in.u32())
	if in.err == nil && n > in.left/hashBytes {
		in.err = errNotWritten
	}
	if in.err != nil {
		return
	}
	if r != nil {
		r.stamps = make(map[uint64]int64, n)
	}
	for n > 0 {
		some := min(n, recentPerBlock)
		w := window.Words(in.bytes(int(some) * hashBytes))
		for i := 0; i < w.Len() && r != nil; i += 2 {
			r.add(w.At(i), int64(w.At(i+1)))
		}
		n -= some
	}
}

// admission reads the piece that says what admits records: into the sources of
// the plan that admit alike, but for those that are read from the start. It gives
// the acceptance of each source of the snapshot and which of the plan's it is (-1:
// none), and what was read for each of so many logs.
func (e *Engine) readAdmission(from Piece, logs int, fromStart []bool) (acceptances []string, of []int, covered []Coverage, err error) {
	size := from.Len()
	in := streamed{from: from, left: uint64(size)}
	if in.u32() != uint32(admissionPiece) || in.u32() != SnapshotFormat {
		in.err = errNotWritten
	}
	taken := make([]bool, len(e.sources))
	for range in.u32() {
		part := in.u64()
		behind := in.left - part
		if in.err != nil || part > in.left {
			in.err = cmp.Or(in.err, errNotWritten)
			break
		}
		in.left = part
		acceptance := string(in.bytes(hexBytes))
		at := slices.IndexFunc(e.sources, func(s *sourceState) bool {
			return !taken[s.plan.source.Index] && s.plan.acceptance() == acceptance
		})
		if at >= 0 {
			taken[at] = true
		}
		acceptances, of = append(acceptances, acceptance), append(of, at)
		var to *sourceState
		if at >= 0 && !fromStart[at] {
			to = e.sources[at]
		}
		if in.source(to); in.left > 0 {
			in.err = cmp.Or(in.err, errNotWritten)
		}
		in.left = behind
	}
	if n := in.u32(); n != uint32(logs) {
		in.err = cmp.Or(in.err, errNotWritten)
	}
	for range logs {
		if w := window.Words(in.bytes(8 * coverageWords)); w != nil {
			covered = append(covered, coverageIn(w))
		}
	}
	if in.err == nil && in.left > 0 {
		in.err = errNotWritten
	}
	if in.err == nil { // the end may have something to say
		if _, err := in.from.Read(make([]byte, 1)); err != io.EOF {
			in.err = cmp.Or(err, errNotWritten)
		}
	}
	if in.err != nil {
		return nil, nil, nil, fmt.Errorf("the admission of a snapshot (format %d, %d bytes): take the checkpoint before it: %w", SnapshotFormat, size, in.err)
	}
	return acceptances, of, covered, nil
}

// source reads the admission of one source into one that has accepted nothing; nil:
// nowhere.
func (in *streamed) source(s *sourceState) {
	newest, orphans := int64(in.u64()), (*recent)(nil)
	if s != nil {
		s.newest, orphans = newest, &s.orphans
	}
	in.set(orphans)
	n := in.u32()
	if s != nil {
		s.partitions = nil
	}
	for range n {
		var p *partition
		switch b := in.bytes(1); {
		case in.err != nil || b[0] > 1:
			in.err = cmp.Or(in.err, errNotWritten)
			return
		case b[0] == 1:
			p = &partition{watermark: int64(in.u64())}
			in.set(&p.ids)
		}
		if s != nil {
			s.partitions = append(s.partitions, p)
		}
	}
}

// readRefused reads the piece that says which records were refused because of
// another partition: of each source of the snapshot.
func readRefused(raw []byte, acceptances []string) ([]window.Words, error) {
	in := input{rest: raw}
	if n := in.head(refusedPiece); int(n) != len(acceptances) {
		in.bad = true
	}
	var all []window.Words
	for i := 0; i < len(acceptances) && !in.bad; i++ {
		in.bad = string(in.bytes(hexBytes)) != acceptances[i]
		all = append(all, in.words(uint64(in.u32())))
	}
	if in.bad || len(in.rest) > 0 {
		return nil, fmt.Errorf("the refused records of a snapshot are not what was written (format %d, %d bytes): take the checkpoint before it", SnapshotFormat, len(raw))
	}
	return all, nil
}

// input reads bytes from outside: nothing is used before its length was checked.
// What is read of a bad one is zero.
type input struct {
	rest []byte
	bad  bool
}

// bytes are the next n.
func (in *input) bytes(n uint64) []byte {
	if in.bad || n > uint64(len(in.rest)) {
		in.bad = true
		return nil
	}
	b := in.rest[:n:n]
	in.rest = in.rest[n:]
	return b
}

// words are the next n.
func (in *input) words(n uint64) window.Words {
	if n > uint64(len(in.rest)) { // no overflow below
		in.bad = true
	}
	return window.Words(in.bytes(8 * n))
}

func (in *input) u32() uint32 {
	if b := in.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (in *input) u64() uint64 {
	if b := in.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (in *input) uvarint() uint64 {
	if in.bad {
		return 0
	}
	if len(in.rest) > 0 && in.rest[0] < 0x80 {
		n := in.rest[0]
		in.rest = in.rest[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(in.rest)
	if size <= 0 {
		in.bad = true
		return 0
	}
	in.rest = in.rest[size:]
	return n
}

// head reads the beginning of a piece: how many sources or logs follow.
func (in *input) head(kind piece) uint32 {
	if in.u32() != uint32(kind) || in.u32() != SnapshotFormat {
		in.bad = true
	}
	n := in.u32()
	if uint64(n) > uint64(len(in.rest)) {
		in.bad = true
	}
	return n
}
