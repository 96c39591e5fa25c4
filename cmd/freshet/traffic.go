package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/sources/generate"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// traffic is where generated records go. It is used by one goroutine.
type traffic interface {
	// write takes a record over; it may keep it until flush.
	write(ctx context.Context, e generate.Event) error
	// flush hands on what write has kept.
	flush(ctx context.Context) error
	// close flushes, and returns once everything has arrived.
	close() error
}

// openTraffic opens what the flags say.
func (a *app) openTraffic(cmd *cobra.Command, flags generateFlags) (traffic, error) {
	switch {
	case flags.stdout:
		w := bufio.NewWriter(a.out)
		return &lineTraffic{to: map[string]*bufio.Writer{generate.Payments: w, generate.Activity: w}}, nil
	case flags.outputDir != "":
		return openFiles(flags.outputDir)
	}
	settings, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	client, err := kafkaClient(settings.Kafka)
	if err != nil {
		return nil, err
	}
	return openKafka(cmd.Context(), client, flags)
}

// lineTraffic writes JSON lines.
type lineTraffic struct {
	to    map[string]*bufio.Writer // by source
	files []io.Closer
}

func openFiles(dir string) (*lineTraffic, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	t := &lineTraffic{to: map[string]*bufio.Writer{}}
	for _, source := range []string{generate.Payments, generate.Activity} {
		file, err := os.Create(filepath.Join(dir, source+".jsonl"))
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.files = append(t.files, file)
		t.to[source] = bufio.NewWriterSize(file, 1<<16)
	}
	return t, nil
}

func (t *lineTraffic) write(_ context.Context, e generate.Event) error {
	w := t.to[e.Source]
	if _, err := w.Write(e.Value); err != nil {
		return err
	}
	return w.WriteByte('\n')
}

func (t *lineTraffic) flush(context.Context) error {
	for _, w := range t.to {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (t *lineTraffic) close() error {
	err := t.flush(context.Background())
	for _, file := range t.files {
		err = errors.Join(err, file.Close())
	}
	return err
}

// The bounds of writing to Kafka.
const (
	maxWriters    = 64
	maxPartitions = 1000
	kafkaBatch    = 1000             // records that are handed to a writer at once
	closeTimeout  = 10 * time.Second // for what is on its way when the verb ends
)

// kafkaTraffic writes with kafka-go, an independent implementation of the
// protocol: what it writes, franz-go reads in run. A key's records go through
// one writer, and so stay in order.
type kafkaTraffic struct {
	topics  map[string]string
	feeds   []chan []kafka.Message
	pending [][]kafka.Message
	group   *errgroup.Group
	ctx     context.Context // ends with the first error of a writer
	abandon context.CancelFunc
}

func openKafka(ctx context.Context, client kafkaclient.Config, flags generateFlags) (*kafkaTraffic, error) {
	transport, err := writerTransport(client)
	if err != nil {
		return nil, err
	}
	t := &kafkaTraffic{topics: map[string]string{}, pending: make([][]kafka.Message, flags.writers)}
	for source, topic := range defaultTopics {
		t.topics[source] = topic
		if asked := flags.topics[source]; asked != "" {
			t.topics[source] = asked
		}
	}
	if err := createTopics(ctx, client, transport, t.topics, flags.partitions); err != nil {
		return nil, err
	}
	// Records on their way outlive the interrupt that ends the verb.
	whole, abandon := context.WithCancel(context.WithoutCancel(ctx))
	t.abandon = abandon
	t.group, t.ctx = errgroup.WithContext(whole)
	for range flags.writers {
		feed := make(chan []kafka.Message, 1)
		t.feeds = append(t.feeds, feed)
		writer := &kafka.Writer{
			Addr: kafka.TCP(client.Brokers...), Transport: transport, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
			BatchSize: kafkaBatch, BatchTimeout: 5 * time.Millisecond, Compression: kafka.Lz4,
		}
		t.group.Go(func() error { return feedWriter(t.ctx, writer, feed) })
	}
	return t, nil
}

// feedWriter writes what comes, in order, until the feed ends.
func feedWriter(ctx context.Context, writer *kafka.Writer, feed <-chan []kafka.Message) error {
	for batch := range feed {
		if err := writer.WriteMessages(ctx, batch...); err != nil {
			return errors.Join(fmt.Errorf("write to Kafka at %s: %w", writer.Addr, err), writer.Close())
		}
	}
	return writer.Close()
}

func writerTransport(client kafkaclient.Config) (*kafka.Transport, error) {
	dial, err := client.Dialer()
	if err != nil {
		return nil, &problem{code: exitUsage, err: err}
	}
	transport := &kafka.Transport{Dial: dial, ClientID: "freshet-generate"}
	if client.SASL != nil {
		if transport.SASL, err = client.SASL.KafkaGo(); err != nil {
			return nil, &problem{code: exitUsage, err: err}
		}
	}
	return transport, nil
}

// createTopics creates the topics that do not exist.
func createTopics(ctx context.Context, client kafkaclient.Config, transport *kafka.Transport, topics map[string]string, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	request := &kafka.CreateTopicsRequest{}
	for _, topic := range topics {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: -1})
	}
	k := &kafka.Client{Addr: kafka.TCP(client.Brokers...), Transport: transport}
	response, err := k.CreateTopics(ctx, request)
	if err != nil {
		// This client calls a broker that does not let us in one that is not there.
		probe, why := kafkaclient.Connect(ctx, client)
		if forbidden(why) {
			return why
		}
		if why == nil {
			probe.Close()
		}
		return unreachable(fmt.Errorf("reach Kafka at %s: %w", client.Where(), err),
			"freshet generate --output-dir DIR   writes files instead; --brokers HOST:PORT another cluster")
	}
	for topic, err := range response.Errors {
		if forbidden(err) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return failed(fmt.Errorf("create topic %s: %w", topic, err), "create the topics first, or ask for the right to create them")
		}
	}
	return nil
}

func (t *kafkaTraffic) write(ctx context.Context, e generate.Event) error {
	h := fnv.New32a()
	h.Write(e.Key)
	w := int(h.Sum32() % uint32(len(t.feeds)))
	t.pending[w] = append(t.pending[w], kafka.Message{Topic: t.topics[e.Source], Key: e.Key, Value: e.Value})
	if len(t.pending[w]) < kafkaBatch {
		return nil
	}
	return t.hand(ctx, w)
}

// hand gives a writer what is pending for it, and waits while it is busy.
func (t *kafkaTraffic) hand(ctx context.Context, w int) error {
	if len(t.pending[w]) == 0 {
		return nil
	}
	select {
	case t.feeds[w] <- t.pending[w]:
		t.pending[w] = nil
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *kafkaTraffic) flush(ctx context.Context) error {
	for w := range t.feeds {
		if err := t.hand(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (t *kafkaTraffic) close() error {
	defer t.abandon()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, t.abandon)
	defer stop()
	err := t.flush(ctx)
	for _, feed := range t.feeds {
		close(feed)
	}
	if writeErr := t.group.Wait(); writeErr != nil {
		if err = writeErr; !forbidden(err) {
			err = unreachable(writeErr, "freshet status")
		}
	}
	return err
}
