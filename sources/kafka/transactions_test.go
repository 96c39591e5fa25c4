package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

func TestReadCommittedInProcess(t *testing.T)  { testReadCommitted(t, kafkatest.InProcess(t)) }
func TestReadCommittedRealBroker(t *testing.T) { testReadCommitted(t, kafkatest.Real(t)) }

// testReadCommitted: committed transactions are delivered, aborted ones are
// not, and a log that ends in markers is read to its end.
func testReadCommitted(t *testing.T, client kafkaclient.Config) {
	f := begin(t, client, 1)
	writer := transactional(t, client)
	var want []string
	for i := range 4 {
		commit := i%2 == 0
		for k := range 5 {
			value := fmt.Sprintf("%d.%d", i, k)
			if commit {
				want = append(want, value)
			}
			write(t, writer, f.topics[0].Name, value, k == 0)
		}
		finish(t, writer, commit)
	}
	c := f.open(t)
	defer func() { _ = c.Close(context.Background()) }()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	var passed int64
	end := int64(-1)
	for ctx.Err() == nil && (end < 0 || passed < end) {
		p, err := c.Poll(ctx, 3)
		if err != nil {
			t.Fatal(err)
		}
		if p.Owned != nil {
			end = p.Owned[0].End
			if err := c.Begin(nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range p.Records {
			got = append(got, string(r.Value))
			passed = r.Offset + 1
		}
		for _, q := range p.Passed {
			passed = q.Next
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if lag := c.Lag()[sources.PartitionID{}]; lag != 0 || passed != end {
		t.Errorf("position %d of %d, lag %d", passed, end, lag)
	}
}

func transactional(t *testing.T, client kafkaclient.Config) *kgo.Client {
	t.Helper()
	opts, err := client.Options()
	if err != nil {
		t.Fatal(err)
	}
	writer, err := kgo.NewClient(append(opts, kgo.TransactionalID(kafkatest.Unique("txn")), kgo.MetadataMinAge(50*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(writer.Close)
	return writer
}

func write(t *testing.T, writer *kgo.Client, topic, value string, first bool) {
	t.Helper()
	if first {
		if err := writer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func finish(t *testing.T, writer *kgo.Client, commit bool) {
	t.Helper()
	if err := writer.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
		t.Fatal(err)
	}
}
