package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// engine is the part of features.Engine that the loop uses; tests put a fault
// in its place.
type engine interface {
	Admit(*event.Event) *event.Rejection
	Apply(*event.Event, *features.Vector)
	Rows(func(*features.Row))
	DropTouches()
	SetCoverage(source int, c features.Coverage)
	Stats() features.Stats
}

// reader is the part of features.Reader that the loop uses.
type reader interface {
	Read(value []byte, ev *event.Event) *event.Rejection
	ReadTexts(names, texts []string, ev *event.Event) *event.Rejection
	SetTables([]*event.Table)
	Counts() features.ReadCounts
}

// Runner runs one spec. Run is called once.
type Runner struct {
	Config
	spec      *spec.Spec
	newEngine func() engine
	newReader func(source int) reader
	readers   [][]reader // by worker, by source
	refs      references

	engine  engine // nil unless owner
	own     *ownership
	pending []sources.Record // read ahead during a rebuild, with their own bytes

	in      batch
	out     output
	vectors []*features.Vector // by source
	metrics *metrics
	sample  sampler

	closedAt   time.Time // when the last batch closed
	tickedAt   time.Time
	readClock  int64 // last alive, ms
	aliveFails bool
	ended      bool
}

// New builds a Runner. It starts nothing.
func New(c Config) (*Runner, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	r := &Runner{Config: c, spec: c.Plan.Spec().WithTables(contentOf(c.Tables)), sample: newSampler(), refs: newReferences(c, time.Now())}
	r.newEngine = func() engine { return features.NewEngine(c.Plan, features.Options{Seed: c.Seed}) }
	r.newReader = func(source int) reader {
		reader := c.Plan.NewReader(source)
		reader.SetTables(r.refs.tables)
		return reader
	}
	for i := range r.spec.Sources {
		r.vectors = append(r.vectors, c.Plan.NewVector(i))
	}
	r.metrics = newMetrics(r)
	if c.Metrics != nil {
		if err := r.metrics.register(c.Metrics); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	r.out = newOutput(r)
	return r, nil
}

// Health is the Runner's health, for HTTP.
func (r *Runner) Health() *Health { return r.Config.Health }

// Run works until ctx is done (then it finishes the batch, commits, closes and
// returns nil), until every input has ended (nil), or until something fails
// that trying again does not help: the process must end then. It closes the
// connectors before it returns.
func (r *Runner) Run(ctx context.Context) (err error) {
	for range r.Limits.Workers {
		row := make([]reader, len(r.spec.Sources))
		for s := range row {
			row[s] = r.newReader(s)
		}
		r.readers = append(r.readers, row)
	}
	r.Config.Health.start(r.Limits.StallAfter, r.Log)
	work, stop := drainContext(ctx, r.Limits.DrainBudget)
	defer stop()
	defer func() {
		r.Config.Health.phase(stopped, "stopped")
		r.metrics.active.Set(0)
		err = errors.Join(err, r.close())
	}()
	r.Log.Info("running", "namespace", r.spec.Namespace, "spec", r.spec.Hash, "sources", len(r.spec.Sources),
		"views", len(r.spec.Views), "drain_budget", (r.Limits.DrainBudget + closeBudget).String())
	err = r.loop(ctx, work)
	if r.own != nil && !r.own.rebuilding {
		r.metrics.tick(r, r.Consumer.Lag()) // what was seen since the last second
	}
	if err != nil && work.Err() != nil && errors.Is(err, work.Err()) {
		r.Log.Warn("the last batch was not written within the drain budget; it is not committed and will be tried again",
			"budget", r.Limits.DrainBudget.String(), "records", len(r.in.slots))
		return nil
	}
	return err
}

// drainContext is done when budget has passed since parent was.
func drainContext(parent context.Context, budget time.Duration) (context.Context, func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		timer := time.NewTimer(budget)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-work.Done():
		}
	})
	return work, func() { stop(); cancel() }
}

// loop turns until the context or the inputs end. ctx ends the polling, work
// the writing.
func (r *Runner) loop(ctx, work context.Context) error {
	r.Config.Health.phase(waiting, "waiting to become the owner of all partitions")
	for {
		if err := r.gather(ctx, work); err != nil {
			return err
		}
		if ctx.Err() != nil {
			r.Config.Health.phase(draining, "draining")
		}
		if len(r.in.slots) > 0 {
			if err := r.process(work); err != nil {
				return err
			}
		}
		if ctx.Err() != nil || r.ended {
			return nil
		}
	}
}

// process takes the gathered batch from order to commit.
func (r *Runner) process(work context.Context) error {
	if err := r.apply(); err != nil {
		return err
	}
	err := r.settle(work)
	r.closedAt = time.Now()
	switch {
	case errors.Is(err, sources.ErrLost):
		r.drop("the commit was refused: the partitions belong to another instance")
		return nil
	case err != nil:
		return err
	}
	r.in.reset()
	r.out.reset()
	return nil
}

// settle delivers the batch and commits it, again and again where the outputs'
// transaction was aborted: nothing of the state is taken back, all of it is
// sent again as it was.
func (r *Runner) settle(work context.Context) error {
	return r.retry(work, commits, "commit the batch", func(ctx context.Context) error {
		err := r.deliver(ctx)
		if err == nil {
			err = r.commit(ctx)
		}
		switch {
		case err == nil:
			return nil
		case aborted(err):
			r.metrics.transactions.WithLabelValues("aborted").Inc()
			return err
		}
		return &final{err}
	})
}

// aborted reports whether all of the batch must be sent again.
func aborted(err error) bool {
	return errors.Is(err, sinks.ErrAborted) || errors.Is(err, sources.ErrAborted)
}

// drop forgets everything that is not committed, and the state: the next owner
// starts from what was committed.
func (r *Runner) drop(why string) {
	if r.own != nil {
		r.Log.Warn("ownership lost", "why", why, "batch", r.own.batch, "dropped_records", len(r.in.slots)+len(r.pending))
	}
	r.engine, r.own, r.pending = nil, nil, nil
	r.in.reset()
	r.out.reset()
	r.metrics.lost()
	r.Config.Health.phase(waiting, "waiting to become the owner of all partitions again")
}

func (r *Runner) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeBudget)
	defer cancel()
	errs := []error{
		wrap("close the source", r.Consumer.Close(ctx)),
		wrap("close the output", r.Output.Close()),
		wrap("close the dead letters", r.DeadLetters.Close()),
	}
	if r.Store != nil {
		errs = append(errs, wrap("close the online store", r.Store.Close()))
	}
	return errors.Join(errs...)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func place(s *spec.Source, partition int32, offset int64) slog.Attr {
	return slog.Group("", "source", s.Name, "partition", partition, "offset", offset)
}
