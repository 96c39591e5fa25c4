package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// readBuffer is the buffer between a file and its lines.
const readBuffer = 256 << 10

// opened is a file that is ready to be read, or standard input, which is
// looked at when its first bytes come.
type opened struct {
	path     string
	blocking bool
	source   io.ReadCloser
	lines    *bufio.Reader
	csv      bool
	sniffed  bool
}

func open(path string, stdin io.Reader) (*opened, error) {
	if path == Stdin {
		return &opened{path: "standard input", blocking: true, source: io.NopCloser(stdin)}, nil
	}
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		return &opened{path: path, blocking: true, source: &pipe{path: path}}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory")
	}
	o := &opened{path: path, source: f}
	if err == nil && info.Mode().IsRegular() {
		err = o.sniff()
	} else {
		o.blocking = true // a pipe: its first bytes may take their time
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open input %s: %w", path, err)
	}
	return o, nil
}

// pipe is a named pipe. To open it is to wait for who writes to it, which nothing
// can end: so it is opened where it is read.
type pipe struct {
	path string
	file *os.File
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (n int, err error) {
	if p.file == nil {
		if p.file, err = os.Open(p.path); err != nil {
			return 0, err
		}
	}
	return p.file.Read(b)
}

// Close implements io.Closer.
func (p *pipe) Close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

func (o *opened) close() { _ = o.source.Close() }

var (
	gzipMagic = []byte{0x1f, 0x8b}
	byteOrder = []byte{0xef, 0xbb, 0xbf} // that some programs put before UTF-8
)

// sniff finds out what the file is: gzip by its first bytes, CSV by its name,
// or else by its first bytes.
func (o *opened) sniff() error {
	o.sniffed = true
	raw := bufio.NewReaderSize(o.source, readBuffer)
	o.lines = raw
	name := strings.ToLower(filepath.Base(o.path))
	magic, err := raw.Peek(len(gzipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.Equal(magic, gzipMagic) {
		unpacked, err := gzip.NewReader(raw)
		if err != nil {
			return fmt.Errorf("not a gzip file: %w", err)
		}
		o.lines = bufio.NewReaderSize(unpacked, readBuffer)
	} else if strings.HasSuffix(name, ".gz") && len(magic) > 0 {
		return errors.New("its name ends in .gz, and it is not a gzip file")
	}
	first, err := o.first()
	if err != nil {
		return err
	}
	name = strings.TrimSuffix(name, ".gz")
	switch filepath.Ext(name) {
	case ".csv":
		o.csv = true
	case ".json", ".jsonl", ".ndjson":
	default:
		o.csv = first != 0 && first != '{' && first != '['
	}
	if !o.csv && first == '[' {
		return errors.New("it is one JSON array; write one object per line instead, for example with jq -c '.[]'")
	}
	return nil
}

// sniffBytes is how far into a file its first character is looked for.
const sniffBytes = 512

// first is the first character that is not a space, 0 where there is none. It
// asks for no more than that: standard input may have no more yet.
func (o *opened) first() (byte, error) {
	for n := 1; n <= sniffBytes; n++ {
		start, err := o.lines.Peek(n)
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		c := start[n-1]
		switch {
		case n == 1 && c == byteOrder[0]:
			if mark, _ := o.lines.Peek(len(byteOrder)); bytes.Equal(mark, byteOrder) {
				_, _ = o.lines.Discard(len(byteOrder))
				return o.first()
			}
			return c, nil
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return c, nil
		}
	}
	return 0, nil
}
