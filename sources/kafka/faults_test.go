package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

// until polls until something that is wanted comes, or an error.
func until(t *testing.T, c *Consumer, want func(sources.Poll) bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		p, err := c.Poll(ctx, 100)
		if err != nil {
			return err
		}
		if p.Owned != nil {
			if err := c.Begin(nil); err != nil {
				return err
			}
		}
		if want(p) {
			return nil
		}
	}
	t.Fatal("it did not come")
	return nil
}

func isOwned(p sources.Poll) bool { return p.Owned != nil }
func never(sources.Poll) bool     { return false }

func shut(c *Consumer) { _ = c.Close(context.Background()) }

func both(t *testing.T, test func(*testing.T, kafkaclient.Config)) {
	t.Run("in process", func(t *testing.T) { test(t, kafkatest.InProcess(t)) })
	t.Run("real broker", func(t *testing.T) { test(t, kafkatest.Real(t)) })
}

func mustSay(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want it to say %q", err, part)
		}
	}
}

// A broker that is frozen must not keep a process from ending: what waits for its
// answer is cut off at the deadline, and the group is left by its session.
func TestCloseEndsInTimeWithoutTheBroker(t *testing.T) {
	for _, instance := range []string{"", "one"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		f := begin(t, kafkaclient.Config{Brokers: cluster.ListenAddrs()}, 1)
		config := f.config()
		told := make(chan string, 100)
		config.InstanceID, config.Observe = instance, func(what string, err error) { told <- what }
		c, err := NewConsumer(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := until(t, c, isOwned); err != nil {
			t.Fatal(err)
		}
		thawed := make(chan struct{})
		cluster.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			cluster.SleepControl(func() { <-thawed })
			return nil, nil, false
		})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		began := time.Now()
		if err := c.Close(ctx); err != nil {
			t.Errorf("instance %q: a broker that is away is no error of ours: %v", instance, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("instance %q: it took %s", instance, took)
		}
		cancel()
		close(thawed)
		close(told)
		left := false
		for what := range told {
			left = left || strings.Contains(what, "not left")
		}
		if !left {
			t.Errorf("instance %q: it does not say that the group was not left", instance)
		}
	}
}

// Reliability 27: a small batch that unfolds to anything is not unfolded; the run ends
// and says how to get past it.
func TestABatchThatUnfoldsToTooMuchEndsTheRun(t *testing.T) {
	client := kafkatest.InProcess(t)
	f := begin(t, client, 1)
	opts, err := client.Options()
	if err != nil {
		t.Fatal(err)
	}
	bomber, err := kgo.NewClient(append(opts, kgo.ProducerBatchMaxBytes(2*maxDecompressBytes), kgo.BrokerMaxWriteBytes(4*maxDecompressBytes),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer bomber.Close()
	for _, size := range []int{1, maxDecompressBytes + 1} {
		if err := bomber.ProduceSync(t.Context(), &kgo.Record{Topic: f.topics[0].Name, Value: make([]byte, size)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c := f.open(t)
	defer shut(c)
	mustSay(t, until(t, c, never), "partition 0", "offset 1", "64 MiB", "kafka-delete-records", "offset 2:", "--accept-gap")
}

func TestStartIsRefusedWhere(t *testing.T) {
	client := kafkatest.InProcess(t)
	f := begin(t, client, 1)
	bad := f.config()
	bad.Topics = append(bad.Topics, Topic{Source: 1, Name: "missing"})
	_, err := NewConsumer(t.Context(), bad)
	mustSay(t, err, "topic missing does not exist", "create it")

	bad = f.config()
	bad.Topics = append(bad.Topics, Topic{Source: 1, Name: bad.Topics[0].Name})
	_, err = NewConsumer(t.Context(), bad)
	mustSay(t, err, "both read topic")

	bad = f.config()
	bad.Group = ""
	_, err = NewConsumer(t.Context(), bad)
	mustSay(t, err, "no group", "--group")

	bad = f.config()
	bad.Client.Brokers = nil
	_, err = NewConsumer(t.Context(), bad)
	mustSay(t, err, "no Kafka brokers", "--brokers")
}

// Without the ids of topics one that was made anew looks like the old one.
func TestOldBrokersAreRefused(t *testing.T) {
	f := begin(t, kafkatest.InProcess(t, kfake.MaxVersions(kversion.V2_7_0())), 1)
	_, err := NewConsumer(t.Context(), f.config())
	mustSay(t, err, "older than 2.8", "upgrade the cluster")
}

// A committed position that the log no longer holds is never reset silently.
func TestGapsInTheLogAreFatal(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		set := func(f *fixture, offset int64) {
			t.Helper()
			var offsets kadm.Offsets
			offsets.AddOffset(f.topics[0].Name, 0, offset, -1)
			if err := f.admin.CommitAllOffsets(t.Context(), f.group, offsets); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("retention", func(t *testing.T) {
			f := begin(t, client, 1)
			f.append(t, 0, 0, "0", "1", "2", "3", "4")
			set(f, 1)
			var cut kadm.Offsets
			cut.AddOffset(f.topics[0].Name, 0, 3, -1)
			if _, err := f.admin.DeleteRecords(t.Context(), cut); err != nil {
				t.Fatal(err)
			}
			c := f.open(t)
			defer shut(c)
			mustSay(t, until(t, c, never), f.topics[0].Name, "partition 0", "committed offset 1", "begins at 3", "2 records")
		})
		t.Run("retention, accepted", func(t *testing.T) {
			f := begin(t, client, 1)
			f.append(t, 0, 0, "0", "1", "2", "3", "4")
			set(f, 1)
			var cut kadm.Offsets
			cut.AddOffset(f.topics[0].Name, 0, 3, -1)
			if _, err := f.admin.DeleteRecords(t.Context(), cut); err != nil {
				t.Fatal(err)
			}
			f.adjust = func(c *Config) { c.AcceptGap = true }
			c := f.open(t)
			defer shut(c)
			var got sources.Poll
			if err := until(t, c, func(p sources.Poll) bool { got = p; return isOwned(p) }); err != nil {
				t.Fatal(err)
			}
			if a := got.Owned[0]; a.Start != 3 || a.Committed != 3 {
				t.Errorf("took over %+v, want to begin at 3", a)
			}
		})
		t.Run("behind the end", func(t *testing.T) {
			f := begin(t, client, 1)
			f.append(t, 0, 0, "0")
			set(f, 9)
			c := f.open(t)
			defer shut(c)
			mustSay(t, until(t, c, never), "committed offset 9", "ends at 1")
		})
		t.Run("exactly the start and the end are fine", func(t *testing.T) {
			for _, offset := range []int64{0, 2} {
				f := begin(t, client, 1)
				f.append(t, 0, 0, "0", "1")
				set(f, offset)
				c := f.open(t)
				if err := until(t, c, isOwned); err != nil {
					t.Errorf("committed %d of [0, 2): %v", offset, err)
				}
				shut(c)
			}
		})
	})
}

// Retention that removes what a running consumer has not read yet is a gap like
// any other: nothing is passed over in silence.
func TestAGapThatOpensWhileItRunsIsFatal(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	f := begin(t, kafkaclient.Config{Brokers: cluster.ListenAddrs()}, 1)
	f.append(t, 0, 0, "0", "1")
	c := f.open(t)
	defer shut(c)
	if err := until(t, c, func(p sources.Poll) bool { return len(p.Records) > 0 }); err != nil {
		t.Fatal(err)
	}
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: f.topics[0].Name, Err: kerr.OffsetOutOfRange})
	defer fault.Remove()
	f.append(t, 0, 0, "2", "3")
	last := int64(0)
	err = until(t, c, func(p sources.Poll) bool {
		for _, r := range p.Records {
			last = r.Offset
		}
		return false
	})
	mustSay(t, err, f.topics[0].Name, "partition 0", "no longer holds the next record")
	if last >= 2 {
		t.Errorf("it went on to offset %d", last)
	}
}

func TestTopicsThatChangeEndTheRun(t *testing.T) {
	client := kafkatest.InProcess(t)
	changes := map[string]struct {
		do   func(*fixture, string) error
		want string
	}{
		"deleted": {func(f *fixture, name string) error {
			_, err := f.admin.DeleteTopics(t.Context(), name)
			return err
		}, "was deleted while it was read"},
		"made anew": {func(f *fixture, name string) error {
			if _, err := f.admin.DeleteTopics(t.Context(), name); err != nil {
				return err
			}
			_, err := f.admin.CreateTopic(t.Context(), 1, 1, nil, name)
			return err
		}, "use a new group"}, // the look may come while it is gone
		"grown": {func(f *fixture, name string) error {
			_, err := f.admin.CreatePartitions(t.Context(), 2, name)
			return err
		}, "partitions"},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			f := begin(t, client, 1)
			f.adjust = func(c *Config) { c.TopicCheck = 300 * time.Millisecond } // no look falls between a deletion and what follows it
			c := f.open(t)
			defer shut(c)
			if err := until(t, c, isOwned); err != nil {
				t.Fatal(err)
			}
			waiting := f.open(t)
			defer shut(waiting)
			if err := until(t, waiting, func(p sources.Poll) bool { return p.Standing != nil }); err != nil {
				t.Fatal(err)
			}
			if err := waiting.Begin(nil); err != nil {
				t.Fatal(err)
			}
			if err := change.do(f, f.topics[0].Name); err != nil {
				t.Fatal(err)
			}
			mustSay(t, until(t, c, never), f.topics[0].Name, change.want)
			mustSay(t, until(t, waiting, never), f.topics[0].Name) // or it would take over what it cannot go on with
		})
	}
}

// An instance that is given less than everything computes nothing: it gives it
// back and joins again. One that owns everything and is given more ends.
func TestLessThanEverythingIsRefused(t *testing.T) {
	f := begin(t, kafkatest.InProcess(t), 2, 1)
	c := f.open(t)
	defer shut(c)
	if err := until(t, c, isOwned); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	number, gained := c.number, c.own
	c.own = ownership{} // as before it owned anything
	c.mu.Unlock()
	some := map[string]map[int32]kgo.Offset{f.topics[0].Name: {0: {}}, f.topics[1].Name: {0: {}}}
	if _, err := c.takeOver(t.Context(), number, some); !errors.Is(err, errPartial) {
		t.Errorf("two of three partitions: %v", err)
	}
	if got, told, _ := c.change(); told || c.own.held {
		t.Errorf("it was told %+v", got)
	}
	c.mu.Lock()
	c.own = gained
	c.mu.Unlock()
	if _, err := c.takeOver(t.Context(), number, map[string]map[int32]kgo.Offset{f.topics[0].Name: {2: {}}}); err == nil {
		t.Error("a third partition was taken over")
	}
	mustSay(t, until(t, c, never), "more partitions now")
}

func TestKafkaThatIsGoneEndsTheRun(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	f := begin(t, kafkaclient.Config{Brokers: cluster.ListenAddrs()}, 1)
	f.adjust = func(c *Config) { c.UnreachableAfter = time.Second }
	c := f.open(t)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	}()
	if err := until(t, c, isOwned); err != nil {
		t.Fatal(err)
	}
	cluster.Close()
	began := time.Now()
	err = until(t, c, never)
	mustSay(t, err, "unreachable since", f.client.Brokers[0])
	if !errors.Is(err, kafkaclient.ErrUnreachable) {
		t.Error("whoever runs it cannot tell that from a failure")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to notice", took)
	}
}

func TestTheSameInstanceIDTwiceIsFatalForTheFirst(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		f := begin(t, client, 2)
		f.adjust = func(c *Config) { c.InstanceID = "one" }
		first := f.open(t)
		defer shut(first)
		if err := until(t, first, isOwned); err != nil {
			t.Fatal(err)
		}
		second := f.open(t)
		defer shut(second)
		mustSay(t, until(t, first, never), "same instance id one")
	})
}

func TestAStaticMemberLeavesAtOnce(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		f := begin(t, client, 2)
		f.adjust = func(c *Config) { c.InstanceID = "first" }
		first := f.open(t)
		if err := until(t, first, isOwned); err != nil {
			t.Fatal(err)
		}
		f.adjust = func(c *Config) { c.InstanceID = "second" }
		second := f.open(t)
		defer shut(second)
		left := time.Now()
		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := until(t, second, isOwned); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(left); took > 5*time.Second { // the session lasts 10 s
			t.Errorf("the hand-over took %s", took)
		}
	})
}

func TestMembersThatAreNotOfFreshetAreRefused(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		f := begin(t, client, 1)
		opts, err := client.Options()
		if err != nil {
			t.Fatal(err)
		}
		other, err := kgo.NewClient(append(opts, kgo.ConsumerGroup(f.group), kgo.ConsumeTopics(f.topics[0].Name))...)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		f.append(t, 0, 0, "x")
		if err := other.PollFetches(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		c := f.open(t)
		defer shut(c)
		mustSay(t, until(t, c, never), "members that are not of Freshet")
	})
}

func TestPausedPartitionsWait(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		f := begin(t, client, 2)
		c := f.open(t)
		defer shut(c)
		if err := until(t, c, isOwned); err != nil {
			t.Fatal(err)
		}
		c.Pause(sources.PartitionID{Partition: 1})
		f.append(t, 0, 1, "held")
		f.append(t, 0, 0, "given")
		var got []string
		err := until(t, c, func(p sources.Poll) bool {
			for _, r := range p.Records {
				got = append(got, string(r.Value))
			}
			return len(got) > 0
		})
		if err != nil || len(got) != 1 || got[0] != "given" {
			t.Fatalf("got %v, %v", got, err)
		}
		c.Resume()
		if err := until(t, c, func(p sources.Poll) bool {
			return len(p.Records) == 1 && string(p.Records[0].Value) == "held"
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// While a write is tried again for minutes nobody polls: the lag must grow all
// the same.
func TestLagGrowsWhileNobodyPolls(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		f := begin(t, client, 2)
		f.adjust = func(c *Config) { c.LagCheck = 20 * time.Millisecond }
		c := f.open(t)
		defer shut(c)
		if err := until(t, c, isOwned); err != nil {
			t.Fatal(err)
		}
		f.append(t, 0, 1, "a", "b", "c")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for c.Lag()[sources.PartitionID{Partition: 1}] != 3 {
			if wait(ctx, 5*time.Millisecond) != nil {
				t.Fatalf("the lag is %v", c.Lag())
			}
		}
		if lag := c.Lag()[sources.PartitionID{}]; lag != 0 {
			t.Errorf("the lag of the other partition is %d", lag)
		}
	})
}
