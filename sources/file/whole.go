package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/freshet-dev/freshet/sources"
)

// ErrTooLarge is the error of Whole for a file beyond its cap.
var ErrTooLarge = errors.New("larger than its cap")

// Whole reads a file of at most most bytes at once.
func Whole(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("open %s: it is a directory", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("read %s: %w", path, ErrTooLarge)
	}
	return data, nil
}

// Each hands the records of a file that was read with Whole to f, in order,
// until f returns an error: JSON lines or CSV, .gz understood, as for inputs.
// name is the file's, which says what it is. Unpacked it may be most bytes
// long. An Offset is the line, from 0.
func Each(name string, data []byte, most int, f func(*sources.Record) error) error {
	o := &opened{path: name, source: io.NopCloser(bytes.NewReader(data))}
	if err := o.sniff(); err != nil {
		return err
	}
	lines := &lines{in: o.lines, max: most}
	cut := lines.record
	if o.csv {
		rows, err := newRows(lines)
		if err != nil {
			return err
		}
		cut = rows.record
	}
	size := 0
	for {
		r, err := cut()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if size += len(r.Value); size > most || r.Oversized > 0 {
			return fmt.Errorf("unpacked: %w", ErrTooLarge)
		}
		if err := f(&r); err != nil {
			return err
		}
	}
}
