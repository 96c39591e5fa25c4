package tailreader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// What listoffsets takes for a time.
const (
	latest   = -1
	earliest = -2
)

func (r *Reader) address() net.Addr { return kafkago.TCP(r.config.Client.Brokers...) }

// leaders asks who leads each partition.
func (r *Reader) leaders(ctx context.Context) (map[int]int32, error) {
	answer, err := r.transport.RoundTrip(ctx, r.address(), &metadata.Request{TopicNames: []string{r.config.Topic}})
	if err != nil {
		return nil, r.where("look for", err)
	}
	for _, t := range answer.(*metadata.Response).Topics {
		if t.Name != r.config.Topic {
			continue
		}
		if t.ErrorCode != 0 {
			err := kafkago.Error(t.ErrorCode)
			if errors.Is(err, kafkago.UnknownTopicOrPartition) {
				return nil, fmt.Errorf("topic %s does not exist on kafka at %s: %w", r.config.Topic, r.config.Client.Where(), err)
			}
			return nil, r.where("look for", err)
		}
		leaders := make(map[int]int32, len(t.Partitions))
		for _, p := range t.Partitions {
			leaders[int(p.PartitionIndex)] = p.LeaderID
		}
		return leaders, nil
	}
	return nil, r.where("look for", kafkago.UnknownTopicOrPartition)
}

// locate finds where to begin, and where a NoFollow reader ends.
func (r *Reader) locate(ctx context.Context) error {
	leaders, err := r.leaders(ctx)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(leaders))
	from := r.config.From
	if from.Where == Exact {
		if _, there := leaders[from.Partition]; !there {
			return fmt.Errorf("topic %s has no partition %d: it has %d, counted from 0", r.config.Topic, from.Partition, len(ids))
		}
		ids = []int{from.Partition}
	}
	starts, err := r.offsets(ctx, ids, earliest)
	if err != nil {
		return err
	}
	ends, err := r.offsets(ctx, ids, latest)
	if err != nil {
		return err
	}
	begin, err := r.begin(ctx, ids, starts, ends)
	if err != nil {
		return err
	}
	for _, id := range ids {
		p := &partition{Lag: Lag{Next: begin[id], Stable: ends[id], High: ends[id]}, until: -1}
		if r.config.NoFollow {
			p.until = ends[id]
		}
		r.partitions[id] = p
	}
	return nil
}

func (r *Reader) begin(ctx context.Context, ids []int, starts, ends map[int]int64) (map[int]int64, error) {
	from := r.config.From
	switch from.Where {
	case Start:
		return starts, nil
	case Last:
		begin := make(map[int]int64, len(ids))
		for _, id := range ids {
			begin[id] = max(starts[id], ends[id]-from.Count)
		}
		return begin, nil
	case Since:
		begin, err := r.offsets(ctx, ids, from.Time.UnixMilli())
		for id, offset := range begin {
			if offset < 0 {
				begin[id] = ends[id] // no record is that new
			}
		}
		return begin, err
	case Exact:
		id := from.Partition
		if from.Offset < starts[id] || from.Offset > ends[id] {
			return nil, fmt.Errorf("topic %s, partition %d holds offsets %d to %d: there is no %d",
				r.config.Topic, id, starts[id], ends[id]-1, from.Offset)
		}
		return map[int]int64{id: from.Offset}, nil
	}
	return ends, nil
}

// offsets asks for the offset at a time of each partition; latest is the last
// stable offset unless uncommitted records are read.
func (r *Reader) offsets(ctx context.Context, ids []int, at int64) (map[int]int64, error) {
	topic := listoffsets.RequestTopic{Topic: r.config.Topic}
	for _, id := range ids {
		topic.Partitions = append(topic.Partitions, listoffsets.RequestPartition{
			Partition: int32(id), CurrentLeaderEpoch: -1, Timestamp: at,
		})
	}
	answer, err := r.transport.RoundTrip(ctx, r.address(), &listoffsets.Request{
		ReplicaID: -1, IsolationLevel: r.isolation(), Topics: []listoffsets.RequestTopic{topic},
	})
	if err != nil {
		return nil, r.where("list the offsets of", err)
	}
	found := make(map[int]int64, len(ids))
	for _, t := range answer.(*listoffsets.Response).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return nil, r.where(fmt.Sprintf("list the offsets of partition %d of", p.Partition), kafkago.Error(p.ErrorCode))
			}
			found[int(p.Partition)] = p.Offset
		}
	}
	if len(found) != len(ids) {
		return nil, r.where("list the offsets of", fmt.Errorf("%d of %d partitions answered", len(found), len(ids)))
	}
	return found, nil
}

// isolation is the wire's name of read_committed (1) and read_uncommitted (0).
func (r *Reader) isolation() int8 {
	if r.config.Uncommitted {
		return 0
	}
	return 1
}
