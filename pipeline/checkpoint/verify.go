package checkpoint

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
)

// verify reads a file that a manifest names, a block at a time, and looks that it
// is the one: Load does the same with all of it in memory.
func (s *Store) verify(m *Manifest, f File) error {
	r, err := s.fs.Open(f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Damaged{f.Name, "it is not there"}
	}
	if err != nil {
		return fmt.Errorf("open the checkpoint file %s: %w", f.Name, err)
	}
	c, sum, err := check(f.Name, r, f.Size, s.key)
	_ = r.Close() // it was only read
	var format *UnknownFormat
	if errors.As(err, &format) { // the manifest is of ours: so was the file
		return &Damaged{f.Name, "its format number is wrong"}
	}
	if err != nil {
		return err
	}
	return m.means(f, c, f.Size, sum)
}

// check reads a file that should have so many bytes, as decode does.
func check(name string, r io.Reader, size int64, key Key) (c content, sum uint32, err error) {
	head, err := readSome(name, r, nil, headBytes)
	if err != nil {
		return c, 0, err
	}
	if noted, ok := notedIn(head); ok && noted <= maxNote && int64(headBytes+noted+4) <= size {
		if head, err = readSome(name, r, head, noted+4); err != nil {
			return c, 0, err
		}
	}
	c, at, err := readHead(name, head, uint64(size))
	if err != nil {
		return c, 0, err
	}
	var seal *sealer
	if at.sealed {
		if !key.set() {
			return c, 0, ErrOtherKey
		}
		if seal, err = key.sealer(head); err != nil {
			return c, 0, err
		}
	}
	block, sums := make([]byte, 0, min(at.each, at.stored)), make([]uint32, 0, at.blocks)
	for n := range at.blocks {
		if block, err = readSome(name, r, block[:0], int(min(at.each, at.stored-n*at.each))); err != nil {
			return c, 0, err
		}
		sums = append(sums, crc32.Checksum(block, castagnoli))
		if seal != nil && seal.opens(int(n), block) != nil {
			return c, 0, &Damaged{name, "its seal is broken"}
		}
	}
	tail, err := readSome(name, r, nil, int(at.tail()))
	if err != nil {
		return c, 0, err
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return c, 0, errors.Join(&Damaged{name, "it is longer than it says"}, err)
	}
	return c, sumOf(head, tail), checkTail(name, tail, uint64(size), sums)
}

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
