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
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sinks/mask"
)

// The floor of delivery: a bare loop of the client libraries that reads each
// record, writes as many rows of as many fields as Freshet would, appends a
// record of the same size, and commits in transactions at the same interval. It
// decodes one field and computes nothing.

const (
	copyRows     = 8    // of one event of the bench
	copyFields   = 13   // of a row
	copyBytes    = 3300 // of an enriched record
	copyInterval = 20 * time.Millisecond
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
	r              *rig
	session        *kgo.GroupTransactSession
	output         string
	key            func(card []byte) string
	value          []byte
	args           []any // of one HSET behind its key
	cancel         context.CancelFunc
	done           sync.WaitGroup
	mu             sync.Mutex
	steps, commits float64
	err            error
}

func startCopy(r *rig) (target, error) {
	tokens, card := mask.NewTokens([]byte(benchSecret)), entity(r.spec, "card")
	c := &copier{r: r, output: r.spec.Sources[0].Output.Topic, value: bytes.Repeat([]byte("x"), copyBytes),
		key: func(id []byte) string {
			return "freshet:" + r.namespace + ":{card:" + tokens.RedisKey(card, string(id)) + "}:card_velocity@1"
		}}
	for f := range copyFields {
		c.args = append(c.args, "some_feature_"+strconv.Itoa(f), strconv.Itoa(1234567*f))
	}
	var err error
	c.session, err = kgo.NewGroupTransactSession(kgo.SeedBrokers(r.brokers), kgo.ConsumerGroup(r.namespace+"-copy"), kgo.TransactionalID(r.namespace),
		kgo.ConsumeTopics(r.inputs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.done.Go(func() { c.err = c.loop(ctx) })
	return c, nil
}

func (c *copier) name() string { return "floor: bare copy, exactly once" }
func (c *copier) pid() int     { return os.Getpid() }

func (c *copier) counts() (steps, commits float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps, c.commits
}

func (c *copier) stop() error {
	c.cancel()
	c.done.Wait()
	c.session.Close()
	if errors.Is(c.err, context.Canceled) {
		return nil
	}
	return c.err
}

// loop copies until ctx is done: what was polled leaves at once, and once in an
// interval all of it is committed.
func (c *copier) loop(ctx context.Context) error {
	open, ended := false, time.Now()
	for {
		wait, cancel := context.WithDeadline(ctx, ended.Add(copyInterval))
		if !open {
			cancel()
			wait, cancel = context.WithCancel(ctx)
		}
		fetches := c.session.PollFetches(wait)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if records := fetches.Records(); len(records) > 0 {
			if !open {
				if err := c.session.Begin(); err != nil {
					return err
				}
				open = true
			}
			if err := c.step(ctx, records); err != nil {
				return err
			}
		}
		if open && time.Since(ended) >= copyInterval {
			if _, err := c.session.End(ctx, kgo.TryCommit); err != nil {
				return err
			}
			open, ended = false, time.Now()
			c.count(0, 1)
		}
	}
}

func (c *copier) count(steps, commits float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps, c.commits = c.steps+steps, c.commits+commits
}

// step writes the rows and the records of a poll side by side.
func (c *copier) step(ctx context.Context, records []*kgo.Record) error {
	var rows error
	var writing sync.WaitGroup
	writing.Go(func() {
		_, rows = c.r.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, r := range records {
				key := c.key(r.Key)
				for row := range copyRows {
					if row > 0 {
						key = fmt.Sprintf("freshet:%s:floor:%d:%d", c.r.namespace, row, r.Offset%5000)
					}
					pipe.Do(ctx, append([]any{"hset", key}, c.args...)...)
					pipe.Do(ctx, "expire", key, copyTTL)
				}
			}
			return nil
		})
	})
	for _, r := range records {
		c.session.Produce(ctx, &kgo.Record{Topic: c.output, Key: r.Key, Value: c.value}, nil)
	}
	err := c.session.Client().Flush(ctx)
	writing.Wait()
	c.count(1, 0)
	return errors.Join(rows, err)
}
