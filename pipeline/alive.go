package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// housekeeping is what is due every second, from the loop's goroutine: the
// store's sign of life, and the gauges that need the engine or the consumer.
func (r *Runner) housekeeping(work context.Context) {
	now := time.Now()
	if r.own == nil || r.own.rebuilding || now.Sub(r.tickedAt) < tick {
		return
	}
	r.tickedAt = now
	lag := r.lag()
	r.lagging = false
	for _, ahead := range lag {
		r.lagging = r.lagging || ahead > 0
	}
	r.metrics.tick(r, lag)
	r.lookAhead()
	if r.Store == nil || r.behind.any() {
		return // no alive, no trust: rows are missing
	}
	clock, known := r.clockOfReads(lag)
	if !known {
		return
	}
	r.readClock = max(r.readClock, clock)
	ctx, cancel := context.WithTimeout(work, aliveTimeout)
	defer cancel()
	err := r.Store.Alive(ctx, r.readClock)
	if errors.Is(err, sinks.ErrRowsLost) {
		return // the loop sees it, and writes them anew
	}
	if err != nil {
		r.metrics.onlineErrors.WithLabelValues(r.Backend).Inc()
	}
	if fails := err != nil; fails != r.aliveFails {
		r.aliveFails = fails
		if fails {
			r.Log.Warn("the online store does not take the sign of life: readers stop trusting its rows", "err", err.Error(), "err_kind", "retriable")
			r.Config.Health.block(aliveKey, "write alive: "+err.Error())
		} else {
			r.Log.Info("the online store takes the sign of life again")
			r.Config.Health.unblock(aliveKey)
		}
	}
}

// clockOfReads is the stream's time (design.md 6): the wall clock while every
// partition is caught up, else the event time of the most lagging one. A
// partition is caught up when nothing is known to lie ahead of what has left, or
// when the newest record of that is hardly older than the wall clock. While
// nothing at all is known of one that lags, neither is the stream's time.
func (r *Runner) clockOfReads(lag map[sources.PartitionID]int64) (ms int64, known bool) {
	wall := r.Clock().UnixMilli()
	at := wall
	for _, id := range r.own.ids {
		p := r.own.parts[id]
		if lag[id] == 0 && p.next == p.shown.next || (p.shown.recordTime != event.NoTime && wall-p.shown.recordTime < freshRecord.Milliseconds()) {
			continue
		}
		if p.shown.at == noTime {
			return 0, false
		}
		at = min(at, p.shown.at)
	}
	return at, true
}

// sampler lets one line of a kind through per retryLine, with the number of
// those it held back. Kinds come from closed lists.
type sampler struct {
	mu    sync.Mutex
	kinds map[string]*sampled
}

type sampled struct {
	told  time.Time
	count int
}

func newSampler() *sampler { return &sampler{kinds: map[string]*sampled{}} }

// tell counts one of kind and says whether it may be told, and for how many.
func (s *sampler) tell(kind string, now time.Time) (count int, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[kind]
	if k == nil {
		k = &sampled{}
		s.kinds[kind] = k
	}
	k.count++
	if !k.told.IsZero() && now.Sub(k.told) < retryLine {
		return 0, false
	}
	count, k.count, k.told = k.count, 0, now
	return count, true
}
