package checkpoint

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"
)

// Format is the layout of files and manifests. A file of another one is
// refused: there is no guessing. Whatever the number, a header keeps its length,
// its note and its checksum: a wrong bit is no other format.
const Format = 1

// A file is
//
//	header   headBytes and the note, then the CRC of both
//	blocks   blockBytes each, the last one shorter; sealed ones have a tag more
//	table    the CRC of each block as it is stored
//	trailer  the file's length, the CRC of table and length
//
// all numbers little-endian, all CRCs CRC32C. A file that was cut, or grew, or
// has one wrong bit is found out; the manifest has the CRC of header, table and
// trailer, which has all others in it, so a file in another's place is too.
const (
	magic      = "FRESHET\x00"
	headBytes  = 72
	blockBytes = 1 << 20
	trailBytes = 12
	maxNote    = 1 << 24

	atFormat   = 8
	atKind     = 12
	atSealed   = 13
	atGroup    = 14
	atCycle    = 16
	atOwner    = 24
	atNote     = 28
	atLength   = 32
	atIdentity = 40
	atSalt     = 56
)

// Kind is what a file holds.
type Kind uint8

// The kinds.
const (
	GroupFile     Kind = 1
	AdmissionFile Kind = 2
	ManifestFile  Kind = 3
)

// Damaged is the error of a file that is not what was written.
type Damaged struct{ Name, Why string }

func (d *Damaged) Error() string { return "checkpoint file " + d.Name + " is damaged: " + d.Why }

// UnknownFormat is the error of a file that another build has written.
type UnknownFormat struct {
	Name  string
	Found uint32
}

func (u *UnknownFormat) Error() string {
	return fmt.Sprintf("checkpoint file %s has format %d, and this build reads format %d: run the build that wrote it, "+
		"or give an empty state_dir (the state is then rebuilt from the log)", u.Name, u.Found, Format)
}

// ErrOtherKey is that files were sealed under another key.
var ErrOtherKey = errors.New("the checkpoint was sealed under another entity_key_secret: run with the one of before, " +
	"or give an empty state_dir (the state is then rebuilt from the log)")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// content is what a file says beside its payload.
type content struct {
	kind     Kind
	group    int
	cycle    uint64
	owner    uint32
	identity [16]byte
	note     []byte
}

// Payload is what a file is to hold, of which there may be more than should lie
// in memory at once.
type Payload interface {
	// Size is how many bytes it has.
	Size() int
	// Chunks gives them in pieces of so many, but for the last one, each valid until
	// the next.
	Chunks(size int) iter.Seq[[]byte]
}

// Bytes is a Payload that lies in memory.
type Bytes []byte

// Size implements Payload.
func (b Bytes) Size() int { return len(b) }

// Chunks implements Payload.
func (b Bytes) Chunks(size int) iter.Seq[[]byte] { return slices.Chunk([]byte(b), size) }

// encode writes a file and gives its length and sum.
func encode(w io.Writer, c content, payload Payload, key Key) (size int64, sum uint32, err error) {
	head, sealed := headOf(c, payload.Size(), key)
	var seal *sealer
	if sealed {
		if seal, err = key.sealer(head); err != nil {
			return 0, 0, err
		}
	}
	if _, err = w.Write(head); err != nil {
		return 0, 0, err
	}
	size = int64(len(head))
	var tail []byte
	n, left := 0, payload.Size()
	for block := range payload.Chunks(blockBytes) {
		if left -= len(block); left < 0 || left > 0 && len(block) != blockBytes {
			break
		}
		if sealed {
			block = seal.seal(n, block)
		}
		if _, err = w.Write(block); err != nil {
			return 0, 0, err
		}
		size += int64(len(block))
		tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(block, castagnoli))
		n++
	}
	if left != 0 {
		return 0, 0, fmt.Errorf("its %d bytes do not come as it said", payload.Size())
	}
	size += int64(len(tail)) + trailBytes
	tail = binary.LittleEndian.AppendUint64(tail, uint64(size))
	tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(tail, castagnoli))
	if _, err = w.Write(tail); err != nil {
		return 0, 0, err
	}
	return size, sumOf(head, tail), nil
}

// headOf is the header of a file with so many bytes of payload, and whether these
// are to be sealed.
func headOf(c content, length int, key Key) (_ []byte, sealed bool) {
	head := make([]byte, headBytes, headBytes+len(c.note)+4)
	copy(head, magic)
	binary.LittleEndian.PutUint32(head[atFormat:], Format)
	head[atKind] = byte(c.kind)
	binary.LittleEndian.PutUint16(head[atGroup:], uint16(c.group))
	binary.LittleEndian.PutUint64(head[atCycle:], c.cycle)
	binary.LittleEndian.PutUint32(head[atOwner:], c.owner)
	binary.LittleEndian.PutUint32(head[atNote:], uint32(len(c.note)))
	binary.LittleEndian.PutUint64(head[atLength:], uint64(length))
	copy(head[atIdentity:], c.identity[:])
	if sealed = key.set() && c.kind != ManifestFile; sealed {
		head[atSealed] = 1
		_, _ = rand.Read(head[atSalt : atSalt+16]) // never fails: it would end the process
	}
	head = append(head, c.note...)
	return binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli)), sealed
}

// shape is where in a file what lies, as its header says.
type shape struct {
	head   int    // bytes
	length int    // of the payload
	sealed bool   // the payload
	each   uint64 // bytes of a block as it is stored
	blocks uint64
	stored uint64 // bytes of all blocks
}

// readHead reads the header of a file of so many bytes, which b begins with.
func readHead(name string, b []byte, room uint64) (c content, s shape, err error) {
	bad := func(why string) (content, shape, error) { return c, s, &Damaged{name, why} }
	noted, ok := notedIn(b)
	switch {
	case !ok:
		return bad("it does not begin as one")
	case noted > maxNote || headBytes+noted+4 > len(b):
		return bad("it ends within its header")
	}
	head := b[:headBytes+noted+4]
	if !checks(head) {
		return bad("the header's checksum is wrong")
	}
	if f := binary.LittleEndian.Uint32(b[atFormat:]); f != Format {
		return c, s, &UnknownFormat{name, f}
	}
	c = content{kind: Kind(b[atKind]), group: int(binary.LittleEndian.Uint16(b[atGroup:])), cycle: binary.LittleEndian.Uint64(b[atCycle:]),
		owner: binary.LittleEndian.Uint32(b[atOwner:]), identity: [16]byte(b[atIdentity:]), note: head[headBytes : headBytes+noted]}
	length := binary.LittleEndian.Uint64(b[atLength:])
	if length > room {
		return bad("it is shorter than it says")
	}
	s = shape{head: len(head), length: int(length), sealed: b[atSealed] == 1, each: blockBytes, blocks: (length + blockBytes - 1) / blockBytes, stored: length}
	if s.sealed {
		s.each, s.stored = blockBytes+tagBytes, length+s.blocks*tagBytes
	}
	if uint64(s.head)+s.stored+s.tail() != room {
		return bad("it is not as long as it says")
	}
	return c, s, nil
}

// tail is how many bytes table and trailer have.
func (s *shape) tail() uint64 { return 4*s.blocks + trailBytes }

// notedIn is how long the note is, as the beginning of a file says.
func notedIn(b []byte) (n int, ok bool) {
	if len(b) < headBytes || !bytes.Equal(b[:len(magic)], []byte(magic)) {
		return 0, false
	}
	return int(binary.LittleEndian.Uint32(b[atNote:])), true
}

// checkTail looks whether table and trailer are those of a file of so many bytes
// whose blocks have these CRCs.
func checkTail(name string, tail []byte, room uint64, sums []uint32) error {
	if !checks(tail) || binary.LittleEndian.Uint64(tail[4*len(sums):]) != room {
		return &Damaged{name, "the trailer's checksum is wrong"}
	}
	for n, sum := range sums {
		if sum != binary.LittleEndian.Uint32(tail[4*n:]) {
			return &Damaged{name, fmt.Sprintf("the checksum of block %d is wrong", n)}
		}
	}
	return nil
}

// decode takes a file apart. The payload is part of b, which is used up.
func decode(name string, b []byte, key Key) (c content, payload []byte, sum uint32, err error) {
	room := uint64(len(b))
	c, s, err := readHead(name, b, room)
	if err != nil {
		return c, nil, 0, err
	}
	head, body, tail := b[:s.head], b[s.head:s.head+int(s.stored)], b[s.head+int(s.stored):]
	sums := make([]uint32, 0, s.blocks)
	for n := range s.blocks {
		sums = append(sums, crc32.Checksum(body[n*s.each:min((n+1)*s.each, s.stored)], castagnoli))
	}
	if err := checkTail(name, tail, room, sums); err != nil {
		return c, nil, 0, err
	}
	sum = sumOf(head, tail)
	if !s.sealed {
		return c, body, sum, nil
	}
	payload, err = key.open(name, head, body, s.length)
	return c, payload, sum, err
}

// sumOf is a file's sum: of header, table and trailer without their own CRCs. What
// ends with its CRC has the same CRC whatever it is.
func sumOf(head, tail []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:len(head)-4], castagnoli), castagnoli, tail[:len(tail)-4])
}

// checks reports whether b ends with the CRC of what is before.
func checks(b []byte) bool {
	n := len(b) - 4
	return crc32.Checksum(b[:n], castagnoli) == binary.LittleEndian.Uint32(b[n:])
}

// identityOf is what all files of one run have in common.
func identityOf(parts ...string) [16]byte {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return [16]byte(h.Sum(nil))
}
