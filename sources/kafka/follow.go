package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sources"
)

// Bounds of how a standby reads along: what the owner has not committed is of
// no use yet, so a fetch may wait until it is worth its request.
const (
	followMinBytes = 64 << 10
	followMaxPoll  = 5000 // records of one poll
)

// following is how a standby reads along: with a client of its own that is no
// member of the group, since the group gives the partitions to another.
type following struct {
	client  *kgo.Client
	stop    context.CancelFunc
	fetched kgo.Fetches   // not yet taken over by Poll; nil: none
	taken   chan struct{} // has one when it was
	of      int           // the session that its records are queued under
}

// Begin implements sources.Beginner.
func (c *Consumer) Begin(from []sources.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.own.lost:
		return nil // the next Poll says so
	case !c.own.told():
		return c.readAlong(from)
	}
	for _, p := range from {
		if far := c.lag[p.PartitionID]; far != nil {
			far.next = p.Next
		}
	}
	if !c.own.begun {
		c.own.begun = true
		close(c.own.begin) // to takeOver, which waits
	}
	return nil
}

// begins waits until the owner was told where to begin. The group goes on
// meanwhile; where it rebalances, takeOver is called again and waits on.
func (c *Consumer) begins(ctx context.Context, number int, begin <-chan struct{}) (map[string]map[int32]kgo.Offset, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-begin:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.number != number || !c.own.told() {
		return nil, context.Canceled
	}
	return c.beginnings(), nil
}

// beginnings is where delivery begins, by topic; c.mu is held.
func (c *Consumer) beginnings() map[string]map[int32]kgo.Offset {
	begin := make(map[string]map[int32]kgo.Offset, len(c.topics))
	for name, t := range c.topics {
		begin[name] = make(map[int32]kgo.Offset, t.partitions)
		for p := range t.partitions {
			if far := c.lag[sources.PartitionID{Source: t.source, Partition: p}]; far != nil {
				begin[name][p] = kgo.NewOffset().At(far.next)
			}
		}
	}
	return begin
}

// standsAt sets where delivery stands, of partitions that were just told.
func (c *Consumer) standsAt(all []sources.Assigned) {
	clear(c.lag)
	for _, a := range all {
		c.lag[a.PartitionID] = &progress{start: a.Start, next: a.Start, end: a.End, tail: -1}
	}
}

// readAlong begins to read without owning anything; c.mu is held.
func (c *Consumer) readAlong(from []sources.Position) error {
	c.stopReadingAlong()
	c.standsAt(c.told)
	for _, p := range from {
		if far := c.lag[p.PartitionID]; far != nil {
			far.next = p.Next
		}
	}
	opts, err := c.config.Client.Options()
	if err != nil {
		return err
	}
	opts = append(append(opts, c.reading()...), kgo.ConsumePartitions(c.beginnings()), kgo.FetchMinBytes(followMinBytes))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("set up the Kafka client of a standby: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.sessions++
	f := &following{client: client, stop: stop, taken: make(chan struct{}, 1), of: c.sessions}
	c.follow = f
	c.closing.Go(func() {
		defer client.Close()
		c.along(ctx, f)
	})
	return nil
}

// stopReadingAlong ends it; c.mu is held.
func (c *Consumer) stopReadingAlong() {
	if c.follow != nil {
		c.follow.stop()
		c.follow = nil
	}
}

// along fetches for Poll, one poll ahead of it.
func (c *Consumer) along(ctx context.Context, f *following) {
	for ctx.Err() == nil {
		fetches := f.client.PollRecords(ctx, followMaxPoll)
		c.mu.Lock()
		if c.follow != f {
			c.mu.Unlock()
			return
		}
		f.fetched = fetches
		c.tell()
		c.mu.Unlock()
		select {
		case <-f.taken:
		case <-ctx.Done():
		}
	}
}

// takeAlong queues what was fetched for a standby. It reports false where there
// is nothing.
func (c *Consumer) takeAlong() (bool, error) {
	c.mu.Lock()
	f := c.follow
	if f == nil || f.fetched == nil {
		c.mu.Unlock()
		return false, nil
	}
	fetches := f.fetched
	f.fetched = nil
	f.taken <- struct{}{}
	c.mu.Unlock()
	gone := false
	var fatal error
	fetches.EachError(func(topic string, partition int32, err error) {
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			gone = true
		case fatal == nil:
			fatal = c.judge(topic, partition, err)
		}
	})
	if gone {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.follow == f {
			c.stopReadingAlong()
			c.own.lost, c.stands, c.told = true, nil, nil // its state has a hole
		}
		return true, nil
	}
	c.enqueue(fetches, f.of)
	return true, fatal
}

// session is what may be handed over: what was read along, or read as the
// owner; 0: nothing. c.mu is held.
func (c *Consumer) session() int {
	switch {
	case c.follow != nil:
		return c.follow.of
	case c.own.held:
		return c.own.session
	}
	return 0
}

// ask asks now and then what the group has committed, for a standby.
func (c *Consumer) ask(ctx context.Context) {
	var all []sources.Assigned
	for wait(ctx, c.config.StandingCheck) == nil {
		c.mu.Lock()
		admin, idle := c.admin, c.own.held || !c.own.waits && c.follow == nil
		if c.told == nil {
			all = nil // where the log begins is asked anew
		}
		c.mu.Unlock()
		if idle || admin == nil {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, c.config.LagCheck)
		now, err := c.standing(asking, admin, all)
		cancel()
		if err != nil {
			c.config.Observe("retrying", fmt.Errorf("ask what the owner has committed: %w", err))
			_ = wait(ctx, askPause)
			continue
		}
		all = now
		c.mu.Lock()
		if !c.own.held {
			c.stands = all
			c.tell()
		}
		c.mu.Unlock()
	}
}

// askPause is how long to wait after Kafka has not said what is committed.
const askPause = time.Second

// standing is what a take-over would find now. known is what it was before, of
// which the ends of the log are good enough. What an open transaction is about
// to commit is not waited for.
func (c *Consumer) standing(ctx context.Context, admin *kadm.Client, known []sources.Assigned) ([]sources.Assigned, error) {
	committed, err := admin.FetchOffsets(ctx, c.config.Group)
	if err == nil {
		err = committed.Error()
	}
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		committed = nil
	case err != nil:
		return nil, fmt.Errorf("fetch the offsets of group %s: %w", c.config.Group, err)
	}
	if known == nil {
		all, _, err := c.extent(ctx, admin)
		if err != nil {
			return nil, err
		}
		known = all
	}
	now := make([]sources.Assigned, len(known))
	for i, a := range known {
		a.Committed, a.Metadata = -1, ""
		now[i] = c.withCommitted(a, committed)
	}
	return now, nil
}
