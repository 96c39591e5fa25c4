package features

import (
	"encoding/binary"
	"fmt"
	"iter"

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

// admission is what a snapshot says about the admission of one source.
type admission struct {
	acceptance string
	newest     int64
	orphans    window.Words // hashes and stamps
	partitions []admitted
	refused    window.Words
}

// admitted is the admission of one partition.
type admitted struct {
	any       bool
	watermark int64
	ids       window.Words
}

// hexBytes is the size of an acceptance.
const hexBytes = 64

// readAdmission reads both pieces that are about the admission of sources, and
// what was read for each of so many logs.
func readAdmission(raw, refused []byte, logs int) ([]admission, []Coverage, error) {
	in := input{rest: raw}
	sources := in.head(admissionPiece)
	var all []admission
	for range sources {
		part := input{rest: in.bytes(in.u64())}
		all = append(all, part.admission())
		if in.bad = in.bad || part.bad || len(part.rest) > 0; in.bad {
			break
		}
	}
	var covered []Coverage
	if n := in.u32(); n != uint32(logs) {
		in.bad = true
	}
	for range logs {
		if w := in.words(coverageWords); w != nil {
			covered = append(covered, coverageIn(w))
		}
	}
	if in.bad || len(in.rest) > 0 {
		return nil, nil, fmt.Errorf("the admission of a snapshot is not what was written (format %d, %d bytes): take the checkpoint before it", SnapshotFormat, len(raw))
	}
	in = input{rest: refused}
	if n := in.head(refusedPiece); n != sources {
		in.bad = true
	}
	for i := 0; i < len(all) && !in.bad; i++ {
		in.bad = string(in.bytes(hexBytes)) != all[i].acceptance
		all[i].refused = in.words(uint64(in.u32()))
	}
	if in.bad || len(in.rest) > 0 {
		return nil, nil, fmt.Errorf("the refused records of a snapshot are not what was written (format %d, %d bytes): take the checkpoint before it", SnapshotFormat, len(refused))
	}
	return all, covered, nil
}

// admission is the admission of one source.
func (in *input) admission() admission {
	a := admission{acceptance: string(in.bytes(hexBytes)), newest: int64(in.u64()), orphans: in.words(2 * uint64(in.u32()))}
	for range in.u32() {
		var p admitted
		switch b := in.bytes(1); {
		case in.bad || b[0] > 1:
			in.bad = true
			return a
		case b[0] == 1:
			p = admitted{any: true, watermark: int64(in.u64()), ids: in.words(2 * uint64(in.u32()))}
		}
		a.partitions = append(a.partitions, p)
	}
	return a
}

// fill puts the admission of a snapshot into a source that has accepted nothing.
func (s *sourceState) fill(a *admission) {
	s.newest = a.newest
	s.orphans.fill(a.orphans)
	s.partitions = make([]*partition, len(a.partitions))
	for i := range a.partitions {
		if p := &a.partitions[i]; p.any {
			s.partitions[i] = &partition{watermark: p.watermark}
			s.partitions[i].ids.fill(p.ids)
		}
	}
}

// fill puts hashes with their stamps into an empty set.
func (r *recent) fill(w window.Words) {
	r.stamps = make(map[uint64]int64, w.Len()/2)
	for i := 0; i < w.Len(); i += 2 {
		r.add(w.At(i), int64(w.At(i+1)))
	}
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
