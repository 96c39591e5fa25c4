package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"errors"

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
	found, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("look for the topics on kafka at %s: %w", c.config.Client.Where(), err)
	}
	for _, want := range c.config.Topics {
		detail := found[want.Name]
		if err := topicError(c.config.Client.Where(), want.Name, detail); err != nil {
			return err
		}
		t := c.topics[want.Name]
		t.partitions, t.id = int32(len(detail.Partitions)), detail.ID
	}
	return nil
}

func topicError(where, name string, detail kadm.TopicDetail) error {
	switch {
	case errors.Is(detail.Err, kerr.UnknownTopicOrPartition), detail.Err == nil && len(detail.Partitions) == 0:
		return fmt.Errorf("topic %s does not exist on kafka at %s: create it, or correct the source's topic", name, where)
	case errors.Is(detail.Err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("no right to read topic %s on kafka at %s: grant Describe and Read on it", name, where)
	case detail.Err != nil:
		return fmt.Errorf("topic %s on kafka at %s: %w", name, where, detail.Err)
	}
	return nil
}

var _ kgo.GroupBalancer = oneOwner{}
