package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// commitRetryWait is how long a commit waits for a rebalance to go on, or for
// a broker to come back, before it tries again.
const commitRetryWait = 20 * time.Millisecond

// Commit implements sources.Consumer. The first commit of an ownership carries
// every partition, those without records too, so that the next owner finds the
// metadata wherever it looks.
//
// It retries while a standby's join is under way and while brokers are away,
// until UnreachableAfter. It may run beside Poll.
func (c *Consumer) Commit(ctx context.Context, positions []sources.Position, metadata string) error {
	offsets, err := c.offsets(positions)
	if err != nil {
		return err
	}
	if tx := c.config.Transaction; tx != nil {
		switch tx.Holds() {
		case kafkaclient.Outputs:
			return c.commitInTransaction(ctx, offsets, metadata)
		case kafkaclient.Void:
			return sources.ErrAborted
		}
		tx.Abort(ctx) // one that was begun and holds nothing
	}
	if len(offsets) == 0 {
		return nil
	}
	for {
		err := c.commitOnce(ctx, offsets, metadata)
		switch {
		case err == nil:
			c.markStarted()
			return nil
		case errors.Is(err, sources.ErrLost):
			return err
		case kafkaclient.Fatal(err):
			return fmt.Errorf("commit the offsets of group %s: %w", c.config.Group, err)
		}
		if err := c.unreachable(); err != nil {
			return err
		}
		if err := wait(ctx, commitRetryWait); err != nil {
			return fmt.Errorf("commit the offsets of group %s: %w", c.config.Group, err)
		}
	}
}

// markStarted notes that all partitions carry this ownership's metadata.
func (c *Consumer) markStarted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = true
}

// offsets are the positions by topic, with the partitions that were never
// committed in this ownership.
func (c *Consumer) offsets(positions []sources.Position) (map[string]map[int32]kgo.EpochOffset, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.own.told() {
		return nil, sources.ErrLost
	}
	names := make(map[int]string, len(c.topics))
	for name, t := range c.topics {
		names[t.source] = name
	}
	offsets := make(map[string]map[int32]kgo.EpochOffset, len(c.topics))
	put := func(id sources.PartitionID, next int64) {
		name := names[id.Source]
		if offsets[name] == nil {
			offsets[name] = map[int32]kgo.EpochOffset{}
		}
		offsets[name][id.Partition] = kgo.EpochOffset{Epoch: -1, Offset: next}
	}
	if !c.started {
		for _, a := range c.own.all {
			put(a.PartitionID, max(a.Committed, a.Start))
		}
	}
	for _, p := range positions {
		if c.lag[p.PartitionID] == nil {
			return nil, fmt.Errorf("kafka: commit of partition %d of source %d, which is not ours", p.Partition, p.Source)
		}
		put(p.PartitionID, p.Next)
	}
	return offsets, nil
}

// told reports whether this instance owns everything and Poll has said so.
func (o *ownership) told() bool { return o.held && !o.lost && o.gained == nil }

// commitOnce sends one commit. The request carries the member and generation
// that the client had when it was made. If the member is still the one that
// took over, and the ownership is still ours, then a loss that comes later
// makes the coordinator refuse it.
func (c *Consumer) commitOnce(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset, metadata string) error {
	replaced := false
	ctx = kgo.PreCommitFnContext(ctx, func(request *kmsg.OffsetCommitRequest) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.own.told() {
			return sources.ErrLost
		}
		if replaced = request.MemberID != c.own.member; replaced {
			return sources.ErrLost
		}
		for t := range request.Topics {
			for p := range request.Topics[t].Partitions {
				request.Topics[t].Partitions[p].Metadata = &metadata
			}
		}
		return nil
	})
	client, _ := c.current()
	if client == nil {
		return sources.ErrLost
	}
	var failed error
	client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if err == nil {
			failed = firstError(response)
		}
	})
	switch {
	case errors.Is(failed, kerr.FencedInstanceID):
		return c.fail(c.judge("", 0, failed))
	case replaced, errors.Is(failed, kerr.UnknownMemberID), errors.Is(failed, kerr.IllegalGeneration):
		c.abandon()
		return sources.ErrLost
	}
	return failed
}

func firstError(response *kmsg.OffsetCommitResponse) error {
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("topic %s, partition %d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}
