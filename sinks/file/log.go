// Package file is the sink on files: JSON lines, one record a line, to a path, a
// named pipe or standard output, gzip where the name ends in .gz. Keys and topics are
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
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

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
	pipe   *pipe        // nil: a file, which never waits for a reader
	live   bool         // every Produce is flushed: someone watches, or nothing writes the lines again
	line   bytes.Buffer
	broken error // the first failure: what follows is refused
}

// Create makes the file anew, or writes to stdout where path is Stdout. A named
// pipe is waited for until someone reads it, or ctx is done.
func Create(ctx context.Context, path string, form Form, stdout io.Writer) (*Log, error) {
	return open(ctx, path, form, stdout, os.O_CREATE|os.O_TRUNC)
}

// Continue is Create behind what the file holds already, for a run that goes on
// where the one before it ended: those lines are not written again.
func Continue(ctx context.Context, path string, form Form, stdout io.Writer) (*Log, error) {
	if strings.HasSuffix(path, ".gz") {
		return nil, fmt.Errorf("continue output %s: a packed file that was cut off cannot be continued: take a name without .gz", path)
	}
	l, err := open(ctx, path, form, stdout, os.O_CREATE|os.O_APPEND)
	if err != nil || l.pipe != nil {
		return l, err
	}
	l.live = true
	if err := endLine(l.file, path); err != nil {
		_ = l.file.Close()
		return nil, fmt.Errorf("continue output: %w", err)
	}
	return l, nil
}

func open(ctx context.Context, path string, form Form, stdout io.Writer, how int) (*Log, error) {
	if path == Stdout {
		p := &pipe{to: stdout}
		return &Log{name: "standard output", form: form, out: bufio.NewWriterSize(p, writeBuffer), pipe: p, live: true}, nil
	}
	l := &Log{name: path, form: form}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode()&os.ModeNamedPipe != 0:
		l.file, err = openPipe(ctx, path)
	default:
		l.file, err = os.OpenFile(path, os.O_WRONLY|how, 0o666)
	}
	if err != nil {
		return nil, fmt.Errorf("create output: %w", err)
	}
	var to io.Writer = l.file
	if info != nil && !info.Mode().IsRegular() {
		l.pipe, l.live = &pipe{to: l.file}, true
		to = l.pipe
	}
	if strings.HasSuffix(path, ".gz") {
		l.packer = gzip.NewWriter(to)
		to = l.packer
	}
	l.out = bufio.NewWriterSize(to, writeBuffer)
	return l, nil
}

// endLine ends the last line of a file, where a run was killed within it.
func endLine(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	held, err := os.Open(path) // f is for writing only
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	last := make([]byte, 1)
	if _, err := held.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.WriteString("\n")
	return err
}

// Produce implements sinks.Log. The lines of a file that was made anew are safe
// once Close has returned: a run over files has no positions that could be ahead
// of them. Else they have left the process.
//
// An error is fatal: of a line that was cut off no one knows how much is in the
// file, and the buffer refuses everything after it. Trying again would wait
// for ever for a reader that has gone, or for a disk that is full.
func (l *Log) Produce(ctx context.Context, records []sinks.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = l.produce(ctx, records)
	}
	if l.broken != nil {
		return &sinks.Fatal{Err: fmt.Errorf("write %s: %w", l.name, bare(l.broken))}
	}
	return nil
}

func (l *Log) produce(ctx context.Context, records []sinks.Record) error {
	if l.pipe != nil {
		l.pipe.ctx = ctx
	}
	for i := range records {
		if err := l.write(&records[i]); err != nil {
			return err
		}
	}
	if !l.live {
		return nil
	}
	return l.flush()
}

func (l *Log) flush() error {
	if err := l.out.Flush(); err != nil || l.packer == nil {
		return err
	}
	return l.packer.Flush()
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

// closeTimeout bounds the last bytes to a pipe: what Produce took has left.
const closeTimeout = time.Second

// Close writes what is left and sees it onto the disk.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pipe != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		l.pipe.ctx = ctx
	}
	var err error
	if l.broken == nil { // else it is known already
		err = l.out.Flush()
		if l.packer != nil {
			err = errors.Join(err, l.packer.Close())
		}
	}
	if l.file != nil {
		err = errors.Join(err, l.sync(), l.file.Close())
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", l.name, bare(err))
	}
	return nil
}

// bare is an error without the operation and the path, which are said already.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
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
