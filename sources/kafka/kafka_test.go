package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/sources/sourcetest"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

const testMaxRecord = 64 << 10

// TestMain finds goroutines that tests leave behind. One of kfake's is let pass: a
// request that is put to sleep when its cluster is closed may wait for a lock that
// the cluster's loop, which has ended, does not give back.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*Cluster).runControl.func1"))
}

func TestConformanceInProcess(t *testing.T) {
	sourcetest.Test(t, suite(kafkatest.InProcess(t)))
}

func TestConformanceRealBroker(t *testing.T) {
	sourcetest.Test(t, suite(kafkatest.Real(t)))
}

func suite(client kafkaclient.Config) sourcetest.Suite {
	return sourcetest.Suite{
		Groups:         true,
		Clock:          true,
		MaxRecordBytes: testMaxRecord,
		Begin: func(t *testing.T, partitions ...int) sourcetest.Run {
			f := begin(t, client, partitions...)
			return sourcetest.Run{
				Append: f.append,
				Open:   func(t *testing.T) sources.Consumer { return f.open(t) },
				Evict:  f.evict,
			}
		},
	}
}

// fixture is one run on a broker.
type fixture struct {
	client kafkaclient.Config
	group  string
	topics []Topic
	writer *kgo.Client
	admin  *kadm.Client
	adjust func(*Config)
}

func begin(t *testing.T, client kafkaclient.Config, partitions ...int) *fixture {
	t.Helper()
	opts, err := client.Options()
	if err != nil {
		t.Fatal(err)
	}
	writer, err := kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1<<20))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(writer.Close)
	f := &fixture{client: client, group: kafkatest.Unique("group"), writer: writer, admin: kadm.NewClient(writer)}
	for source, n := range partitions {
		name := kafkatest.Unique("topic")
		if _, err := f.admin.CreateTopic(t.Context(), int32(n), 1, nil, name); err != nil {
			t.Fatal(err)
		}
		f.appears(t, name)
		f.topics = append(f.topics, Topic{Source: source, Name: name})
	}
	return f
}

// appears waits until a new topic is known to whoever asks: a real broker
// answers the creation a moment before.
func (f *fixture) appears(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		found, err := f.admin.ListTopics(ctx, name)
		if err == nil && found[name].Err == nil && len(found[name].Partitions) > 0 {
			return
		}
		if wait(ctx, 5*time.Millisecond) != nil {
			t.Fatalf("topic %s does not appear: %v %v", name, err, found[name].Err)
		}
	}
}

func (f *fixture) append(t *testing.T, source int, partition int32, values ...string) {
	t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: f.topics[source].Name, Partition: partition, Value: []byte(v)}
	}
	if err := f.writer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) config() Config {
	c := Config{
		Client:         f.client,
		Topics:         f.topics,
		Group:          f.group,
		MaxRecordBytes: testMaxRecord,
		Heartbeat:      100 * time.Millisecond,
	}
	if f.adjust != nil {
		f.adjust(&c)
	}
	return c
}

func (f *fixture) open(t *testing.T) *Consumer {
	t.Helper()
	config := f.config()
	config.Observe = func(what string, err error) { t.Logf("%s %v", what, err) }
	c, err := NewConsumer(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fixture) evict(t *testing.T) {
	t.Helper()
	groups, err := f.admin.DescribeGroups(t.Context(), f.group)
	if err != nil {
		t.Fatal(err)
	}
	// kadm removes static members only, so the request is made by hand.
	for _, m := range groups[f.group].Members {
		if err := leave(t.Context(), f.writer, f.group, m.MemberID); err != nil {
			t.Fatal(err)
		}
	}
}

func leave(ctx context.Context, client *kgo.Client, group, member string) error {
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group = group
	request.MemberID = member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = member
	request.Members = append(request.Members, m)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}
