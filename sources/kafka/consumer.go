// Package kafka is the source on Apache Kafka: one franz-go client for all
// topics of a run, one group whose leader owns every partition, positions
// committed with metadata. It never resets a position and never skips a
// record: where it cannot go on from where it was, Poll says why and the
// process ends.
//
// Timeouts, in the order they must have: a heartbeat (500 ms) < a fetch's wait
// (100 ms is below both) < the session (10 s) < UnreachableAfter (60 s).
package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// Defaults of Config.
const (
	DefaultMaxRecordBytes   = 1 << 20
	DefaultSessionTimeout   = 10 * time.Second
	DefaultHeartbeat        = 500 * time.Millisecond
	DefaultUnreachableAfter = time.Minute
	DefaultFetchMaxWait     = 100 * time.Millisecond
	DefaultTopicCheck       = 30 * time.Second
	DefaultLagCheck         = 5 * time.Second
	DefaultStandingCheck    = 150 * time.Millisecond
	DefaultUnstableTold     = 10 * time.Second // longer than a transaction of ours may last
)

// Bounds of the client's memory. It holds one answer of each broker, unfolded, while
// nobody polls: compressed text takes ten times what the answer did, and nearly
// as much again for what is noted of each record.
const (
	fetchMaxBytes          = 16 << 20 // of one answer of one broker, as it came
	fetchMaxPartitionBytes = 4 << 20  // of one partition in it
	fetchMinBytesOf        = 1 << 20  // but an answer may always have so much
	fetchesOfMemory        = 128      // the answers of all brokers together are so small a part of Config.Memory
	maxDecompressBytes     = 64 << 20 // of one batch: a small one may unfold to anything
)

// metadataMinAge is how soon the client may ask again who leads a partition: a
// leader that moved is found after it.
const metadataMinAge = 100 * time.Millisecond

// Topic is one topic and the source that its records belong to.
type Topic struct {
	Source int // index in Spec.Sources
	Name   string
	// MaxAhead and Lateness are the source's max_ahead and allowed_lateness. With
	// Lateness the bounds that the broker sets on timestamps are looked at (S11).
	MaxAhead, Lateness time.Duration
}

// Config is what a consumer needs to know. Zero durations and sizes mean the
// defaults.
type Config struct {
	Client kafkaclient.Config
	Topics []Topic // each once
	Group  string
	// InstanceID makes the membership static: the same instance that comes back
	// within the session timeout keeps its place. Only for names that are stable.
	InstanceID string

	MaxRecordBytes   int           // a longer value is cut, and the record is a dead letter
	Memory           int64         // what the process may take in bytes; 0: any amount
	SessionTimeout   time.Duration // a dead owner is replaced after it
	Heartbeat        time.Duration // a clean hand-over takes about one
	UnreachableAfter time.Duration // without any answer from Kafka, the process ends
	FetchMinBytes    int32         // the broker waits for so much, but at most FetchMaxWait; 1 if 0
	FetchMaxWait     time.Duration
	// AcceptGap goes on where records were removed before they were read: from
	// the earliest retained one, with a line that names the gap. What was there is
	// missing in every value; windows that reach so far back say so.
	AcceptGap bool
	// Transaction holds the outputs of the run; nil: they are no part of the
	// commit.
	Transaction Transaction
	TopicCheck  time.Duration // how often the topics are looked at: deleted, made anew, grown
	LagCheck    time.Duration // how often the ends of the topics are asked for
	// UnstableTold is how long a take-over waits for offsets that a transaction holds
	// before that is said, at each LagCheck.
	UnstableTold time.Duration
	// StandingCheck is how often a standby asks what the owner has committed.
	StandingCheck time.Duration

	// Observe is called once per state change (joined, owner, lost, retrying),
	// from the client's goroutines. nil: nobody is told.
	Observe func(what string, err error)
}

func (c Config) withDefaults() Config {
	setInt := func(p *int, d int) {
		if *p == 0 {
			*p = d
		}
	}
	setDuration := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	setInt(&c.MaxRecordBytes, DefaultMaxRecordBytes)
	setDuration(&c.SessionTimeout, DefaultSessionTimeout)
	setDuration(&c.Heartbeat, DefaultHeartbeat)
	setDuration(&c.UnreachableAfter, DefaultUnreachableAfter)
	setDuration(&c.FetchMaxWait, DefaultFetchMaxWait)
	setDuration(&c.TopicCheck, DefaultTopicCheck)
	setDuration(&c.LagCheck, DefaultLagCheck)
	setDuration(&c.StandingCheck, DefaultStandingCheck)
	setDuration(&c.UnstableTold, DefaultUnstableTold)
	if c.FetchMinBytes == 0 {
		c.FetchMinBytes = 1
	}
	if c.Observe == nil {
		c.Observe = func(string, error) {}
	}
	return c
}

// Consumer reads all topics of one run. It implements sources.Consumer.
type Consumer struct {
	config Config
	topics map[string]*topic
	// cluster is the id that the brokers give themselves, brokers how many there were.
	cluster string
	brokers int

	heard heard

	// life ends what the clients wait for: a broker that does not answer holds
	// nobody up who closes.
	life context.Context
	die  context.CancelFunc

	// Of Poll's goroutine.
	closing sync.WaitGroup
	stop    context.CancelFunc // of watch
	queue   []sources.Record   // read and not yet handed over
	given   int                // of queue, in earlier Polls
	of      int                // the session that queue was read in
	passed  []sources.Position // moved without a record, not yet told
	headers []sources.Header

	mu      sync.Mutex
	client  *kgo.Client  // nil: to be made anew
	number  int          // of the current client; what another one says is void
	admin   *kadm.Client // of the current client
	own     ownership
	wake    context.CancelFunc // of the Poll that waits; nil: none
	fatal   error
	lag     map[sources.PartitionID]*progress
	fenced  bool      // since the partitions were given
	asking  time.Time // since when the offsets of what was given are asked for; zero: they are not
	started bool      // the first commit of this ownership is done

	follow   *following         // nil: it does not read along
	stands   []sources.Assigned // what is committed, for a standby; not yet told
	told     []sources.Assigned // as told last
	sessions int                // of reading, as the owner or along
}

type topic struct {
	source     int
	partitions int32
	id         kadm.TopicID
}

// ownership is what the group says and what Poll has told of it. A loss that
// comes before its gain was told cancels it; a gain after a loss follows it.
type ownership struct {
	held    bool
	gained  []sources.Assigned // not yet told
	lost    bool               // not yet told
	waits   bool               // the group has given everything to another member
	session int                // its number among all of this consumer
	begin   chan struct{}      // closed once Begin was called
	begun   bool               // it was
	all     []sources.Assigned // of the current session
	member  string             // whom the group gave it to
}

// NewConsumer connects, checks that every topic is there and readable, and
// joins the group. Errors say which topic and what to do.
func NewConsumer(ctx context.Context, config Config) (*Consumer, error) {
	config = config.withDefaults()
	if config.Group == "" {
		return nil, errors.New("the Kafka consumer has no group: set kafka.group or --group")
	}
	c := &Consumer{config: config, topics: map[string]*topic{}, lag: map[sources.PartitionID]*progress{}}
	for _, t := range config.Topics {
		if other, twice := c.topics[t.Name]; twice {
			return nil, fmt.Errorf("sources %d and %d both read topic %s: a topic feeds one source", other.source, t.Source, t.Name)
		}
		c.topics[t.Name] = &topic{source: t.Source}
	}
	if len(c.topics) == 0 {
		return nil, errors.New("the Kafka consumer has no topics")
	}
	if err := c.check(ctx); err != nil {
		return nil, err
	}
	c.heard.began = time.Now()
	c.life, c.die = context.WithCancel(context.Background())
	if config.Transaction != nil {
		config.Transaction.Guard(c.StillOwner)
	}
	if err := c.join(); err != nil {
		c.die()
		return nil, err
	}
	watching, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.closing.Go(func() { c.watch(watching) })
	c.closing.Go(func() { c.measure(watching) })
	c.closing.Go(func() { c.ask(watching) })
	return c, nil
}

// join makes a client, which becomes a new member of the group.
func (c *Consumer) join() error {
	opts, err := c.config.Client.Options()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock() // callbacks wait until the client is known
	c.number++
	if c.client, err = kgo.NewClient(append(opts, c.options(c.number)...)...); err != nil {
		return fmt.Errorf("set up the Kafka client: %w", err)
	}
	c.admin = kadm.NewClient(c.client)
	return nil
}

// abandon gives up a membership that the coordinator no longer knows. The
// client would join again by itself, and where it got the same partitions
// back it would go on as if they had never been another's; a new client
// begins anew.
func (c *Consumer) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		return
	}
	c.number++
	c.loseLocked("replaced")
	c.own.waits = false
	old := c.client
	c.client, c.admin = nil, nil
	c.closing.Go(old.CloseAllowingRebalance) // it may wait for brokers; Close waits for it
}

// current is the client and its admin; nil where there is none at the moment.
func (c *Consumer) current() (*kgo.Client, *kadm.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client, c.admin
}

func (c *Consumer) options(number int) []kgo.Opt {
	names := make([]string, 0, len(c.topics))
	for _, t := range c.config.Topics {
		names = append(names, t.Name)
	}
	opts := append(c.reading(),
		kgo.ConsumerGroup(c.config.Group),
		kgo.ConsumeTopics(names...),
		kgo.Balancers(oneOwner{func(partitions int) { c.assigned(number, partitions) }}),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(c.config.SessionTimeout),
		kgo.HeartbeatInterval(c.config.Heartbeat),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMinBytes(c.config.FetchMinBytes),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, given map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return c.takeOver(ctx, number, given)
		}),
		kgo.OnPartitionsAssigned(func(ctx context.Context, _ *kgo.Client, p map[string][]int32) { c.fenceFirst(ctx, number, p) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { c.lose(number, p, "revoked") }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { c.lose(number, p, "lost") }),
	)
	if c.config.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.config.InstanceID))
	}
	return opts
}

// reading is how records are read, as the owner and along with it.
func (c *Consumer) reading() []kgo.Opt {
	return []kgo.Opt{
		kgo.WithContext(c.life),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // they move the position: a partition that ends in a marker is read to its end
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(c.fetchBytes()),
		kgo.FetchMaxPartitionBytes(min(fetchMaxPartitionBytes, c.fetchBytes())),
		kgo.FetchMaxWait(c.config.FetchMaxWait),
		kgo.MaxDecompressBatchBytes(maxDecompressBytes),
		kgo.WithHooks(hearing{&c.heard}),
	}
}

// fetchBytes is how large an answer of one broker may be.
func (c *Consumer) fetchBytes() int32 {
	if c.config.Memory <= 0 {
		return fetchMaxBytes
	}
	return int32(min(fetchMaxBytes, max(fetchMinBytesOf, c.config.Memory/fetchesOfMemory/int64(max(1, c.brokers)))))
}

// heard is when a broker has last answered. It is kept as time that has passed,
// since a wall clock that is set on is no silence.
type heard struct {
	began time.Time
	last  atomic.Int64 // since then, ns
}

func (h *heard) now() { h.last.Store(int64(time.Since(h.began))) }

// silence is for how long none has.
func (h *heard) silence() time.Duration { return time.Since(h.began) - time.Duration(h.last.Load()) }

// hearing notes that a broker has answered.
type hearing struct{ *heard }

// OnBrokerRead implements kgo.HookBrokerRead.
func (h hearing) OnBrokerRead(_ kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	if err == nil {
		h.now()
	}
}

// Close leaves the group, so that a standby takes over within a heartbeat. Where no
// broker answers until ctx is done the group is not left, which is told and no
// error: its session ends by itself.
func (c *Consumer) Close(ctx context.Context) error {
	defer c.die()
	defer context.AfterFunc(ctx, c.die)()
	c.stop()
	defer c.closing.Wait()
	c.mu.Lock()
	c.stopReadingAlong()
	c.mu.Unlock()
	client, admin := c.current()
	if client == nil {
		return nil
	}
	defer func() {
		client.CloseAllowingRebalance()
		client.AllowRebalance() // a group that is left twice (a broker was cut off) waits the second time for a poll that is still counted
	}()
	client.AllowRebalance()
	err := c.leave(ctx, client, admin)
	switch {
	case err == nil, kafkaclient.Passing(err):
		return nil
	case ctx.Err() != nil:
		c.config.Observe("the group was not left: a standby waits for the session to end", err)
		return nil
	}
	return fmt.Errorf("leave the Kafka group %s: %w", c.config.Group, err)
}

func (c *Consumer) leave(ctx context.Context, client *kgo.Client, admin *kadm.Client) error {
	if c.config.InstanceID == "" {
		return client.LeaveGroupContext(ctx)
	}
	// A static member's own leave is no leave to the coordinator: it keeps the
	// place until the session times out. Removing the instance by name is.
	left, err := admin.LeaveGroup(ctx, kadm.LeaveGroup(c.config.Group).InstanceIDs(c.config.InstanceID))
	if err == nil {
		err = left.Error()
	}
	return err
}
