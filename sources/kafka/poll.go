package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// Poll implements sources.Consumer.
//
// BlockRebalanceOnPoll makes the group wait from the moment the client hands
// records over until AllowRebalance. In between it is certain which session
// they belong to; records of a lost session are never handed over.
func (c *Consumer) Poll(ctx context.Context, max int) (sources.Poll, error) {
	for {
		if change, changed, err := c.change(); changed || err != nil {
			return change, err
		}
		if batch, passed, along := c.take(max); len(batch)+len(passed) > 0 {
			return sources.Poll{Records: batch, Passed: passed, Standby: along}, nil
		}
		if ctx.Err() != nil {
			return sources.Poll{Standby: c.waits()}, nil
		}
		if err := c.unreachable(); err != nil {
			return sources.Poll{}, err
		}
		if some, err := c.takeAlong(); err != nil {
			return sources.Poll{}, err
		} else if some {
			continue
		}
		client, _ := c.current()
		if client == nil {
			if err := c.join(); err != nil {
				return sources.Poll{}, err
			}
			continue
		}
		if err := c.read(ctx, client, max); err != nil {
			return sources.Poll{}, err
		}
	}
}

// change tells what has happened to the ownership since the last Poll, one
// thing at a time and in order.
func (c *Consumer) change() (sources.Poll, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fatal != nil:
		return sources.Poll{}, false, c.fatal
	case c.own.lost:
		c.own.lost = false
		return sources.Poll{Lost: true}, true, nil
	case c.own.gained != nil:
		owned := c.own.gained
		c.own.gained, c.stands = nil, nil
		c.stopReadingAlong()
		c.standsAt(owned)
		return sources.Poll{Owned: owned}, true, nil
	case c.stands != nil && !c.own.held:
		c.told, c.stands = c.stands, nil
		return sources.Poll{Standby: true, Standing: c.told}, true, nil
	}
	return sources.Poll{}, false, nil
}

// take hands over what is queued, unless the session it was read in is over.
// along says that it was read by a standby.
func (c *Consumer) take(max int) (records []sources.Record, moved []sources.Position, along bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of != c.session() {
		c.given = len(c.queue)
		c.passed = nil
	}
	batch, passed := c.queue[c.given:min(len(c.queue), c.given+max)], c.passed
	c.given += len(batch)
	c.passed = nil
	for i := range batch {
		id := sources.PartitionID{Source: batch[i].Source, Partition: batch[i].Partition}
		if p := c.lag[id]; p != nil && p.handed(batch[i].Offset) {
			passed = append(passed, sources.Position{PartitionID: id, Next: p.next})
		}
	}
	return batch, passed, c.follow != nil
}

// read waits for records, a change of ownership, or the time to look whether
// Kafka still answers, and queues the records.
func (c *Consumer) read(ctx context.Context, client *kgo.Client, max int) error {
	silence := c.heard.silence()
	ctx, cancel := context.WithTimeout(ctx, c.config.UnreachableAfter-silence+time.Millisecond)
	defer cancel()
	if !c.wakeBy(cancel) {
		return nil
	}
	fetches := client.PollRecords(ctx, max)
	defer client.AllowRebalance()
	c.wakeBy(nil)
	if now, _ := c.current(); now != client {
		return nil // a commit has given the membership up
	}

	var fatal error
	fetches.EachError(func(topic string, partition int32, err error) {
		if fatal == nil {
			fatal = c.judge(topic, partition, err)
		}
	})
	if fatal != nil {
		return fatal
	}
	c.mu.Lock()
	session := c.own.session
	c.mu.Unlock()
	c.enqueue(fetches, session)
	return nil
}

// wakeBy sets what ends the wait of the client when the ownership changes. It
// reports false if there is something to tell already.
func (c *Consumer) wakeBy(cancel context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake = cancel
	return c.fatal == nil && !c.own.lost && c.own.gained == nil && (c.stands == nil || c.own.held) && (c.follow == nil || c.follow.fetched == nil)
}

// tell ends the wait of the client; c.mu is held.
func (c *Consumer) tell() {
	if c.wake != nil {
		c.wake()
	}
}

func (c *Consumer) unreachable() error {
	silence := c.heard.silence()
	if silence <= c.config.UnreachableAfter {
		return nil
	}
	return fmt.Errorf("kafka at %s %w since %s: check the address and the network, then start again",
		c.config.Client.Where(), kafkaclient.ErrUnreachable, time.Now().Add(-silence).UTC().Format(time.RFC3339))
}

// judge sorts the errors that a fetch brings: nil for those that pass.
func (c *Consumer) judge(topic string, partition int32, err error) error {
	where := "kafka at " + c.config.Client.Where()
	if topic != "" {
		where = fmt.Sprintf("topic %s, partition %d", topic, partition)
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errPartial):
		return nil
	case errors.Is(err, kerr.OffsetOutOfRange):
		return fmt.Errorf("%s: the log no longer holds the next record (retention has removed it, or the topic was made anew): "+
			"raise the topic's retention and start again: %w", where, err)
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		return fmt.Errorf("%s: the topic was deleted or made anew; its offsets mean nothing now: use a new group: %w", where, err)
	case errors.Is(err, kerr.FencedInstanceID):
		return fmt.Errorf("another process runs with the same instance id %s: give each its own: %w", c.config.InstanceID, err)
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return fmt.Errorf("group %s has members that are not of Freshet: use another group: %w", c.config.Group, err)
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Errorf("no right to read with group %s: grant Read on the group: %w", c.config.Group, err)
	}
	var large *kgo.ErrDecompressTooLarge
	if errors.As(err, &large) {
		return fmt.Errorf("%s: the batch at offset %d unfolds to more than %d MiB and is not read; nothing behind it is either: "+
			"delete the partition's records up to it (kafka-delete-records.sh, offset %d: what stands before it goes too) and run with --accept-gap",
			where, large.Offset, maxDecompressBytes>>20, large.NextOffset)
	}
	if kafkaclient.Fatal(err) {
		return fmt.Errorf("%s: %w", where, err)
	}
	c.config.Observe("retrying", fmt.Errorf("%s: %w", where, err))
	return nil
}

// enqueue turns what was fetched in a session into records. An owner's runs
// while the group waits, so that its session cannot change under it.
func (c *Consumer) enqueue(fetches kgo.Fetches, session int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session() != session {
		return
	}
	c.queue, c.given, c.of = c.queue[:0], 0, session
	c.headers = c.headers[:0]
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		t := c.topics[p.Topic]
		if t == nil || len(p.Records) == 0 {
			return
		}
		lastData := int64(-1)
		for _, r := range p.Records {
			if !r.Attrs.IsControl() {
				c.queue = append(c.queue, c.record(t.source, r))
				lastData = r.Offset
			}
		}
		id := sources.PartitionID{Source: t.source, Partition: p.Partition}
		past := p.Records[len(p.Records)-1].Offset + 1
		if far := c.lag[id]; far != nil && far.fetched(lastData, past, p.LastStableOffset) {
			c.passed = append(c.passed, sources.Position{PartitionID: id, Next: past})
		}
	})
}

func (c *Consumer) record(source int, r *kgo.Record) sources.Record {
	out := sources.Record{
		Source:    source,
		Partition: r.Partition,
		Offset:    r.Offset,
		Time:      sources.NoTime,
		Key:       r.Key,
		Value:     r.Value,
	}
	if ms := r.Timestamp.UnixMilli(); ms >= 0 {
		out.Time = ms
	}
	if len(r.Value) > c.config.MaxRecordBytes {
		out.Oversized = len(r.Value)
		out.Value = r.Value[:c.config.MaxRecordBytes]
	}
	if len(r.Headers) > 0 {
		first := len(c.headers)
		for _, h := range r.Headers {
			c.headers = append(c.headers, sources.Header{Key: h.Key, Value: h.Value})
		}
		out.Headers = c.headers[first:len(c.headers):len(c.headers)]
	}
	return out
}

// Lag implements sources.Consumer. Unlike Poll it may be called from anywhere.
func (c *Consumer) Lag() map[sources.PartitionID]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	lag := make(map[sources.PartitionID]int64, len(c.lag))
	for id, p := range c.lag {
		lag[id] = p.behind()
	}
	return lag
}

// Pause implements sources.Pauser. The client drops what it has buffered of the
// partition and fetches it again later.
func (c *Consumer) Pause(id sources.PartitionID) {
	if client := c.reader(); client != nil {
		client.PauseFetchPartitions(map[string][]int32{c.name(id.Source): {id.Partition}})
	}
}

// Resume implements sources.Pauser.
func (c *Consumer) Resume() {
	if client := c.reader(); client != nil {
		resume(client)
	}
}

// reader is the client that reads; nil where none does.
func (c *Consumer) reader() *kgo.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow != nil {
		return c.follow.client
	}
	return c.client
}

func resume(client *kgo.Client) {
	client.ResumeFetchPartitions(client.PauseFetchPartitions(nil))
}
