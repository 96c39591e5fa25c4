package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/freshet-dev/freshet/sources"
)

// A block is handed over when it has blockRecords records or blockBytes bytes,
// or when no more input is at hand.
const (
	blockRecords = 512
	blockBytes   = 256 << 10
)

// block is a run of records. last ends the file, err says that it broke off.
type block struct {
	records []sources.Record
	last    bool
	err     error
}

// read sends the file's records in blocks until its end or until ctx is done,
// and closes the file.
func (o *opened) read(ctx context.Context, maxRecord int, blocks chan<- block) {
	defer o.close()
	send := func(b block) bool {
		select {
		case blocks <- b:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if !o.sniffed {
		if err := o.sniff(); err != nil {
			send(block{last: true, err: err})
			return
		}
	}
	lines := &lines{in: o.lines, max: maxRecord}
	cut := lines.record
	if o.csv {
		rows, err := newRows(lines)
		if err != nil {
			send(block{last: true, err: err})
			return
		}
		cut = rows.record
	}
	for {
		b := o.fill(cut)
		if !send(b) || b.last {
			return
		}
	}
}

func (o *opened) fill(cut func() (sources.Record, error)) block {
	b := block{records: make([]sources.Record, 0, blockRecords)}
	size := 0
	for len(b.records) < blockRecords && size < blockBytes {
		r, err := cut()
		if err != nil {
			b.last = true
			if !errors.Is(err, io.EOF) {
				b.err = err
			}
			return b
		}
		b.records = append(b.records, r)
		size += len(r.Value)
		if o.blocking && !o.wholeLine() {
			break // what is there is handed over now
		}
	}
	return b
}

// wholeLine reports whether the next line can be read without waiting.
func (o *opened) wholeLine() bool {
	at, _ := o.lines.Peek(o.lines.Buffered())
	return bytes.IndexByte(at, '\n') >= 0
}

// lines cuts a file into lines.
type lines struct {
	in     *bufio.Reader
	max    int
	number int64 // of the next line, from 0
	memory []byte
}

// record is the next line that is not blank.
func (l *lines) record() (sources.Record, error) {
	for {
		number := l.number
		line, length, err := l.line()
		if err != nil {
			return sources.Record{}, err
		}
		if len(bytes.TrimSpace(line)) == 0 && length == len(line) {
			continue
		}
		r := sources.Record{Offset: number, Value: line}
		if length > len(line) {
			r.Oversized = length
		}
		return r, nil
	}
}

// line is the next line without its end, cut at max, and its true length. The
// bytes are the caller's for good.
func (l *lines) line() ([]byte, int, error) {
	start, length := len(l.memory), 0
	for {
		part, err := l.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if errors.Is(err, io.EOF) && length+len(part) == 0 {
			return nil, 0, io.EOF
		}
		whole := !errors.Is(err, bufio.ErrBufferFull)
		if whole {
			part = bytes.TrimSuffix(part, []byte("\n"))
			part = bytes.TrimSuffix(part, []byte("\r"))
		}
		start = l.keep(start, part[:min(len(part), max(0, l.max-length))])
		length += len(part)
		if whole {
			l.number++
			return l.memory[start:len(l.memory):len(l.memory)], length, nil
		}
	}
}

// keep appends to the line that begins at start in memory, and moves it to
// fresh memory where there is no room: lines handed out stay where they are.
func (l *lines) keep(start int, part []byte) int {
	if len(l.memory)+len(part) <= cap(l.memory) {
		l.memory = append(l.memory, part...)
		return start
	}
	line := l.memory[start:]
	fresh := make([]byte, 0, max(blockBytes, 2*(len(line)+len(part))))
	l.memory = append(append(fresh, line...), part...)
	return 0
}
