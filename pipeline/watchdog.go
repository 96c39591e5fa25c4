package pipeline

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// watchdog ends a process that does nothing although there is something to do:
// a deadlock, a call that never returns. What is tried again and fails is no
// such thing: it says so, and each try is progress.
type watchdog struct {
	after    time.Duration
	began    time.Time    // of the process; a wall clock that is set on is no time without progress
	progress atomic.Int64 // when something was committed, tried, or there was nothing to do, ns since then
	waiting  atomic.Bool  // records wait, as the loop saw last
	stalled  func(why string)
}

func (w *watchdog) progressed() { w.progress.Store(int64(time.Since(w.began))) }

// see is the loop's: whether there is anything to do.
func (w *watchdog) see(work bool) {
	w.waiting.Store(work)
	if !work {
		w.progressed()
	}
}

// watch ends when ctx does.
func (w *watchdog) watch(ctx context.Context, health *Health) {
	if w.after <= 0 || w.stalled == nil {
		return
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if why := w.stands(health); why != "" {
				w.stalled(why)
				return
			}
		}
	}
}

func (w *watchdog) stands(health *Health) string {
	if still := health.still(); still > w.after {
		return fmt.Sprintf("the loop has stood still for %s", still.Round(time.Second))
	}
	if idle := time.Since(w.began) - time.Duration(w.progress.Load()); w.waiting.Load() && idle > w.after {
		return fmt.Sprintf("nothing was committed for %s although records wait, and nothing says why", idle.Round(time.Second))
	}
	return ""
}
