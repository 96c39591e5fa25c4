package file

import (
	"context"
	"fmt"

	"github.com/freshet-dev/freshet/sources"
)

// The file rule of S11: a record more than dayMs ahead of the newest accepted
// before it is from the future if records follow and none of the next
// lookAhead reaches to within dayMs of it.
const (
	dayMs     = 24 * 60 * 60 * 1000
	lookAhead = 100
)

// blocksAhead is how many blocks a file is read ahead.
const blocksAhead = 2

// input is one file on its way into the merge.
//
// The newest time moves with accepted records only (S8: refused records move
// no time). That a record is late or a duplicate is not known here; a late one
// is older than the newest, so it would move nothing.
type input struct {
	id     sources.PartitionID
	path   string
	peek   func(*sources.Record) (int64, bool, bool)
	blocks <-chan block
	ended  bool
	failed error // why it ended before its end

	ahead  []peeked // read and not yet handed over
	next   int      // of ahead
	newest int64    // newest event time accepted so far; NoTime: none

	decided bool // ahead[next] is the head, and key holds
	key     int64
}

type peeked struct {
	record   sources.Record
	ms       int64
	accepted bool
	ok       bool
}

type state uint8

const (
	ready   state = iota // the head is decided
	waiting              // for more lines
	over                 // no head is left
)

// decide makes sure that the head and its place in the merge are known.
func (in *input) decide(ctx context.Context, wait bool) (state, error) {
	if in.decided {
		return ready, nil
	}
	if s, err := in.have(ctx, 1, wait); s != ready {
		return s, err
	}
	head := &in.ahead[in.next]
	if head.ok && in.newest != sources.NoTime && head.ms-in.newest > dayMs {
		future, s, err := in.future(ctx, head.ms, wait)
		if s != ready {
			return s, err
		}
		head = &in.ahead[in.next] // looking ahead may have moved it
		head.record.Future = future
	}
	if head.ok && head.accepted && !head.record.Future {
		in.newest = max(in.newest, head.ms)
	}
	in.key, in.decided = in.newest, true
	return ready, nil
}

// future looks at the records that follow one at ms.
func (in *input) future(ctx context.Context, ms int64, wait bool) (bool, state, error) {
	for n := 1; n <= lookAhead; n++ {
		s, err := in.have(ctx, n+1, wait)
		switch {
		case s == over && err == nil:
			return n > 1, ready, nil // n-1 records follow, none of them near
		case s != ready:
			return false, s, err
		}
		if follower := in.ahead[in.next+n]; follower.ok && follower.ms >= ms-dayMs {
			return false, ready, nil
		}
	}
	return true, ready, nil
}

// have makes sure that n records are ahead, or says why they are not. A file
// that broke off is over with an error once the records before it are gone.
func (in *input) have(ctx context.Context, n int, wait bool) (state, error) {
	for len(in.ahead)-in.next < n {
		if in.ended {
			if in.failed != nil && len(in.ahead) == in.next {
				return over, in.failed
			}
			return over, nil
		}
		var b block
		select {
		case b = <-in.blocks:
		default:
			if !wait {
				return waiting, nil
			}
			select {
			case b = <-in.blocks:
			case <-ctx.Done():
				return waiting, nil
			}
		}
		in.add(b)
	}
	return ready, nil
}

func (in *input) add(b block) {
	if in.next > 0 {
		in.ahead = append(in.ahead[:0], in.ahead[in.next:]...)
		in.next = 0
	}
	for _, r := range b.records {
		r.Source, r.Partition, r.Time = in.id.Source, in.id.Partition, sources.NoTime
		in.ahead = append(in.ahead, peeked{record: r})
		if r.Oversized == 0 && r.Damaged == "" {
			p := &in.ahead[len(in.ahead)-1]
			p.ms, p.accepted, p.ok = in.peek(&p.record)
		}
	}
	if b.last {
		in.ended = true
		if b.err != nil {
			in.failed = fmt.Errorf("read %s: %w", in.path, b.err)
		}
	}
}

func (in *input) pop() sources.Record {
	r := in.ahead[in.next].record
	in.ahead[in.next] = peeked{}
	in.next++
	in.decided = false
	return r
}
