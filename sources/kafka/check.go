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
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// startTimeout bounds the look at the cluster before the group is joined.
const startTimeout = 15 * time.Second

// check looks that every topic exists and may be read, with a client of its
// own: the group is not joined for a run that cannot be.
func (c *Consumer) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	admin, err := kafkaclient.Admin(ctx, c.config.Client)
	if err != nil {
		return err
	}
	defer admin.Close()
	names := make([]string, 0, len(c.topics))
	for name := range c.topics {
		names = append(names, name)
	}
	cluster, err := kafkaclient.Metadata(ctx, admin, names...)
	if err != nil {
		return fmt.Errorf("look for the topics on kafka at %s: %w", c.config.Client.Where(), err)
	}
	found := cluster.Topics
	c.cluster, c.brokers = cluster.Cluster, len(cluster.Brokers)
	for _, want := range c.config.Topics {
		detail := found[want.Name]
		if err := topicError(c.config.Client.Where(), want.Name, detail); err != nil {
			return err
		}
		t := c.topics[want.Name]
		t.partitions, t.id = int32(len(detail.Partitions)), detail.ID
	}
	c.warnOfClocks(ctx, admin)
	return nil
}

func topicError(where, name string, detail kadm.TopicDetail) error {
	switch {
	case errors.Is(detail.Err, kerr.UnknownTopicOrPartition), detail.Err == nil && len(detail.Partitions) == 0:
		return fmt.Errorf("topic %s does not exist on kafka at %s: create it, or correct the source's topic", name, where)
	case errors.Is(detail.Err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("no right to read topic %s on kafka at %s: grant Describe and Read on it: %w", name, where, detail.Err)
	case detail.Err != nil:
		return fmt.Errorf("topic %s on kafka at %s: %w", name, where, detail.Err)
	case detail.ID == kadm.TopicID{}:
		return fmt.Errorf("kafka at %s is older than 2.8 and gives topic %s no id: one that is made anew would be read on as if it were the old one: upgrade the cluster", where, name)
	}
	return nil
}

// watch looks at the topics now and then: a client retries for ever on a topic
// that was deleted, reads one that was made anew as if it were the old one, and
// learns of new partitions only when it balances.
func (c *Consumer) watch(ctx context.Context) {
	for wait(ctx, c.config.TopicCheck) == nil {
		c.mu.Lock()
		admin := c.admin
		c.mu.Unlock()
		names := make([]string, 0, len(c.topics))
		for name := range c.topics {
			names = append(names, name)
		}
		if admin == nil {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, c.config.TopicCheck)
		found, err := admin.ListTopics(asking, names...)
		cancel()
		if err != nil {
			continue // that Kafka does not answer is Poll's to say
		}
		for name, t := range c.topics {
			if err := changed(name, t, found[name]); err != nil {
				_ = c.fail(err)
				return
			}
		}
	}
}

// measure asks now and then how far the log reaches. Fetches tell it too, but
// while a write is tried again nobody polls, and the lag that grows meanwhile
// is what on-call looks for.
func (c *Consumer) measure(ctx context.Context) {
	names := make([]string, 0, len(c.topics))
	for name := range c.topics {
		names = append(names, name)
	}
	for wait(ctx, c.config.LagCheck) == nil {
		c.mu.Lock()
		admin, held, session := c.admin, c.own.held, c.own.session
		c.mu.Unlock()
		if !held {
			c.tellUnstable(ctx)
			continue
		}
		asking, cancel := context.WithTimeout(ctx, c.config.LagCheck)
		stable, err := list(asking, admin.ListCommittedOffsets, names)
		var starts kadm.ListedOffsets
		if err == nil {
			starts, err = list(asking, admin.ListStartOffsets, names)
		}
		cancel()
		if err != nil {
			continue // that Kafka does not answer is Poll's to say
		}
		c.reaches(session, starts, stable)
	}
}

// reaches notes where the partitions begin and end, as asked for in a session.
func (c *Consumer) reaches(session int, starts, stable kadm.ListedOffsets) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.own.held || c.own.session != session {
		return
	}
	stable.Each(func(o kadm.ListedOffset) {
		t := c.topics[o.Topic]
		if t == nil {
			return
		}
		if p := c.lag[sources.PartitionID{Source: t.source, Partition: o.Partition}]; p != nil {
			p.end = max(p.end, o.Offset)
			if start, ok := starts.Lookup(o.Topic, o.Partition); ok {
				p.start = max(p.start, start.Offset)
			}
		}
	})
}

// Retained implements sources.Retainer.
func (c *Consumer) Retained() map[sources.PartitionID]sources.Extent {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[sources.PartitionID]sources.Extent, len(c.lag))
	for id, p := range c.lag {
		all[id] = sources.Extent{Start: p.start, End: p.end}
	}
	return all
}

func changed(name string, was *topic, is kadm.TopicDetail) error {
	switch {
	case errors.Is(is.Err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("topic %s was deleted while it was read: stop the run, or make the topic and use a new group", name)
	case is.Err != nil:
		return nil
	case is.ID != was.id:
		return fmt.Errorf("topic %s was made anew while it was read; its offsets mean nothing now: use a new group", name)
	case int32(len(is.Partitions)) > was.partitions:
		return fmt.Errorf("topic %s has %d partitions now, and had %d: start again to read them all", name, len(is.Partitions), was.partitions)
	}
	return nil
}

var _ kgo.GroupBalancer = oneOwner{}
