package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"
)

// crashes kill the real Kafka while transactions are open, start it again, and
// have the instance, which lives on, finish: the broker finds its log as the
// system has it, and transactions as they were. It is the one that
// scripts/services has started; whoever else uses it has to wait.
func crashes(t *trials) error {
	if err := t.stage.ownsKafka(t.ctx); err != nil {
		return err
	}
	return t.onHistory("kafka", shape{seed: t.seed, cards: 800, users: 600, rate: 20}, func(h *history) error {
		defer t.watch(h)()
		p, err := h.run(t.ctx, "one", "")
		if err != nil {
			return err
		}
		defer p.kill()
		if err := h.settle(t, 60*time.Second, p); err != nil {
			return err
		}
		for range t.n {
			if err := t.crash(h, p); err != nil {
				return err
			}
			t.done++
			if err := h.quiesce(t, 2*time.Minute, p); err != nil {
				return err
			}
		}
		aborted, err := h.uncommitted(t.ctx)
		t.count(h, aborted)
		return err
	})
}

// crash is one of them. The instance commits again before the feed ends.
func (t *trials) crash(h *history, p *instance) error {
	stop := h.feed(t.ctx, feedRate)
	defer func() { _ = stop() }()
	pause(t.ctx, time.Duration(300+t.rng.IntN(700))*time.Millisecond)
	if err := services(t.ctx, "crash"); err != nil {
		return err
	}
	began := time.Now()
	pause(t.ctx, time.Duration(t.rng.IntN(1500))*time.Millisecond)
	if err := services(t.ctx, "up"); err != nil {
		return err
	}
	started := time.Now()
	t.counts["slowest_start_ms"] = max(t.counts["slowest_start_ms"], started.Sub(began).Milliseconds())
	before := p.metric(t.ctx, committedMetric)
	if err := until(t.ctx, time.Minute, "it commits again", func() (bool, error) {
		return p.metric(t.ctx, committedMetric) > before, nil
	}, p.process); err != nil {
		return err
	}
	t.counts["slowest_again_ms"] = max(t.counts["slowest_again_ms"], time.Since(started).Milliseconds())
	pause(t.ctx, 500*time.Millisecond)
	return stop()
}

const committedMetric = `freshet_transactions_total{result="committed"}`

// ownsKafka reports whether the broker that is tried is the one of scripts/services.
func (s *stage) ownsKafka(ctx context.Context) error {
	env, err := exec.CommandContext(ctx, "scripts/services", "env").Output()
	if err != nil || !bytes.Contains(env, []byte("FRESHET_TEST_KAFKA="+s.brokers+"\n")) {
		return fmt.Errorf("%w: the Kafka at %s is not that of scripts/services, and is not killed", errUnfit, s.brokers)
	}
	return nil
}

func services(ctx context.Context, verb string) error {
	said, err := exec.CommandContext(ctx, "scripts/services", verb).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: scripts/services %s: %w\n%s", errUnfit, verb, err, said)
	}
	return nil
}
