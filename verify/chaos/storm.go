package main

import (
	"fmt"
	"syscall"
	"time"
)

// storm lets three members of a job join, leave, die and freeze, twice a
// second, and then leaves them alone.
func storm(t *trials) error {
	return t.onHistory("kafka", shape{seed: t.seed, cards: 1000, users: 800, rate: 20}, func(h *history) error {
		defer t.watch(h)()
		if err := h.produce(t.ctx, 1500); err != nil {
			return err
		}
		stop := h.feed(t.ctx, 200)
		defer func() { _ = stop() }()
		members := make([]*instance, 3)
		defer func() {
			for _, m := range members {
				if m != nil {
					m.kill()
				}
			}
		}()
		for t.done < t.n {
			i := t.rng.IntN(len(members))
			if err := t.change(h, members, i); err != nil {
				return err
			}
			t.done++
			pause(t.ctx, time.Duration(t.rng.IntN(1000))*time.Millisecond)
			if t.done%40 == 0 && t.done < t.n {
				if err := t.calm(h, members, stop); err != nil {
					return err
				}
				stop = h.feed(t.ctx, 200)
			}
		}
		if err := t.calm(h, members, stop); err != nil {
			return err
		}
		aborted, err := h.uncommitted(t.ctx)
		t.count(h, aborted)
		return err
	})
}

// change lets one member do something.
func (t *trials) change(h *history, members []*instance, i int) error {
	m := members[i]
	if m != nil && m.ended() {
		t.counts[fmt.Sprintf("ended_%d", m.code())]++
		if c := m.code(); c != 0 && c != 1 && c != -1 {
			t.fail("a member ended with %d; the last of what it said:\n%s", c, m.log)
		}
		m = nil
	}
	switch what := t.rng.IntN(10); {
	case m == nil:
		var err error
		members[i], err = h.run(t.ctx, string(rune('a'+i)), "")
		t.counts["joined"]++
		return err
	case what < 4:
		m.signal(syscall.SIGTERM)
		t.counts["asked_to_leave"]++
	case what < 7:
		m.kill()
		members[i] = nil
		t.counts["killed"]++
	default:
		m.signal(syscall.SIGSTOP)
		pause(t.ctx, time.Duration(t.rng.IntN(2000))*time.Millisecond)
		m.signal(syscall.SIGCONT)
		t.counts["frozen"]++
	}
	return nil
}

// calm brings all members up and waits until one of them has done everything.
func (t *trials) calm(h *history, members []*instance, stop func() error) error {
	began := time.Now()
	for i, m := range members {
		if m != nil && !m.ended() {
			m.signal(syscall.SIGTERM) // one may be on its way out already
			if err := m.wait(t.ctx, 30*time.Second); err != nil {
				return err
			}
		}
		var err error
		if members[i], err = h.run(t.ctx, string(rune('a'+i)), ""); err != nil {
			return err
		}
	}
	if err := stop(); err != nil {
		return err
	}
	if err := h.quiesce(t, 2*time.Minute, members...); err != nil {
		return err
	}
	t.counts["slowest_calm_ms"] = max(t.counts["slowest_calm_ms"], time.Since(began).Milliseconds())
	return nil
}
