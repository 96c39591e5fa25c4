package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/logtest"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testPartitions = 3
	testMaxBytes   = 20_000 // of a batch, as the topic is set
)

func TestConformanceInProcess(t *testing.T) {
	for _, compression := range Compressions {
		t.Run(compression, func(t *testing.T) { logtest.Test(t, suite(kafkatest.InProcess(t), compression)) })
	}
}

func TestConformanceRealBroker(t *testing.T) {
	client := kafkatest.Real(t)
	logtest.Test(t, suite(client, "none"))
	t.Run("lz4", func(t *testing.T) { logtest.Test(t, suite(client, "lz4")) })
}

func newTopic(t *testing.T, client kafkaclient.Config, settings map[string]*string) string {
	t.Helper()
	admin, err := kafkaclient.Admin(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := kafkatest.Unique("out")
	if _, err := admin.CreateTopic(t.Context(), testPartitions, 1, settings, name); err != nil {
		t.Fatal(err)
	}
	for {
		found, err := admin.ListTopics(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if found[name].Err == nil && led(found[name]) {
			return name
		}
	}
}

// suite is for topics with a limit of their own. They keep their records for
// ever: a broker deletes those with old times while they are read.
func suite(client kafkaclient.Config, compression string) logtest.Suite {
	settings := map[string]*string{
		maxMessageBytes: kadm.StringPtr(fmt.Sprint(testMaxBytes)),
		"retention.ms":  kadm.StringPtr("-1"),
	}
	return logtest.Suite{
		Keys: true, Headers: true, Times: true, MaxBytes: testMaxBytes,
		Begin: func(t *testing.T) logtest.Target {
			topic := newTopic(t, client, settings)
			l, err := NewLog(t.Context(), Config{Client: client, Compression: compression})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.EnsureTopics(t.Context(), []TopicSpec{{Name: topic, Like: topic}}); err != nil {
				t.Fatal(err)
			}
			return logtest.Target{Log: l, Topic: topic, Read: func(t *testing.T) [][]sinks.Record {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				return dump(t, client, topic)
			}}
		},
	}
}

func dump(t *testing.T, client kafkaclient.Config, topic string) [][]sinks.Record {
	t.Helper()
	opts, err := client.Options()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ends, err := kadm.NewClient(reader).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	want := int64(0)
	ends.Each(func(o kadm.ListedOffset) { want += o.Offset })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	all := make([][]sinks.Record, testPartitions)
	for n := int64(0); n < want; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			out := sinks.Record{Topic: topic, Key: r.Key, Value: r.Value, Time: r.Timestamp.UnixMilli()}
			for _, h := range r.Headers {
				out.Headers = append(out.Headers, sinks.Header{Key: h.Key, Value: h.Value})
			}
			all[r.Partition] = append(all[r.Partition], out)
		})
	}
	return all
}

func TestEnsureTopicsInProcess(t *testing.T)  { testEnsureTopics(t, kafkatest.InProcess(t)) }
func TestEnsureTopicsRealBroker(t *testing.T) { testEnsureTopics(t, kafkatest.Real(t)) }

func testEnsureTopics(t *testing.T, client kafkaclient.Config) {
	source := newTopic(t, client, nil)
	l, err := NewLog(t.Context(), Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	out := kafkatest.Unique("made")
	for range 2 { // the second time it is there
		if err := l.EnsureTopics(t.Context(), []TopicSpec{{Name: out, Like: source}}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := l.admin.ListTopics(t.Context(), out)
	if err != nil || len(found[out].Partitions) != testPartitions {
		t.Errorf("%d partitions, want the source's %d: %v", len(found[out].Partitions), testPartitions, err)
	}
	if err := l.Produce(t.Context(), []sinks.Record{{Topic: out, Value: []byte("{}"), Time: time.Now().UnixMilli()}}); err != nil {
		t.Error(err)
	}
	err = l.EnsureTopics(t.Context(), []TopicSpec{{Name: kafkatest.Unique("made"), Like: kafkatest.Unique("none")}})
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a source that is not there: %v", err)
	}
}

func TestProduceToNoTopic(t *testing.T) {
	l, err := NewLog(t.Context(), Config{Client: kafkatest.InProcess(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	err = l.Produce(t.Context(), []sinks.Record{{Topic: "nowhere", Value: []byte("{}")}})
	if err == nil || !strings.Contains(err.Error(), "topic nowhere: it does not exist") {
		t.Errorf("got %v", err)
	}
}

func TestProduceSaysWhenKafkaIsGone(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "out"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLog(t.Context(), Config{
		Client:           kafkaclient.Config{Brokers: cluster.ListenAddrs()},
		UnreachableAfter: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	one := []sinks.Record{{Topic: "out", Value: []byte("{}")}}
	if err := l.Produce(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	cluster.Close()
	err = l.Produce(t.Context(), one)
	if err == nil || !strings.Contains(err.Error(), "did not acknowledge within 1s") {
		t.Errorf("got %v", err)
	}
}
