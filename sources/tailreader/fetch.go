package tailreader

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"golang.org/x/sync/errgroup"
)

const (
	// fetchWait is how long a broker waits for something to come, in ms.
	fetchWait = 250
	// fetchBytes and partitionBytes bound one answer.
	fetchBytes     = 8 << 20
	partitionBytes = 1 << 20
	// retryWait is how long a failed fetch waits before leaders are asked anew.
	retryWait = 250 * time.Millisecond
	// giveUpAfter is how long fetches may fail one after the other.
	giveUpAfter = 60 * time.Second
)

// errAgain ends a round: leaders have moved, ask who they are.
var errAgain = errors.New("leaders have moved")

// run reads in rounds until everything is read that shall be: one fetcher per
// leading broker, whose answers come as they come; an error of one ends the
// round for all.
func (r *Reader) run(ctx context.Context) error {
	good := time.Now()
	for {
		began := time.Now()
		err := r.round(ctx)
		switch {
		case ctx.Err() != nil || err == nil:
			return nil
		case !temporary(err):
			return err
		case time.Since(began) > 2*retryWait:
			good = time.Now() // the round has read for a while
		case time.Since(good) > giveUpAfter:
			return fmt.Errorf("no answer since %s: %w", good.UTC().Format(time.RFC3339), err)
		}
		timer := time.NewTimer(retryWait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (r *Reader) round(ctx context.Context) error {
	leaders, err := r.leaders(ctx)
	if err != nil {
		return err
	}
	byLeader := map[int32][]int{}
	r.mu.Lock()
	for id, p := range r.partitions {
		if !p.done() {
			byLeader[leaders[id]] = append(byLeader[leaders[id]], id)
		}
	}
	r.mu.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	for leader, ids := range byLeader {
		if leader < 0 {
			return errAgain
		}
		group.Go(func() error { return r.follow(ctx, ids) })
	}
	return group.Wait()
}

// follow fetches the partitions of one leader until they are read to their end.
func (r *Reader) follow(ctx context.Context, ids []int) error {
	for {
		request := r.request(ids)
		if len(request.Topics[0].Partitions) == 0 {
			return nil
		}
		answer, err := r.transport.RoundTrip(ctx, r.address(), request)
		if err != nil {
			return r.where("read", err)
		}
		response := answer.(*fetch.Response)
		if response.ErrorCode != 0 {
			return r.where("read", kafkago.Error(response.ErrorCode))
		}
		for _, t := range response.Topics {
			for i := range t.Partitions {
				if err := r.answer(ctx, &t.Partitions[i]); err != nil {
					return err
				}
			}
		}
	}
}

func (r *Reader) request(ids []int) *fetch.Request {
	topic := fetch.RequestTopic{Topic: r.config.Topic}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if p := r.partitions[id]; !p.done() {
			topic.Partitions = append(topic.Partitions, fetch.RequestPartition{
				Partition: int32(id), CurrentLeaderEpoch: -1, FetchOffset: p.Next, LogStartOffset: -1, PartitionMaxBytes: partitionBytes,
			})
		}
	}
	return &fetch.Request{
		ReplicaID: -1, MaxWaitTime: fetchWait, MinBytes: 1, MaxBytes: fetchBytes, IsolationLevel: r.isolation(),
		SessionEpoch: -1, // no fetch session: every answer is whole
		Topics:       []fetch.RequestTopic{topic},
	}
}

// answer hands over what came of one partition.
func (r *Reader) answer(ctx context.Context, a *fetch.ResponsePartition) error {
	id := int(a.Partition)
	if a.ErrorCode != 0 {
		err := kafkago.Error(a.ErrorCode)
		if errors.Is(err, kafkago.OffsetOutOfRange) {
			return fmt.Errorf("topic %s, partition %d no longer holds offset %d: it was removed while it was read: %w",
				r.config.Topic, id, r.partitions[id].Next, err)
		}
		return r.where(fmt.Sprintf("read partition %d of", id), err)
	}
	r.mu.Lock()
	p := r.partitions[id]
	next := p.Next
	p.Stable, p.High = a.LastStableOffset, a.HighWatermark
	if r.config.Uncommitted {
		p.Stable = a.HighWatermark
	}
	r.mu.Unlock()

	records, next, err := decode(a, next, r.config.Uncommitted)
	if err != nil {
		return r.where(fmt.Sprintf("read partition %d of", id), err)
	}
	for _, m := range records {
		if p.until >= 0 && m.Offset >= p.until {
			break // came after the reader was opened
		}
		select {
		case r.messages <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.advance(p, m.Offset+1)
	}
	r.advance(p, next)
	return nil
}

func (r *Reader) advance(p *partition, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Next = max(p.Next, next)
}

// temporary reports whether asking again may help.
func temporary(err error) bool {
	if errors.Is(err, errAgain) {
		return true
	}
	var code kafkago.Error
	if errors.As(err, &code) {
		return code.Temporary() || errors.Is(code, kafkago.NotLeaderForPartition) || errors.Is(code, kafkago.LeaderNotAvailable)
	}
	var damaged *damage
	return !errors.As(err, &damaged)
}
