package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/fault"
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
		if err := h.produce(t.ctx, 400); err != nil {
			return err
		}
		for range t.n {
			if err := t.crash(h); err != nil {
				return err
			}
			t.done++
		}
		aborted, err := h.uncommitted(t.ctx)
		t.count(h, aborted)
		if err == nil && aborted == 0 && t.n > 1 {
			t.fail("nothing was aborted in %d crashes: nothing was proved", t.n)
		}
		return err
	})
}

// crash is one of them, with an instance of its own, which stands still in the
// middle of a transaction while Kafka is killed, or right behind its end.
func (t *trials) crash(h *history) error {
	points := []string{fault.Sent, fault.Added, fault.EndAsked, fault.EndSent}
	point := points[(int(t.seed)+t.done)%len(points)]
	stop := h.feed(t.ctx, feedRate)
	defer func() { _ = stop() }()
	p, err := h.run(t.ctx, "one", fmt.Sprintf("%s:%d:stop", point, 10+t.rng.IntN(30)))
	if err != nil {
		return err
	}
	defer p.kill()
	if err := until(t.ctx, 90*time.Second, "it stands at "+point, func() (bool, error) { return p.frozen(), nil }, p.process); err != nil {
		return err
	}
	if err := services(t.ctx, "crash"); err != nil {
		return err
	}
	began := time.Now()
	p.signal(syscall.SIGCONT)
	t.counts["at_"+point]++
	if err := services(t.ctx, "up"); err != nil {
		return err
	}
	started := time.Now()
	t.counts["slowest_start_ms"] = max(t.counts["slowest_start_ms"], started.Sub(began).Milliseconds())
	before := p.metric(t.ctx, committedMetric)
	commits, hangs := func() (bool, error) { return p.metric(t.ctx, committedMetric) > before, nil }, false
	if err := until(t.ctx, time.Minute, "it commits again, or says that a transaction hangs", func() (bool, error) {
		hangs = strings.Contains(p.log.String(), "kafka-transactions.sh")
		done, err := commits()
		return done || hangs, err
	}, p.process); err != nil {
		return err
	}
	if hangs { // and does what it says
		n, err := h.kafka.endHanging(t.ctx, append(h.outputs, h.letters...))
		if err != nil {
			return err
		}
		t.counts["hanging_transactions"] += int64(n)
		if err := until(t.ctx, time.Minute, "it commits again", commits, p.process); err != nil {
			return err
		}
	}
	t.counts["slowest_again_ms"] = max(t.counts["slowest_again_ms"], time.Since(started).Milliseconds())
	if err := stop(); err != nil {
		return err
	}
	return h.quiesce(t, 2*time.Minute, p)
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

// endHanging aborts the transactions that are open in the offsets of groups, and in
// topics, and that no coordinator has open, as kafka-transactions.sh does: a broker
// that was killed may lose the end of one.
func (c *cluster) endHanging(ctx context.Context, in []string) (n int, err error) {
	known, err := c.admin.ListTransactions(ctx, nil, []string{"Ongoing", "PrepareCommit", "PrepareAbort"})
	if err != nil {
		return 0, err
	}
	open := map[int64]bool{}
	for _, t := range known {
		open[t.ProducerID] = true
	}
	topics, err := c.admin.ListTopicsWithInternal(ctx, append([]string{"__consumer_offsets"}, in...)...)
	if err != nil {
		return 0, err
	}
	described, err := c.admin.DescribeProducers(ctx, topics.TopicsSet())
	if err != nil {
		return 0, err
	}
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset < 0 || open[p.ProducerID] || err != nil {
			return
		}
		n++
		err = c.abort(ctx, p)
	})
	return n, err
}

// abort ends a transaction in one partition.
func (c *cluster) abort(ctx context.Context, p kadm.DescribedProducer) error {
	marker := kmsg.NewWriteTxnMarkersRequestMarker()
	marker.ProducerID, marker.ProducerEpoch, marker.CoordinatorEpoch = p.ProducerID, p.ProducerEpoch, p.CoordinatorEpoch
	marker.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: p.Topic, Partitions: []int32{p.Partition}}}
	request := kmsg.NewPtrWriteTxnMarkersRequest()
	request.Markers = append(request.Markers, marker)
	response, err := request.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(response.Markers[0].Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("abort the transaction of producer %d in %s-%d: %w", p.ProducerID, p.Topic, p.Partition, err)
	}
	return nil
}
