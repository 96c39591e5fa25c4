// Package pipeline is where things run: it polls, reads, orders, applies,
// scores, encodes, writes and commits, batch by batch, and is the only package
// of ours that starts goroutines besides the connectors. It knows contracts,
// never a concrete connector, and decides no value: that is the engine's.
//
// # The batch
//
// A batch is a contiguous offset range of every partition: one or several
// polls. Its records are read in parallel, brought into one order, applied one
// by one, and everything that follows from them (rows, records, dead letters)
// is acknowledged before its positions are committed. Nothing of batch n+1
// leaves before batch n is committed. After a crash the uncommitted batch is
// tried again by the next owner, whose number is larger.
//
// The order of application is the merge of the partitions' streams by the
// running maximum of their event times, ties by source, then partition: each
// partition's own order is kept. seq counts the applied records of a batch
// from 0; refused records take none, since whoever replays a batch decides
// from the inputs alone what was refused.
package pipeline

import (
	"errors"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// Config is what a Runner is built from. The Runner owns the connectors: Run
// closes them.
type Config struct {
	Plan        *features.Plan
	Seed        [16]byte // keys the hashes that decide values
	MaxKeys     int      // bounds what the engine knows (features.Options); 0: no bound
	Consumer    sources.Consumer
	Store       sinks.OnlineStore // nil: no online store
	Output      sinks.Log
	DeadLetters sinks.Log
	Scorers     []models.Scorer // by spec.Model.Index
	Tables      []*event.Table  // the content of the spec's tables, by Spec.Tables
	// ReadTable reads a table again when its interval has passed; nil: what was
	// read stays. It is called beside the loop.
	ReadTable func(*spec.Table) (*event.Table, error)
	Privacy   record.Privacy

	// Merged says that the consumer has merged its inputs already (files, S5):
	// records are applied in the order in which it delivers them.
	Merged bool

	Group   string                // label of the group's metrics
	Backend string                // label of the online store's metrics: redis
	Clock   func() time.Time      // wall clock; nil: time.Now. It decides no value
	Log     *slog.Logger          // nil: silent
	Metrics prometheus.Registerer // nil: none
	Health  *Health               // nil: one of its own

	// Stalled ends the process, after the watchdog has found that it does
	// nothing. It is called beside everything else, at most once; nil: nobody
	// watches.
	Stalled func(why string)

	Checkpoints Checkpoints

	Limits Limits
}

// Limits are the bounds and intervals of a Runner. Zero values mean the
// defaults, except where a word says otherwise.
type Limits struct {
	// BatchRecords is how many records a batch may hold: it bounds memory and
	// the work that a crash repeats.
	BatchRecords int
	// BatchBytes is about how many bytes a batch may hold, of what came in and of
	// what goes out: a batch of few large records closes by it. It is counted
	// between polls, so what one poll brings comes on top. 0: DefaultBatchBytes, or
	// less where Memory is little. Where batches close by their count alone it
	// means nothing.
	BatchBytes int64
	// CommitInterval is how soon after the last batch the next one may close:
	// what comes meanwhile joins it. 0: a batch closes by its count alone, so
	// that its boundaries follow from the input (files).
	CommitInterval time.Duration
	// MaxSkew is how far partitions may be apart in event time while they catch
	// up.
	MaxSkew time.Duration
	// Workers read records in parallel.
	Workers int
	// RetryMax is the longest pause between two tries of a write.
	RetryMax time.Duration
	// CommitPatience is how long a commit that fails is tried again before the
	// process ends.
	CommitPatience time.Duration
	// DrainBudget is how long the last batch may take once the context is done.
	DrainBudget time.Duration
	// StoreWait is how long the online store may take no rows before the stream
	// goes on without it. One that takes some is slow, not away.
	StoreWait time.Duration
	// WatchdogAfter is how long nothing may be committed while records wait and
	// nothing says why. It is longer than anything waits before it says so: a
	// connector gives up after a minute.
	WatchdogAfter time.Duration
	// StallAfter is how long the loop may stand still and be called alive.
	StallAfter time.Duration
	// Memory is what the process may take in bytes; 0: any amount.
	Memory int64
	// ReadAhead bounds the bytes of records that were read and have to wait: on a
	// standby for the owner's commit, on an owner that catches up for other
	// partitions.
	ReadAhead int64
}

// The defaults of Limits.
const (
	DefaultBatchRecords   = 5000
	DefaultCommitInterval = 20 * time.Millisecond // for cmd: 0 has a meaning of its own
	DefaultMaxSkew        = time.Minute
	DefaultRetryMax       = 2 * time.Second
	DefaultCommitPatience = 30 * time.Second
	DefaultDrainBudget    = 7 * time.Second // of the 10 s that SIGTERM has; closing needs the rest
	DefaultStoreWait      = 2 * time.Second // below a transaction's 8 s, and those below the group's session of 10 s
	DefaultWatchdogAfter  = 90 * time.Second
	DefaultStallAfter     = 30 * time.Second
	DefaultReadAhead      = 64 << 20
	DefaultBatchBytes     = 32 << 20

	closeBudget     = 2 * time.Second        // to leave the group
	sinkBudget      = 500 * time.Millisecond // to close the sinks behind it
	retryMin        = 50 * time.Millisecond  // first pause between two tries
	tick            = time.Second            // alive and housekeeping
	aliveTimeout    = 500 * time.Millisecond // alive must not hold up a batch for long
	freshRecord     = 2 * time.Second        // a partition whose last record is younger is caught up
	maxWorkers      = 4                      // more readers than that wait for the one that applies
	leastBatchBytes = 1 << 20
	batchesOfMemory = 32                   // a batch has so small a part of the memory, and there may be copies of it in the clients
	stepsOfBatch    = 4                    // a batch that is full has left in as many steps at least
	stepPace        = 4 * time.Millisecond // between two steps, so that each is worth its requests
	commitSlack     = stepPace / 2         // a step that leaves so shortly before the batch may close takes the commit with it
	sendAtOnce      = 256                  // so many records of a transaction do not wait for its commit
	chunkRecords    = 256                  // fewer records are not worth a goroutine
)

func (l Limits) withDefaults() Limits {
	if l.BatchRecords <= 0 {
		l.BatchRecords = DefaultBatchRecords
	}
	if l.ReadAhead <= 0 {
		l.ReadAhead = DefaultReadAhead
	}
	if l.BatchBytes <= 0 {
		l.BatchBytes = DefaultBatchBytes
		if l.Memory > 0 {
			l.BatchBytes = min(l.BatchBytes, max(l.Memory/batchesOfMemory, leastBatchBytes))
		}
	}
	if l.Workers <= 0 {
		l.Workers = min(maxWorkers, runtime.GOMAXPROCS(0))
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&l.MaxSkew, DefaultMaxSkew}, {&l.RetryMax, DefaultRetryMax}, {&l.CommitPatience, DefaultCommitPatience},
		{&l.DrainBudget, DefaultDrainBudget}, {&l.StallAfter, DefaultStallAfter}, {&l.StoreWait, DefaultStoreWait},
		{&l.WatchdogAfter, DefaultWatchdogAfter},
	} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	return l
}

// check says what is missing: a bug of whoever builds the Runner.
func (c Config) check() error {
	switch {
	case c.Plan == nil:
		return errors.New("pipeline: no plan")
	case c.Consumer == nil:
		return errors.New("pipeline: no consumer")
	case c.Output == nil:
		return errors.New("pipeline: no output log")
	case c.DeadLetters == nil:
		return errors.New("pipeline: no log for dead letters")
	case c.Privacy == nil:
		return errors.New("pipeline: nothing that masks personal data")
	case len(c.Tables) != len(c.Plan.Spec().Tables):
		return errors.New("pipeline: a table without its content")
	case len(c.Scorers) != len(c.Plan.Spec().Models):
		return errors.New("pipeline: a model without a scorer")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.Health == nil {
		c.Health = NewHealth()
	}
	if c.Backend == "" {
		c.Backend = "none"
	}
	if c.Checkpoints.Interval <= 0 {
		c.Checkpoints.Interval = DefaultCheckpointInterval
	}
	c.Limits = c.Limits.withDefaults()
	return c
}
