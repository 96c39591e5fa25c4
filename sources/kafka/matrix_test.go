package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/sinks"
	sinkkafka "github.com/freshet-dev/freshet/sinks/kafka"
	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// copier copies inputs to outputs in transactions, as the pipeline does: what
// is aborted is sent again, who loses the ownership begins at what is committed,
// and what is fatal ends the process, which is started again.
type copier struct {
	*pair
	plain   kafkaclient.Config
	wire    *cutter
	c       *Consumer
	next    int64 // of partition 0
	batch   int
	starts  int
	aborted int
}

// start makes a process: connections of its own, and the ownership.
func (p *copier) start(t *testing.T) {
	t.Helper()
	p.starts++
	p.wire = &cutter{}
	cutting := p.plain
	cutting.Dial = p.wire.dial
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		session, err := sinkkafka.NewSession(ctx, sinkkafka.SessionConfig{Config: sinkkafka.Config{Client: cutting}, TransactionalID: p.id})
		if err == nil {
			p.session = session
			config := p.config()
			config.Client = cutting
			if p.c, err = NewConsumer(ctx, config); err == nil {
				if err = p.own(ctx); err == nil {
					return
				}
				shut(p.c)
			}
			_ = session.Close()
		}
		if ctx.Err() != nil {
			t.Fatalf("no start: %v", err)
		}
	}
}

// own waits for the ownership and takes the position over.
func (p *copier) own(ctx context.Context) error {
	for {
		got, err := p.c.Poll(ctx, 10)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if got.Owned != nil {
			p.next = max(0, got.Owned[0].Committed)
			return p.c.Begin(nil)
		}
	}
}

// kill ends the process as SIGKILL does: nothing is said to anyone.
func (p *copier) kill(t *testing.T) {
	t.Helper()
	p.wire.sever(true)
	p.evict(t)
	c, s, wire := p.c, p.session, p.wire
	t.Cleanup(func() { // its memory lives as long as the test
		wire.sever(false)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, _ = c.Poll(ctx, 1) // it hears that it was lost
		_ = c.Close(ctx)
		_ = s.Close()
	})
}

// copy takes one batch over.
func (p *copier) copy(ctx context.Context, inputs []string) error {
	size := min(3, int64(len(inputs))-p.next)
	for {
		var records []sinks.Record
		for _, v := range inputs[p.next : p.next+size] {
			records = append(records, sinks.Record{Topic: p.out, Value: []byte(strings.ToUpper(v)), Time: time.Now().UnixMilli()})
		}
		err := p.session.Produce(ctx, records)
		if err == nil {
			err = p.c.Commit(ctx, at(p.next+size), fmt.Sprintf("batch %d of %d", p.batch, p.starts))
		}
		switch {
		case err == nil:
			p.next += size
			p.batch++
			return nil
		case errors.Is(err, sinks.ErrAborted), errors.Is(err, sources.ErrAborted):
			p.aborted++
			p.session.Abort(ctx)
		default:
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func newCopier(t *testing.T, client kafkaclient.Config, n int) (*copier, []string) {
	t.Helper()
	p := &copier{pair: beginPair(t, client), plain: client}
	var inputs []string
	for i := range n {
		inputs = append(inputs, fmt.Sprintf("v%d", i))
	}
	p.append(t, 0, 0, inputs...)
	p.start(t)
	t.Cleanup(func() { shut(p.c); _ = p.session.Close() })
	return p, inputs
}

// finish copies what is left and compares: each input once.
func (p *copier) finish(t *testing.T, inputs []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for p.next < int64(len(inputs)) {
		if err := p.copy(ctx, inputs); err != nil {
			if ctx.Err() != nil {
				t.Fatalf("stuck at %d: %v", p.next, err)
			}
			t.Logf("the process ends: %v", err)
			p.kill(t)
			p.start(t)
		}
	}
	var want []string
	for _, v := range inputs {
		want = append(want, strings.ToUpper(v))
	}
	if got := p.dump(t, kgo.ReadCommitted()); !slices.Equal(got, want) {
		t.Errorf("committed are %v, want each of %d inputs once", got, len(want))
	}
}

// A process that is killed between any two steps, again and again.
func TestKilledBetweenEveryTwoSteps(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		p, inputs := newCopier(t, client, 90)
		rng := rand.New(rand.NewPCG(1, 2))
		for round := 0; p.next < int64(len(inputs))-10; round++ {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if err := p.copy(ctx, inputs); err != nil {
				t.Fatal(err)
			}
			one := []sinks.Record{{Topic: p.out, Value: []byte("of a try"), Time: time.Now().UnixMilli()}}
			if err := p.session.Produce(ctx, one); err != nil {
				t.Fatal(err)
			}
			switch step := (round + rng.IntN(2)) % 4; step {
			case 0: // after the produce
			case 1: // after the offsets
				request, err := p.c.request(map[string]map[int32]kgo.EpochOffset{p.topics[0].Name: {0: {Epoch: -1, Offset: p.next + 1}}}, "of a try")
				if err != nil {
					t.Fatal(err)
				}
				if err := p.session.AddOffsets(ctx, request); err != nil {
					t.Fatal(err)
				}
			case 2: // the end does not get there
				p.session.Abort(ctx)
				p.wire.arm(cut{times: 1 << 30})
				p.tryOnce(t, ctx, inputs)
			case 3: // the end is done, and nobody knows
				p.session.Abort(ctx)
				p.wire.arm(cut{after: true, times: 1 << 30})
				p.tryOnce(t, ctx, inputs)
			}
			cancel()
			p.kill(t)
			p.start(t)
		}
		p.finish(t, inputs)
		written := p.dump(t, kgo.ReadUncommitted())
		if len(written) <= len(inputs) {
			t.Errorf("%d written for %d inputs: nothing was aborted", len(written), len(inputs))
		}
		t.Logf("%d starts, %d records written, %d committed", p.starts, len(written), len(inputs))
	})
}

// tryOnce sends a batch and its end, whose answer does not come.
func (p *copier) tryOnce(t *testing.T, ctx context.Context, inputs []string) {
	t.Helper()
	record := []sinks.Record{{Topic: p.out, Value: []byte(strings.ToUpper(inputs[p.next])), Time: time.Now().UnixMilli()}}
	if err := p.session.Produce(ctx, record); err != nil {
		t.Fatal(err)
	}
	offsets := map[string]map[int32]kgo.EpochOffset{p.topics[0].Name: {0: {Epoch: -1, Offset: p.next + 1}}}
	if err := p.c.addOffsets(ctx, offsets, "tried once"); err != nil {
		t.Fatal(err)
	}
	if err := p.session.Commit(ctx); err == nil {
		t.Fatal("the end was answered")
	}
}

// Every request that a batch makes, answered by every error, having been done
// or not: retried, aborted and sent again, found out, or the end of the process,
// and each input is committed once.
func TestErrorMatrix(t *testing.T) {
	keys := []kmsg.Key{kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.InitProducerID, kmsg.Heartbeat, kmsg.OffsetFetch, kmsg.FindCoordinator}
	errs := []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.ConcurrentTransactions,
		kerr.UnknownServerError, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.InvalidProducerEpoch, kerr.ProducerFenced,
		kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.InvalidTxnState, kerr.TransactionAbortable}
	for _, key := range keys {
		t.Run(key.Name(), func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			client := kafkaclient.Config{Brokers: cluster.ListenAddrs()}
			p, inputs := newCopier(t, client, 200)
			hits := int64(0)
			for _, e := range errs {
				fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: e, Count: 2})
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				if key == kmsg.InitProducerID || key == kmsg.OffsetFetch { // of a take-over
					p.kill(t)
					p.start(t)
				}
				if err := p.copy(ctx, inputs); err != nil {
					t.Logf("%s %s ends the process: %v", key.Name(), e.Message, err)
					fault.Remove()
					p.kill(t)
					p.start(t)
				}
				cancel()
				hits += int64(fault.Hits())
				fault.Remove()
			}
			p.finish(t, inputs)
			t.Logf("%d faults hit, %d starts, %d aborts", hits, p.starts, p.aborted)
			if hits == 0 && key != kmsg.Heartbeat && key != kmsg.FindCoordinator {
				t.Error("no fault was ever hit")
			}
		})
	}
}
