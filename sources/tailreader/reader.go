// Package tailreader reads a topic for people: from any place, without a group
// and without committing, so that watching cannot disturb what is watched. It
// is built on kafka-go, an implementation of the protocol that shares nothing
// with the one that writes; of read_committed that library only has the bound
// (its reader returns aborted records and markers), so the rest is done here.
package tailreader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// Where reading begins.
type Where uint8

// The places to begin at.
const (
	End   Where = iota // what comes from now on
	Start              // the earliest record
	Last               // Start.Count records before the end, of each partition
	Since              // the first record whose record time is at or after Start.Time
	Exact              // Start.Offset of Start.Partition; the other partitions are not read
)

// From is a place to begin at; only the fields of its Where are read.
type From struct {
	Where     Where
	Count     int64
	Time      time.Time
	Partition int
	Offset    int64
}

// Config is what a reader needs to know.
type Config struct {
	Client kafkaclient.Config
	Topic  string
	From   From
	// Uncommitted reads records of open and aborted transactions too.
	Uncommitted bool
	// NoFollow ends with io.EOF at what was the end when the reader was opened.
	NoFollow bool
}

// Message is one record. Its bytes are the caller's.
type Message struct {
	Partition int
	Offset    int64
	Time      time.Time
	Key       []byte // nil: none
	Value     []byte // nil: none
	Headers   []Header
}

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Lag is how far a partition was read and how far it reaches. Stable is below
// High while a transaction is open there.
type Lag struct {
	Next, Stable, High int64
}

const (
	// openTimeout bounds the questions before the first record.
	openTimeout = 15 * time.Second
	// buffered is how many records are read ahead of Next.
	buffered = 1024
)

// Reader reads one topic. Next is for one goroutine; Lag for any.
type Reader struct {
	config    Config
	transport *kafkago.Transport
	messages  chan Message
	stop      context.CancelFunc
	stopped   chan struct{} // the reading has ended
	err       error         // why; after stopped

	mu         sync.Mutex
	partitions map[int]*partition
}

// partition is what is known of one; next belongs to its fetcher, the rest and
// every write of next to mu.
type partition struct {
	Lag
	until int64 // NoFollow: the end; -1 without
}

func (p *partition) done() bool { return p.until >= 0 && p.Next >= p.until }

// Open finds the place to begin at in every partition and starts to read.
func Open(ctx context.Context, config Config) (*Reader, error) {
	if len(config.Client.Brokers) == 0 {
		return nil, errors.New("no Kafka brokers are configured: set kafka.brokers, FRESHET_KAFKA_BROKERS or --brokers")
	}
	transport, err := transport(config)
	if err != nil {
		return nil, err
	}
	r := &Reader{
		config:     config,
		transport:  transport,
		messages:   make(chan Message, buffered),
		stopped:    make(chan struct{}),
		partitions: map[int]*partition{},
	}
	asking, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := r.locate(asking); err != nil {
		err = config.Client.ExplainFirst(err)
		transport.CloseIdleConnections()
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		defer close(r.stopped)
		r.err = r.run(running)
	}()
	return r, nil
}

func transport(config Config) (*kafkago.Transport, error) {
	dial, err := config.Client.Dialer()
	if err != nil {
		return nil, err
	}
	t := &kafkago.Transport{
		Dial:           dial,
		ClientID:       kafkaclient.DefaultClientID + "-tail",
		MetadataTopics: []string{config.Topic},
		DialTimeout:    kafkaclient.DefaultDialTimeout,
	}
	if config.Client.SASL != nil {
		if t.SASL, err = config.Client.SASL.KafkaGo(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Next is the next record of any partition, in the order of arrival; records
// of one partition come in its order. io.EOF is the end of a NoFollow reader.
func (r *Reader) Next(ctx context.Context) (Message, error) {
	select {
	case m := <-r.messages:
		return m, nil
	default:
	}
	select {
	case m := <-r.messages:
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	case <-r.stopped:
	}
	select { // what was read before the end
	case m := <-r.messages:
		return m, nil
	default:
	}
	if r.err != nil {
		return Message{}, r.err
	}
	return Message{}, io.EOF
}

// Lag says of every partition how far it was read and how far it reaches.
func (r *Reader) Lag() map[int]Lag {
	r.mu.Lock()
	defer r.mu.Unlock()
	lag := make(map[int]Lag, len(r.partitions))
	for id, p := range r.partitions {
		lag[id] = p.Lag
	}
	return lag
}

// Close ends the reading.
func (r *Reader) Close() error {
	r.stop()
	<-r.stopped
	r.transport.CloseIdleConnections()
	return nil
}

func (r *Reader) where(what string, err error) error {
	return fmt.Errorf("%s topic %s on kafka at %s: %w", what, r.config.Topic, r.config.Client.Where(), err)
}
