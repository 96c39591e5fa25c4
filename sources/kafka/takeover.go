package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// errPartial is the error of a take-over that was given less than everything:
// the leader balanced with an old idea of the topics. The group joins again.
var errPartial = errors.New("assigned less than all partitions")

// unstableWait is how long a take-over waits before it asks again for offsets
// that an open transaction is about to change.
const unstableWait = 50 * time.Millisecond

// takeOver is called with the offsets of all partitions that were just given
// to this member, before any of them is fetched, and says where to begin: at
// the earliest retained record, whatever was committed, because the state is
// built from there. It ends when ctx does, which is when the group rebalances.
func (c *Consumer) takeOver(ctx context.Context, number int, given map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	c.mu.Lock()
	held, admin, begin := c.own.held, c.admin, c.own.begin
	current := c.number == number
	c.mu.Unlock()
	if !current {
		return nil, context.Canceled
	}
	short := c.missing(given)
	switch {
	case held && short != "":
		// Everything was ours, and now there is more.
		return nil, c.fail(errors.New("a topic has more partitions now: start again to take them over"))
	case held:
		return c.begins(ctx, number, begin) // a rebalance has cut off the wait for it
	case short != "":
		c.config.Observe("retrying", fmt.Errorf("%s: %w", short, errPartial))
		return nil, errPartial // the client asks for the topics anew before it joins again
	}
	err := c.fence(ctx)
	var all []sources.Assigned
	if err == nil {
		all, err = c.positions(ctx, admin)
	}
	if err != nil {
		if ctx.Err() != nil || !kafkaclient.Fatal(err) && !errors.Is(err, errGap) {
			return nil, err
		}
		return nil, c.fail(err)
	}
	if begin = c.gain(number, all); begin == nil {
		return nil, context.Canceled
	}
	return c.begins(ctx, number, begin)
}

// fence keeps the last owner's producer out, and ends the transaction that it
// may have left open: the offsets of one are not told until then.
func (c *Consumer) fence(ctx context.Context) error {
	tx := c.config.Transaction
	c.mu.Lock()
	done := c.fenced
	c.fenced = false
	c.mu.Unlock()
	if tx == nil || done {
		return nil
	}
	if err := tx.Fence(ctx); err != nil {
		return err
	}
	tx.Forget()
	return nil
}

// fenceFirst does so before the client asks for offsets on its own account,
// which would wait for that transaction's timeout. What fails here is tried
// again with the take-over.
func (c *Consumer) fenceFirst(ctx context.Context, number int, partitions map[string][]int32) {
	c.mu.Lock()
	idle := len(partitions) == 0 || c.number != number || c.own.held
	c.fenced = false
	if !idle {
		c.asking = time.Now()
	}
	c.mu.Unlock()
	if idle {
		return
	}
	err := c.fence(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fenced = err == nil
}

// missing names the first topic of which not every partition was given.
func (c *Consumer) missing(given map[string]map[int32]kgo.Offset) string {
	for name, t := range c.topics {
		if got := int32(len(given[name])); got != t.partitions {
			return fmt.Sprintf("topic %s: %d of %d partitions", name, got, t.partitions)
		}
	}
	return ""
}

// gain is an ownership that begins. The result is closed once the pipeline has
// said where to begin; nil: another client has joined since.
func (c *Consumer) gain(number int, all []sources.Assigned) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.number != number {
		return nil
	}
	c.own.held, c.own.gained, c.own.all = true, all, all
	c.own.begin, c.own.begun = make(chan struct{}), false
	c.sessions++
	c.own.session = c.sessions
	c.own.member, _ = c.client.GroupMetadata()
	c.started, c.asking = false, time.Time{}
	resume(c.client) // a pause is the last session's
	c.tell()
	c.config.Observe("owner", nil)
	return c.own.begin
}

// lose is told of every rebalance, mostly with nothing in it.
func (c *Consumer) lose(number int, partitions map[string][]int32, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(partitions) > 0 && c.number == number {
		c.asking = time.Time{}
		c.loseLocked(how)
	}
}

// assigned is told how much the group gives to this member, whenever it has
// balanced.
func (c *Consumer) assigned(number, partitions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.number == number {
		c.own.waits = partitions == 0
	}
}

// waits reports whether another member owns everything.
func (c *Consumer) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.own.waits && !c.own.held
}

func (c *Consumer) loseLocked(how string) {
	if !c.own.held {
		return
	}
	c.own.held = false
	if c.own.gained != nil {
		c.own.gained = nil // never told: nothing to take back
	} else {
		c.own.lost = true
	}
	c.tell()
	c.config.Observe(how, nil)
}

func (c *Consumer) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fatal == nil {
		c.fatal = err
	}
	c.tell()
	return err
}

// errGap marks a committed position that the log no longer holds.
var errGap = errors.New("freshet never resets a position by itself")

// positions asks where every partition starts, ends and was committed, and
// refuses a committed position outside of the log.
func (c *Consumer) positions(ctx context.Context, admin *kadm.Client) ([]sources.Assigned, error) {
	committed, err := c.committed(ctx, admin)
	if err != nil {
		return nil, err
	}
	all, ends, err := c.extent(ctx, admin)
	if err != nil {
		return nil, err
	}
	for i, a := range all {
		a = c.withCommitted(a, committed)
		name := c.name(a.Source)
		err := inLog(name, c.config.Group, a, ends[name][a.Partition].Offset)
		if err != nil && c.config.AcceptGap && a.Committed < a.Start {
			c.config.Observe("a gap is accepted", err)
			a.Committed, err = a.Start, nil
		}
		if err != nil {
			return nil, err
		}
		all[i] = a
	}
	return all, nil
}

// extent asks where every partition starts and ends, in order; ends are with
// what open transactions hold.
func (c *Consumer) extent(ctx context.Context, admin *kadm.Client) (all []sources.Assigned, ends kadm.ListedOffsets, err error) {
	names := make([]string, 0, len(c.topics))
	for name := range c.topics {
		names = append(names, name)
	}
	starts, err := list(ctx, admin.ListStartOffsets, names)
	if err != nil {
		return nil, nil, fmt.Errorf("list the earliest offsets: %w", err)
	}
	stable, err := list(ctx, admin.ListCommittedOffsets, names)
	if err != nil {
		return nil, nil, fmt.Errorf("list the last stable offsets: %w", err)
	}
	if ends, err = list(ctx, admin.ListEndOffsets, names); err != nil {
		return nil, nil, fmt.Errorf("list the latest offsets: %w", err)
	}
	for _, name := range names {
		t := c.topics[name]
		for p := range t.partitions {
			all = append(all, sources.Assigned{
				PartitionID: sources.PartitionID{Source: t.source, Partition: p},
				Start:       starts[name][p].Offset,
				Committed:   -1,
				End:         stable[name][p].Offset,
				Cluster:     c.cluster,
				TopicID:     t.id.String(),
			})
		}
	}
	slices.SortFunc(all, func(a, b sources.Assigned) int {
		if a.Source != b.Source {
			return a.Source - b.Source
		}
		return int(a.Partition - b.Partition)
	})
	return all, ends, nil
}

func (c *Consumer) withCommitted(a sources.Assigned, committed kadm.OffsetResponses) sources.Assigned {
	if o, ok := committed.Lookup(c.name(a.Source), a.Partition); ok && o.At >= 0 {
		a.Committed, a.Metadata = o.At, o.Metadata
	}
	return a
}

// name is the topic of a source.
func (c *Consumer) name(source int) string {
	for name, t := range c.topics {
		if t.source == source {
			return name
		}
	}
	return ""
}

func inLog(topic, group string, a sources.Assigned, end int64) error {
	switch {
	case a.Committed < 0:
		return nil
	case a.Committed < a.Start:
		return fmt.Errorf("topic %s, partition %d: group %s has committed offset %d, and the log begins at %d: %d records were removed before they were read; "+
			"to go on without them run with --accept-gap (values that need them are INCOMPLETE, or WARMING where there is no checkpoint), to begin anew use a new group: %w",
			topic, a.Partition, group, a.Committed, a.Start, a.Start-a.Committed, errGap)
	case a.Committed > end:
		return fmt.Errorf("topic %s, partition %d: group %s has committed offset %d, and the log ends at %d: the topic lost records or was made anew; "+
			"use a new group: %w",
			topic, a.Partition, group, a.Committed, end, errGap)
	}
	return nil
}

func list(ctx context.Context, ask func(context.Context, ...string) (kadm.ListedOffsets, error), names []string) (kadm.ListedOffsets, error) {
	offsets, err := ask(ctx, names...)
	if err != nil {
		return nil, err
	}
	return offsets, offsets.Error()
}

// committed asks for the group's offsets and waits for those that an open
// transaction is about to change: an older value would repeat a batch.
func (c *Consumer) committed(ctx context.Context, admin *kadm.Client) (kadm.OffsetResponses, error) {
	for {
		offsets, err := admin.FetchOffsets(kadm.RequireStable(ctx), c.config.Group)
		if err == nil {
			err = offsets.Error()
		}
		switch {
		case err == nil:
			return offsets, nil
		case errors.Is(err, kerr.GroupIDNotFound):
			return nil, nil
		case !errors.Is(err, kerr.UnstableOffsetCommit):
			return nil, fmt.Errorf("fetch the offsets of group %s: %w", c.config.Group, err)
		}
		if err := wait(ctx, unstableWait); err != nil {
			return nil, err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
