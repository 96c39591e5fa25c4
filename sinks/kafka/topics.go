package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// TopicSpec is a topic that a run writes to.
type TopicSpec struct {
	Name string
	Like string // the topic whose number of partitions a new one gets: the source's
}

const (
	// createTimeout bounds the making of topics and the wait for them.
	createTimeout = 20 * time.Second
	// createPoll is how often a new topic is looked for.
	createPoll = 100 * time.Millisecond
	// minBatchBytes ends the search for what a topic takes.
	minBatchBytes = 1 << 10
	// maxMessageBytes is the topic setting that bounds a batch.
	maxMessageBytes = "max.message.bytes"
)

// EnsureTopics makes the topics that are missing, where the broker allows it,
// and learns how large a record each takes. Errors say what to create by hand.
func (l *Log) EnsureTopics(ctx context.Context, topics []TopicSpec) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	names := make([]string, 0, 2*len(topics))
	for _, t := range topics {
		names = append(names, t.Name, t.Like)
	}
	if len(names) == 0 {
		return nil
	}
	cluster, err := kafkaclient.Metadata(ctx, l.admin, names...)
	if err != nil {
		return fmt.Errorf("look for the output topics on kafka at %s: %w", l.config.Client.Where(), err)
	}
	found := cluster.Topics
	for _, t := range topics {
		have := found[t.Name]
		switch {
		case have.Err == nil && len(have.Partitions) > 0:
			continue
		case errors.Is(have.Err, kerr.UnknownTopicOrPartition):
		case errors.Is(have.Err, kerr.TopicAuthorizationFailed):
			return fmt.Errorf("no right on topic %s on kafka at %s: grant Describe and Write on it: %w", t.Name, l.config.Client.Where(), have.Err)
		default:
			return fmt.Errorf("topic %s on kafka at %s: %w", t.Name, l.config.Client.Where(), have.Err)
		}
		if err := l.create(ctx, t, int32(len(found[t.Like].Partitions))); err != nil {
			return err
		}
	}
	return l.learnLimits(ctx, topics)
}

func (l *Log) create(ctx context.Context, t TopicSpec, partitions int32) error {
	if partitions == 0 {
		return fmt.Errorf("topic %s does not exist on kafka at %s: create it, or correct the source's topic (topic %s is made after it)", t.Like, l.config.Client.Where(), t.Name)
	}
	const brokersOwn = -1 // replication factor
	_, err := l.admin.CreateTopic(ctx, partitions, brokersOwn, nil, t.Name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("topic %s does not exist on kafka at %s and cannot be created: create it with %d partitions: %w",
			t.Name, l.config.Client.Where(), partitions, err)
	}
	for {
		found, err := l.admin.ListTopics(ctx, t.Name)
		if err == nil && found[t.Name].Err == nil && len(found[t.Name].Partitions) > 0 && led(found[t.Name]) {
			return nil
		}
		timer := time.NewTimer(createPoll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("topic %s was created on kafka at %s and does not show: %w", t.Name, l.config.Client.Where(), ctx.Err())
		case <-timer.C:
		}
	}
}

// led reports whether every partition has a leader to write to.
func led(t kadm.TopicDetail) bool {
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			return false
		}
	}
	return true
}

// shrink takes smaller batches for fitting into the topics that have just
// refused one: what the topics' settings say now, or half of what was tried.
func (l *Log) shrink(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	for topic := range l.refused {
		before := l.limit(topic)
		err := l.learnLimits(ctx, []TopicSpec{{Name: topic}})
		if after := l.limit(topic); err == nil && after < before {
			continue
		}
		l.limitsMu.Lock()
		l.limits[topic] = max(before/2, minBatchBytes)
		l.limitsMu.Unlock()
	}
}

// raised is one of the topics that have just refused a record and take larger ones
// by now; "" where none does, or where they were asked a moment ago. The client
// keeps to the limits that it was made with, so it has to be made anew.
func (l *Log) raised(ctx context.Context) string {
	if time.Since(l.learned) < l.config.LimitCheck {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	for topic := range l.refused {
		before := l.limit(topic)
		if err := l.learnLimits(ctx, []TopicSpec{{Name: topic}}); err == nil && l.limit(topic) > before {
			clear(l.refused) // by limits that hold no more
			l.old = true
			return topic
		}
	}
	return ""
}

// learnLimits reads the topics' own bounds on a batch. Where that is not
// allowed the broker's default holds.
func (l *Log) learnLimits(ctx context.Context, topics []TopicSpec) error {
	l.learned = time.Now()
	names := make([]string, 0, len(topics))
	for _, t := range topics {
		names = append(names, t.Name)
	}
	configs, err := l.admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		var denied *kadm.AuthError
		if errors.As(err, &denied) {
			return nil
		}
		return fmt.Errorf("read the settings of the output topics on kafka at %s: %w", l.config.Client.Where(), err)
	}
	l.limitsMu.Lock()
	defer l.limitsMu.Unlock()
	for _, c := range configs {
		if c.Err != nil {
			continue
		}
		for _, setting := range c.Configs {
			if setting.Key != maxMessageBytes || setting.Value == nil {
				continue
			}
			if n, err := strconv.ParseInt(*setting.Value, 10, 32); err == nil && n > 0 {
				l.limits[c.Name] = int32(min(n, maxBatchBytes))
			}
		}
	}
	return nil
}
