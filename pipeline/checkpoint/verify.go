package checkpoint

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// verify reads a file that a manifest names, a block at a time, and looks that it
// is the one: Load does the same with all of it in memory. It may have another name
// yet.
func (s *Store) verify(m *Manifest, f File, name string) error {
	r, err := s.open(m, f, name)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it is only read
	for {
		if _, err = r.next(); errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Open gives the payload of a file that a manifest names, a block at a time in
// memory. All of the file was read before, and was the one; what it has lost since
// is an error where the payload ends.
func (s *Store) Open(m *Manifest, f File) (*Opened, error) {
	if err := s.verify(m, f, f.Name); err != nil {
		return nil, err
	}
	return s.open(m, f, f.Name)
}

// open begins to read a file that a manifest names.
func (s *Store) open(m *Manifest, f File, name string) (*Opened, error) {
	file, err := s.fs.Open(name)
	if gone(err) {
		return nil, &Damaged{f.Name, "it is not there"}
	}
	if err != nil {
		return nil, fmt.Errorf("open the checkpoint file %s: %w", name, err)
	}
	b, err := begin(f.Name, file, f.Size, s.key)
	if err != nil {
		_ = file.Close()
		return nil, noFormat(f, err)
	}
	b.file, b.ends = file, func() error { return m.means(f, b.content, f.Size, b.sum) }
	return b, nil
}

// noFormat is the error of a file whose manifest is of ours: so was the file.
func noFormat(f File, err error) error {
	var format *UnknownFormat
	if errors.As(err, &format) {
		return &Damaged{f.Name, "its format number is wrong"}
	}
	return err
}

// Opened reads the payload of a file a block at a time, and looks at the end that
// every block was what was written.
type Opened struct {
	name string
	r    io.Reader
	file io.Closer    // nil: none
	ends func() error // says whether it is the file that was meant; nil: any is

	content content
	sum     uint32 // at the end
	head    []byte
	shape   shape
	size    int64
	seal    *sealer // nil: it is not sealed
	n       uint64
	sums    []uint32
	block   []byte // as it is stored
	rest    []byte // of the payload, not read yet
	err     error
}

// begin reads the header of a file that should have so many bytes.
func begin(name string, r io.Reader, size int64, key Key) (*Opened, error) {
	head, err := readSome(name, r, nil, headBytes)
	if err != nil {
		return nil, err
	}
	if noted, ok := notedIn(head); ok && noted <= maxNote && int64(headBytes+noted+4) <= size {
		if head, err = readSome(name, r, head, noted+4); err != nil {
			return nil, err
		}
	}
	b := &Opened{name: name, r: r, head: head, size: size}
	if b.content, b.shape, err = readHead(name, head, uint64(size)); err != nil {
		return b, err
	}
	if b.shape.sealed {
		if !key.set() {
			return b, ErrOtherKey
		}
		if b.seal, err = key.sealer(head); err != nil {
			return b, err
		}
	}
	b.block, b.sums = make([]byte, 0, min(b.shape.each, b.shape.stored)), make([]uint32, 0, b.shape.blocks)
	return b, nil
}

// next is the next block of the payload, until the one after it; io.EOF where the
// file was whole.
func (b *Opened) next() (_ []byte, err error) {
	if b.n == b.shape.blocks {
		return nil, b.end()
	}
	if b.block, err = readSome(b.name, b.r, b.block[:0], int(min(b.shape.each, b.shape.stored-b.n*b.shape.each))); err != nil {
		return nil, err
	}
	b.sums = append(b.sums, crc32.Checksum(b.block, castagnoli))
	b.n++
	if b.seal == nil {
		return b.block, nil
	}
	if b.seal.opens(int(b.n-1), b.block) != nil {
		return nil, &Damaged{b.name, "its seal is broken"}
	}
	return b.seal.out, nil
}

// end looks at what is behind the last block.
func (b *Opened) end() error {
	tail, err := readSome(b.name, b.r, nil, int(b.shape.tail()))
	if err != nil {
		return err
	}
	if n, err := b.r.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return errors.Join(&Damaged{b.name, "it is longer than it says"}, err)
	}
	b.sum = sumOf(b.head, tail)
	if err := checkTail(b.name, tail, uint64(b.size), b.sums); err != nil {
		return err
	}
	if b.ends != nil {
		if err := b.ends(); err != nil {
			return err
		}
	}
	return io.EOF
}

// Read implements io.Reader.
func (b *Opened) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.err == nil {
			b.rest, b.err = b.next()
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Len is how many bytes are not read yet.
func (b *Opened) Len() int {
	if b.n == b.shape.blocks {
		return len(b.rest)
	}
	return len(b.rest) + b.shape.length - int(b.n)*blockBytes
}

// Close implements io.Closer.
func (b *Opened) Close() error { return b.file.Close() }

// readSome adds the next n bytes of a file to b.
func readSome(name string, r io.Reader, b []byte, n int) ([]byte, error) {
	before := len(b)
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(r, b[before:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &Damaged{name, "it is shorter than it says"}
	case err != nil:
		return nil, fmt.Errorf("read the checkpoint file %s: %w", name, err)
	}
	return b, nil
}
