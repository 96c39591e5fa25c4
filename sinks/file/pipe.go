package file

import (
	"context"
	"fmt"
	"io"
	"os"
)

// pipe writes to what may wait for a reader for ever, until its context is done.
// After that nothing may be written to it: what was last written may be on its
// way still.
type pipe struct {
	to  io.Writer
	ctx context.Context // of what is being written
}

// Write implements io.Writer.
func (p *pipe) Write(b []byte) (int, error) {
	type end struct {
		n   int
		err error
	}
	done := make(chan end, 1)
	go func() {
		n, err := p.to.Write(b)
		done <- end{n, err}
	}()
	select {
	case e := <-done:
		return e.n, e.err
	case <-p.ctx.Done():
		return 0, fmt.Errorf("whoever reads it has taken nothing meanwhile: %w", p.ctx.Err())
	}
}

// openPipe opens a named pipe once someone reads it. An opening that is given up
// ends with the process, or when a reader comes.
func openPipe(ctx context.Context, path string) (*os.File, error) {
	type end struct {
		f   *os.File
		err error
	}
	done := make(chan end)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		select {
		case done <- end{f, err}:
		case <-ctx.Done():
			if err == nil {
				_ = f.Close()
			}
		}
	}()
	select {
	case e := <-done:
		return e.f, e.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s is a pipe that nobody reads: %w", path, ctx.Err())
	}
}
