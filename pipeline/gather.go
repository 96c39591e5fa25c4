package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// gather polls until there is something to do with what was read: a step may
// leave, a batch may close, or the inputs or ctx have ended. It deals with
// changes of ownership on the way.
func (r *Runner) gather(ctx, work context.Context) error {
	for ctx.Err() == nil && !r.ended {
		if r.flight != nil && r.flight.landed() {
			if err := r.land(); err != nil {
				return err
			}
		}
		if err := r.claim(work); err != nil {
			return err
		}
		if r.ready() {
			return nil
		}
		if r.rest(ctx) {
			continue
		}
		r.askTables()
		if len(r.cur.in.slots)+len(r.open) == 0 {
			r.swapTables()
		}
		poll, err := r.poll(ctx, r.patience())
		if err != nil {
			return fmt.Errorf("read the sources: %w", err)
		}
		r.Config.Health.beat()
		r.lookAfterMemory(time.Now())
		if err := r.take(ctx, work, poll); err != nil {
			return err
		}
		if err := r.applyEarly(); err != nil {
			return err
		}
		r.dog.see(r.working())
		r.housekeeping(work)
		r.saveMore()
		r.quietMoment()
		r.ended = poll.Ended && (r.own == nil || r.own.waiting == 0)
	}
	return nil
}

// room is how many records the step may still take: a batch leaves in several
// steps, unless it closes by its count alone.
func (r *Runner) room() int {
	if r.own == nil || r.own.rebuilding {
		return r.Limits.BatchRecords
	}
	most := r.Limits.BatchRecords - r.own.records
	n := len(r.cur.in.slots)
	if r.Limits.CommitInterval == 0 {
		return most - n
	}
	most = min(most, max(1, r.Limits.BatchRecords/stepsOfBatch)) - n
	left := min(r.Limits.BatchBytes-r.own.bytes, r.Limits.BatchBytes/stepsOfBatch)
	if n == 0 { // one at least, and as many as there would have been of the last ones
		return int(min(int64(most), max(1, left/max(1, r.own.each))))
	}
	if left -= r.cur.bytes(); left <= 0 {
		return 0
	}
	return int(min(int64(most), max(1, left*int64(n)/max(1, r.cur.bytes()))))
}

// full reports whether the open batch is to be committed for what it holds.
func (r *Runner) full() bool {
	return r.Limits.CommitInterval == 0 || r.own.records >= r.Limits.BatchRecords || r.own.bytes >= r.Limits.BatchBytes
}

// ready reports whether there is something to do but to poll.
func (r *Runner) ready() bool {
	if r.own == nil || r.own.rebuilding {
		return false
	}
	return r.room() <= 0 || r.leaving() && !r.stale()
}

// working reports whether anything waits to be committed, as far as is known.
func (r *Runner) working() bool {
	if r.own == nil || r.own.rebuilding {
		return false
	}
	return r.flight != nil || r.inHand() > 0 || r.lagging
}

// leaves is the time until the step may leave; never while it is empty, or
// where batches close by their count.
func (r *Runner) leaves() time.Duration {
	if len(r.cur.in.slots) == 0 || r.Limits.CommitInterval == 0 {
		return tick
	}
	return time.Until(r.launchedAt.Add(stepPace))
}

// due is the time until the open batch may close.
func (r *Runner) due() time.Duration {
	if len(r.open) == 0 && len(r.cur.in.slots) == 0 || r.Limits.CommitInterval == 0 {
		return tick
	}
	return time.Until(r.closedAt.Add(r.Limits.CommitInterval))
}

// patience is how long a poll may wait for records.
func (r *Runner) patience() time.Duration {
	if r.own == nil || r.own.rebuilding {
		return tick
	}
	if r.paces() && (r.look.again || r.leaving()) || r.saving.encoding() {
		return lookWait
	}
	if r.flight != nil {
		return tick
	}
	return min(tick, r.leaves(), r.due(), r.healDue())
}

// poll asks the consumer, unless there is something that has waited.
func (r *Runner) poll(ctx context.Context, wait time.Duration) (sources.Poll, error) {
	room := r.room()
	if r.release(room) {
		return sources.Poll{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if r.flight != nil {
		r.flight.wakes(cancel)
		defer r.flight.wakes(func() {})
	}
	began := time.Now()
	p, err := r.Consumer.Poll(ctx, room)
	r.look.note(began, time.Now(), len(p.Records), r.few())
	return p, err
}

// take puts a poll where it belongs: a change of ownership, a rebuild, or the
// batch.
func (r *Runner) take(ctx, work context.Context, p sources.Poll) error {
	switch {
	case p.Lost:
		r.drop("the partitions were taken away")
		return nil
	case p.Owned != nil:
		return r.takeOver(ctx, work, p.Owned)
	case p.Standby:
		return r.follow(work, p)
	case r.own == nil:
		return nil // records of a session that is over by now
	case r.own.rebuilding:
		return r.rebuild(p.Records, p.Passed)
	}
	r.bring(p.Records)
	r.own.pass(p.Passed)
	return nil
}

// read adds records to the batch and reads them, in chunks side by side. It
// returns before the next poll, since the records are the consumer's.
func (r *Runner) read(records []sources.Record) {
	if len(records) == 0 {
		return
	}
	began := time.Now()
	first := len(r.cur.in.slots)
	if first == 0 {
		r.cur.came = began
		r.metrics.fetched(records[0].Time, r.Clock())
	}
	for i := range records {
		rec := &records[i]
		r.cur.in.add(rec, len(r.spec.Sources[rec.Source].Fields))
	}
	slots := r.cur.in.slots[first:]
	if len(slots) < 2*chunkRecords || len(r.readers) == 1 {
		r.readChunk(0, slots)
	} else {
		size := (len(slots) + len(r.readers) - 1) / len(r.readers)
		var wg sync.WaitGroup
		for w := range r.readers {
			chunk := slots[min(w*size, len(slots)):min((w+1)*size, len(slots))]
			wg.Go(func() { r.readChunk(w, chunk) })
		}
		wg.Wait()
	}
	for i := range slots {
		r.own.follow(&slots[i])
	}
	r.cur.counts.decode += time.Since(began)
}

func (r *Runner) readChunk(worker int, slots []slot) {
	for i := range slots {
		s := &slots[i]
		if rej := r.readOne(worker, s); rej != nil {
			s.refusal = *rej
		}
	}
}

// readOne reads one record. A panic in decoding, filters or expressions is the
// record's fault until proved otherwise: nothing of the state has changed yet,
// so the record goes to the dead letters and the run goes on.
func (r *Runner) readOne(worker int, s *slot) (rej *event.Rejection) {
	defer func() {
		if p := recover(); p != nil {
			src := r.spec.Sources[s.rec.Source]
			r.Log.Error("panic while reading a record; it goes to the dead letters", place(src, s.rec.Partition, s.rec.Offset),
				"err_kind", "panic", "panic", panicText(p), "stack", string(debug.Stack()))
			r.readers[worker][s.rec.Source] = r.newReader(s.rec.Source)
			rej = &event.Rejection{Reason: event.Decode, Detail: "panic while reading the record: a bug of Freshet, see its log", Offset: -1}
		}
	}()
	rec := &s.rec
	rd := r.readers[worker][rec.Source]
	switch {
	case rec.Oversized > 0:
		return &event.Rejection{Reason: event.Decode, Detail: fmt.Sprintf("record of %d bytes is larger than the cap", rec.Oversized), Offset: -1}
	case rec.Damaged != "":
		return &event.Rejection{Reason: event.Decode, Detail: rec.Damaged, Offset: -1}
	case rec.Cells != nil:
		rej = rd.ReadTexts(rec.Cells.Names, rec.Cells.Texts, &s.ev)
	default:
		rej = rd.Read(rec.Value, &s.ev)
	}
	if rec.Future && (rej == nil || rej.Reason == event.Filtered) { // S8: future comes before the filter
		return &event.Rejection{Reason: event.Future, Offset: -1,
			Detail: "more than a day ahead of the records before it and of the 100 behind it"}
	}
	return rej
}

// panicText is a panic's value as far as it may be logged: the runtime's own
// words hold no data, anything else might.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

// traceOf is the record's traceparent, if it has a valid one.
func traceOf(rec *sources.Record, a *arena) []byte {
	for _, h := range rec.Headers {
		if h.Key == record.HeaderTrace && record.TraceID(h.Value) != "" {
			return a.clone(h.Value)
		}
	}
	return nil
}

// keep copies a record out of the consumer's memory.
func keep(rec *sources.Record) sources.Record {
	c := *rec
	c.Key, c.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
	c.Headers = slices.Clone(rec.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	if rec.Cells != nil {
		c.Cells = &sources.Cells{Names: rec.Cells.Names, Texts: slices.Clone(rec.Cells.Texts)}
	}
	return c
}
