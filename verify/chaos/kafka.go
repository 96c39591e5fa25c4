package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/verify/checks"
)

// cluster is a Kafka as the harness uses it.
type cluster struct {
	brokers string
	client  *kgo.Client
	admin   *kadm.Client
}

func openCluster(brokers string) (*cluster, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RetryTimeout(30*time.Second))
	if err != nil {
		return nil, err
	}
	return &cluster{brokers: brokers, client: client, admin: kadm.NewClient(client)}, nil
}

func (c *cluster) close() { c.client.Close() }

// create makes topics that keep what is older than any retention, and waits until
// the broker that takes their records has heard of them.
func (c *cluster) create(ctx context.Context, partitions int32, topics ...string) error {
	forever := "-1"
	made, err := c.admin.CreateTopics(ctx, partitions, 1, map[string]*string{"retention.ms": &forever}, topics...)
	if err == nil {
		err = made.Error()
	}
	if err == nil {
		_, err = c.ends(ctx, topics...)
	}
	return err
}

// committed is the sum of a group's committed offsets; -1: the cluster cannot
// say at the moment.
func (c *cluster) committed(ctx context.Context, group string) (int64, error) {
	offsets, err := c.admin.FetchOffsets(ctx, group)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "GROUP_ID_NOT_FOUND"):
		return 0, nil
	case passes(err):
		return -1, nil
	default:
		return 0, fmt.Errorf("offsets of %s: %w", group, err)
	}
	sum := int64(0)
	for _, partitions := range offsets {
		for _, o := range partitions {
			if o.Err != nil {
				return -1, nil
			}
			sum += max(o.At, 0)
		}
	}
	return sum, nil
}

// passes reports whether a broker may answer when it is asked again: one that was
// killed leaves connections that end at their next use.
func passes(err error) bool {
	var network net.Error
	return kerr.IsRetriable(err) || errors.Is(err, io.EOF) || errors.As(err, &network)
}

// ends are the ends of topics. A broker that was starved for seconds has no
// leaders for a while, which is not what is tried here: it is asked again.
func (c *cluster) ends(ctx context.Context, topics ...string) (offsets kadm.ListedOffsets, err error) {
	err = until(ctx, 30*time.Second, "the broker says where its topics end", func() (bool, error) {
		var err error
		if offsets, err = c.admin.ListEndOffsets(ctx, topics...); err == nil {
			err = offsets.Error()
		}
		if err == nil {
			return true, nil
		}
		if passes(err) {
			return false, nil
		}
		return false, err
	})
	return offsets, err
}

// end is the number of records, and of ends of transactions, in topics.
func (c *cluster) end(ctx context.Context, topics []string) (int64, error) {
	offsets, err := c.ends(ctx, topics...)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	offsets.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum, nil
}

// spot is a partition of a topic.
type spot struct {
	topic     string
	partition int32
}

// since reads topics from where they were read up to, and moves that. All that
// is committed is read; an end that does not come, because a transaction is
// open, is an error.
func (c *cluster) since(ctx context.Context, from map[spot]int64, isolation kgo.IsolationLevel, topics ...string) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ends, err := c.ends(ctx, topics...)
	if err != nil {
		return nil, err
	}
	starts, left := map[string]map[int32]kgo.Offset{}, map[spot]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		at := spot{o.Topic, o.Partition}
		if o.Offset <= from[at] {
			return
		}
		if starts[o.Topic] == nil {
			starts[o.Topic] = map[int32]kgo.Offset{}
		}
		starts[o.Topic][o.Partition] = kgo.NewOffset().At(from[at])
		left[at] = o.Offset
	})
	if len(left) == 0 {
		return nil, nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.brokers), kgo.ConsumePartitions(starts), kgo.FetchIsolationLevel(isolation),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var records []*kgo.Record
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("read %v: %d records, short of %v (a transaction that is open?): %w", topics, len(records), left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := spot{r.Topic, r.Partition}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
			from[at] = max(from[at], r.Offset+1)
			if end, waited := left[at]; waited && r.Offset+1 >= end {
				delete(left, at)
			}
		})
	}
	return records, nil
}

// letter reads a dead letter's headers.
func letter(r *kgo.Record) (l checks.DeadLetter, err error) {
	for _, h := range r.Headers {
		v, n := string(h.Value), int64(0)
		switch h.Key {
		case "freshet.dlq.reason":
			l.Reason = v
		case "freshet.dlq.source":
			l.Source = v
		case "freshet.dlq.partition":
			n, err = strconv.ParseInt(v, 10, 32)
			l.Partition = int32(n)
		case "freshet.dlq.offset":
			l.Offset, err = strconv.ParseInt(v, 10, 64)
		}
		if err != nil {
			return l, err
		}
	}
	if l.Source == "" || l.Reason == "" {
		return l, fmt.Errorf("a dead letter without source or reason: %v", r.Headers)
	}
	return l, nil
}
