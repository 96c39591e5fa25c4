package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sources/generate"
	"github.com/freshet-dev/freshet/verify/checks"
	"github.com/freshet-dev/freshet/verify/oracle"
)

const (
	writers      = 4
	partitions   = 4
	secret       = "the-secret-of-the-proof"
	dedupPercent = 2
	inStep       = 4000 // events after which the writers wait for each other
)

// proofSpec is the quickstart under a namespace of its own, so that runs do
// not meet in the servers.
func proofSpec(t *testing.T, namespace string) (path string, s *spec.Spec) {
	t.Helper()
	text, err := os.ReadFile("../../examples/quickstart/quickstart.freshet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	renamed := strings.NewReplacer("namespace: quickstart", "namespace: "+namespace, " quickstart.", " "+namespace+".").Replace(string(text))
	path = filepath.Join(t.TempDir(), "proof.freshet.yaml")
	if err := os.WriteFile(path, []byte(renamed), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, diagnostics, err := spec.Load([]string{path})
	if err != nil || diagnostics.HasErrors() || len(specs) != 1 {
		t.Fatalf("load %s: %v %v", path, err, diagnostics)
	}
	for _, src := range specs[0].Sources {
		if !strings.HasPrefix(src.Topic, namespace+".") || !strings.HasPrefix(src.Output.Topic, namespace+".") {
			t.Fatalf("source %s keeps its topics %s and %s", src.Name, src.Topic, src.Output.Topic)
		}
	}
	return path, specs[0]
}

// TestExactlyOnce is the proof of the main job: 200,000 events of two topics
// from four writers, out of order and with duplicates, through a SIGTERM and a
// kill -9 in the middle of a transaction. Who reads what is committed finds each
// input once: as a record that equals the oracle in the order of (batch, seq), as
// a dead letter, or as a counted drop; and every row equals the oracle's read at
// its _as_of. What was written and not committed is there too: the test is of
// no worth without.
func TestExactlyOnce(t *testing.T) {
	p := newProof(t, 200_000, "exactly_once")
	verdict := p.run(t, p.killInTransaction)
	if verdict.Repeated != 0 || verdict.Void != 0 {
		t.Errorf("%d records came twice, and %d of a batch that was tried again: %v", verdict.Repeated, verdict.Void, verdict)
	}
	committed, written := 0, 0
	for _, topic := range p.outputs {
		committed += len(p.srv.dump(t, topic, kgo.ReadCommitted()))
		written += len(p.srv.dump(t, topic, kgo.ReadUncommitted()))
	}
	if written <= committed {
		t.Errorf("%d records written, %d committed: no transaction was aborted, so nothing was proved", written, committed)
	}
	t.Logf("%d records written, %d committed", written, committed)
}

// TestAtLeastOnce is the same without transactions: an input may come twice,
// and the try of the later owner is what counts.
func TestAtLeastOnce(t *testing.T) {
	p := newProof(t, 40_000, "at_least_once")
	p.run(t, p.killWhileLeaving)
}

// proof is one run of the built binary, twice interrupted, and its judgement.
type proof struct {
	srv             *servers
	spec            *spec.Spec
	path, group     string
	events          int
	env             []string
	topics, outputs []string
}

func newProof(t *testing.T, events int, delivery string) *proof {
	srv := connect(t)
	namespace := "proof" + strconv.FormatInt(time.Now().UnixNano(), 36)
	path, s := proofSpec(t, namespace)
	t.Cleanup(func() { srv.forget(namespace) })
	p := &proof{srv: srv, spec: s, path: path, group: "freshet-" + namespace, events: events}
	for _, src := range s.Sources {
		srv.createTopic(t, src.Topic, partitions)
		srv.createTopic(t, src.Output.Topic, partitions)
		srv.createTopic(t, namespace+"."+src.Name+".dlq.v1", partitions)
		p.topics = append(p.topics, src.Topic)
		p.outputs = append(p.outputs, src.Output.Topic)
	}
	p.env = []string{"FRESHET_KAFKA_BROKERS=" + srv.brokers, "FRESHET_ONLINE_STORE=" + srv.redisURL,
		"FRESHET_ENTITY_KEY_SECRET=" + secret, "FRESHET_LISTEN=127.0.0.1:0", "FRESHET_DELIVERY=" + delivery}
	return p
}

// killInTransaction stops the process again and again, until it stands still
// with records written that are not committed, and kills it there.
func (p *proof) killInTransaction(t *testing.T, run *process) {
	run.until(t, time.Minute, "a transaction was open", func() bool {
		run.signal(t, syscall.SIGSTOP)
		for range 20 { // an end that is under way to the broker comes meanwhile
			if p.srv.stable(t, p.outputs) == p.srv.end(t, p.outputs) {
				run.signal(t, syscall.SIGCONT)
				return false
			}
		}
		return true
	})
	run.signal(t, syscall.SIGKILL)
}

// killWhileLeaving kills when the next batch has begun to leave, so that it is
// tried twice; when rows or the commit are quicker, it is not, and that is fine.
func (p *proof) killWhileLeaving(t *testing.T, run *process) {
	left := p.srv.end(t, p.outputs)
	run.until(t, time.Minute, "the next batch was leaving", func() bool { return p.srv.end(t, p.outputs) > left })
	run.signal(t, syscall.SIGKILL)
}

func (p *proof) run(t *testing.T, kill func(*testing.T, *process)) *checks.Verdict {
	srv, s, path, env, group, proofEvents := p.srv, p.spec, p.path, p.env, p.group, int64(p.events)
	binary := build(t)
	t.Cleanup(func() {
		if t.Failed() {
			srv.tellOffsets(t, group, p.topics)
		}
	})
	var produced sync.WaitGroup
	produced.Add(1)
	go func() {
		defer produced.Done()
		srv.produce(t, s, generate.New(proofTraffic()), p.events)
	}()
	first := start(t, "the first run", binary, env, "run", path)
	first.until(t, 3*time.Minute, "a quarter was committed", func() bool { return srv.committed(t, group) > proofEvents/4 })
	first.signal(t, syscall.SIGTERM)
	if code := first.wait(t, 10*time.Second); code != 0 {
		t.Fatalf("SIGTERM: exit code %d, want 0", code)
	}
	second := start(t, "the second run", binary, env, "run", path)
	second.until(t, 3*time.Minute, "two thirds were committed", func() bool { return srv.committed(t, group) > proofEvents*2/3 })
	kill(t, second)
	second.wait(t, 10*time.Second)
	atKill := srv.committed(t, group)

	third := start(t, "the third run", binary, env, "run", path)
	produced.Wait()
	var total int64
	third.until(t, 5*time.Minute, "all was committed", func() bool {
		total = srv.end(t, p.topics)
		return total >= 0 && srv.committed(t, group) == total
	})
	third.signal(t, syscall.SIGTERM)
	if code := third.wait(t, 10*time.Second); code != 0 {
		t.Fatalf("SIGTERM: exit code %d, want 0", code)
	}
	if atKill >= total {
		t.Fatal("the kill came after the end: nothing was proved")
	}

	began := time.Now()
	verdict := checks.Check(srv.collect(t, s))
	t.Logf("killed at %d of %d; %v; judged in %v", atKill, total, verdict, time.Since(began).Round(time.Millisecond))
	if !verdict.OK() {
		t.Fatal("the run does not equal the oracle")
	}
	t.Attr("counted", verdict.String())
	if verdict.Owners != 3 || verdict.Drops[oracle.Duplicate] < p.events/100 || verdict.Compared < p.events*9/10 {
		t.Fatalf("the run was too easy to prove anything: %v", verdict)
	}
	return verdict
}

// produce writes the generator's next events with four writers side by side, so
// that they interleave as they come.
func (s *servers) produce(t *testing.T, sp *spec.Spec, gen *generate.Generator, events int) {
	topicOf := map[string]string{}
	for _, src := range sp.Sources {
		topicOf[src.Name] = src.Topic
	}
	feeds := make([]chan *kgo.Record, writers)
	var wg, flushed sync.WaitGroup
	for w := range feeds {
		feeds[w] = make(chan *kgo.Record, 1000)
		client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ProducerLinger(5*time.Millisecond), kgo.UnknownTopicRetries(-1))
		if err != nil {
			t.Error(err)
			return
		}
		wg.Go(func() {
			defer client.Close()
			for r := range feeds[w] {
				if r == nil {
					if err := client.Flush(context.Background()); err != nil {
						t.Errorf("flush: %v", err)
					}
					flushed.Done()
					continue
				}
				client.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
					if err != nil {
						t.Errorf("produce: %v", err)
					}
				})
			}
			if err := client.Flush(context.Background()); err != nil {
				t.Errorf("flush: %v", err)
			}
		})
	}
	for n := range events {
		if n%inStep == 0 {
			flushed.Wait()
			flushed.Add(writers)
			for _, f := range feeds {
				f <- nil
			}
		}
		ev := gen.Next()
		feeds[n%writers] <- &kgo.Record{Topic: topicOf[ev.Source], Key: append([]byte(nil), ev.Key...), Value: append([]byte(nil), ev.Value...)}
	}
	for _, f := range feeds {
		close(f)
	}
	wg.Wait()
}

// tellOffsets says how far the group has come in each partition.
func (s *servers) tellOffsets(t *testing.T, group string, topics []string) {
	ctx := context.Background()
	ends, err := s.admin.ListEndOffsets(ctx, topics...)
	committed, err2 := s.admin.FetchOffsets(ctx, group)
	t.Logf("of %s: %v %v", group, err, err2)
	ends.Each(func(o kadm.ListedOffset) {
		at, _ := committed.Lookup(o.Topic, o.Partition)
		t.Logf("%s %d: committed %d (%q, %v) of %d (%v)", o.Topic, o.Partition, at.At, at.Metadata, at.Err, o.Offset, o.Err)
	})
}

// stable is the number of records in the topics that no open transaction holds
// back.
func (s *servers) stable(t *testing.T, topics []string) int64 {
	t.Helper()
	return sum(t, topics, s.admin.ListCommittedOffsets)
}

// end is the number of records in the topics; -1 while the broker does not know
// them, as when it stood still for so long that it was taken out.
func (s *servers) end(t *testing.T, topics []string) int64 {
	t.Helper()
	return sum(t, topics, s.admin.ListEndOffsets)
}

func sum(t *testing.T, topics []string, list func(context.Context, ...string) (kadm.ListedOffsets, error)) int64 {
	t.Helper()
	offsets, err := list(context.Background(), topics...)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		if kerr.IsRetriable(err) {
			return -1
		}
		t.Fatal(err)
	}
	sum := int64(0)
	for _, topic := range topics {
		for _, o := range offsets[topic] {
			sum += o.Offset
		}
	}
	return sum
}

// collect dumps everything that the judge wants to see.
func (s *servers) collect(t *testing.T, sp *spec.Spec) *checks.Dump {
	t.Helper()
	tokens := mask.NewTokens([]byte(secret))
	d := &checks.Dump{Spec: sp, Rows: s.rows(t, sp.Namespace), Token: tokens.RedisKey}
	for _, src := range sp.Sources {
		for _, r := range s.dump(t, src.Topic, kgo.ReadCommitted()) {
			d.Inputs = append(d.Inputs, oracle.Record{Source: src.Index, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Value: r.Value})
		}
		for _, r := range s.dump(t, src.Output.Topic, kgo.ReadCommitted()) {
			d.Outputs = append(d.Outputs, r.Value)
		}
		for _, r := range s.dump(t, sp.Namespace+"."+src.Name+".dlq.v1", kgo.ReadCommitted()) {
			d.DeadLetters = append(d.DeadLetters, letter(t, r))
		}
	}
	return d
}

func letter(t *testing.T, r *kgo.Record) checks.DeadLetter {
	t.Helper()
	var l checks.DeadLetter
	for _, h := range r.Headers {
		v := string(h.Value)
		switch h.Key {
		case "freshet.dlq.reason":
			l.Reason = v
		case "freshet.dlq.source":
			l.Source = v
		case "freshet.dlq.partition":
			l.Partition = int32(number(t, v))
		case "freshet.dlq.offset":
			l.Offset = number(t, v)
		}
	}
	if l.Source == "" || l.Reason == "" {
		t.Fatalf("dead letter without source or reason: %s", fmt.Sprint(r.Headers))
	}
	return l
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// proofTraffic spreads the events over the last two hours, with everything that
// a bad day brings. It ends about now, because a record from the future is one
// only beside the log's own clock (S11).
func proofTraffic() generate.Options {
	return generate.Options{Seed: 7, Start: time.Now().Add(-2 * time.Hour), Rate: 30, Cards: 20_000, Users: 15_000,
		OutOfOrder: 0.2, Duplicates: 0.01 * dedupPercent, Late: 0.005, Bad: 0.005, Fraud: 0.001}
}
