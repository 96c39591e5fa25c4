package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A take-over begins with the group's offsets, and they are not told while a
// transaction holds them. Ours is ended before (fenceFirst); where the broker has
// lost that end, as one did that was killed, it holds them for ever. Nothing here can
// know whether it was a commit, so nothing goes on without the broker's word: it is
// said, with what to do.

// tellUnstable says that the offsets are held by a transaction, where they are and
// have been for a while.
func (c *Consumer) tellUnstable(ctx context.Context) {
	c.mu.Lock()
	client, since, held := c.client, c.asking, c.own.held
	c.mu.Unlock()
	if client == nil || held || since.IsZero() || time.Since(since) < c.config.UnstableTold {
		return
	}
	if err := c.stable(ctx, client); errors.Is(err, kerr.UnstableOffsetCommit) {
		c.config.Observe("retrying", fmt.Errorf("the offsets of group %s are held by a transaction that has not ended, for %s now: nothing is taken over before it has; "+
			"one that stays hangs: kafka-transactions.sh --bootstrap-server %s find-hanging --topic __consumer_offsets names it, and abort ends it: %w",
			c.config.Group, time.Since(since).Round(time.Second), c.config.Client.Where(), err))
	}
}

// stable asks for the offsets of every partition by name: those that only an open
// transaction has are not told otherwise.
func (c *Consumer) stable(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.LagCheck)
	defer cancel()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = c.config.Group
	for name, t := range c.topics {
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.TopicID = name, t.id
		for partition := range t.partitions {
			topic.Partitions = append(topic.Partitions, partition)
		}
		group.Topics = append(group.Topics, topic)
	}
	request := kmsg.NewPtrOffsetFetchRequest()
	request.RequireStable, request.Groups = true, append(request.Groups, group)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, g := range response.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
