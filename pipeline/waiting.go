package pipeline

import (
	"math"
	"time"

	"github.com/freshet-dev/freshet/sources"
)

// Records that were read and may not be applied yet wait, undecoded, in a
// queue of their partition: those of a rebuild that are not committed, and those
// of a partition that is ahead of the others in event time while they catch up.

const (
	fewestTogether = 1    // records of a partition that are taken from its queue at once
	mostTogether   = 1024 // more would gain nothing
	shareOfSkew    = 8    // of max_skew: what is taken at once should span no more
)

// hold keeps a record for later, and pauses its partition where the consumer
// can: at once in a rebuild, which is about to end, else once much has come.
func (r *Runner) hold(rec *sources.Record, p *partition) {
	p.waiting = append(p.waiting, keep(rec))
	p.kept += weight(rec)
	r.own.waiting++
	if pauser, ok := r.Consumer.(sources.Pauser); ok && !p.held && p.kept > r.mostKept() {
		p.held = true
		pauser.Pause(sources.PartitionID{Source: rec.Source, Partition: rec.Partition})
	}
}

// unhold takes the first n records out of a partition's queue.
func (o *ownership) unhold(p *partition, n int) []sources.Record {
	records := p.waiting[:n]
	for i := range records {
		p.kept -= weight(&records[i])
	}
	o.waiting -= n
	if p.waiting = p.waiting[n:]; len(p.waiting) == 0 {
		p.waiting = nil
	}
	return records
}

// weight is about what a record costs in memory that is kept.
func weight(rec *sources.Record) int64 { return int64(len(rec.Key)+len(rec.Value)) + 200 }

// mostKept is how many bytes a partition may have kept before it is paused.
func (r *Runner) mostKept() int64 {
	if r.own.rebuilding && !r.own.following {
		return 0
	}
	return r.Limits.ReadAhead / int64(len(r.own.parts))
}

// ripe takes those of the waiting records that are committed by now, and lets
// their partitions go on.
func (r *Runner) ripe() (out []sources.Record) {
	own := r.own
	if !own.ripens {
		return nil
	}
	own.ripens = false
	for _, id := range own.ids {
		p, n := own.parts[id], 0
		for n < len(p.waiting) && p.waiting[n].Offset < own.bound(p) {
			n++
		}
		if n > 0 {
			out = append(out, own.unhold(p, n)...)
		}
	}
	r.letGoOn()
	return out
}

// letGoOn ends the pauses of partitions of which little waits any more.
func (r *Runner) letGoOn() {
	own := r.own
	pauser, ok := r.Consumer.(sources.Pauser)
	if !ok {
		return
	}
	most, ends := r.mostKept()/2, false
	for _, p := range own.parts {
		ends = ends || p.held && p.kept <= most
	}
	if !ends {
		return
	}
	pauser.Resume() // all of them
	for id, p := range own.parts {
		if p.held = p.held && p.kept > most; p.held {
			pauser.Pause(id)
		}
	}
}

// bring takes what was polled: into the step, or into the queues where the
// partitions have to wait for one another.
func (r *Runner) bring(records []sources.Record) {
	if len(records) == 0 {
		return
	}
	if r.own.waiting == 0 && !r.apart() {
		r.read(records)
		return
	}
	for i := range records {
		r.hold(&records[i], r.own.part(&records[i]))
	}
}

// release reads what waits first: some records of the partition that has come
// least far in event time, and no more than keeps it within MaxSkew of the one
// that lags most. It reports false where all that waits has to wait for what is
// still to be polled. How far apart partitions are applied is MaxSkew and the
// event time of what is taken at once.
func (r *Runner) release(room int) bool {
	own := r.own
	if own == nil || own.rebuilding || own.waiting == 0 || room <= 0 {
		return false
	}
	low, _ := r.slowest(r.Consumer.Lag())
	var first *partition
	for _, id := range own.ids {
		if p := own.parts[id]; len(p.waiting) > 0 && (first == nil || p.at < first.at) {
			first = p
		}
	}
	if low != math.MaxInt64 && first.at > noTime && first.at-r.Limits.MaxSkew.Milliseconds() > low {
		return false
	}
	n := min(room, len(first.waiting), max(fewestTogether, first.together))
	before := first.at
	r.read(own.unhold(first, n))
	first.adapt(before, r.Limits.MaxSkew)
	first.move()
	r.letGoOn()
	return true
}

// adapt sets how many records are taken at once the next time by the event time
// that these have spanned.
func (p *partition) adapt(before int64, skew time.Duration) {
	n := max(fewestTogether, p.together)
	switch {
	case before == noTime:
	case p.at-before > skew.Milliseconds()/shareOfSkew:
		n /= 2
	default:
		n *= 2
	}
	p.together = min(max(n, fewestTogether), mostTogether)
}
