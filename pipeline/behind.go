package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
)

// behind is what the online store lacks. While it is away for longer than
// StoreWait the stream goes on without it: records say so in a header, and which
// rows were touched is remembered. Once it is back they are read from the
// engine, which is the truth, and written. The flight and, where there is none,
// the loop have it.
type behind struct {
	missing map[rowID]struct{}
	away    bool      // the last write failed: rows are remembered, not written
	since   time.Time // when it went away
	retryAt time.Time // when to look whether it is back
	count   atomic.Int64

	rewriting rewriting
	claim     claim
}

// rowID names a row.
type rowID struct {
	view *spec.View
	key  string
}

const (
	// maxMissing bounds what is remembered, about 120 bytes a row. Past it the
	// stream waits for the store.
	maxMissing = 250_000
	// healRows are read and written at once, beside the stream.
	healRows = 1000
	// healWait is how long a look may take whether a store that is away is back: it
	// holds the stream up. So looks take an eighth of the time, and where the answer
	// is a refusal, which comes at once, there are ten a second: a replica that took
	// over may have an old sign of life, which stands until the writer comes.
	healWait  = 300 * time.Millisecond
	healShare = 8
	healLeast = 100 * time.Millisecond
	// behindMark stands in the metadata of committed offsets: rows of this batch
	// or of earlier ones are missing in the store.
	behindMark = " behind"
	// proofMark stands before what proves that the store has the rows.
	proofMark = " proof="
)

// errBehind is that the store has just gone away: what has left without the
// header must be sent again with it.
var errBehind = errors.New("the online store is away")

// healPause is how long to wait behind a look that took so long, and found the store
// away.
func healPause(took time.Duration) time.Duration { return max(healLeast, (healShare-1)*took) }

// any reports whether rows are missing.
func (b *behind) any() bool {
	return b.claim.owed.Load() || b.count.Load() > 0 || b.rewriting.owed.Load() || b.rewriting.lost()
}

func (b *behind) remember(rows []sinks.VersionedRow) {
	if b.missing == nil {
		b.missing = map[rowID]struct{}{}
	}
	for i := range rows {
		b.missing[rowID{rows[i].Layout.View, rows[i].Key}] = struct{}{}
	}
	b.count.Store(int64(len(b.missing)))
}

func (b *behind) written(rows []sinks.VersionedRow) {
	if len(b.missing) == 0 {
		return
	}
	for i := range rows {
		delete(b.missing, rowID{rows[i].Layout.View, rows[i].Key})
	}
	b.count.Store(int64(len(b.missing)))
}

// mark is what the metadata of a commit says of the store.
func (b *behind) mark() string {
	if b.any() {
		return behindMark + b.rewriting.proof()
	}
	return b.rewriting.proof()
}

// writeStep writes the rows of a step, or remembers them. errBehind comes once,
// when the store has gone: when it takes not even storePart rows within StoreWait.
// One that is only slow is waited for, up to stepWait.
func (r *Runner) writeStep(ctx context.Context, rows []sinks.VersionedRow) error {
	b := &r.behind
	if b.claim.owed.Load() {
		return nil // all rows are written when it is back
	}
	if b.away && len(b.missing)+len(rows) <= maxMissing {
		b.remember(rows)
		return nil
	}
	whole, cancel := context.WithTimeoutCause(ctx, max(r.Limits.StoreWait, stepWait), errBehind)
	defer cancel()
	if b.away { // no more can be remembered
		whole = ctx
	}
	for len(rows) > 0 {
		n := min(len(rows), storePart)
		err := r.writePart(whole, rows[:n])
		if errors.Is(err, errBehind) {
			b.remember(rows)
			return errBehind
		}
		if err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

const (
	// storePart is how many rows the store must take within StoreWait: the work of
	// some 10 ms, so that what does not come through is away and not busy.
	storePart = 1000
	// stepWait is what a store may take for a step that has more: well below a
	// transaction's time, or that would end and everything be sent again for ever.
	stepWait = 5 * time.Second
)

// writePart writes a part of a step's rows; errBehind is that the store has gone.
func (r *Runner) writePart(ctx context.Context, rows []sinks.VersionedRow) error {
	b := &r.behind
	limited, cancel := context.WithTimeoutCause(ctx, r.Limits.StoreWait, errBehind)
	defer cancel()
	if b.away {
		limited = ctx
	}
	err := r.writeRows(limited, rows)
	if err == nil {
		b.away = false
		b.written(rows)
		return nil
	}
	var fatal *sinks.Fatal
	if errors.As(err, &fatal) || !errors.Is(context.Cause(limited), errBehind) {
		return err
	}
	b.away, b.retryAt = true, time.Now().Add(healLeast)
	if !b.any() {
		b.since = time.Now()
		r.metrics.outages.WithLabelValues(r.Backend).Inc()
	}
	r.Log.Warn("the online store is away: the stream goes on, its records say freshet-online: behind, and the rows are written when it is back",
		"online_store_wait", r.Limits.StoreWait.String(), "err", err.Error(), "err_kind", "retriable")
	r.Config.Health.block(onlineStore, "the online store is away, its rows are behind: "+err.Error())
	return errBehind
}

// stamp marks the records of a step that leave while rows are missing.
func (r *Runner) stamp(out *parcel) {
	if out.stamped {
		return
	}
	out.stamped = true
	for i := range out.records {
		rec := &out.records[i]
		rec.Headers = append([]sinks.Header{{Key: record.HeaderOnline, Value: []byte(record.OnlineBehind)}}, rec.Headers...)
	}
}

// healDue is the time until rows that are missing may be written.
func (r *Runner) healDue() time.Duration {
	if !r.behind.any() || r.behind.claim.owed.Load() {
		return tick
	}
	return time.Until(r.behind.retryAt)
}

// heal reads some of the rows that are missing; nil where none are or it is too
// early. It is the loop's, between two flights.
func (r *Runner) heal() *step {
	if r.flight != nil || r.own.rebuilding || !r.behind.any() || r.healDue() > 0 {
		return nil
	}
	r.owe()
	s, version := r.fresh(), sinks.Version{Incarnation: r.own.incarnation, Batch: r.own.batch + 1, Owner: r.own.owner, Seq: max(r.own.seq, 1) - 1}
	at := noTime
	for _, p := range r.own.parts {
		at = max(at, p.at)
	}
	var row, read features.Row
	most := healRows
	if r.behind.away {
		most = 1 // whether it is back
	}
	if len(r.behind.missing) == 0 && r.behind.rewriting.owed.Load() {
		r.slice(s, most, at, version)
	}
	for id := range r.behind.missing {
		if len(s.out.rows) == most {
			break
		}
		r.engine.Read(id.view, id.key, at, &row)
		r.project(&row, &read)
		s.out.addRow(&s.in.arena, r.out.cards, &row, version)
		row = read // its slices are read into again
	}
	if len(s.out.rows) == 0 {
		r.recycle([]*step{s})
		return nil
	}
	if r.own.seq == 0 { // before the batch's first event, even one from before at
		for i := range s.out.rows {
			s.out.rows[i].Version.AsOf = 0
		}
	}
	return s
}

// healAll waits for the flight, and writes what is missing for as long as the
// store takes it: who ends in order leaves nothing to the next owner.
func (r *Runner) healAll(work context.Context) error {
	for {
		if err := r.land(); err != nil || r.own == nil || !r.behind.any() || work.Err() != nil {
			return err
		}
		before := r.behind.count.Load()
		r.behind.retryAt = time.Time{}
		r.launch(work, len(r.open), false, r.heal())
		if err := r.land(); err != nil || r.own == nil {
			return err
		}
		if r.behind.count.Load() == before {
			return nil // it is away; the metadata of the offsets says so
		}
	}
}

// project makes what the store holds of what can be read, which has more
// columns; read is what it was.
func (r *Runner) project(row, read *features.Row) {
	*read = *row
	for _, layout := range r.Plan.Rows() {
		if layout.View != row.Layout.View {
			continue
		}
		values, statuses := make([]event.Value, 0, len(layout.Columns)), make([]features.Status, 0, len(layout.Columns))
		at := 0
		for _, c := range layout.Columns { // in the order of what is read
			for row.Layout.Columns[at].Feature != c.Feature {
				at++
			}
			values, statuses = append(values, row.Values[at]), append(statuses, row.Statuses[at])
		}
		row.Layout, row.Values, row.Statuses = layout, values, statuses
		return
	}
}

// writeMissing writes rows that were missing. What fails is tried again later.
func (r *Runner) writeMissing(ctx context.Context, rows []sinks.VersionedRow) (done bool) {
	b := &r.behind
	wait := r.Limits.StoreWait
	if b.away {
		wait = min(wait, healWait)
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	began := time.Now()
	err := r.Store.Write(limited, rows)
	r.wrote(len(rows), err)
	if err != nil {
		b.away, b.retryAt = true, time.Now().Add(healPause(time.Since(began)))
		return false
	}
	b.away = false
	b.written(rows)
	return true
}
