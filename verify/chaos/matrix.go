package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/verify/proxy"
)

// brokerCase is one cell of the matrix: a request of a kind is answered by an
// error, having been done or not. err 0: by no answer at all, the connection is
// reset.
type brokerCase struct {
	key   kmsg.Key
	err   int16
	after bool
}

func (c brokerCase) String() string {
	how, when := "a reset", "before"
	if c.err != 0 {
		how = kerr.ErrorForCode(c.err).(*kerr.Error).Message
	}
	if c.after {
		when = "after"
	}
	return fmt.Sprintf("%s answered by %s, %s it was done", c.key.Name(), how, when)
}

// allCases are 12 requests by 8 answers, before and after.
func allCases() []brokerCase {
	keys := []kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.OffsetFetch, kmsg.FindCoordinator,
		kmsg.JoinGroup, kmsg.Heartbeat, kmsg.SyncGroup, kmsg.InitProducerID, kmsg.EndTxn, kmsg.TxnOffsetCommit}
	errs := []int16{0, kerr.NotCoordinator.Code, kerr.CoordinatorNotAvailable.Code, kerr.ConcurrentTransactions.Code,
		kerr.UnknownServerError.Code, kerr.RequestTimedOut.Code, kerr.InvalidProducerEpoch.Code, kerr.UnknownMemberID.Code}
	var cases []brokerCase
	for _, key := range keys {
		for _, err := range errs {
			cases = append(cases, brokerCase{key, err, false}, brokerCase{key, err, true})
		}
	}
	return cases
}

// atStart are requests that a running process makes rarely or never: their
// cases strike a process that starts.
func (c brokerCase) atStart() bool {
	switch c.key {
	case kmsg.Produce, kmsg.Fetch, kmsg.Heartbeat, kmsg.EndTxn, kmsg.TxnOffsetCommit:
		return false
	}
	return true
}

// casesPerHistory bounds a history.
const casesPerHistory = 48

// matrix goes through cells of the matrix on kfake.
func matrix(t *trials) error { return t.through("kfake", allCases()) }

// resets go through the cells without an answer on the real Kafka.
func resets(t *trials) error {
	return t.through("kafka", slices.DeleteFunc(allCases(), func(c brokerCase) bool { return c.err != 0 }))
}

// through tries cells, each on a history that goes on. In full each of them has
// its place in an order that is always the same, so that pieces make up the whole.
func (t *trials) through(where string, all []brokerCase) error {
	order := t.rng.Perm(len(all))
	if t.long {
		order = rand.New(rand.NewPCG(1, 1)).Perm(len(all))[t.from:]
	}
	order = order[:min(t.n, len(order))]
	for number := 0; len(order) > 0; number++ {
		part := order[:min(casesPerHistory, len(order))]
		order = order[len(part):]
		if err := t.onHistory(where, shape{seed: t.seed + uint64(number), cards: 500, users: 400, rate: 10}, func(h *history) error {
			return t.cells(h, all, part)
		}); err != nil {
			return err
		}
	}
	return nil
}

// cells tries some cells on one history, behind a proxy.
func (t *trials) cells(h *history, all []brokerCase, part []int) error {
	wire, err := proxy.OpenKafka(h.kafka.brokers)
	if err != nil {
		return err
	}
	defer wire.Close()
	m := &cell{t: t, h: h, wire: wire}
	h.env = append(h.env, "FRESHET_KAFKA_BROKERS="+wire.Addr())
	if m.p, err = h.run(t.ctx, "one", ""); err != nil {
		return err
	}
	defer func() { m.p.kill() }()
	if err := h.settle(t, 60*time.Second, m.p); err != nil {
		return err
	}
	for i, number := range part {
		c := all[number]
		began := time.Now()
		if err := m.try(c); err != nil {
			t.fail("%s: %v", c, err)
			return fmt.Errorf("the rest of the history is not tried: %w", errUnfit)
		}
		t.done++
		if took := time.Since(began); took > 5*time.Second {
			t.say("%s took %v", c, took.Round(100*time.Millisecond))
		}
		if (i+1)%8 == 0 || i+1 == len(part) {
			if err := h.quiesce(t, 60*time.Second, m.p); err != nil {
				return err
			}
		}
	}
	aborted, err := h.uncommitted(t.ctx)
	t.count(h, aborted)
	return err
}

// settle produces a little and waits until it is committed.
func (h *history) settle(t *trials, limit time.Duration, p *instance) error {
	if err := h.produce(t.ctx, 40); err != nil {
		return err
	}
	return h.settled(t.ctx, limit, p)
}

// cell is a running history on which cases are tried.
type cell struct {
	t    *trials
	h    *history
	wire *proxy.Proxy
	p    *instance
}

// try lets a case strike, and the process get over it: alone, or by an end that
// is followed by a start.
func (m *cell) try(c brokerCase) error {
	t, h := m.t, m.h
	if c.atStart() {
		m.p.kill()
	}
	times := 1 + t.rng.IntN(3)
	rule := &proxy.Rule{Key: c.key, Times: times, Do: proxy.Falsify, Err: c.err}
	switch {
	case c.err == 0 && c.after:
		rule.Do = proxy.DropAnswer
	case c.err == 0:
		rule.Do = proxy.Drop
	case !c.after:
		rule.Do = proxy.Refuse
	}
	m.wire.Add(rule)
	if c.atStart() {
		var err error
		if m.p, err = h.run(t.ctx, "one", ""); err != nil {
			return err
		}
	}
	if err := h.produce(t.ctx, 40); err != nil {
		return err
	}
	if err := m.over(c); err != nil {
		return err
	}
	if c.key == kmsg.Heartbeat { // every three seconds
		_ = until(t.ctx, 4*time.Second, "a heartbeat", func() (bool, error) { return rule.Struck() > 0, nil })
		if err := h.produce(t.ctx, 40); err != nil {
			return err
		}
		if err := m.over(c); err != nil {
			return err
		}
	}
	m.wire.Release()
	if rule.Struck() == 0 {
		t.say("%s: the request was not made", c)
	}
	t.counts["struck"] += int64(min(rule.Struck(), 1))
	t.counts["strikes"] += int64(rule.Struck())
	return nil
}

// over waits until all is committed. A process that ends on its own, with an
// error, is started again, as whoever runs it would.
func (m *cell) over(c brokerCase) error {
	t := m.t
	for tries := 0; ; tries++ {
		err := m.h.settled(t.ctx, 60*time.Second, m.p)
		if err == nil || !m.p.ended() || tries == 3 {
			return err
		}
		code := m.p.code()
		t.counts["ended_"+strconv.Itoa(code)]++
		if code != 1 && code != 4 && code != 5 {
			return fmt.Errorf("ended with %d; the last of what it said:\n%s", code, m.p.log)
		}
		t.say("%s ends the process (%d)", c, code)
		m.wire.Release()
		if m.p, err = m.h.run(t.ctx, "one", ""); err != nil {
			return err
		}
	}
}
