// Package file is the source on files: JSON lines and CSV, gzip or plain, or
// standard input. Several inputs become one stream by the running maximum of
// their event times (S5); a record is marked as from the future by the rule
// that S11 has for logs without a clock. The run ends when all inputs have.
//
// A file has one partition. A source's second file is its partition 1, and so
// on, so that places stay unique. A record's offset is the number of the line
// it begins on, from 0; a CSV header is a line.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/freshet-dev/freshet/sources"
)

// DefaultMaxRecordBytes is the size above which a record is cut.
const DefaultMaxRecordBytes = 1 << 20

// Stdin is the path that means standard input.
const Stdin = "-"

// Input is one file of one source.
type Input struct {
	Source int // index in Spec.Sources
	Path   string
}

// Config is what a consumer needs to know.
type Config struct {
	Inputs  []Input
	Sources int // of the run: those without an input own an empty partition

	// Peek says when the event of a record happened, in ms, and whether the
	// record would be accepted so far (it decodes, keeps its schema and passes
	// its source's filter). ok is false where it has no time to tell.
	Peek func(r *sources.Record) (ms int64, accepted, ok bool)

	Stdin          io.Reader // what Stdin means
	MaxRecordBytes int       // DefaultMaxRecordBytes if 0
}

// Consumer reads files as one stream. It implements sources.Consumer; positions
// are not kept, so a run over files always begins at their start.
type Consumer struct {
	inputs  []*input // in the order of the spec's sources
	owned   []sources.Assigned
	told    bool
	out     []sources.Record
	stop    context.CancelFunc
	readers sync.WaitGroup
}

// Open opens every input, so that a missing or damaged file is known before
// anything runs.
func Open(config Config) (*Consumer, error) {
	if config.MaxRecordBytes == 0 {
		config.MaxRecordBytes = DefaultMaxRecordBytes
	}
	c := &Consumer{}
	files, err := openAll(config)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	next := make([]int32, config.Sources)
	for source := range config.Sources { // ties of the merge go by this order
		for i, in := range config.Inputs {
			if in.Source != source {
				continue
			}
			id := sources.PartitionID{Source: source, Partition: next[source]}
			next[source]++
			c.own(id)
			c.inputs = append(c.inputs, c.start(ctx, id, files[i], config))
		}
		if next[source] == 0 {
			c.own(sources.PartitionID{Source: source})
		}
	}
	return c, nil
}

func openAll(config Config) ([]*opened, error) {
	var files []*opened
	fail := func(err error) ([]*opened, error) {
		for _, f := range files {
			f.close()
		}
		return nil, err
	}
	stdin := false
	for _, in := range config.Inputs {
		if in.Source < 0 || in.Source >= config.Sources {
			return fail(fmt.Errorf("input %s: there is no source %d", in.Path, in.Source))
		}
		if in.Path == Stdin && stdin {
			return fail(errors.New("two inputs are standard input: only one can be"))
		}
		stdin = stdin || in.Path == Stdin
		f, err := open(in.Path, config.Stdin)
		if err != nil {
			return fail(err)
		}
		files = append(files, f)
	}
	return files, nil
}

func (c *Consumer) own(id sources.PartitionID) {
	c.owned = append(c.owned, sources.Assigned{PartitionID: id, Committed: -1})
}

// start begins to read a file, ahead of what is polled by a few blocks.
func (c *Consumer) start(ctx context.Context, id sources.PartitionID, f *opened, config Config) *input {
	blocks := make(chan block, blocksAhead)
	in := &input{id: id, path: f.path, peek: config.Peek, blocks: blocks, newest: sources.NoTime}
	read := func() { f.read(ctx, config.MaxRecordBytes, blocks) }
	if f.blocking {
		go read() // a read of standard input cannot be ended, so nothing waits for it
	} else {
		c.readers.Go(read)
	}
	return in
}

// Poll implements sources.Consumer.
func (c *Consumer) Poll(ctx context.Context, max int) (sources.Poll, error) {
	if !c.told {
		c.told = true
		return sources.Poll{Owned: c.owned}, nil
	}
	c.out = c.out[:0]
	for len(c.out) < max {
		wait := len(c.out) == 0
		best, ready, err := c.first(ctx, wait)
		if err != nil {
			return sources.Poll{}, err
		}
		if !ready || ctx.Err() != nil {
			break
		}
		if best == nil {
			if wait {
				return sources.Poll{Ended: true}, nil
			}
			break
		}
		c.out = append(c.out, best.pop())
	}
	return sources.Poll{Records: c.out}, nil
}

// first is the input whose next record comes next: the one with the smallest
// running maximum. nil: all have ended. Not ready: that cannot be known without
// waiting for an input, or until ctx is done.
func (c *Consumer) first(ctx context.Context, wait bool) (best *input, ready bool, err error) {
	for _, in := range c.inputs {
		state, err := in.decide(ctx, wait)
		switch {
		case err != nil:
			return nil, false, err
		case state == waiting:
			return nil, false, nil
		case state == over:
			continue
		}
		if best == nil || in.key < best.key {
			best = in
		}
	}
	return best, true, nil
}

// Commit does nothing: a run over files begins at their start.
func (c *Consumer) Commit(context.Context, []sources.Position, string) error { return nil }

// Lag is not known: how many records a file still holds shows when it is read.
func (c *Consumer) Lag() map[sources.PartitionID]int64 { return nil }

// Close ends the reading.
func (c *Consumer) Close(context.Context) error {
	c.stop()
	c.readers.Wait()
	return nil
}
