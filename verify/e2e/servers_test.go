package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// servers are the real services of a test, as scripts/services env names them.
type servers struct {
	brokers  string
	redisURL string
	kafka    *kgo.Client
	admin    *kadm.Client
	redis    *redis.Client
}

func connect(t *testing.T) *servers {
	t.Helper()
	s := &servers{brokers: os.Getenv("FRESHET_TEST_KAFKA"), redisURL: os.Getenv("FRESHET_TEST_REDIS")}
	if s.brokers == "" || s.redisURL == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("FRESHET_TEST_KAFKA and FRESHET_TEST_REDIS must be set under CI: scripts/services up, then eval \"$(scripts/services env)\"")
		}
		t.Skip("needs a real Kafka and Redis: scripts/services up, then eval \"$(scripts/services env)\"")
	}
	var err error
	if s.kafka, err = kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchMaxBytes(1<<20)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kafka.Close)
	s.admin = kadm.NewClient(s.kafka)
	options, err := redis.ParseURL(s.redisURL)
	if err != nil {
		t.Fatal(err)
	}
	s.redis = redis.NewClient(options)
	t.Cleanup(func() { s.redis.Close() })
	return s
}

func (s *servers) createTopic(t *testing.T, topic string, partitions int32) {
	t.Helper()
	forever := "-1" // generated events are older than any retention
	if _, err := s.admin.CreateTopic(context.Background(), partitions, 1, map[string]*string{"retention.ms": &forever}, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
	t.Cleanup(func() {
		if _, err := s.admin.DeleteTopics(context.Background(), topic); err != nil {
			t.Logf("delete topic %s: %v", topic, err)
		}
	})
}

// dump reads a whole topic, partition by partition, up to the ends it has now:
// what is committed, or what was ever written.
func (s *servers) dump(t *testing.T, topic string, isolation kgo.IsolationLevel) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ends, err := s.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	starts, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			t.Fatalf("%s/%d: %v", topic, o.Partition, o.Err)
		}
		if o.Offset > 0 {
			starts[o.Partition], left[o.Partition] = kgo.NewOffset().AtStart(), o.Offset
		}
	})
	if len(left) == 0 {
		return nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var records []*kgo.Record
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("dump %s: %d records, short of %v: %v", topic, len(records), left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return records
}

// rows reads every hash below a namespace.
func (s *servers) rows(t *testing.T, namespace string) map[string]map[string]string {
	t.Helper()
	ctx := context.Background()
	rows := map[string]map[string]string{}
	var keys []string
	it := s.redis.Scan(ctx, 0, "freshet:"+namespace+":{*", 5000).Iterator()
	for it.Next(ctx) {
		keys = append(keys, it.Val())
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	for len(keys) > 0 {
		n := min(len(keys), 1000)
		pipe := s.redis.Pipeline()
		for _, k := range keys[:n] {
			pipe.HGetAll(ctx, k)
		}
		replies, err := pipe.Exec(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range replies {
			rows[keys[i]] = r.(*redis.MapStringStringCmd).Val()
		}
		keys = keys[n:]
	}
	return rows
}

func (s *servers) forget(namespace string) {
	ctx := context.Background()
	it := s.redis.Scan(ctx, 0, "freshet:"+namespace+":*", 5000).Iterator()
	var keys []string
	for it.Next(ctx) {
		keys = append(keys, it.Val())
	}
	for len(keys) > 0 {
		n := min(len(keys), 1000)
		s.redis.Unlink(ctx, keys[:n]...)
		keys = keys[n:]
	}
}

// committed is the sum of a group's committed offsets over the topics; -1: the
// broker cannot say at the moment.
func (s *servers) committed(t *testing.T, group string) int64 {
	t.Helper()
	offsets, err := s.admin.FetchOffsets(context.Background(), group)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "GROUP_ID_NOT_FOUND"):
		return 0
	case kerr.IsRetriable(err):
		return -1
	default:
		t.Fatalf("offsets of %s: %v", group, err)
	}
	sum := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.At > 0 {
			sum += o.At
		}
	})
	return sum
}
