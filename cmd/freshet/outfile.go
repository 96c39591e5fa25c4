package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/freshet-dev/freshet/sinks"
)

// lineLog writes the values of records as lines.
type lineLog struct {
	path string
	w    *bufio.Writer
	file *os.File // nil: stdout
}

func newLineLog(path string, stdout io.Writer) (*lineLog, error) {
	if path == "-" {
		return &lineLog{path: "stdout", w: bufio.NewWriter(stdout)}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write records: %w", err)
	}
	return &lineLog{path: path, w: bufio.NewWriter(file), file: file}, nil
}

// Produce implements sinks.Log.
func (l *lineLog) Produce(_ context.Context, records []sinks.Record) error {
	for i := range records {
		_, _ = l.w.Write(records[i].Value)
		_ = l.w.WriteByte('\n')
	}
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", l.path, err)
	}
	return nil
}

// Close implements sinks.Log.
func (l *lineLog) Close() error {
	if l.file == nil {
		return l.w.Flush()
	}
	return l.file.Close()
}

// nowhere takes records and keeps none.
type nowhere struct{}

// Produce implements sinks.Log.
func (nowhere) Produce(context.Context, []sinks.Record) error { return nil }

// Close implements sinks.Log.
func (nowhere) Close() error { return nil }
