package main

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/freshet-dev/freshet/fault"
)

// sideBySide is how many histories wait for a session to end at the same time.
const sideBySide = 4

// zombies freezes owners on several histories side by side: the time goes into
// waiting for sessions.
func zombies(t *trials) error {
	var wg sync.WaitGroup
	errs := make([]error, sideBySide)
	for i := range sideBySide {
		part := t.part(i, t.n/sideBySide+b2i(i < t.n%sideBySide))
		if part.n == 0 {
			continue
		}
		wg.Go(func() {
			where := "kafka"
			if i%2 == 1 {
				where = "kfake"
			}
			errs[i] = part.onHistory(where, shape{seed: part.seed, cards: 800, users: 600, rate: 10}, part.freezing)
			t.join(part)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// freezing is one history with two instances, of which the owner is frozen
// again and again.
func (t *trials) freezing(h *history) error {
	defer t.watch(h)()
	if err := h.produce(t.ctx, 800); err != nil {
		return err
	}
	owner, err := h.run(t.ctx, "a", t.freeze(0))
	if err != nil {
		return err
	}
	defer func() { owner.kill() }()
	if err := until(t.ctx, 90*time.Second, "the first owner works", func() (bool, error) {
		return owner.active(t.ctx) || owner.frozen(), nil
	}, owner.process); err != nil {
		return err
	}
	other, err := h.run(t.ctx, "b", t.freeze(1))
	if err != nil {
		return err
	}
	defer func() { other.kill() }()
	for k := range t.n {
		if err := t.freezeOnce(h, owner, other); err != nil {
			return fmt.Errorf("freeze %d on %s: %w", k, h.namespace, err)
		}
		t.done++
		if k+1 == t.n {
			break
		}
		old := owner
		if owner, other, err = h.swap(t, old, other, t.freeze(k)); err != nil {
			return err
		}
	}
	aborted, err := h.uncommitted(t.ctx)
	t.count(h, aborted)
	return err
}

// freeze arms a named place for every second instance; the others are frozen
// at random.
func (t *trials) freeze(k int) string {
	points := []string{fault.Applied, fault.RowsAcked, fault.Sent, fault.Left, fault.Added, fault.EndAsked, fault.EndSent, fault.Committed}
	if (k+t.rng.IntN(2))%2 == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d:stop", points[t.rng.IntN(len(points))], 60+t.rng.IntN(80))
}

// freezeOnce freezes the owner, lets the other take over and go on for a while,
// and wakes the owner in the middle of it.
func (t *trials) freezeOnce(h *history, owner, other *instance) error {
	stop := h.feed(t.ctx, 150)
	defer func() { _ = stop() }()
	deadline := time.Now().Add(time.Duration(2+t.rng.IntN(4)) * time.Second)
	for !owner.frozen() && time.Now().Before(deadline) { // at a named place
		if owner.ended() {
			return &diedError{owner.process, "it was frozen"}
		}
		pause(t.ctx, every)
	}
	if owner.frozen() {
		t.counts["at_a_named_place"]++
	} else {
		owner.signal(syscall.SIGSTOP)
	}
	if err := until(t.ctx, 90*time.Second, "the other takes over", func() (bool, error) {
		if other.frozen() {
			other.signal(syscall.SIGCONT) // its own fault is for its own turn
		}
		return other.active(t.ctx), nil
	}, other.process); err != nil {
		return err
	}
	at, err := h.kafka.committed(t.ctx, h.group())
	if err != nil {
		return err
	}
	if err := until(t.ctx, 60*time.Second, "the other commits", func() (bool, error) {
		if other.frozen() {
			other.signal(syscall.SIGCONT)
		}
		now, err := h.kafka.committed(t.ctx, h.group())
		return now > at, err
	}, other.process); err != nil {
		return err
	}
	owner.signal(syscall.SIGCONT)
	pause(t.ctx, time.Second) // it says what it has to say, into a stream that goes on
	if err := stop(); err != nil {
		return err
	}
	if other.frozen() {
		other.signal(syscall.SIGCONT)
	}
	if owner.ended() {
		t.counts[fmt.Sprintf("zombie_ended_%d", owner.code())]++
	} else {
		t.counts["zombie_stands_by"]++
		if owner.active(t.ctx) {
			t.fail("%s: the zombie says that it is active beside the owner", h.namespace)
		}
	}
	return h.quiesce(t, 90*time.Second, other)
}

// swap makes the new owner the next to be frozen, and who was frozen its
// standby: a process of its own, where it has ended.
func (h *history) swap(t *trials, frozen, owner *instance, fault string) (*instance, *instance, error) {
	frozen.kill()
	id := "a"
	if frozen.name == "freshet b" {
		id = "b"
	}
	next, err := h.run(t.ctx, id, fault)
	return owner, next, err
}
