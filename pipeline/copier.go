package pipeline

import (
	"context"
	"log/slog"
	"time"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
)

// copier copies whole checkpoints elsewhere, beside everything else: one at a
// time, and where they come faster than they go, the newest.
type copier struct {
	to      Copies
	store   *checkpoint.Store
	log     *slog.Logger
	metrics *saveMetrics
	next    chan *checkpoint.Manifest // at most one waits
	ending  chan struct{}
	done    chan struct{}
	cancel  context.CancelFunc
	failing bool
}

func newCopier(to Copies, store *checkpoint.Store, log *slog.Logger, metrics *saveMetrics) *copier {
	return &copier{to: to, store: store, log: log, metrics: metrics, next: make(chan *checkpoint.Manifest, 1), ending: make(chan struct{}), done: make(chan struct{})}
}

// offer is called by the saver, which goes on at once.
func (c *copier) offer(m *checkpoint.Manifest) {
	for {
		select {
		case c.next <- m:
			return
		default:
		}
		select {
		case <-c.next: // an older one
		default:
		}
	}
}

func (c *copier) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go func() {
		defer close(c.done)
		for {
			select {
			case m := <-c.next:
				c.copy(ctx, m)
				continue
			default:
			}
			select {
			case m := <-c.next:
				c.copy(ctx, m)
			case <-c.ending:
				return
			}
		}
	}()
}

func (c *copier) copy(ctx context.Context, m *checkpoint.Manifest) {
	began := time.Now()
	err := c.to.Copy(ctx, c.store, m)
	switch {
	case err != nil:
		c.metrics.failures.WithLabelValues("copy").Inc()
		c.log.Error("a checkpoint was not copied: the copies are older than they should be, the next one is tried in time",
			"component", "checkpoints", "cycle", m.Cycle, "err", err.Error(), "err_kind", "checkpoint")
	case c.failing:
		c.log.Info("checkpoints are copied again", "component", "checkpoints", "cycle", m.Cycle)
	}
	if c.failing = err != nil; !c.failing {
		c.metrics.copied.Set(float64(m.Written) / 1000)
		c.log.Debug("checkpoint copied", "component", "checkpoints", "cycle", m.Cycle, "took", time.Since(began).String())
	}
}

// close waits for what is under way, until the deadline.
func (c *copier) close(deadline <-chan struct{}) {
	close(c.ending)
	select {
	case <-c.done:
	case <-deadline:
		c.cancel()
		<-c.done
	}
	c.cancel()
}
