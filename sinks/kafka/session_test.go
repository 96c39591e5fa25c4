package kafka

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

func eachBroker(t *testing.T, test func(*testing.T, kafkaclient.Config)) {
	t.Run("in process", func(t *testing.T) { test(t, kafkatest.InProcess(t)) })
	t.Run("real broker", func(t *testing.T) { test(t, kafkatest.Real(t)) })
}

func openSession(t *testing.T, client kafkaclient.Config, change func(*SessionConfig)) *Session {
	t.Helper()
	config := SessionConfig{Config: Config{Client: client}, TransactionalID: kafkatest.Unique("txn")}
	if change != nil {
		change(&config)
	}
	s, err := NewSession(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// committed are the first bytes of the values that a reader of committed records
// sees, sorted.
func committed(t *testing.T, client kafkaclient.Config, topic string) []string {
	t.Helper()
	opts, err := client.Options()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ends, err := kadm.NewClient(reader).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(left) > 0 && ctx.Err() == nil {
		reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				got = append(got, string(r.Value[:min(3, len(r.Value))]))
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	slices.Sort(got)
	return got
}

// A record that is too large does not cost the transaction: the others are
// stored, once each, whether the limit was known or the broker refuses.
func TestTooLargeInATransaction(t *testing.T) {
	eachBroker(t, func(t *testing.T, client kafkaclient.Config) {
		for _, known := range []bool{true, false} {
			topic := newTopic(t, client, map[string]*string{maxMessageBytes: kadm.StringPtr("20000")})
			s := openSession(t, client, nil)
			if known {
				if err := s.EnsureTopics(t.Context(), []TopicSpec{{Name: topic, Like: topic}}); err != nil {
					t.Fatal(err)
				}
			}
			var records []sinks.Record
			for i, size := range []int{10, 30_000, 10, 50_000, 10} {
				value := string(rune('a'+i)) + "--" + strings.Repeat("x", size)
				records = append(records, sinks.Record{Topic: topic, Value: []byte(value), Time: time.Now().UnixMilli()})
			}
			err := s.Produce(t.Context(), records)
			if !known { // the broker refuses, and the transaction with it; then the limit is known
				if !errors.Is(err, sinks.ErrAborted) || !errors.Is(err, kerr.MessageTooLarge) {
					t.Fatalf("the broker has refused a record: %v", err)
				}
				err = s.Produce(t.Context(), records)
			}
			var large *sinks.TooLarge
			if !errors.As(err, &large) || !slices.Equal(large.Indexes, []int{1, 3}) {
				t.Fatalf("known %v: %v, %+v", known, err, large)
			}
			if err := s.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := committed(t, client, topic); !slices.Equal(got, []string{"a--", "c--", "e--"}) {
				t.Errorf("known %v: committed are %v", known, got)
			}
		}
	})
}

// A limit that is raised while records are refused by it holds at once, not from
// the next start on.
func TestALimitThatIsRaised(t *testing.T) {
	eachBroker(t, func(t *testing.T, client kafkaclient.Config) {
		plain := func(t *testing.T) topicsLog {
			l, err := NewLog(t.Context(), Config{Client: client, LimitCheck: time.Nanosecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return l
		}
		session := func(t *testing.T) topicsLog {
			return openSession(t, client, func(c *SessionConfig) { c.LimitCheck = time.Nanosecond })
		}
		for name, open := range map[string]func(*testing.T) topicsLog{"plain": plain, "transaction": session} {
			topic := newTopic(t, client, map[string]*string{maxMessageBytes: kadm.StringPtr("20000")})
			l := open(t)
			if err := l.EnsureTopics(t.Context(), []TopicSpec{{Name: topic, Like: topic}}); err != nil {
				t.Fatal(err)
			}
			records := []sinks.Record{{Topic: topic, Value: []byte(strings.Repeat("x", 30_000)), Time: time.Now().UnixMilli()}}
			var large *sinks.TooLarge
			if err := l.Produce(t.Context(), records); !errors.As(err, &large) {
				t.Fatalf("%s: %v", name, err)
			}
			admin, err := kafkaclient.Admin(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: maxMessageBytes, Value: kadm.StringPtr("40000")}}, topic); err != nil {
				t.Fatal(err)
			}
			for tries := 1; ; tries++ { // a broker applies its settings a moment later
				err := l.Produce(t.Context(), records)
				if err == nil {
					break
				}
				if tries == 100 {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	})
}

type topicsLog interface {
	sinks.Log
	EnsureTopics(context.Context, []TopicSpec) error
}

// A transaction that is open for too long is given up before the broker does so,
// and sent again under a new id; that is not taken for a theft.
func TestATransactionThatIsOpenTooLong(t *testing.T) {
	eachBroker(t, func(t *testing.T, client kafkaclient.Config) {
		topic := newTopic(t, client, nil)
		s := openSession(t, client, func(c *SessionConfig) { c.Timeout = endMargin + 3*time.Second })
		one := []sinks.Record{{Topic: topic, Value: []byte("one"), Time: time.Now().UnixMilli()}}
		if err := s.Produce(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		waiting, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		for err := error(nil); !errors.Is(err, sinks.ErrAborted); {
			if err = pause(waiting, 300*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			err = s.Produce(t.Context(), one)
		}
		if err := s.Produce(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := committed(t, client, topic); !slices.Equal(got, []string{"one"}) {
			t.Errorf("committed are %v", got)
		}
	})
}

func TestOldClustersAreRefused(t *testing.T) {
	client := kafkatest.InProcess(t, kfake.MaxVersions(kversion.V3_8_0()))
	_, err := NewSession(t.Context(), SessionConfig{Config: Config{Client: client}, TransactionalID: "t"})
	for _, part := range []string{"transaction.version", "needs 2", "delivery: at_least_once", "kafka.allow_tv1"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want it to say %q", err, part)
		}
	}
	topic := newTopic(t, client, nil)
	s := openSession(t, client, func(c *SessionConfig) { c.AllowOldProtocol = true })
	for range 2 {
		if err := s.Produce(t.Context(), []sinks.Record{{Topic: topic, Value: []byte("old"), Time: time.Now().UnixMilli()}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := committed(t, client, topic); len(got) != 2 {
		t.Errorf("committed are %v", got)
	}
}

// Reliability 16 and 21: where a broker has lost the end of a transaction, the next
// commit under the same id would commit it too. Nothing is begun before it is ended,
// and the error says how.
func TestATransactionWithoutAnEndIsNotCommittedByTheNext(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "lost"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := openSession(t, kafkaclient.Config{Brokers: cluster.ListenAddrs()}, nil)
	if err := s.EnsureTopics(t.Context(), []TopicSpec{{Name: "lost", Like: "lost"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, _, err := s.log.client.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var hangs, denied atomic.Bool
	var said strings.Builder
	s.config.Log = slog.New(slog.NewTextHandler(&said, nil))
	hangs.Store(true)
	cluster.ControlKey(int16(kmsg.DescribeProducers), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		response := kmsg.NewPtrDescribeProducersResponse()
		response.Version = request.GetVersion()
		producer := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		producer.ProducerID, producer.CurrentTxnStartOffset = id, -1
		if hangs.Load() {
			producer.CurrentTxnStartOffset = 7
		}
		partition := kmsg.DescribeProducersResponseTopicPartition{ActiveProducers: []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{producer}}
		if denied.Load() {
			partition = kmsg.DescribeProducersResponseTopicPartition{ErrorCode: kerr.TopicAuthorizationFailed.Code}
		}
		response.Topics = []kmsg.DescribeProducersResponseTopic{{Topic: "lost", Partitions: []kmsg.DescribeProducersResponseTopicPartition{partition}}}
		return response, nil, true
	})
	if err := s.Fence(t.Context()); err == nil || !strings.Contains(err.Error(), "abort --topic lost --partition 0 --start-offset 7") {
		t.Errorf("fenced: %v", err)
	}
	record := []sinks.Record{{Topic: "lost", Value: []byte("a")}}
	if err := s.Produce(t.Context(), record); !errors.Is(err, sinks.ErrAborted) {
		t.Errorf("a transaction was begun: %v", err)
	}
	hangs.Store(false)
	if err := s.Produce(t.Context(), record); err != nil {
		t.Errorf("it was ended, and still: %v", err)
	}
	denied.Store(true)
	for range 2 {
		if err := s.Fence(t.Context()); err != nil {
			t.Errorf("without the right to look: %v", err)
		}
	}
	if n := strings.Count(said.String(), "give this user Read on the output topics"); n != 1 {
		t.Errorf("it was said %d times: %s", n, said.String())
	}
}
