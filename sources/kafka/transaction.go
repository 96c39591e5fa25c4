package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/fault"
	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// Transaction is what the outputs of a run are written in, where they are on
// the same cluster as its sources: the positions go into it (sinks/kafka).
type Transaction interface {
	// Guard sets what is asked before the id is taken again.
	Guard(func(context.Context) error)
	// Fence ends every transaction of the id that is open, another process's
	// too, and keeps its writer out.
	Fence(ctx context.Context) error
	// Holds says what a commit would find.
	Holds() kafkaclient.Held
	// Forget takes what is void for settled.
	Forget()
	// AddOffsets puts positions into it.
	AddOffsets(ctx context.Context, request *kmsg.TxnOffsetCommitRequest) error
	// Commit ends it. After an error other than kafkaclient.ErrAborted it may be
	// committed or not.
	Commit(ctx context.Context) error
	// Abort voids it.
	Abort(ctx context.Context)
}

// commitInTransaction commits the outputs with the positions, or neither.
//
// The request is made by hand, with the member and generation that the group
// knows us by, rather than by kgo's session: that one aborts whatever is under
// way when a standby joins, and after an abort reads again what is still in
// memory. The coordinator refuses the request of a member that was replaced,
// and the broker that of a producer that was: one of them is always asked.
func (c *Consumer) commitInTransaction(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset, metadata string) error {
	tx := c.config.Transaction
	err := c.addOffsets(ctx, offsets, metadata)
	switch {
	case errors.Is(err, sources.ErrLost):
		tx.Abort(ctx)
		return err
	case kafkaclient.Fatal(err) && tx.Holds() != kafkaclient.Void && !abortable(err):
		return err
	case err != nil:
		tx.Abort(ctx)
		return fmt.Errorf("%w: put the offsets of group %s into it: %w", sources.ErrAborted, c.config.Group, err)
	}
	fault.At(fault.Added)
	err = tx.Commit(ctx)
	switch {
	case err == nil:
		c.markStarted()
		return nil
	case errors.Is(err, kafkaclient.ErrAborted):
		return fmt.Errorf("%w: %w", sources.ErrAborted, err)
	}
	c.config.Observe("the answer to a commit is lost: asking what became of it", err)
	return c.resolve(ctx, offsets, metadata)
}

// abortable reports whether the broker only wants the transaction to be made
// anew.
func abortable(err error) bool {
	return errors.Is(err, kerr.TransactionAbortable) || errors.Is(err, kerr.UnknownServerError)
}

// addOffsets puts the positions into the transaction. A generation that has
// just changed, because a standby came or went, is read again. A coordinator that
// is away is waited for, which is said once.
func (c *Consumer) addOffsets(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset, metadata string) error {
	for told := false; ; {
		request, err := c.request(offsets, metadata)
		if err != nil {
			return err
		}
		err = c.config.Transaction.AddOffsets(ctx, request)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kerr.FencedInstanceID):
			return c.fail(c.judge("", 0, err))
		case errors.Is(err, kerr.UnknownMemberID):
			c.abandon()
			return sources.ErrLost
		case errors.Is(err, kerr.IllegalGeneration):
			if err := c.StillOwner(ctx); err != nil {
				return err
			}
		case errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.ConcurrentTransactions):
		case errors.Is(err, kerr.CoordinatorLoadInProgress), errors.Is(err, kerr.CoordinatorNotAvailable), errors.Is(err, kerr.NotCoordinator):
			if !told {
				told = true
				c.config.Observe("retrying", fmt.Errorf("put the offsets of group %s into a transaction: %w", c.config.Group, err))
			}
		default:
			return err
		}
		if wait(ctx, commitRetryWait) != nil {
			return err
		}
		if c.config.Transaction.Holds() != kafkaclient.Outputs {
			return err
		}
	}
}

// request is the positions as who we are to the group now.
func (c *Consumer) request(offsets map[string]map[int32]kgo.EpochOffset, metadata string) (*kmsg.TxnOffsetCommitRequest, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.own.told() {
		return nil, sources.ErrLost
	}
	request := kmsg.NewPtrTxnOffsetCommitRequest()
	request.Group = c.config.Group
	request.MemberID, request.Generation = c.client.GroupMetadata()
	if c.config.InstanceID != "" {
		request.InstanceID = &c.config.InstanceID
	}
	if request.MemberID != c.own.member {
		return nil, sources.ErrLost
	}
	for name, partitions := range offsets {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = name, c.topics[name].id
		for partition, at := range partitions {
			p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, at.Offset, at.Epoch, &metadata
			t.Partitions = append(t.Partitions, p)
		}
		request.Topics = append(request.Topics, t)
	}
	return request, nil
}

// resolve finds out what became of a transaction whose end was not answered.
// Taking the id anew ends it, one way or the other; the positions that the group
// has then say which.
func (c *Consumer) resolve(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset, metadata string) error {
	for {
		done, err := c.wasCommitted(ctx, offsets, metadata)
		switch {
		case err == nil && done:
			c.config.Transaction.Forget()
			c.markStarted()
			return nil
		case err == nil:
			return fmt.Errorf("%w: its end was not answered, and it is not committed", sources.ErrAborted)
		case errors.Is(err, sources.ErrLost), errors.Is(err, errTorn), kafkaclient.Fatal(err):
			return err
		}
		c.config.Observe("retrying", fmt.Errorf("look what became of a commit: %w", err))
		if err := c.unreachable(); err != nil {
			return err
		}
		if err := wait(ctx, unstableWait); err != nil {
			return err
		}
	}
}

func (c *Consumer) wasCommitted(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset, metadata string) (bool, error) {
	if err := c.StillOwner(ctx); err != nil {
		return false, err
	}
	if err := c.config.Transaction.Fence(ctx); err != nil {
		return false, err
	}
	_, admin := c.current()
	if admin == nil {
		return false, sources.ErrLost
	}
	found, err := c.committed(ctx, admin)
	if err != nil {
		return false, err
	}
	return same(found, offsets, metadata)
}

// same reports whether the group's positions are those that were to be
// committed. They were committed together or not at all.
func same(found kadm.OffsetResponses, offsets map[string]map[int32]kgo.EpochOffset, metadata string) (bool, error) {
	equal, all := 0, 0
	for name, partitions := range offsets {
		for partition, at := range partitions {
			all++
			if o, ok := found.Lookup(name, partition); ok && o.At == at.Offset && o.Metadata == metadata {
				equal++
			}
		}
	}
	if equal != 0 && equal != all {
		return false, fmt.Errorf("%d of %d positions of a transaction are committed: %w", equal, all, errTorn)
	}
	return equal == all, nil
}

// errTorn would be a broker that keeps a part of a transaction.
var errTorn = errors.New("the cluster has torn a transaction")

// StillOwner asks the coordinator whether this member is one of the group's
// now: the client learns it up to a heartbeat later, or when a frozen process
// wakes, after it has written.
func (c *Consumer) StillOwner(ctx context.Context) error {
	client, _ := c.current()
	c.mu.Lock()
	told, member := c.own.told(), c.own.member
	c.mu.Unlock()
	if client == nil || !told {
		return sources.ErrLost
	}
	request := kmsg.NewPtrHeartbeatRequest()
	request.Group = c.config.Group
	request.MemberID, request.Generation = client.GroupMetadata()
	if c.config.InstanceID != "" {
		request.InstanceID = &c.config.InstanceID
	}
	if request.MemberID != member {
		return sources.ErrLost
	}
	response, err := request.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	switch {
	case errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.IllegalGeneration):
		return nil // a member still; its own heartbeat learns the rest
	case errors.Is(err, kerr.UnknownMemberID):
		c.abandon()
		return sources.ErrLost
	case errors.Is(err, kerr.FencedInstanceID):
		return c.fail(c.judge("", 0, err))
	case err != nil:
		return fmt.Errorf("ask for our place in group %s: %w", c.config.Group, err)
	}
	return nil
}
