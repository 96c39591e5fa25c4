// Package file is the sink on files: JSON lines, one record a line, to a path
// or to standard output, gzip where the name ends in .gz. Keys and topics are
// not written: an enriched record carries its key.
package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/freshet-dev/freshet/sinks"
)

// Stdout is the path that means standard output.
const Stdout = "-"

// writeBuffer is the buffer between records and the file.
const writeBuffer = 256 << 10

// Form is how a record becomes a line.
type Form uint8

const (
	// Values writes the record's value, which is one JSON object.
	Values Form = iota
	// Headers writes an object of the record's headers and its value, as dead
	// letters are read: {"headers":{...},"value":...}. A value that is not JSON
	// is written as a string.
	Headers
)

// Log writes records as lines. It implements sinks.Log.
type Log struct {
	name string
	form Form

	mu     sync.Mutex
	out    *bufio.Writer
	packer *gzip.Writer // nil: plain
	file   *os.File     // nil: not ours to close
	live   bool         // every Produce is flushed: someone watches
	line   bytes.Buffer
}

// Create makes the file anew, or writes to stdout where path is Stdout.
func Create(path string, form Form, stdout io.Writer) (*Log, error) {
	if path == Stdout {
		return &Log{name: "standard output", form: form, out: bufio.NewWriterSize(stdout, writeBuffer), live: true}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create output: %w", err)
	}
	l := &Log{name: path, form: form, file: f}
	if strings.HasSuffix(path, ".gz") {
		l.packer = gzip.NewWriter(f)
		l.out = bufio.NewWriterSize(l.packer, writeBuffer)
	} else {
		l.out = bufio.NewWriterSize(f, writeBuffer)
	}
	return l, nil
}

// Produce implements sinks.Log. The lines of a file are safe once Close has
// returned: a run over files has no positions that could be ahead of them.
//
// An error is fatal: of a line that was cut off no one knows how much is in the
// file, and the buffer refuses everything after it. Trying again would wait
// for ever for a reader that has gone, or for a disk that is full.
func (l *Log) Produce(_ context.Context, records []sinks.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range records {
		if err := l.write(&records[i]); err != nil {
			return &sinks.Fatal{Err: fmt.Errorf("write %s: %w", l.name, err)}
		}
	}
	if l.live {
		if err := l.out.Flush(); err != nil {
			return &sinks.Fatal{Err: fmt.Errorf("write %s: %w", l.name, err)}
		}
	}
	return nil
}

// write appends one line. A line end inside of a value would make two of it;
// none is in compact JSON, and Compact takes them out of other JSON.
func (l *Log) write(r *sinks.Record) error {
	l.line.Reset()
	switch {
	case l.form == Headers:
		if err := l.headers(r); err != nil {
			return err
		}
	case bytes.IndexByte(r.Value, '\n') < 0:
		l.line.Write(r.Value)
	default:
		if err := json.Compact(&l.line, r.Value); err != nil {
			return fmt.Errorf("a record of topic %s is not JSON: %w", r.Topic, err)
		}
	}
	l.line.WriteByte('\n')
	_, err := l.out.Write(l.line.Bytes())
	return err
}

func (l *Log) headers(r *sinks.Record) error {
	l.line.WriteString(`{"headers":{`)
	for i, h := range r.Headers {
		if i > 0 {
			l.line.WriteByte(',')
		}
		if err := l.text(h.Key); err != nil {
			return err
		}
		l.line.WriteByte(':')
		if err := l.text(string(h.Value)); err != nil {
			return err
		}
	}
	l.line.WriteString(`},"value":`)
	if json.Valid(r.Value) {
		if err := json.Compact(&l.line, r.Value); err != nil {
			return err
		}
	} else if err := l.text(string(r.Value)); err != nil {
		return err
	}
	l.line.WriteByte('}')
	return nil
}

func (l *Log) text(s string) error {
	quoted, err := json.Marshal(s)
	l.line.Write(quoted)
	return err
}

// Close writes what is left and sees it onto the disk.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.out.Flush()
	if l.packer != nil {
		err = errors.Join(err, l.packer.Close())
	}
	if l.file != nil {
		err = errors.Join(err, l.sync(), l.file.Close())
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", l.name, err)
	}
	return nil
}

// sync forces a regular file to the disk; pipes and devices have none.
func (l *Log) sync() error {
	info, err := l.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return l.file.Sync()
}

// Null is the log that keeps nothing.
type Null struct{}

// Produce drops the records.
func (Null) Produce(context.Context, []sinks.Record) error { return nil }

// Close does nothing.
func (Null) Close() error { return nil }
