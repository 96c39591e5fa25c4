package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/verify/proxy"
)

// wires make the network to the real Kafka bad: ends of transactions that
// arrive when the next one is open, answers that do not come, one-way silence,
// resets, lateness.
func wires(t *trials) error {
	return t.onHistory("kafka", shape{seed: t.seed, cards: 1000, users: 800, rate: 20}, func(h *history) error {
		wire, err := proxy.OpenKafka(h.kafka.brokers)
		if err != nil {
			return err
		}
		defer wire.Close()
		h.env = append(h.env, "FRESHET_KAFKA_BROKERS="+wire.Addr())
		m := &cell{t: t, h: h, wire: wire}
		if m.p, err = h.run(t.ctx, "one", ""); err != nil {
			return err
		}
		defer func() { m.p.kill() }()
		if err := h.settle(t, time.Minute, m.p); err != nil {
			return err
		}
		for t.done < t.n {
			what, err := m.trouble(t.done)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			t.done++
			if t.done%3 == 0 || t.done == t.n {
				if err := h.quiesce(t, 90*time.Second, m.p); err != nil {
					return fmt.Errorf("after %s: %w", what, err)
				}
			}
		}
		aborted, err := h.uncommitted(t.ctx)
		t.count(h, aborted)
		return err
	})
}

// trouble is one bad time of the network.
func (m *cell) trouble(k int) (string, error) {
	held := []kmsg.Key{kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.Produce}
	length := 500*time.Millisecond + time.Duration(m.t.rng.IntN(2500))*time.Millisecond
	stop := m.h.feed(m.t.ctx, 150)
	defer func() { _ = stop() }()
	what := ""
	switch k % 6 {
	case 0, 1, 2:
		key := held[k%6]
		what = key.Name() + " held until the next transaction is open"
		rule := m.wire.Add(&proxy.Rule{Key: key, Times: 1, Do: proxy.Hold})
		if err := m.goesOn(rule); err != nil {
			return what, err
		}
		m.t.counts["held_"+key.Name()]++
	case 3:
		what = "answers to the end do not come"
		rule := m.wire.Add(&proxy.Rule{Key: kmsg.EndTxn, Times: 2, Do: proxy.DropAnswer})
		if err := m.goesOn(rule); err != nil {
			return what, err
		}
	case 4:
		what = "silence one way, then the other"
		m.wire.Blackhole(true, false)
		pause(m.t.ctx, length)
		m.wire.Heal()
		pause(m.t.ctx, 200*time.Millisecond)
		m.wire.Blackhole(false, true)
		pause(m.t.ctx, length)
		m.wire.Heal()
	case 5:
		what = "late, with resets"
		m.wire.Delay(20 * time.Millisecond)
		for range 3 {
			pause(m.t.ctx, length/3)
			m.wire.Reset()
		}
		m.wire.Heal()
	}
	m.wire.Release()
	if err := stop(); err != nil {
		return what, err
	}
	return what, m.over(brokerCase{key: kmsg.EndTxn})
}

// goesOn waits until a rule has struck and the stream commits in spite of it:
// what is held comes after that.
func (m *cell) goesOn(rule *proxy.Rule) error {
	if err := until(m.t.ctx, 30*time.Second, "the request is made", func() (bool, error) { return rule.Struck() > 0, nil }, m.p.process); err != nil {
		return err
	}
	before, err := m.h.kafka.committed(m.t.ctx, m.h.group())
	if err != nil {
		return err
	}
	return until(m.t.ctx, time.Minute, "it commits although a request is on its way", func() (bool, error) {
		now, err := m.h.kafka.committed(m.t.ctx, m.h.group())
		return now > before, err
	}, m.p.process)
}
