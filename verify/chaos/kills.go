package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/freshet-dev/freshet/fault"
	"github.com/freshet-dev/freshet/verify/redisfault"
)

// killsPerHistory bounds a history: a start reads all of it again.
const killsPerHistory = 50

// feedRate is how many events come a second while processes die.
const feedRate = 600

// kills makes n kills, on histories that take turns between the real Kafka and
// kfake, one of each side by side: much of a start is waiting.
func kills(t *trials) error {
	lanes := make([]*trials, 2)
	sizes := make([][]int, len(lanes))
	for left, number := t.n, 0; left > 0; number++ {
		n := min(killsPerHistory, left)
		sizes[number%len(lanes)] = append(sizes[number%len(lanes)], n)
		left -= n
	}
	var wg sync.WaitGroup
	errs := make([]error, len(lanes))
	for i := range lanes {
		part := t.part(i, 0)
		part.named = i * 7 // not all at the same places
		wg.Go(func() {
			for k, n := range sizes[i] {
				if errs[i] = part.killed(k*len(lanes)+i, n); errs[i] != nil {
					break
				}
			}
			t.join(part)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// killed is a history of the row, the odd ones on kfake.
func (t *trials) killed(number, n int) error {
	where := "kafka"
	if number%2 == 1 {
		where = "kfake"
	}
	of := shape{seed: t.seed + uint64(number), cards: 1500, users: 1000, rate: 20}
	state := "" // folder of checkpoints
	if number%4 == 0 || number%4 == 3 {
		state = filepath.Join(t.stage.dir, t.stage.name("state"))
		of.env = saving(state)
	}
	t.n += n
	if err := t.onHistory(where, of, func(h *history) error { return t.killing(h, n, state) }); err != nil {
		return fmt.Errorf("history %d on %s: %w", number, where, err)
	}
	return nil
}

// onHistory makes a history on one of the two brokers, or on one by its address, and a Redis of its own,
// and takes it away after.
func (t *trials) onHistory(where string, of shape, do func(*history) error) error {
	brokers := t.stage.brokers
	switch where {
	case "kafka":
	case "kfake":
		b, err := t.stage.openBroker(t.ctx)
		if err != nil {
			return err
		}
		defer func() { b.proc.kill() }()
		brokers = b.brokers()
	default:
		brokers = where
	}
	kafka, err := openCluster(brokers)
	if err != nil {
		return err
	}
	defer kafka.close()
	store, err := redisfault.Start(t.ctx, "--maxmemory-policy", "noeviction")
	if err != nil {
		return fmt.Errorf("%w: %w", errUnfit, err)
	}
	defer func() { store.Close() }()
	h, err := t.stage.openHistory(t.ctx, kafka, store, of)
	if err != nil {
		return err
	}
	defer h.close()
	return do(h)
}

// killing is one history with n kills and a quiet point after every few.
func (t *trials) killing(h *history, n int, state string) error {
	defer t.watch(h)()
	if err := h.produce(t.ctx, 1500); err != nil {
		return err
	}
	perQuiet := max(n/10, 1)
	stop := h.feed(t.ctx, feedRate)
	feeding := true
	defer func() {
		if feeding {
			_ = stop()
		}
	}()
	for k := 0; k < n; k++ {
		if err := t.killOnce(h, state != ""); err != nil {
			return err
		}
		t.done++
		if state != "" && t.rng.IntN(6) == 0 {
			if err := t.damage(state); err != nil {
				return err
			}
		}
		if (k+1)%perQuiet != 0 && k+1 < n {
			continue
		}
		feeding = false
		if err := stop(); err != nil {
			return err
		}
		if err := t.quietAfterKill(h); err != nil {
			return err
		}
		if k+1 < n {
			stop, feeding = h.feed(t.ctx, feedRate), true
		}
	}
	aborted, err := h.uncommitted(t.ctx)
	if err != nil {
		return err
	}
	if aborted == 0 {
		t.fail("%s: nothing was aborted in %d kills: nothing was proved", h.namespace, n)
	}
	t.count(h, aborted)
	t.say("%d kills: %v; %d records were aborted", t.done, &h.total, aborted)
	return nil
}

// killOnce starts the binary and kills it: at a named place, or at random after
// it began to commit, or at random from its start.
func (t *trials) killOnce(h *history, saving bool) error {
	points := fault.Points()
	if !saving {
		points = points[:slices.Index(points, fault.FileWritten)]
	}
	how := t.rng.IntN(10)
	if how < 5 {
		point, nth := points[t.named%len(points)], 1
		t.named++
		switch point {
		case fault.Claimed, fault.Rebuilt, fault.ManifestReady, fault.ManifestNamed:
		case fault.FileWritten, fault.FileSynced, fault.FileRenamed:
			nth += t.rng.IntN(250)
		default:
			nth += t.rng.IntN(8)
		}
		p, err := h.run(t.ctx, "one", fmt.Sprintf("%s:%d:kill", point, nth))
		if err != nil {
			return err
		}
		if err := p.wait(t.ctx, time.Minute); err != nil {
			p.kill()
			return fmt.Errorf("at %s, pass %d: %w", point, nth, err)
		}
		if p.code() != -1 {
			return fmt.Errorf("at %s: it ended with %d, not by the kill; the last of what it said:\n%s", point, p.code(), p.log)
		}
		t.counts["at_"+point]++
		return nil
	}
	began := time.Now()
	p, err := h.run(t.ctx, "one", "")
	if err != nil {
		return err
	}
	defer p.kill()
	if how < 8 {
		if err := t.recovers(h, p, began); err != nil {
			return err
		}
		t.counts["while_running"]++
		pause(t.ctx, time.Duration(t.rng.IntN(150))*time.Millisecond)
	} else {
		t.counts["anywhere"]++
		pause(t.ctx, time.Duration(50+t.rng.IntN(950))*time.Millisecond)
	}
	if p.ended() {
		return &diedError{p.process, "it was killed"}
	}
	p.signal(syscall.SIGKILL)
	return nil
}

// quietAfterKill lets an instance finish, judges, and ends it by SIGTERM, which
// is one more way to end.
func (t *trials) quietAfterKill(h *history) error {
	p, err := h.run(t.ctx, "one", "")
	if err != nil {
		return err
	}
	defer p.kill()
	if err := h.quiesce(t, 90*time.Second, p); err != nil {
		return err
	}
	p.signal(syscall.SIGTERM)
	if err := p.wait(t.ctx, 15*time.Second); err != nil {
		return err
	}
	if p.code() != 0 {
		return fmt.Errorf("SIGTERM: exit code %d; the last of what it said:\n%s", p.code(), p.log)
	}
	return nil
}
