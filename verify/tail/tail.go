// Package tail keeps the end of what a process says, so that a failure can show it.
package tail

import (
	"bytes"
	"sync"
)

// Buffer keeps the newest Limit bytes that are written to it. It may be written and
// read at the same time, and must not be copied.
type Buffer struct {
	Limit int

	mu  sync.Mutex
	buf bytes.Buffer
}

// Write keeps the newest bytes.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p)
	if extra := b.buf.Len() - b.Limit; extra > 0 {
		b.buf.Next(extra)
	}
	return len(p), nil
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
