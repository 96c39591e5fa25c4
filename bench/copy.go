package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/sinks/mask"
)

// The floor of delivery: the requests that Freshet makes, by the bare client
// libraries and at the same pace, with nothing computed. It reads each record,
// writes as many rows of as many fields, appends a record of the same size, and
// commits at the same interval. It waits for what Freshet waits for, no more:
// records are fetched while a step is on its way, and a transaction begins no
// sooner than the broker takes it at once.

const (
	copyRows     = 8    // of one event of the bench
	copyFields   = 13   // of a row
	copyBytes    = 3300 // of an enriched record
	copyInterval = 20 * time.Millisecond
	copyPace     = 4 * time.Millisecond // from one step or fetch to the next
	copySlack    = 2 * time.Millisecond // a step this close to the commit takes it along
	copyPause    = 5 * time.Millisecond // from the end of a transaction to the next: sooner, the broker refuses and the client waits for 50 ms
	copyTTL      = "604800"
)

// instance is a running Freshet.
type instance struct {
	r        *rig
	cmd      *exec.Cmd
	delivery string
}

func (i *instance) name() string { return i.delivery }
func (i *instance) pid() int     { return i.cmd.Process.Pid }
func (i *instance) stop() error  { return i.r.stop(i.cmd) }

func (i *instance) counts() (steps, commits float64) {
	return i.r.metric(`freshet_process_duration_seconds_count{stage="emit"}`), i.r.metric(`freshet_transactions_total{result="committed"}`)
}

// copier is the floor, running in this process.
type copier struct {
	r         *rig
	exactly   bool // once; else at least once
	consumer  *kgo.Client
	producer  *kgo.Client
	rows      *redis.Conn
	output    string
	key       func(card []byte) string
	value     []byte
	args      []any                   // of one HSET behind its key
	ids       map[string]kadm.TopicID // of the inputs
	cancel    context.CancelFunc
	done      sync.WaitGroup
	came      chan struct{} // there are records
	fetchFail error         // of read, told by closing came

	mu             sync.Mutex
	records        []*kgo.Record // fetched and not yet on their way
	steps, commits float64
	err            error

	// Of the loop.
	held      []*kgo.Record                        // whose outputs wait for the commit
	told      map[string]time.Time                 // when rows were given their ttl
	next      map[string]map[int32]kgo.EpochOffset // by topic and partition, since the last commit
	committed time.Time
}

func startCopy(delivery string) func(*rig) (target, error) {
	return func(r *rig) (target, error) {
		tokens, card := mask.NewTokens([]byte(benchSecret)), entity(r.spec, "card")
		c := &copier{r: r, exactly: delivery == "exactly_once", output: r.spec.Sources[0].Output.Topic, value: bytes.Repeat([]byte("x"), copyBytes),
			came: make(chan struct{}, 1), ids: map[string]kadm.TopicID{}, told: map[string]time.Time{}, next: map[string]map[int32]kgo.EpochOffset{},
			key: func(id []byte) string {
				return "freshet:" + r.namespace + ":{card:" + tokens.RedisKey(card, string(id)) + "}:card_velocity@1"
			}}
		for f := range copyFields {
			c.args = append(c.args, "some_feature_"+strconv.Itoa(f), strconv.Itoa(1234567*f))
		}
		assigned := make(chan struct{})
		if err := c.connect(assigned); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		c.cancel = cancel
		c.done.Go(func() { c.read(ctx) })
		c.done.Go(func() { c.err = c.loop(ctx) })
		select { // an instance is measured from when it is active, too
		case <-assigned:
			return c, nil
		case <-time.After(30 * time.Second):
			return nil, errors.Join(errors.New("the floor was given no partitions within 30 s"), c.stop())
		}
	}
}

// connect makes the clients, with the settings that Freshet's have. assigned is
// closed once the group has given out the partitions.
func (c *copier) connect(assigned chan struct{}) (err error) {
	var once sync.Once
	c.consumer, err = kgo.NewClient(kgo.SeedBrokers(c.r.brokers), kgo.ConsumerGroup(c.r.namespace+"-copy"), kgo.ConsumeTopics(c.r.inputs()...),
		kgo.DisableAutoCommit(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { once.Do(func() { close(assigned) }) }))
	if err != nil {
		return err
	}
	options := []kgo.Opt{kgo.SeedBrokers(c.r.brokers), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(10 * time.Millisecond), kgo.MetadataMinAge(50 * time.Millisecond)}
	if c.exactly {
		options = append(options, kgo.TransactionalID(c.r.namespace))
	}
	if c.producer, err = kgo.NewClient(options...); err != nil {
		return err
	}
	c.rows = c.r.redis.Conn()
	topics, err := c.r.admin.ListTopics(context.Background(), c.r.inputs()...)
	for _, t := range topics {
		c.ids[t.Topic] = t.ID
	}
	return err
}

func (c *copier) name() string {
	if c.exactly {
		return "floor of exactly once"
	}
	return "floor of at least once"
}

func (c *copier) pid() int                  { return os.Getpid() }
func (c *copier) stages() map[string]spread { return nil }

func (c *copier) counts() (steps, commits float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps, c.commits
}

func (c *copier) stop() error {
	c.cancel()
	c.done.Wait()
	c.consumer.Close()
	c.producer.Close()
	if err := errors.Join(c.err, c.rows.Close()); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// read fetches what there is, once in a while, until ctx is done.
func (c *copier) read(ctx context.Context) {
	defer close(c.came)
	tick := time.NewTicker(copyPace)
	defer tick.Stop()
	for {
		fetches := c.consumer.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		if c.fetchFail = fetches.Err(); c.fetchFail != nil {
			return
		}
		c.mu.Lock()
		c.records = append(c.records, fetches.Records()...)
		c.mu.Unlock()
		select {
		case c.came <- struct{}{}:
		default:
		}
		<-tick.C
	}
}

// take is what was fetched since.
func (c *copier) take() []*kgo.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	records := c.records
	c.records = nil
	return records
}

// loop copies until ctx is done: what was fetched leaves at once, and once in
// an interval all of it is committed.
func (c *copier) loop(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	for {
		due := time.Hour
		if len(c.next) > 0 {
			due = time.Until(c.committed.Add(copyInterval))
		}
		timer.Reset(due)
		select {
		case _, on := <-c.came:
			if !on {
				return errors.Join(ctx.Err(), c.fetchFail)
			}
		case <-timer.C:
		}
		began, records := time.Now(), c.take()
		closes := time.Since(c.committed) >= copyInterval-copySlack
		if err := c.step(ctx, records, closes); err != nil {
			return err
		}
		if closes && len(c.next) > 0 {
			if err := c.commit(ctx); err != nil {
				return err
			}
		}
		time.Sleep(time.Until(began.Add(copyPace)))
	}
}

// step writes the rows of a fetch, and beside them the records that are to go
// now: exactly once with the commit, else at once.
func (c *copier) step(ctx context.Context, records []*kgo.Record, closes bool) error {
	for _, r := range records {
		if c.next[r.Topic] == nil {
			c.next[r.Topic] = map[int32]kgo.EpochOffset{}
		}
		c.next[r.Topic][r.Partition] = kgo.EpochOffset{Epoch: -1, Offset: r.Offset + 1}
	}
	var failed error
	var writing sync.WaitGroup
	if len(records) > 0 {
		writing.Go(func() { failed = c.write(ctx, records) })
	}
	c.held = append(c.held, records...)
	sent := error(nil)
	if closes || !c.exactly {
		sent = c.append(ctx)
	}
	writing.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps++
	return errors.Join(failed, sent)
}

// append sends what is held.
func (c *copier) append(ctx context.Context) error {
	if len(c.held) == 0 {
		return nil
	}
	if c.exactly {
		time.Sleep(time.Until(c.committed.Add(copyPause)))
		if err := c.producer.BeginTransaction(); err != nil {
			return err
		}
	}
	var failed error
	var mu sync.Mutex
	for _, r := range c.held {
		c.producer.Produce(ctx, &kgo.Record{Topic: c.output, Key: r.Key, Value: c.value}, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	c.held = c.held[:0]
	return errors.Join(c.producer.Flush(ctx), failed)
}

// write sends one transaction of rows, guarded by a fence as Freshet's are.
func (c *copier) write(ctx context.Context, records []*kgo.Record) error {
	fence := "freshet:" + c.r.namespace + ":floor:fence"
	pipe := c.rows.Pipeline()
	pipe.Do(ctx, "multi")
	for _, r := range records {
		key := c.key(r.Key)
		for row := range copyRows {
			if row > 0 {
				key = fmt.Sprintf("freshet:%s:floor:%d:%d", c.r.namespace, row, r.Offset%5000)
			}
			pipe.Do(ctx, append([]any{"hset", key}, c.args...)...)
			if now := time.Now(); now.Sub(c.told[key]) > 400*time.Millisecond {
				c.told[key] = now
				pipe.Do(ctx, "expire", key, copyTTL)
			}
		}
	}
	pipe.Do(ctx, "exec")
	pipe.Do(ctx, "watch", fence)
	pipe.Get(ctx, fence)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	return nil
}

// commit stores the positions: in the transaction, which it ends, or plainly.
func (c *copier) commit(ctx context.Context) error {
	err := c.position(ctx)
	if err == nil && c.exactly {
		err = c.producer.EndTransaction(ctx, kgo.TryCommit)
	}
	clear(c.next)
	c.committed = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commits++
	return err
}

func (c *copier) position(ctx context.Context) error {
	group := c.r.namespace + "-copy"
	if !c.exactly {
		var failed error
		c.consumer.CommitOffsetsSync(ctx, c.next, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
			failed = err
		})
		return failed
	}
	request := kmsg.NewPtrTxnOffsetCommitRequest()
	request.Group, request.TransactionalID = group, c.r.namespace
	request.MemberID, request.Generation = c.consumer.GroupMetadata()
	var err error
	if request.ProducerID, request.ProducerEpoch, err = c.producer.ProducerID(ctx); err != nil {
		return err
	}
	for topic, partitions := range c.next {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, c.ids[topic]
		for p, at := range partitions {
			part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = p, at.Offset, at.Epoch
			t.Partitions = append(t.Partitions, part)
		}
		request.Topics = append(request.Topics, t)
	}
	response, err := request.RequestWith(ctx, c.producer)
	if err != nil {
		return err
	}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return err
}
