package kafka

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/verify/kafkatest"
)

// Reliability 5: what the client holds while nobody polls, because a batch is being
// committed, is a small part of the memory that the process may take.
func TestWhatIsFetchedAheadIsAPartOfTheMemory(t *testing.T) {
	f := begin(t, kafkatest.InProcess(t), 8)
	for partition := range int32(8) {
		for range 3 {
			value := make([]byte, 900<<10)
			_, _ = rand.Read(value)
			if err := f.writer.ProduceSync(t.Context(), &kgo.Record{Topic: f.topics[0].Name, Partition: partition, Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct{ memory, least, most int64 }{
		{64 << 20, 1, 3 << 20}, // an answer ends behind the batch that fills it
		{1 << 30, 4 << 20, 10 << 20},
		{0, 10 << 20, 24 << 20},
	} {
		f.group, f.adjust = kafkatest.Unique("group"), func(config *Config) { config.Memory = c.memory }
		consumer := f.open(t)
		if err := until(t, consumer, isOwned); err != nil {
			t.Fatal(err)
		}
		client, _ := consumer.current()
		held := func() int64 { return client.BufferedFetchBytes() }
		for range 600 { // half a minute: a busy machine took longer than five seconds
			if held() >= c.least {
				break
			}
			_ = wait(t.Context(), 50*time.Millisecond)
		}
		_ = wait(t.Context(), 200*time.Millisecond) // more might come
		if n := held(); n < c.least || n > c.most {
			t.Errorf("of a limit of %d MiB: %d KiB were fetched ahead, want from %d to %d", c.memory>>20, n>>10, c.least>>10, c.most>>10)
		}
		shut(consumer)
	}
}
