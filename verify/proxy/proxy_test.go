package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every byte with itself plus a number.
func echo(t *testing.T, add byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 1)
				for {
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					b[0] += add
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask says a byte and hears the answer.
func ask(c net.Conn, limit time.Duration) (byte, error) {
	_ = c.SetDeadline(time.Now().Add(limit))
	if _, err := c.Write([]byte{1}); err != nil {
		return 0, err
	}
	b := make([]byte, 1)
	_, err := io.ReadFull(c, b)
	return b[0], err
}

func TestBytesGoBad(t *testing.T) {
	p, err := Open(echo(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := dial(t, p)
	if b, err := ask(c, time.Second); b != 2 || err != nil {
		t.Fatalf("a good network: %d, %v", b, err)
	}
	p.Blackhole(false, true)
	if _, err := ask(c, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nobody answers: %v", err)
	}
	p.Heal()
	if _, err := ask(c, time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a connection that has lost bytes goes on: %v", err)
	}
	p.Repoint(echo(t, 2))
	c = dial(t, p)
	if b, err := ask(c, time.Second); b != 3 || err != nil {
		t.Fatalf("another server: %d, %v", b, err)
	}
	p.Delay(50 * time.Millisecond)
	began := time.Now()
	if b, err := ask(c, 5*time.Second); b != 3 || err != nil || time.Since(began) < 100*time.Millisecond {
		t.Fatalf("late: %d, %v after %v", b, err, time.Since(began))
	}
	p.Refuse()
	if _, err := ask(c, time.Second); err == nil {
		t.Fatal("an open connection outlives a refusal")
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		defer c.Close()
		if _, err := ask(c, time.Second); err == nil {
			t.Fatal("a new connection is let through")
		}
	}
}

// Each thing that a rule does to a produce, seen by its client and by the log.
func TestRequestsOfAKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	p, err := OpenKafka(cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	direct, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	stored := func() int64 {
		ends, err := kadm.NewClient(direct).ListEndOffsets(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		end, _ := ends.Lookup("t", 0)
		return end.Offset
	}
	produce := func(ctx context.Context) error {
		c, err := kgo.NewClient(kgo.SeedBrokers(p.Addr()), kgo.DefaultProduceTopic("t"), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0),
			kgo.ProducerLinger(0))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr()
	}
	for _, c := range []struct {
		rule   *Rule
		answer bool // the client hears that it worked
		stored int64
	}{
		{&Rule{Do: Falsify, Err: kerr.TopicAuthorizationFailed.Code}, false, 1},
		{&Rule{Do: DropAnswer}, false, 1},
		{&Rule{Do: Refuse, Err: kerr.TopicAuthorizationFailed.Code}, false, 0},
		{&Rule{Do: Drop}, false, 0},
		{&Rule{Do: Hold}, false, 0},
	} {
		before := stored()
		c.rule.Key, c.rule.Times = kmsg.Produce, 1
		rule := p.Add(c.rule)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan error, 1)
		go func() { done <- produce(ctx) }()
		for c.rule.Do == Hold && rule.Struck() == 0 && ctx.Err() == nil { // its client gives up once it is held
		}
		if c.rule.Do == Hold {
			cancel()
		}
		err := <-done
		cancel()
		if (err == nil) != c.answer || rule.Struck() != 1 || stored()-before != c.stored {
			t.Errorf("rule %d: %v, struck %d times, %d stored", c.rule.Do, err, rule.Struck(), stored()-before)
		}
		p.Release()
		if c.rule.Do == Hold { // it gets there when its client is gone
			deadline := time.Now().Add(5 * time.Second)
			for stored() == before && time.Now().Before(deadline) {
			}
			if stored() != before+1 {
				t.Error("what was held never came")
			}
		}
	}
	if err := produce(t.Context()); err != nil {
		t.Errorf("without rules: %v", err)
	}
	if cluster.ListenAddrs()[0] == p.Addr() {
		t.Error("nothing went through the proxy")
	}
}
