// Package kafka is the sink on Apache Kafka: an idempotent franz-go producer
// that waits for all replicas. A Log appends what it is given and returns once
// everything is acknowledged. A Session is a Log that writes in transactions, for
// exactly once. Neither decides anything about keys or values.
package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// DefaultUnreachableAfter is how long a record waits for its acknowledgement
// before the process ends: as long as the source waits for a sign of life.
const DefaultUnreachableAfter = time.Minute

// DefaultLimitCheck is soon enough for whoever has just raised a topic's limit.
const DefaultLimitCheck = 10 * time.Second

const (
	// brokerMaxMessageBytes is the largest batch that a topic takes where it
	// was not told otherwise.
	brokerMaxMessageBytes = 1_000_012
	// maxBatchBytes bounds a batch for topics that take larger ones.
	maxBatchBytes = 8 << 20
	// linger lets records gather into batches while a call hands them over; the
	// flush at its end does not wait for it.
	linger = 10 * time.Millisecond
	// metadataMinAge is how soon the client may ask again who leads a topic. At
	// its default the first record to a new topic waits for 5 s.
	metadataMinAge = 100 * time.Millisecond
)

// Compressions are the names that Config.Compression takes.
var Compressions = []string{"none", "lz4", "snappy", "zstd", "gzip"}

// Config is what a log needs to know.
type Config struct {
	Client kafkaclient.Config
	// Compression of batches, one of Compressions. "" is none: on a loopback or
	// a fast network compressing costs more CPU than it saves. Choose lz4 where
	// the network or the broker's disk is what is scarce.
	Compression      string
	UnreachableAfter time.Duration // DefaultUnreachableAfter if 0
	// LimitCheck is how often, while records are refused for their size, the topics
	// are asked whether they take larger ones by now; DefaultLimitCheck if 0.
	LimitCheck time.Duration
}

// Log appends records to the topics of one cluster. It implements sinks.Log.
type Log struct {
	config Config
	client *kgo.Client
	admin  *kadm.Client

	limitsMu sync.RWMutex
	limits   map[string]int32 // largest batch in bytes, by topic
	learned  time.Time        // when they were last asked for

	mu      sync.Mutex // of one Produce; the rest is its memory
	more    []kgo.Opt  // of the client
	old     bool       // the client was made for smaller limits
	records []kgo.Record
	headers []kgo.RecordHeader
	failed  []failure
	refused map[string]bool // topics whose broker or limit has refused a record in this call
}

type failure struct {
	index int
	err   error
}

// NewLog connects to the cluster.
func NewLog(ctx context.Context, config Config) (*Log, error) { return newLog(ctx, config) }

func newLog(ctx context.Context, config Config, more ...kgo.Opt) (*Log, error) {
	config.UnreachableAfter = cmp.Or(config.UnreachableAfter, DefaultUnreachableAfter)
	config.LimitCheck = cmp.Or(config.LimitCheck, DefaultLimitCheck)
	l := &Log{config: config, limits: map[string]int32{}, refused: map[string]bool{}, more: more}
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// connect makes the client, or another one in its place.
func (l *Log) connect(ctx context.Context) error {
	codec, err := codec(l.config.Compression)
	if err != nil {
		return err
	}
	client, err := kafkaclient.Connect(ctx, l.config.Client, append([]kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytesFn(l.limit),
		kgo.MetadataMinAge(metadataMinAge),
	}, l.more...)...)
	if err != nil {
		return err
	}
	l.client, l.admin, l.old = client, kadm.NewClient(client), false
	return nil
}

func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "", "none":
		return kgo.NoCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	}
	return kgo.NoCompression(), fmt.Errorf("unknown compression %q: use one of %v", name, Compressions)
}

// limit is the largest batch that a topic takes.
func (l *Log) limit(topic string) int32 {
	l.limitsMu.RLock()
	defer l.limitsMu.RUnlock()
	if n, known := l.limits[topic]; known {
		return n
	}
	return brokerMaxMessageBytes
}

// Produce implements sinks.Log.
//
// A record that is alone too large for its topic is refused before anything of
// it is sent, by the topic's own limit; that keeps the order of the others. If
// the limit was lowered since, the broker refuses whole batches: their records
// are sent again one by one, behind those of the call that went through. Where it
// was raised, that is an error, and the next call goes by it.
func (l *Log) Produce(ctx context.Context, records []sinks.Record) error {
	if len(records) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.old {
		before := l.client
		if err := l.connect(ctx); err != nil {
			return err
		}
		before.Close() // nothing waits in it
	}
	l.fill(records)
	clear(l.refused)
	l.send(ctx, all(len(records)))
	if len(l.failed) == 0 {
		return nil
	}
	again, err := l.tooLarge(records)
	if err != nil {
		return err
	}
	refused, first := &sinks.TooLarge{}, l.failed[0].err
	for _, i := range again {
		l.send(ctx, []int{i})
		if len(l.failed) == 0 {
			continue
		}
		if _, err := l.tooLarge(records); err != nil {
			return fmt.Errorf("%w (after a record that was refused for its size: %w)", err, first)
		}
		refused.Indexes = append(refused.Indexes, i)
	}
	if len(refused.Indexes) == 0 {
		return nil
	}
	if topic := l.raised(ctx); topic != "" {
		return fmt.Errorf("topic %s takes larger records than it did: what it refused is sent again", topic)
	}
	return refused
}

func all(n int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
	}
	return indexes
}

// fill makes the client's records of ours; both share the caller's bytes.
func (l *Log) fill(records []sinks.Record) {
	l.records = slices.Grow(l.records[:0], len(records))[:len(records)]
	n := 0
	for i := range records {
		n += len(records[i].Headers)
	}
	l.headers = slices.Grow(l.headers[:0], n) // at once: records point into it
	for i := range records {
		r := &records[i]
		first := len(l.headers)
		for _, h := range r.Headers {
			l.headers = append(l.headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		l.records[i] = kgo.Record{
			Topic:     r.Topic,
			Key:       r.Key,
			Value:     r.Value,
			Headers:   l.headers[first:len(l.headers):len(l.headers)],
			Timestamp: time.UnixMilli(r.Time),
		}
	}
}

// send produces the records of the indexes, waits for every one, and leaves
// what failed in l.failed: the client uses their bytes until then.
//
// The client's own RecordDeliveryTimeout counts from the record's time, which
// here is an event's and may be years back; so the wait is bounded by a
// context. What is in flight at its end is given up, acknowledged or not.
func (l *Log) send(ctx context.Context, indexes []int) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.config.UnreachableAfter, errSilent)
	defer cancel()
	l.failed = l.failed[:0]
	var mu sync.Mutex
	var waiting sync.WaitGroup
	waiting.Add(len(indexes))
	for _, i := range indexes {
		l.client.Produce(ctx, &l.records[i], func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				l.failed = append(l.failed, failure{i, err})
				mu.Unlock()
			}
			waiting.Done()
		})
	}
	if err := l.client.Flush(ctx); err != nil {
		l.client.UnsafeAbortBufferedRecords()
	}
	waiting.Wait()
	if errors.Is(context.Cause(ctx), errSilent) {
		for i := range l.failed {
			l.failed[i].err = errSilent
		}
	}
}

// errSilent is that the cluster did not acknowledge in time.
var errSilent = errors.New("no acknowledgement")

// tooLarge are the failed records, all of them refused for their size; any
// other failure is the error. A transaction that such a record has ended takes all
// others with it, so what they say is not the cause.
func (l *Log) tooLarge(records []sinks.Record) ([]int, error) {
	indexes := make([]int, 0, len(l.failed))
	var other, size failure
	for _, f := range l.failed {
		switch {
		case errors.Is(f.err, kerr.MessageTooLarge), errors.Is(f.err, kerr.RecordListTooLarge):
			l.refused[records[f.index].Topic], size = true, f
			indexes = append(indexes, f.index)
		case other.err == nil || errors.Is(other.err, context.Canceled):
			other = f
		}
	}
	if errors.Is(other.err, context.Canceled) && size.err != nil {
		other = size
	}
	if other.err != nil {
		return nil, l.explain(records[other.index].Topic, other.err)
	}
	slices.Sort(indexes)
	return indexes, nil
}

func (l *Log) explain(topic string, err error) error {
	where := l.config.Client.Where()
	switch {
	case errors.Is(err, errSilent), errors.Is(err, kgo.ErrRecordRetries):
		return fmt.Errorf("write to topic %s: kafka at %s did not acknowledge within %s: check the cluster, then start again: %w",
			topic, where, l.config.UnreachableAfter, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("write to topic %s: it does not exist on kafka at %s: create it, or let Freshet (it does so at start where it may): %w", topic, where, err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("write to topic %s: no right on kafka at %s: grant Write on it: %w", topic, where, err)
	}
	return fmt.Errorf("write to topic %s: %w", topic, err)
}

// Close ends the connection. Produce has left nothing behind that waits.
func (l *Log) Close() error {
	l.client.Close()
	return nil
}
