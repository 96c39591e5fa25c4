package tailreader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both runs a test in process and against a real broker.
func both(t *testing.T, test func(*testing.T, kafkaclient.Config)) {
	t.Run("in process", func(t *testing.T) { test(t, kafkatest.InProcess(t, kfake.NumBrokers(2))) })
	t.Run("real broker", func(t *testing.T) { test(t, kafkatest.Real(t)) })
}

func newTopic(t *testing.T, client kafkaclient.Config, partitions int32) string {
	t.Helper()
	admin, err := kafkaclient.Admin(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := kafkatest.Unique("tail")
	if _, err := admin.CreateTopic(t.Context(), partitions, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func writer(t *testing.T, client kafkaclient.Config, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	base, err := client.Options()
	if err != nil {
		t.Fatal(err)
	}
	base = append(base, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(20*time.Millisecond))
	w, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func put(t *testing.T, w *kgo.Client, topic string, partition int32, values ...string) {
	t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	if err := w.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// all reads to the end of a NoFollow reader, by partition.
func all(t *testing.T, config Config) map[int][]string {
	t.Helper()
	config.NoFollow = true
	r, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[int][]string{}
	for {
		m, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		got[m.Partition] = append(got[m.Partition], string(m.Value))
	}
}

// Two producers write at once into one partition; some of their transactions
// abort, and each goes on after its own abort. The library of the writer and
// this reader must agree about what was committed.
func TestReadCommittedOfInterleavedTransactions(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		topic := newTopic(t, client, 1)
		plain := writer(t, client)
		var want []string
		producers := make([]*kgo.Client, 2)
		for i := range producers {
			producers[i] = writer(t, client, kgo.TransactionalID(fmt.Sprintf("%s-%d", topic, i)), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
		}
		// Ends by round: which of the two commits, the first ends first.
		ends := [][2]bool{{true, false}, {false, true}, {false, false}, {true, true}, {false, true}}
		for round, commits := range ends {
			for _, p := range producers {
				if err := p.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
			}
			for k := range 3 {
				for i, p := range producers {
					v := fmt.Sprintf("%d.%d.%d", round, i, k)
					put(t, p, topic, 0, v, v+"b")
					if commits[i] {
						want = append(want, v, v+"b")
					}
				}
				v := fmt.Sprintf("plain %d.%d", round, k)
				put(t, plain, topic, 0, v)
				want = append(want, v)
			}
			for i, p := range producers {
				if err := p.EndTransaction(t.Context(), kgo.TransactionEndTry(commits[i])); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := all(t, Config{Client: client, Topic: topic, From: From{Where: Start}})[0]
		if !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		// Beginning within a batch leaves out what is before; beginning within an
		// aborted transaction hides its rest too.
		for offset, first := range map[int64]string{6: "0.0.1b", 8: "plain 0.1"} {
			late := all(t, Config{Client: client, Topic: topic, From: From{Where: Exact, Offset: offset}})[0]
			if !slices.Equal(late, want[slices.Index(want, first):]) {
				t.Errorf("from %d: got %v, want what begins at %s", offset, late, first)
			}
		}
		raw := all(t, Config{Client: client, Topic: topic, From: From{Where: Start}, Uncommitted: true})[0]
		if len(raw) != len(ends)*15 {
			t.Errorf("uncommitted: %d records, want %d", len(raw), len(ends)*15)
		}
	})
}

func TestOpenTransactionHoldsThePartitionBack(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		topic := newTopic(t, client, 1)
		plain := writer(t, client)
		open := writer(t, client, kgo.TransactionalID(topic))
		put(t, plain, topic, 0, "a")
		if err := open.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		put(t, open, topic, 0, "open")
		put(t, plain, topic, 0, "behind")
		r, err := Open(t.Context(), Config{Client: client, Topic: topic, From: From{Where: Start}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if m, err := r.Next(ctx); err != nil || string(m.Value) != "a" {
			t.Fatalf("got %q, %v", m.Value, err)
		}
		short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		defer stop()
		if m, err := r.Next(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %q, %v from behind an open transaction", m.Value, err)
		}
		if lag := r.Lag()[0]; lag != (Lag{Next: 1, Stable: 1, High: 3}) {
			t.Errorf("lag %+v", lag)
		}
		if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"open", "behind"} {
			if m, err := r.Next(ctx); err != nil || string(m.Value) != want {
				t.Errorf("got %q, %v, want %q", m.Value, err, want)
			}
		}
	})
}

func TestWhereToBegin(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		topic := newTopic(t, client, 2)
		w := writer(t, client)
		base := time.Now().Add(-time.Hour).Truncate(time.Second)
		for i := range 10 {
			r := &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: fmt.Append(nil, i), Timestamp: base.Add(time.Duration(i) * time.Minute)}
			if err := w.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		tests := []struct {
			name string
			from From
			want string
		}{
			{"the start", From{Where: Start}, "map[0:[0 2 4 6 8] 1:[1 3 5 7 9]]"},
			{"the last 2", From{Where: Last, Count: 2}, "map[0:[6 8] 1:[7 9]]"},
			{"more than there are", From{Where: Last, Count: 99}, "map[0:[0 2 4 6 8] 1:[1 3 5 7 9]]"},
			{"a time", From{Where: Since, Time: base.Add(5 * time.Minute)}, "map[0:[6 8] 1:[5 7 9]]"},
			{"a time that only one partition has", From{Where: Since, Time: base.Add(9 * time.Minute)}, "map[1:[9]]"},
			{"a place", From{Where: Exact, Partition: 1, Offset: 3}, "map[1:[7 9]]"},
			{"the end", From{Where: End}, "map[]"},
		}
		for _, test := range tests {
			if got := fmt.Sprint(all(t, Config{Client: client, Topic: topic, From: test.from})); got != test.want {
				t.Errorf("%s: %s, want %s", test.name, got, test.want)
			}
		}
		for _, bad := range []struct {
			from From
			want string
		}{
			{From{Where: Exact, Partition: 2}, "has no partition 2"},
			{From{Where: Exact, Partition: 1, Offset: 6}, "holds offsets 0 to 4: there is no 6"},
		} {
			r, err := Open(t.Context(), Config{Client: client, Topic: topic, From: bad.from})
			if err == nil {
				_ = r.Close()
			}
			if err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%+v: %v, want %q", bad.from, err, bad.want)
			}
		}
	})
}

func TestFollowsWhatComes(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		topic := newTopic(t, client, 3)
		w := writer(t, client)
		put(t, w, topic, 0, "before")
		r, err := Open(t.Context(), Config{Client: client, Topic: topic})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for i := range 6 {
			want := fmt.Sprint(i)
			if err := w.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(i % 3), Key: []byte("k"), Value: []byte(want),
				Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			m, err := r.Next(ctx)
			if err != nil || string(m.Value) != want || m.Partition != i%3 || string(m.Key) != "k" || len(m.Headers) != 1 || m.Headers[0].Key != "h" {
				t.Fatalf("got %+v, %v, want %s", m, err, want)
			}
		}
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	client := kafkatest.InProcess(t, kfake.NumBrokers(2))
	_, err := Open(t.Context(), Config{Client: client, Topic: "none"})
	if err == nil || !strings.Contains(err.Error(), "topic none does not exist") {
		t.Errorf("a topic that is not there: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Open(ctx, Config{Client: kafkaclient.Config{Brokers: []string{"127.0.0.1:1"}}, Topic: "x"}); err == nil {
		t.Error("a broker that is not there")
	}
}

// Both partitions move to another broker while they are read.
func TestLeadersMove(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client := kafkaclient.Config{Brokers: cluster.ListenAddrs()}
	w := writer(t, client)
	r, err := Open(t.Context(), Config{Client: client, Topic: "t", From: From{Where: Start}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for round := range 2 {
		for p := range int32(2) {
			put(t, w, "t", p, "x")
			if m, err := r.Next(ctx); err != nil || m.Offset != int64(round) {
				t.Fatalf("round %d: %+v, %v", round, m, err)
			}
			if err := cluster.MoveTopicPartition("t", p, 1-cluster.LeaderFor("t", p)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What came after a NoFollow reader was opened is not part of it, although it
// is in the same answer.
func TestNoFollowEndsWhereItWasOpened(t *testing.T) {
	batch := &protocol.RecordBatch{Records: protocol.NewRecordReader(
		protocol.Record{Offset: 0, Value: protocol.NewBytes([]byte("a"))}, protocol.Record{Offset: 1, Value: protocol.NewBytes([]byte("b"))},
		protocol.Record{Offset: 2, Value: protocol.NewBytes([]byte("new"))})}
	p := &partition{until: 2}
	r := &Reader{messages: make(chan Message, 9), partitions: map[int]*partition{0: p}}
	answer := &fetch.ResponsePartition{RecordSet: protocol.RecordSet{Records: &protocol.RecordStream{Records: []protocol.RecordReader{batch}}}}
	if err := r.answer(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	if len(r.messages) != 2 || !p.done() {
		t.Errorf("%d records, done %v", len(r.messages), p.done())
	}
}
