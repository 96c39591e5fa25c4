package pipeline

import (
	"context"
	"time"
)

// A stream that trickles would wake the loop for every record, and the broker
// for every fetch that brings one; a step that leaves with one record pays the
// same requests as one with fifty. So the loop looks for records once in
// lookPace while there are few of them, and as soon as one comes after a pause.

const (
	// lookPace is from one look for records to the next while looks bring few.
	lookPace = stepPace
	// lookWait is how long a look may wait that only asks what else is there: an
	// answer of the broker.
	lookWait = time.Millisecond
	// lookFresh is how old a look may be and still say what there is.
	lookFresh = time.Millisecond
	// lookBuffered is what a poll takes at most that found records in the
	// client's memory. They are those that ended its fetch, not all there are.
	lookBuffered = 200 * time.Microsecond
	// looksOfStep is how many looks with as many records as counts for few would
	// fill a step.
	looksOfStep = 4
)

// look is the last time that the consumer was asked.
type look struct {
	ended time.Time
	few   bool // it brought little: the stream does not press
	again bool // it brought what lay in the client's memory: more may be there
}

// note takes down a poll that brought so many records.
func (l *look) note(began, ended time.Time, records, few int) {
	buffered := records > 0 && ended.Sub(began) < lookBuffered
	l.again = buffered && !l.again
	l.ended, l.few = ended, records < few
}

// paces reports whether looks keep their pace: not where batches close by their
// count, nor while something is read that was there before.
func (r *Runner) paces() bool {
	return r.own != nil && !r.own.rebuilding && r.Limits.CommitInterval > 0 && r.own.waiting == 0 && r.look.few
}

// few is how many records are worth no look of their own.
func (r *Runner) few() int { return max(1, r.Limits.BatchRecords/stepsOfBatch/looksOfStep) }

// leaving reports whether the step may leave, the batch close, or rows that are
// missing be written.
func (r *Runner) leaving() bool {
	return r.flight == nil && (r.leaves() <= 0 || r.due() <= 0 || r.healDue() <= 0)
}

// stale reports whether a look just now might bring more for the step.
func (r *Runner) stale() bool {
	return r.paces() && (r.look.again || time.Since(r.look.ended) > lookFresh)
}

// rest waits until the next look is due; it reports whether it has waited. It
// ends early when the flight lands or the step may leave.
func (r *Runner) rest(ctx context.Context) bool {
	if !r.paces() || r.look.again || r.leaving() {
		return false
	}
	wait := time.Until(r.look.ended.Add(lookPace))
	if r.flight == nil {
		wait = min(wait, r.leaves(), r.due(), r.healDue())
	}
	if wait <= 0 {
		return false
	}
	var landed <-chan struct{}
	if r.flight != nil {
		landed = r.flight.done
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-landed:
	case <-ctx.Done():
	}
	return true
}
