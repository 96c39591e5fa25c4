package kafka

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

// BenchmarkProduce writes batches of 1,000 records of about 700 bytes to a real
// broker, and reports this process's CPU beside the rate: why compression is
// off unless it is asked for.
func BenchmarkProduce(b *testing.B) {
	client := kafkatest.Real(b)
	for _, compression := range []string{"none", "lz4", "zstd"} {
		b.Run(compression, func(b *testing.B) {
			l, err := NewLog(b.Context(), Config{Client: client, Compression: compression})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			topic := kafkatest.Unique("bench")
			if _, err := l.admin.CreateTopic(b.Context(), testPartitions, 1, nil, topic); err != nil {
				b.Fatal(err)
			}
			batch := enriched(topic, 1000)
			if err := l.Produce(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			before := cpu()
			for b.Loop() {
				if err := l.Produce(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			records := float64(b.N * len(batch))
			b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric((cpu()-before).Seconds()/records*1e6, "cpu-s/M")
		})
	}
}

func enriched(topic string, n int) []sinks.Record {
	records := make([]sinks.Record, n)
	for i := range records {
		value := fmt.Appendf(nil, `{"schema_version":1,"event_id":"t_%d","event_time":"2026-11-21T22:00:00.000Z","features":{`, rand.Uint32())
		for f := range 18 {
			value = fmt.Appendf(value, `"card_velocity__amount_sum_%dh":%.2f,`, f, rand.Float64()*1000)
		}
		value = append(value, `"x":0}}`...)
		records[i] = sinks.Record{Topic: topic, Key: fmt.Appendf(nil, "c%d", rand.IntN(500)), Value: value, Time: time.Now().UnixMilli()}
	}
	return records
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
