package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/fault"
)

// crashes kill a real Kafka while transactions are open, start it again, and
// have the instance, which lives on, finish: the broker finds its log as the
// system has it, and transactions as they were. It is one of the row's own.
func crashes(t *trials) error {
	own, err := t.stage.ownKafka(t.ctx, t.long)
	if err != nil {
		return err
	}
	defer own.end()
	brokers, err := own.brokers(t.ctx)
	if err != nil {
		return err
	}
	return t.onHistory(brokers, shape{seed: t.seed, cards: 800, users: 600, rate: 20}, func(h *history) error {
		defer t.watch(h)()
		if err := h.produce(t.ctx, 400); err != nil {
			return err
		}
		for range t.n {
			if err := t.crash(h, own); err != nil {
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
func (t *trials) crash(h *history, own *services) error {
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
	if err := own.do(t.ctx, "crash"); err != nil {
		return err
	}
	began := time.Now()
	p.signal(syscall.SIGCONT)
	t.counts["at_"+point]++
	if err := own.do(t.ctx, "up", "kafka"); err != nil {
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

// services is a real Kafka beside that of the other rows, with the same jars. The
// one of this machine's tests is never killed.
type services struct {
	env []string
}

// crashSession is what the killed broker's session lasts in the short form: it has
// to wait for its end before it may come back. In the long form it lasts as long as
// elsewhere, longer than the broker takes to start: then Kafka may leave out the
// ends of transactions (docs/checkpoints.md), which is to be found.
const crashSession = 3 * time.Second

// ownKafka starts one.
func (s *stage) ownKafka(ctx context.Context, long bool) (*services, error) {
	jars, err := exec.CommandContext(ctx, "scripts/services", "jars").Output()
	if err != nil {
		return nil, fmt.Errorf("%w: scripts/services jars: %w", errUnfit, err)
	}
	own := &services{[]string{"SERVICES_DIR=" + filepath.Join(s.dir, "kafka"), "SERVICES_JARS=" + string(bytes.TrimSpace(jars))}}
	if !long {
		own.env = append(own.env, fmt.Sprintf("SERVICES_KAFKA_SESSION_MS=%d", crashSession.Milliseconds()))
	}
	if err := own.do(ctx, "up", "kafka"); err != nil {
		own.end()
		return nil, err
	}
	return own, nil
}

// brokers is where it is.
func (s *services) brokers(ctx context.Context) (string, error) {
	said, err := s.command(ctx, "env").Output()
	_, address, found := strings.Cut(string(said), "FRESHET_TEST_KAFKA=")
	if err != nil || !found {
		return "", fmt.Errorf("%w: scripts/services env: %w", errUnfit, err)
	}
	address, _, _ = strings.Cut(address, "\n")
	return address, nil
}

func (s *services) command(ctx context.Context, verb ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "scripts/services", verb...)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

func (s *services) do(ctx context.Context, verb ...string) error {
	said, err := s.command(ctx, verb...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: scripts/services %s: %w\n%s", errUnfit, strings.Join(verb, " "), err, said)
	}
	return nil
}

// end stops it, whatever has become of the run.
func (s *services) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = s.do(ctx, "down") // it may not have started
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
