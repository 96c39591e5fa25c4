package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/fault"
)

// stallsAt are the places where the loop, or a step that is on its way, can stand.
var stallsAt = []string{fault.Applied, fault.RowsAcked, fault.Sent, fault.Left, fault.Added, fault.EndAsked, fault.EndSent, fault.Committed}

// stalls lets a process stand at a place while records come, as after a deadlock.
// The watchdog has to end it with 70 and a dump, and the next start goes on.
func stalls(t *trials) error {
	for t.done < t.n {
		place := stallsAt[(t.seed+uint64(t.done))%uint64(len(stallsAt))]
		if err := t.onHistory("kafka", shape{seed: t.seed + uint64(t.done), cards: 300, users: 200, rate: 10}, func(h *history) error {
			return t.stall(h, place)
		}); err != nil {
			return fmt.Errorf("at %s: %w", place, err)
		}
		t.done++
		t.counts["at_"+place]++
	}
	return nil
}

func (t *trials) stall(h *history, place string) error {
	p, err := h.run(t.ctx, "one", place+":5:10m", "FRESHET_WATCHDOG_AFTER=15s")
	if err != nil {
		return err
	}
	defer func() { p.kill() }()
	stop := h.feed(t.ctx, 200)
	defer func() { _ = stop() }() // again: nothing where it has stopped
	if err := p.wait(t.ctx, 90*time.Second); err != nil {
		if t.ctx.Err() != nil {
			return err
		}
		t.fail("at %s: the watchdog did not end it: %v", place, err)
		return nil
	}
	if err := stop(); err != nil {
		return err
	}
	if p.code() != 70 || !strings.Contains(p.log.String(), "goroutine ") {
		t.fail("at %s: it ended with %d, and the last of what it said is no dump:\n%s", place, p.code(), p.log)
		return nil
	}
	if p, err = h.run(t.ctx, "one", ""); err != nil {
		return err
	}
	return h.quiesce(t, time.Minute, p)
}
