package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/fault"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// deliver writes the rows and the dead letters of the flight's next step, and the
// records that are to go with it, side by side, and returns once all are
// acknowledged. What may pass is tried again for as long as it takes: the input
// waits in its log, nothing is lost. Rows that the store has stay there when the
// outputs' transaction is aborted: to write them again would take it back to before
// the steps that have left since.
func (r *Runner) deliver(work context.Context, f *flight) error {
	began := time.Now()
	s := f.steps[f.left]
	group, ctx := errgroup.WithContext(work)
	records := r.outgoing(f)
	var away error // the store's; it does not cut off the others
	if r.Store != nil && len(s.out.rows) > 0 && !s.stored {
		group.Go(func() error {
			err := r.writeStep(ctx, s.out.rows)
			if errors.Is(err, errBehind) {
				away, err = err, nil
			}
			s.stored = err == nil
			fault.At(fault.RowsAcked)
			return err
		})
	}
	if len(records) > 0 {
		group.Go(func() error { return r.send(ctx, records) })
	}
	if len(s.out.dead) > 0 {
		dead := s.out.dead // sending may add the letters of what is refused
		group.Go(func() error { return r.produceDead(ctx, dead) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.counts.emit += time.Since(began)
	fault.At(fault.Left)
	if r.held() {
		return away
	}
	return nil // what has left without the header is there: at least once cannot take it back
}

// held reports whether records are read by nobody before the commit.
func (r *Runner) held() bool {
	_, held := r.Output.(sinks.Transaction)
	return held
}

// outgoing are the steps whose records go now. In a transaction nobody reads
// them before the commit, so they wait for it and go in one request, unless
// they are many: then they go beside the rows. Where the store lacks rows they
// say so from here on.
func (r *Runner) outgoing(f *flight) (steps []*step) {
	records, end := 0, min(f.left+1, len(f.steps))
	for _, s := range f.steps[:end] {
		if !s.sent {
			steps, records = append(steps, s), records+len(s.out.records)
		}
	}
	closes := f.commit && end == len(f.steps)
	if r.held() && !closes && records < sendAtOnce {
		return nil
	}
	if r.behind.any() {
		for _, s := range steps {
			r.stamp(&s.out)
		}
	}
	return steps
}

// send appends the records of steps to the output log. Those that it refuses for
// their size go to the dead letters.
func (r *Runner) send(work context.Context, steps []*step) error {
	records := r.sending[:0]
	for _, s := range steps {
		records = append(records, s.out.records...)
	}
	r.sending = records
	defer clear(records) // they alias the steps' memory
	if len(records) > 0 {
		began := time.Now()
		refused, err := r.produce(work, outputLog, r.Output, records)
		r.metrics.stage("records", began)
		fault.At(fault.Sent)
		if err != nil {
			return err
		}
		slices.Sort(refused)
		for _, s := range steps {
			n := len(s.out.records)
			mine, _ := slices.BinarySearch(refused, n)
			if err := r.replaceTooLarge(work, s, refused[:mine]); err != nil {
				return err
			}
			refused = refused[mine:]
			for i := range refused {
				refused[i] -= n // they count from the next step's first
			}
		}
	}
	for _, s := range steps {
		s.sent = true
	}
	return nil
}

func (r *Runner) writeRows(ctx context.Context, rows []sinks.VersionedRow) error {
	err := r.retry(ctx, onlineStore, "write rows to the online store", func(ctx context.Context) error {
		began := time.Now()
		err := r.Store.Write(ctx, rows)
		r.metrics.onlineWrite.WithLabelValues(r.Backend).Observe(time.Since(began).Seconds())
		r.wrote(len(rows), err)
		return err
	})
	if err != nil {
		return err
	}
	r.metrics.readable(rows, r.Clock().UnixMilli())
	return nil
}

// produce appends records to a log. The result is the indexes of those refused
// for their size: the others are stored.
func (r *Runner) produce(ctx context.Context, which blocker, log sinks.Log, records []sinks.Record) ([]int, error) {
	err := r.retry(ctx, which, "append to the "+which.String(), func(ctx context.Context) error {
		err := log.Produce(ctx, records)
		if err != nil {
			r.metrics.produceErrors.WithLabelValues(which.String()).Inc()
		}
		if aborted(err) {
			return &final{err}
		}
		return err
	})
	var large *sinks.TooLarge
	if errors.As(err, &large) {
		return large.Indexes, nil
	}
	return nil, err
}

// produceDead appends dead letters. One that is itself refused for its size is
// sent again without its payload: why and where matter more.
func (r *Runner) produceDead(ctx context.Context, dead []sinks.Record) error {
	refused, err := r.produce(ctx, deadLetterLog, r.DeadLetters, dead)
	if err != nil || len(refused) == 0 {
		return err
	}
	bare := make([]sinks.Record, 0, len(refused))
	for _, i := range refused {
		rec := dead[i]
		rec.Value = fmt.Appendf(nil, `{"bytes":%d}`, len(rec.Value))
		bare = append(bare, rec)
	}
	if refused, err = r.produce(ctx, deadLetterLog, r.DeadLetters, bare); err == nil && len(refused) > 0 {
		return fmt.Errorf("append to the dead letters: topic %s refuses even a record of %d bytes: raise its max.message.bytes",
			bare[refused[0]].Topic, len(bare[refused[0]].Value))
	}
	return err
}

// replaceTooLarge sends the inputs of refused records, in order, to the dead letters,
// without features: each input has one outcome. The features stay applied. What
// was refused is no record of the batch from then on, should it be sent again.
func (r *Runner) replaceTooLarge(work context.Context, s *step, refused []int) error {
	if len(refused) == 0 {
		return nil
	}
	out := &s.out
	first := len(out.dead)
	for _, i := range refused {
		ref := &out.refs[i]
		from := &s.in.slots[ref.slot]
		src := out.spec.Sources[from.rec.Source]
		from.refusal.Detail = fmt.Sprintf("the enriched record of %d bytes was refused for its size by topic %s", ref.end-ref.value, ref.topic)
		from.refusal.Offset = -1
		s.counts.tooLarge[from.rec.Source]++
		out.bury(out.late, from, src, record.ReasonTooLarge)
		if n, tell := r.sample.tell(record.ReasonTooLarge, time.Now()); tell {
			r.Log.Warn("dead letter", place(src, from.rec.Partition, from.rec.Offset), "reason", record.ReasonTooLarge,
				"err", from.refusal.Detail, "err_kind", "record", "of_this_reason_since_last_line", n)
		}
	}
	for _, i := range slices.Backward(refused) {
		out.refs = slices.Delete(out.refs, i, i+1)
		out.records = slices.Delete(out.records, i, i+1)
	}
	return r.produceDead(work, out.dead[first:])
}

// commit stores the positions behind the batch.
func (r *Runner) commit(work context.Context, f *flight) error {
	began := time.Now()
	defer r.metrics.stage("commit", began)
	deadline := began.Add(r.Limits.CommitPatience)
	err := r.retry(work, commits, "commit", func(ctx context.Context) error {
		err := r.Consumer.Commit(ctx, f.positions, f.metadata+r.behind.mark()+f.owner.poison.String())
		if err != nil && (errors.Is(err, sources.ErrLost) || aborted(err) || time.Now().After(deadline)) {
			return &final{err}
		}
		return err
	})
	switch {
	case errors.Is(err, sources.ErrLost):
		r.metrics.transactions.WithLabelValues("lost").Inc()
	case err != nil && !aborted(err):
		r.metrics.transactions.WithLabelValues("failed").Inc()
	}
	return err
}

// final is an error that this retry does not mend; someone above may.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }
func (f *final) Unwrap() error { return f.err }

// retryLine is how often a failure that goes on is told again.
const retryLine = 10 * time.Second

// retry does what until it works, ctx is done, or the error is one that trying
// again does not help. Meanwhile the instance is not ready, and says why.
func (r *Runner) retry(ctx context.Context, which blocker, what string, do func(context.Context) error) error {
	pause, most := retryMin, r.Limits.RetryMax
	if which == onlineStore {
		most = min(most, healLeast)
	}
	var since, told time.Time
	for tries := 1; ; tries++ {
		err := do(ctx)
		if err == nil {
			if tries > 1 {
				r.Config.Health.unblock(which)
				r.Log.Info("it works again", "what", what, "tries", tries, "after", time.Since(since).Round(time.Millisecond).String())
			}
			return nil
		}
		var fatal *sinks.Fatal
		var large *sinks.TooLarge
		var last *final
		if errors.As(err, &last) {
			return last.err
		}
		if errors.As(err, &fatal) || errors.As(err, &large) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w (%w)", what, err, ctx.Err())
		}
		now := time.Now()
		if tries == 1 {
			since = now
		}
		if now.Sub(told) >= retryLine {
			told = now
			r.Log.Warn("it fails and is tried again; nothing is committed meanwhile", "what", what, "tries", tries, "err", err.Error(), "err_kind", "retriable")
		}
		r.Config.Health.block(which, what+": "+err.Error())
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w (%w)", what, err, ctx.Err())
		case <-timer.C:
		}
		pause = min(2*pause, most)
		r.dog.progressed()
	}
}
