package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sources/generate"
	"github.com/freshet-dev/freshet/verify/checks"
	"github.com/freshet-dev/freshet/verify/oracle"
	"github.com/freshet-dev/freshet/verify/redisfault"
)

const (
	partitions = 3
	writers    = 2
	secret     = "the-secret-of-the-chaos"
)

// history is one job from its first event on: its topics and rows, who feeds
// it, and the judge that has seen all of it. Instances of the binary come and go.
type history struct {
	stage     *stage
	kafka     *cluster
	store     *redisfault.Server // the master
	storeAt   string             // HOST:PORT as the instances reach it
	namespace string
	path      string
	spec      *spec.Spec
	env       []string
	inputs    []string
	outputs   []string
	letters   []string
	traffic   *generate.Generator
	clients   []*kgo.Client
	produced  int64
	trial     *checks.Trial
	sampler   *redisfault.Sampler
	read      map[spot]int64
	total     checks.Verdict
	quiet     int                 // quiet points
	twist     func([]byte) []byte // of events, before they are stored
	every     int                 // only each n-th record's values are compared
	rowsEvery int                 // at a quiet point only those of each n-th row
}

// shape is what histories differ in.
type shape struct {
	seed         uint64
	cards, users int
	rate         float64 // records per second of event time
	every        int
	rowsEvery    int
	env          []string
}

// openHistory makes the topics and the feed of a job in the servers.
func (s *stage) openHistory(ctx context.Context, kafka *cluster, store *redisfault.Server, of shape) (*history, error) {
	h := &history{stage: s, kafka: kafka, store: store, storeAt: store.Addr, namespace: s.name("chaos"), read: map[spot]int64{}, every: of.every, rowsEvery: of.rowsEvery}
	if err := h.load(); err != nil {
		return nil, err
	}
	for _, src := range h.spec.Sources {
		h.inputs = append(h.inputs, src.Topic)
		h.outputs = append(h.outputs, src.Output.Topic)
		h.letters = append(h.letters, h.namespace+"."+src.Name+".dlq.v1")
	}
	if err := kafka.create(ctx, partitions, h.topics()...); err != nil {
		return nil, fmt.Errorf("create topics: %w", err)
	}
	for range writers {
		client, err := kgo.NewClient(kgo.SeedBrokers(kafka.brokers), kgo.ProducerLinger(2*time.Millisecond), kgo.UnknownTopicRetries(-1))
		if err != nil {
			return nil, err
		}
		h.clients = append(h.clients, client)
	}
	h.env = append([]string{"FRESHET_KAFKA_BROKERS=" + kafka.brokers, "FRESHET_ENTITY_KEY_SECRET=" + secret, "FRESHET_LOG_FORMAT=text"}, of.env...)
	h.traffic = generate.New(generate.Options{Seed: of.seed, Start: time.Now().Add(-2 * time.Hour), Rate: of.rate, Cards: of.cards, Users: of.users,
		OutOfOrder: 0.2, Duplicates: 0.03, Late: 0.005, Bad: 0.005, Fraud: 0.001})
	h.trial = checks.NewTrial(h.spec)
	return h, nil
}

// load writes the quickstart's spec under a namespace of its own.
func (h *history) load() error {
	text, err := os.ReadFile("examples/quickstart/quickstart.freshet.yaml")
	if err != nil {
		return fmt.Errorf("%w: from the repository's root: %w", errUnfit, err)
	}
	renamed := strings.NewReplacer("namespace: quickstart", "namespace: "+h.namespace, " quickstart.", " "+h.namespace+".").Replace(string(text))
	h.path = filepath.Join(h.stage.dir, h.namespace+".freshet.yaml")
	if err := os.WriteFile(h.path, []byte(renamed), 0o600); err != nil {
		return err
	}
	specs, diagnostics, err := spec.Load([]string{h.path})
	if err != nil || diagnostics.HasErrors() || len(specs) != 1 {
		return fmt.Errorf("load %s: %w %v", h.path, err, diagnostics)
	}
	h.spec = specs[0]
	return nil
}

func (h *history) topics() []string {
	return append(append(append([]string(nil), h.inputs...), h.outputs...), h.letters...)
}

func (h *history) group() string { return "freshet-" + h.namespace }

// close forgets the job in the servers. Its processes have ended.
func (h *history) close() {
	for _, c := range h.clients {
		c.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second) // its broker may be dead
	defer cancel()
	_, _ = h.kafka.admin.DeleteTopics(ctx, h.topics()...)
	_, _ = h.kafka.admin.DeleteGroups(ctx, h.group())
}

// instance is a run of the binary.
type instance struct {
	*process
	port int
}

// run starts the binary under an instance id. A fault is armed where one is
// named.
func (h *history) run(ctx context.Context, id, fault string, more ...string) (*instance, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	env := append(append([]string(nil), h.env...), "FRESHET_KAFKA_INSTANCE_ID="+id, fmt.Sprintf("FRESHET_LISTEN=127.0.0.1:%d", port),
		"FRESHET_ONLINE_STORE=redis://"+h.storeAt, "FRESHET_FAULT="+fault)
	p, err := spawn(ctx, "freshet "+id, append(env, more...), h.stage.binary, "run", h.path)
	return &instance{p, port}, err
}

// produce appends n events and waits until they are stored.
func (h *history) produce(ctx context.Context, n int) error {
	var failed error
	var mu sync.Mutex
	for range n {
		ev := h.traffic.Next()
		record := &kgo.Record{Topic: h.topicOf(ev.Source), Key: append([]byte(nil), ev.Key...), Value: append([]byte(nil), ev.Value...)}
		if h.twist != nil {
			record.Value = h.twist(record.Value)
		}
		h.clients[h.produced%writers].Produce(ctx, record, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
		h.produced++
	}
	for _, c := range h.clients {
		if err := c.Flush(ctx); err != nil {
			return err
		}
	}
	mu.Lock()
	defer mu.Unlock()
	return failed
}

func (h *history) topicOf(source string) string {
	for _, src := range h.spec.Sources {
		if src.Name == source {
			return src.Topic
		}
	}
	return h.namespace + "." + source + ".unknown"
}

// feed produces a burst every 20 ms until it is stopped. A burst that has begun
// is stored to its end, unless the run itself is stopped: its broker is dead then.
func (h *history) feed(ctx context.Context, perSecond int) (stop func() error) {
	feeding, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		burst := max(perSecond/50, 1)
		for pause(feeding, 20*time.Millisecond) {
			if err := h.produce(ctx, burst); err != nil {
				done <- fmt.Errorf("feed: %w", err)
				return
			}
		}
		done <- nil
	}()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// settled waits until an instance has committed everything and is ready. Nobody
// feeds meanwhile.
func (h *history) settled(ctx context.Context, limit time.Duration, alive ...*instance) error {
	total := h.produced
	var have int64
	err := until(ctx, limit, fmt.Sprintf("all %d inputs are committed, and it is ready and vouches for every row", total), func() (bool, error) {
		var err error
		if have, err = h.kafka.committed(ctx, h.group()); err != nil || have != total {
			return false, err
		}
		for _, i := range alive {
			if i.active(ctx) {
				return redisfault.Whole(ctx, h.store.Client, h.namespace), nil
			}
		}
		return false, nil
	}, processes(alive)...)
	if err != nil {
		return fmt.Errorf("%d of %d inputs committed: %w", have, total, err)
	}
	return nil
}

func processes(alive []*instance) []*process {
	var all []*process
	for _, i := range alive {
		all = append(all, i.process)
	}
	return all
}

// reads chooses the rows whose values are compared at this quiet point: of
// histories with very many a share, another one each time.
func (h *history) reads(key string) bool {
	if h.rowsEvery <= 1 {
		return true
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(key))
	return sum.Sum64()%uint64(h.rowsEvery) == uint64(h.quiet%h.rowsEvery)
}

// judge compares everything since the last quiet point, and the rows.
func (h *history) judge(ctx context.Context) (*checks.Verdict, error) {
	tokens := mask.NewTokens([]byte(secret))
	rows, err := redisfault.SomeRows(ctx, h.store.Client, h.namespace, h.reads)
	if err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	d := &checks.Dump{Spec: h.spec, Rows: rows, Token: tokens.RedisKey, Every: h.every}
	for i, src := range h.spec.Sources {
		inputs, err := h.kafka.since(ctx, h.read, kgo.ReadCommitted(), src.Topic)
		if err != nil {
			return nil, err
		}
		for _, r := range inputs {
			d.Inputs = append(d.Inputs, oracle.Record{Source: src.Index, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Value: r.Value})
		}
		outputs, err := h.kafka.since(ctx, h.read, kgo.ReadCommitted(), h.outputs[i])
		if err != nil {
			return nil, err
		}
		for _, r := range outputs {
			d.Outputs = append(d.Outputs, r.Value)
		}
		letters, err := h.kafka.since(ctx, h.read, kgo.ReadCommitted(), h.letters[i])
		if err != nil {
			return nil, err
		}
		for _, r := range letters {
			l, err := letter(r)
			if err != nil {
				return nil, err
			}
			d.DeadLetters = append(d.DeadLetters, l)
		}
	}
	v := h.trial.Judge(d)
	h.total.Add(v)
	h.quiet++
	return v, nil
}

// uncommitted is how many records were written to the output and never
// committed: aborts happened.
func (h *history) uncommitted(ctx context.Context) (int64, error) {
	committed, err := h.kafka.since(ctx, map[spot]int64{}, kgo.ReadCommitted(), h.outputs...)
	if err != nil {
		return 0, err
	}
	written, err := h.kafka.since(ctx, map[spot]int64{}, kgo.ReadUncommitted(), h.outputs...)
	return int64(len(written) - len(committed)), err
}

// quiesce waits until all is committed and judges it.
func (h *history) quiesce(t *trials, limit time.Duration, alive ...*instance) error {
	if err := h.settled(t.ctx, limit, alive...); err != nil {
		return err
	}
	v, err := h.judge(t.ctx)
	if err != nil {
		return err
	}
	if !v.OK() || v.Void > 0 || v.Repeated > 0 {
		path := h.keep(t.row.name, v)
		t.fail("quiet point %d of %s: %d problems, the first: %v; all that were told are in %s", h.quiet, h.namespace, v.ProblemCount, first(v.Problems), path)
	}
	t.judged = t.done
	return nil
}

func first(texts []string) string {
	if len(texts) == 0 {
		return "records of a try that was repeated"
	}
	return texts[0]
}

// keep leaves a verdict behind for whoever looks at a failure.
func (h *history) keep(row string, v *checks.Verdict) string {
	path := filepath.Join(h.stage.out, row+"-"+h.namespace+".verdict")
	if err := os.WriteFile(path, []byte(v.String()+"\n"), 0o600); err != nil {
		return err.Error()
	}
	return path
}

// watch reads rows beside the writer until the end of the row's history.
func (t *trials) watch(h *history) (stop func()) {
	sampler := redisfault.Sample(h.store, h.namespace, t.seed)
	h.sampler = sampler
	return func() {
		seen := sampler.Stop()
		t.counts["sampled_rows"] += int64(seen.Rows)
		if !seen.OK() {
			t.fail("%s: a reader beside it: %v", h.namespace, seen)
		}
	}
}

// count adds what a history was to the row's counts.
func (t *trials) count(h *history, aborted int64) {
	t.counts["inputs"] += int64(h.total.Inputs)
	t.counts["records"] += int64(h.total.Outputs)
	t.counts["dead_letters"] += int64(h.total.DeadLetters)
	t.counts["values"] += int64(h.total.Values)
	t.counts["rows"] += int64(h.total.Rows)
	t.counts["rows_compared"] += int64(h.total.RowsCompared)
	t.counts["row_values"] += int64(h.total.RowValues)
	t.counts["quiet_points"] += int64(h.quiet)
	t.counts["aborted_records"] += aborted
}
