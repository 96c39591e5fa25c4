package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/fault"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// flight is what is on its way out: one step, or the commit of the batch, or
// both. There is at most one, so nothing of a batch leaves before the one
// before it has ended. Beside it the loop polls, reads and applies the next
// step. What it needs it has of its own; the loop looks at it once it has
// landed.
type flight struct {
	steps     []*step // of its batch, all of them so far
	left      int     // of these, how many have left before
	batch     uint64
	owner     *ownership
	heal      *step   // rows that the store lacks; nil: none
	slice     bool    // these are of the walk over all
	healed    bool    // they are written
	healTried bool    // or it was tried
	to        []reach // of the owner's partitions, once it has landed
	// commit: the batch ends with it.
	commit    bool
	positions []sources.Position
	metadata  string

	cancel context.CancelFunc
	done   chan struct{}
	err    error
	ended  time.Time // of the commit

	mu   sync.Mutex
	wake context.CancelFunc // of the poll that waits meanwhile
}

// launch sends off the newest step of the open batch, if it has not left, and
// the commit.
func (r *Runner) launch(work context.Context, left int, commit bool, heal *step) {
	ctx, cancel := context.WithCancel(work)
	f := &flight{steps: slices.Clone(r.open), left: left, batch: r.own.batch + 1, owner: r.own, commit: commit, heal: heal,
		slice:  heal != nil && len(r.behind.missing) == 0,
		cancel: cancel, done: make(chan struct{})}
	for _, id := range r.own.ids {
		f.to = append(f.to, r.own.parts[id].reach())
	}
	if commit {
		f.metadata = metadata(f.batch, r.own.owner, r.own.incarnation) + r.own.mark
		f.positions = r.own.close()
		r.open = nil
	}
	r.flight, r.launchedAt = f, time.Now()
	if left < len(f.steps) {
		r.metrics.stage("wait", f.steps[len(f.steps)-1].came)
	}
	go func() {
		f.err = r.settle(ctx, f)
		f.ended = time.Now()
		f.land()
	}()
	if commit {
		r.moment(f.batch, func(id sources.PartitionID) int64 { return r.own.parts[id].next })
	}
}

// land says that the flight is over.
func (f *flight) land() {
	close(f.done)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wake != nil {
		f.wake()
	}
}

func (f *flight) landed() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// wakes ends a wait when the flight lands.
func (f *flight) wakes(cancel context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake = cancel
	if f.landed() {
		cancel()
	}
}

// close ends the open batch: it gives the positions behind it, and the next
// record belongs to the next batch. The first commit of an ownership names
// every partition, so that all of them carry the numbers from then on.
func (o *ownership) close() []sources.Position {
	var positions []sources.Position
	for _, id := range o.ids {
		p := o.parts[id]
		if p.moved || !o.committed {
			positions = append(positions, sources.Position{PartitionID: id, Next: p.next})
		}
		p.moved = false
	}
	o.batch, o.committed, o.seq, o.records, o.bytes = o.batch+1, true, 0, 0, 0
	return positions
}

// settle delivers what has not left yet and commits. Where the outputs'
// transaction was aborted, all records of the batch are sent again as they were:
// nothing of the state is taken back. Rows that were missing go behind those of
// the steps, whose events they have seen.
func (r *Runner) settle(work context.Context, f *flight) error {
	return r.retry(work, commits, "commit the batch", func(ctx context.Context) (err error) {
		for ; f.left < len(f.steps); f.left++ {
			if err = r.deliver(ctx, f); err != nil {
				break
			}
		}
		if err == nil && f.heal != nil && !f.healTried {
			f.healed, f.healTried = r.writeMissing(ctx, f.heal.out.rows), true
		}
		if err == nil && f.commit {
			err = r.conclude(ctx, f)
		}
		switch {
		case err == nil:
			if f.commit {
				fault.At(fault.Committed)
			}
			return nil
		case errors.Is(err, sources.ErrLost): // an abort too, but one that sending again does not mend
		case aborted(err), errors.Is(err, errBehind):
			r.void(ctx)
			f.left = 0
			for _, s := range f.steps {
				s.sent = false
			}
			r.metrics.transactions.WithLabelValues("aborted").Inc()
			return err
		}
		return &final{err}
	})
}

// conclude ends the batch: what is still held leaves, and the positions are
// stored.
func (r *Runner) conclude(ctx context.Context, f *flight) error {
	if records := r.outgoing(f); len(records) > 0 {
		if err := r.send(ctx, records); err != nil {
			return err
		}
	}
	return r.commit(ctx, f)
}

// void voids what was sent since the last commit. A write that failed has done
// so, but one beside it may have begun the next transaction since.
func (r *Runner) void(ctx context.Context) {
	for _, log := range []sinks.Log{r.Output, r.DeadLetters} {
		if tx, ok := log.(sinks.Transaction); ok {
			tx.Abort(ctx)
		}
	}
}

// aborted reports whether all of the batch must be sent again.
func aborted(err error) bool {
	return errors.Is(err, sinks.ErrAborted) || errors.Is(err, sources.ErrAborted)
}

// land waits for the flight and takes its result. It says meanwhile that the
// loop lives, which depends on nothing outside, and how far behind it falls: a
// store that is away must not look like a stream without events.
func (r *Runner) land() error {
	f := r.flight
	if f == nil {
		return nil
	}
	r.await(f.done)
	r.flight = nil
	f.cancel()
	switch {
	case errors.Is(f.err, sources.ErrLost):
		r.drop("the commit was refused: the partitions belong to another instance")
		return nil
	case f.err != nil:
		if f.commit {
			r.open = append(f.steps, r.open...) // for whoever counts them
		}
		return f.err
	}
	for i, id := range f.owner.ids {
		f.owner.parts[id].shown = f.to[i]
	}
	if f.heal != nil {
		r.healed(f)
		r.recycle([]*step{f.heal})
	}
	if !f.commit {
		return nil
	}
	r.closedAt = f.ended
	now := r.Clock().UnixMilli()
	for _, p := range f.positions {
		part := f.owner.parts[p.PartitionID]
		part.processed, part.safe = now, p.Next
	}
	f.owner.safeBatch = f.batch
	r.handOver()
	r.dog.progressed()
	r.metrics.transactions.WithLabelValues("committed").Inc()
	r.metrics.recovery.commits()
	r.metrics.committed(r, f.steps)
	r.recycle(f.steps)
	return nil
}

// ground ends the flight without its result.
func (r *Runner) ground() {
	if r.flight == nil {
		return
	}
	r.flight.cancel()
	<-r.flight.done
	r.flight = nil
}

// await waits until done, as the loop.
func (r *Runner) await(done <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			r.Config.Health.beat()
			if r.own != nil && !r.own.rebuilding {
				r.metrics.behind(r, r.lag())
			}
		}
	}
}
