package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sources/generate"
	"github.com/freshet-dev/freshet/verify/checks"
)

// What is written meanwhile, and how long a zombie sleeps: longer than the
// session and the transaction.
const (
	eventsPerSecond = 1000
	zombieSleep     = 15 * time.Second
)

// instance is a process that says what it is.
type instance struct {
	*process
	address string
}

func (p *proof) instance(t *testing.T, name, binary string) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	return &instance{start(t, name, binary, append(p.env, "FRESHET_LISTEN="+address), "run", p.path), address}
}

func (i *instance) get(path string) string {
	client := http.Client{Timeout: time.Second}
	answer, err := client.Get("http://" + i.address + path)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

func (i *instance) active() bool { return strings.HasPrefix(i.get("/readyz"), "active") }

// works waits until more is committed than is now.
func (i *instance) works(t *testing.T, p *proof) {
	t.Helper()
	before := p.srv.committed(t, p.group)
	i.until(t, time.Minute, "it committed something", func() bool { return p.srv.committed(t, p.group) > before })
}

func (i *instance) caughtUp() bool {
	return strings.HasPrefix(i.get("/readyz"), "standby: caught up")
}

// TestStandby is a run whose owner is drained, killed and frozen while records
// keep coming, each time with a warm standby beside it: each input has one
// committed output that equals the oracle, and no state is built anew.
func TestStandby(t *testing.T) {
	p := newProof(t, 0, "exactly_once")
	binary := build(t)
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	var feeding sync.WaitGroup
	feeding.Go(func() { p.srv.feed(ctx, t, p.spec) })

	a := p.instance(t, "instance a", binary)
	a.until(t, time.Minute, "it was active", a.active)
	b := p.instance(t, "instance b", binary)
	b.until(t, time.Minute, "it had caught up", b.caughtUp)
	if m := b.get("/metrics"); !strings.Contains(m, "freshet_active 0") || !strings.Contains(m, "freshet_ready 1") {
		t.Errorf("a standby says it is active, or not ready")
	}

	a.works(t, p)
	began := time.Now()
	a.signal(t, syscall.SIGTERM)
	b.until(t, 10*time.Second, "it took over from one that was drained", b.active)
	drained := time.Since(began)
	b.works(t, p)
	if code := a.wait(t, 10*time.Second); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}

	c := p.instance(t, "instance c", binary)
	c.until(t, time.Minute, "it had caught up", c.caughtUp)
	began = time.Now()
	b.signal(t, syscall.SIGKILL)
	c.until(t, 30*time.Second, "it took over from one that was killed", c.active)
	killed := time.Since(began)
	c.works(t, p)

	d := p.instance(t, "instance d", binary)
	d.until(t, time.Minute, "it had caught up", d.caughtUp)
	began = time.Now()
	c.signal(t, syscall.SIGSTOP)
	d.until(t, 30*time.Second, "it took over from one that was frozen", d.active)
	frozen := time.Since(began)
	d.works(t, p)
	<-time.After(max(0, zombieSleep-time.Since(began)))
	c.signal(t, syscall.SIGCONT)
	zombie := c.becomes(t)

	enough()
	feeding.Wait()
	total := p.srv.end(t, p.topics)
	d.until(t, time.Minute, "all was committed", func() bool { return p.srv.committed(t, p.group) == total })
	for _, last := range []*instance{c, d} { // the standby first
		if last == c && zombie != "a standby" {
			continue
		}
		last.signal(t, syscall.SIGTERM)
		if code := last.wait(t, 10*time.Second); code != 0 {
			t.Errorf("SIGTERM to %s: exit code %d, want 0", last.name, code)
		}
	}
	verdict := checks.Check(p.srv.collect(t, p.spec))
	t.Logf("took over from a drained one in %v, a killed one in %v, a frozen one in %v, which became %s; %v", drained, killed, frozen, zombie, verdict)
	if !verdict.OK() || verdict.Repeated != 0 || verdict.Void != 0 {
		t.Fatal("the run does not equal the oracle")
	}
	t.Attr("counted", fmt.Sprintf("take-overs: drained %v, killed %v, frozen %v; %v", drained, killed, frozen, verdict))
	if verdict.Owners != 4 || verdict.Compared < 10_000 {
		t.Fatalf("the run was too easy to prove anything: %v", verdict)
	}
	for _, i := range []*instance{b, c, d} {
		if !strings.Contains(i.log.String(), `"warm":true`) && !strings.Contains(i.log.String(), "warm=true") {
			t.Errorf("%s took over with no state", i.name)
		}
	}
}

// becomes waits for what a zombie turns into: a standby, where it has learned
// from Kafka that it was replaced, or the end, where Redis has told it first.
func (i *instance) becomes(t *testing.T) string {
	t.Helper()
	deadline := time.After(time.Minute)
	for !i.caughtUp() {
		select {
		case <-i.done:
			if code := i.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(i.log.String(), "another writer has taken over") {
				t.Errorf("the zombie ended with %d", code)
			}
			return "the end"
		case <-deadline:
			t.Fatal("the zombie is neither a standby nor dead")
		case <-time.After(50 * time.Millisecond):
		}
	}
	return "a standby"
}

// feed writes the generator's events at a steady pace until ctx is done.
func (s *servers) feed(ctx context.Context, t *testing.T, sp *spec.Spec) {
	topicOf := map[string]string{}
	for _, src := range sp.Sources {
		topicOf[src.Name] = src.Topic
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ProducerLinger(5*time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	gen := generate.New(proofTraffic())
	const turns = 50
	tick := time.NewTicker(time.Second / turns)
	defer tick.Stop()
	for ctx.Err() == nil {
		for range eventsPerSecond / turns {
			ev := gen.Next()
			client.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: topicOf[ev.Source], Key: append([]byte(nil), ev.Key...), Value: append([]byte(nil), ev.Value...)},
				func(_ *kgo.Record, err error) {
					if err != nil {
						t.Errorf("produce: %v", err)
					}
				})
		}
		<-tick.C
	}
	if err := client.Flush(context.WithoutCancel(ctx)); err != nil {
		t.Errorf("flush: %v", err)
	}
}
