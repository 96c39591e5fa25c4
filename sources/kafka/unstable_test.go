package kafka

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

// Reliability 21: a transaction that hangs holds a take-over up, which is said with
// the way out, and it goes on once that has ended.
func TestATransactionThatHangsIsSaid(t *testing.T) {
	both(t, aTransactionThatHangsIsSaid)
}

func aTransactionThatHangsIsSaid(t *testing.T, client kafkaclient.Config) {
	f := begin(t, client, 2)
	ends := f.hang(t)
	var told atomic.Int64
	config := f.config()
	config.LagCheck, config.UnstableTold = 50*time.Millisecond, 200*time.Millisecond
	config.Observe = func(_ string, err error) {
		if err != nil && strings.Contains(err.Error(), "kafka-transactions.sh") {
			if told.Add(1) == 3 {
				ends()
			}
		}
	}
	c, err := NewConsumer(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(c)
	if err := until(t, c, isOwned); err != nil {
		t.Fatal(err)
	}
	was := told.Load()
	_ = wait(t.Context(), 300*time.Millisecond)
	if was < 3 || told.Load() > was+1 {
		t.Errorf("it was said %d times while the transaction hung, and %d times after", was, told.Load()-was)
	}
}

// hang leaves offsets of the group in a transaction that does not end before it is
// told to.
func (f *fixture) hang(t *testing.T) (ends func()) {
	t.Helper()
	opts, err := f.client.Options()
	if err != nil {
		t.Fatal(err)
	}
	id := kafkatest.Unique("other")
	client, err := kgo.NewClient(append(opts, kgo.TransactionalID(id), kgo.TransactionTimeout(time.Minute))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	producer, epoch, err := client.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, producer, epoch, f.group
	if _, err := add.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	topics, err := f.admin.ListTopics(t.Context(), f.topics[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.Group, commit.ProducerID, commit.ProducerEpoch = id, f.group, producer, epoch
	commit.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: f.topics[0].Name, TopicID: topics[f.topics[0].Name].ID, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{LeaderEpoch: -1}}}}
	response, err := commit.RequestWith(t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		end := kmsg.NewPtrEndTxnRequest()
		end.TransactionalID, end.ProducerID, end.ProducerEpoch = id, producer, epoch
		if response, err := end.RequestWith(t.Context(), client); err != nil || response.ErrorCode != 0 {
			t.Error(err, response)
		}
	}
}
