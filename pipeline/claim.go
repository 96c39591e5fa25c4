package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/freshet-dev/freshet/sinks"
)

// claim is a take-over that the online store has not been told of, because it
// was away: the stream goes on without it. The number is one more than that of
// the last commit; the store may have given away larger ones, so that the owner
// takes another when the store is back. Until then no row is written, since
// nothing would keep an owner before from writing over it; then all are.
type claim struct {
	owed    atomic.Bool
	writer  sinks.Writer
	retryAt time.Time
	under   chan claimed // the try that is under way; nil: none
	cancel  context.CancelFunc
}

// claimed is what a try has brought.
type claimed struct {
	owner, incarnation uint32
	err                error
	took               time.Duration
}

// drawOwner takes the number of a new owner: from the store, which all of them
// ask, or where there is none one more than the last. A store that is away is
// waited for, for ever where it must be: a first run has no number to go on
// from, and at least once two owners of one number could not be told apart, who
// have both left records.
func (r *Runner) drawOwner(ctx context.Context, own *ownership, first bool) error {
	began := time.Now()
	defer func() { r.metrics.recovery.numbered(time.Since(began)) }()
	if r.Store == nil {
		own.owner++
		if first {
			own.incarnation++
		}
		return nil
	}
	writer := sinks.Writer{Run: r.Group + "@" + own.cluster, SpecHash: r.spec.Hash, Views: r.Plan.Rows(), AtLeast: own.owner, Incarnation: own.incarnation, First: first, Proof: own.proof}
	limited := ctx
	if r.held() && !first {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, r.Limits.StoreWait, errBehind)
		defer cancel()
	}
	var got claimed
	done := make(chan struct{})
	go func() {
		defer close(done)
		got.err = r.retry(limited, onlineStore, "take over the online store", func(ctx context.Context) (err error) {
			got.owner, got.incarnation, err = r.Store.TakeOver(ctx, writer)
			return err
		})
	}()
	r.await(done)
	var fatal *sinks.Fatal
	switch {
	case got.err == nil:
		own.owner, own.incarnation = got.owner, got.incarnation
		return nil
	case ctx.Err() != nil, errors.As(got.err, &fatal), !errors.Is(context.Cause(limited), errBehind):
		return got.err
	}
	own.owner++
	c := &r.behind.claim
	c.writer, c.retryAt = writer, time.Now().Add(healLeast)
	c.owed.Store(true)
	r.behind.since = time.Now()
	r.metrics.outages.WithLabelValues(r.Backend).Inc()
	r.Log.Warn("the online store is away at the take-over: the stream goes on, its records say freshet-online: behind, and every row is written when it is back",
		"online_store_wait", r.Limits.StoreWait.String(), "owner", own.owner, "err", got.err.Error(), "err_kind", "retriable")
	return nil
}

// claim asks a store that was away at the take-over whether it is back, beside
// everything else, and between two batches takes the number that it gives. It is
// the loop's.
func (r *Runner) claim(work context.Context) error {
	c := &r.behind.claim
	if !c.owed.Load() || r.own == nil {
		return nil
	}
	if c.under == nil {
		if time.Now().Before(c.retryAt) {
			return nil
		}
		ctx, cancel := context.WithTimeout(work, r.Limits.StoreWait)
		under := make(chan claimed, 1)
		c.under, c.cancel = under, cancel
		writer := c.writer
		go func() {
			var got claimed
			began := time.Now()
			got.owner, got.incarnation, got.err = r.Store.TakeOver(ctx, writer)
			got.took = time.Since(began)
			under <- got
		}()
		return nil
	}
	if r.flight != nil || len(r.open) > 0 {
		return nil
	}
	select {
	case got := <-c.under:
		c.cancel()
		c.under = nil
		return r.adopt(got)
	default:
		return nil
	}
}

// adopt ends a try.
func (r *Runner) adopt(got claimed) error {
	b := &r.behind
	var fatal *sinks.Fatal
	if errors.As(got.err, &fatal) {
		return got.err
	}
	if got.err != nil {
		b.claim.retryAt = time.Now().Add(healPause(got.took))
		r.Config.Health.block(onlineStore, "the online store is away, its rows are behind: "+got.err.Error())
		return nil
	}
	r.Log.Info("the online store has been taken over", "owner", got.owner, "before", r.own.owner)
	r.own.owner, r.own.incarnation = got.owner, max(r.own.incarnation, got.incarnation)
	loss := b.rewriting.loss
	if b.rewriting.detector != nil {
		loss, _ = b.rewriting.detector.Lost()
	}
	b.away, b.retryAt = false, time.Time{}
	since := b.since
	r.beginRewrite(loss, "the online store was away at the take-over: all rows are written anew")
	b.since = since
	b.claim.owed.Store(false)
	return nil
}

// end gives the claim up, with the try that is under way.
func (c *claim) end() {
	if c.under != nil {
		c.cancel()
		<-c.under
		c.under = nil
	}
	c.owed.Store(false)
}
