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
)

// engine is the part of features.Engine that the loop uses; tests put a fault
// in its place.
type engine interface {
	Admit(*event.Event) *event.Rejection
	Apply(*event.Event, *features.Vector)
	Rows(func(*features.Row))
	Stage([]*event.Event)
	Read(view *spec.View, key string, t int64, out *features.Row)
	DropTouches()
	TouchMore(from *features.Every, n int, t int64) (more bool)
	SetCoverage(source int, c features.Coverage)
	Expect(source int, partition int32)
	BeginSnapshot() *features.Admission
	BeginGroup(group int)
	AppendSome(dst []byte, most int) (_ []byte, more bool)
	EndSnapshot(dst []byte) []byte
	Stats() features.Stats
	KeepKeys(part float64)
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
	newEngine func(seed [16]byte) engine
	newReader func(source int) reader
	readers   [][]reader // by worker, by source
	refs      references

	engine engine // nil unless owner
	own    *ownership

	cur     *step          // being read, and then applied
	open    []*step        // applied, of the batch that is not committed
	flight  *flight        // what is leaving; nil: nothing
	sending []sinks.Record // of the flight: what it appends at once
	spare   []*step
	behind  behind
	dog     watchdog
	lagging bool // records lay ahead when it was asked last
	look    look
	out     output
	vectors []*features.Vector // by source
	metrics *metrics
	saving  saving
	sample  *sampler
	found   sinks.VersionCounts // by the store, already counted; the flight's

	closedAt   time.Time // when the last batch was committed
	launchedAt time.Time // when the last step left
	tickedAt   time.Time
	readClock  int64 // last alive, ms
	aliveFails bool
	memory     memory
	ended      bool
}

// New builds a Runner. It starts nothing.
func New(c Config) (*Runner, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	r := &Runner{Config: c, spec: c.Plan.Spec().WithTables(contentOf(c.Tables)), sample: newSampler(), refs: newReferences(c, time.Now())}
	r.newEngine = func(seed [16]byte) engine {
		return features.NewEngine(c.Plan, features.Options{Seed: seed, MaxKeys: c.MaxKeys})
	}
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
	r.out, r.cur = newOutput(r), r.fresh()
	r.behind.rewriting.detector, _ = c.Store.(sinks.LossDetector)
	r.saving.slice = sliceBytes
	r.dog.after, r.dog.began, r.dog.stalled = c.Limits.WatchdogAfter, time.Now(), c.Stalled
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
		r.ground()
		r.Config.Health.phase(stopped, "stopped")
		r.metrics.active.Set(0)
		err = errors.Join(err, r.close(work, err == nil))
	}()
	r.Log.Info("running", "namespace", r.spec.Namespace, "spec", r.spec.Hash, "sources", len(r.spec.Sources),
		"views", len(r.spec.Views), "drain_budget", (r.Limits.DrainBudget + closeBudget).String())
	watching, unleash := context.WithCancel(context.Background())
	defer unleash()
	r.dog.progressed()
	go r.dog.watch(watching, r.Config.Health)
	r.startSaving()
	r.metrics.recovery.waits()
	err = r.loop(ctx, work)
	r.remember(work, err)
	if r.own != nil && !r.own.rebuilding {
		r.metrics.tick(r, r.lag()) // what was seen since the last second
	}
	if err != nil && work.Err() != nil && errors.Is(err, work.Err()) {
		r.Log.Warn("the last batch was not written within the drain budget; it is not committed and will be tried again",
			"budget", r.Limits.DrainBudget.String(), "records", r.inHand())
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
		last := ctx.Err() != nil || r.ended
		if ctx.Err() != nil {
			r.Config.Health.phase(draining, "draining")
		}
		if err := r.turn(work, last); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}

// turn takes what was read from order to the way out. The step is applied
// while the one before it is leaving, and leaves when that has left; with the
// last one everything is committed.
func (r *Runner) turn(work context.Context, last bool) error {
	left := len(r.open)
	if len(r.cur.in.slots) > 0 {
		if err := r.apply(); err != nil {
			return err
		}
	}
	if err := r.land(); err != nil || r.own == nil || r.own.rebuilding {
		return err
	}
	commit := len(r.open) > 0 && (last || r.full() || r.due() <= commitSlack)
	healing := r.heal()
	if left < len(r.open) || commit || healing != nil {
		r.launch(work, left, commit, healing)
	}
	if !commit { // then it has just written some
		r.saveMore()
	}
	if last {
		return r.healAll(work)
	}
	return nil
}

// drop forgets everything that is not committed, and the state: the next owner
// starts from what was committed.
func (r *Runner) drop(why string) {
	r.ground()
	r.behind.claim.end()
	r.aliveFails = false
	r.Config.Health.unblockAll()
	if r.own != nil && r.own.following {
		r.lagBehind(why)
		return
	}
	if r.own != nil {
		r.Log.Warn("ownership lost", "why", why, "batch", r.own.batch, "dropped_records", r.inHand()+r.own.waiting)
	}
	r.forget()
	r.metrics.lost()
	r.metrics.recovery.waits()
	r.Config.Health.phase(waiting, "waiting to become the owner of all partitions again")
}

// forget lets go of the state and of all that came with it.
func (r *Runner) forget() {
	r.giveUp()
	r.engine, r.own = nil, nil
	r.behind.missing, r.behind.away = nil, false // the metadata of the offsets says it to the next owner
	r.behind.count.Store(0)
	r.behind.rewriting.owed.Store(false)
	r.recycle(r.open)
	r.open = nil
	r.cur.reset()
}

// inHand is how many records were read and are not committed.
func (r *Runner) inHand() int {
	n := len(r.cur.in.slots)
	for _, s := range r.open {
		n += len(s.in.slots)
	}
	return n
}

// close leaves the group first: whoever waits goes on while the last checkpoint
// is written.
func (r *Runner) close(work context.Context, clean bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeBudget)
	defer cancel()
	r.behind.claim.end()
	errs := []error{wrap("close the source", r.Consumer.Close(ctx))}
	r.saveLast(work, clean)
	closed := make(chan error, 1)
	go func() {
		sinks := []error{wrap("close the output", r.Output.Close()), wrap("close the dead letters", r.DeadLetters.Close())}
		if r.Store != nil {
			sinks = append(sinks, wrap("close the online store", r.Store.Close()))
		}
		closed <- errors.Join(sinks...)
	}()
	deadline := time.After(sinkBudget)
	if r.Limits.CommitInterval == 0 { // over files: to close is to write
		deadline = nil
	}
	select {
	case err := <-closed:
		errs = append(errs, err)
	case <-deadline: // what was acknowledged is committed, or sent again by the next run
		r.Log.Warn("a server does not answer: the process ends without having closed its connection")
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
