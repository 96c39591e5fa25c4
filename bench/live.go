package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sources/generate"
)

const (
	liveEvents     = 300_000
	livePartitions = 4
	benchSecret    = "the-secret-of-the-bench"
)

// deliveries are measured side by side.
var deliveries = []string{"exactly_once", "at_least_once"}

// rig is the real servers and the built binary, under a namespace of its own.
type rig struct {
	dir       string
	binary    string
	brokers   string
	redisURL  string
	namespace string
	group     string // of the running instance
	specPath  string
	listen    string // where the instance shows its metrics
	spec      *spec.Spec
	kafka     *kgo.Client
	admin     *kadm.Client
	redis     *redis.Client
}

// build makes the binary and the quickstart spec under a fresh namespace.
func build() (*rig, error) {
	r := &rig{namespace: "bench" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	var err error
	if r.dir, err = os.MkdirTemp("", "freshet-bench"); err != nil {
		return nil, err
	}
	r.binary = filepath.Join(r.dir, "freshet")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", r.binary, "./cmd/freshet").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the binary (run from the repository's root): %w\n%s", err, out)
	}
	text, err := os.ReadFile("examples/quickstart/quickstart.freshet.yaml")
	if err != nil {
		return nil, err
	}
	renamed := strings.NewReplacer("namespace: quickstart", "namespace: "+r.namespace, " quickstart.", " "+r.namespace+".").Replace(string(text))
	if r.spec, err = loadText(renamed); err != nil {
		return nil, err
	}
	if r.listen, err = freeAddress(); err != nil {
		return nil, err
	}
	r.specPath = filepath.Join(r.dir, "bench.freshet.yaml")
	return r, os.WriteFile(r.specPath, []byte(renamed), 0o600)
}

// freeAddress is a loopback address that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// connect adds the servers and the topics to what build made.
func (r *rig) connect(ctx context.Context) error {
	r.brokers, r.redisURL = os.Getenv("FRESHET_TEST_KAFKA"), os.Getenv("FRESHET_TEST_REDIS")
	if r.brokers == "" || r.redisURL == "" {
		return errors.New(`needs the real servers: scripts/services up, then eval "$(scripts/services env)"`)
	}
	var err error
	if r.kafka, err = kgo.NewClient(kgo.SeedBrokers(r.brokers), kgo.ProducerLinger(sendLinger)); err != nil {
		return err
	}
	r.admin = kadm.NewClient(r.kafka)
	options, err := redis.ParseURL(r.redisURL)
	if err != nil {
		return err
	}
	r.redis = redis.NewClient(options)
	if err := r.createTopics(ctx); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		found, err := r.admin.ListTopics(ctx, r.topics()...)
		if err == nil && found.Error() == nil {
			return nil // a busy broker learns of them after it has made them
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the topics did not appear within 30 s: %w", errors.Join(err, found.Error()))
		}
	}
}

func (r *rig) createTopics(ctx context.Context) error {
	forever := "-1"
	for _, topic := range r.topics() {
		if _, err := r.admin.CreateTopic(ctx, livePartitions, 1, map[string]*string{"retention.ms": &forever}, topic); err != nil {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	return nil
}

func (r *rig) topics() (all []string) {
	for _, s := range r.spec.Sources {
		all = append(all, s.Topic, s.Output.Topic, r.namespace+"."+s.Name+".dlq.v1")
	}
	return all
}

func (r *rig) inputs() (topics []string) {
	for _, s := range r.spec.Sources {
		topics = append(topics, s.Topic)
	}
	return topics
}

// close removes what the bench has left in the servers.
func (r *rig) close() {
	if r.admin != nil {
		_, _ = r.admin.DeleteTopics(context.Background(), r.topics()...)
		r.kafka.Close()
		ctx := context.Background()
		it := r.redis.Scan(ctx, 0, "freshet:"+r.namespace+":*", 5000).Iterator()
		for it.Next(ctx) {
			r.redis.Unlink(ctx, it.Val())
		}
		r.redis.Close()
	}
	os.RemoveAll(r.dir)
}

// fill produces n generated events.
func (r *rig) fill(n int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.brokers), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	topicOf := map[string]string{}
	for _, s := range r.spec.Sources {
		topicOf[s.Name] = s.Topic
	}
	gen := generate.New(traffic())
	var failed error
	for range n {
		ev := gen.Next()
		client.Produce(context.Background(), &kgo.Record{Topic: topicOf[ev.Source], Key: bytes.Clone(ev.Key), Value: bytes.Clone(ev.Value)},
			func(_ *kgo.Record, err error) {
				if err != nil {
					failed = err
				}
			})
	}
	return errors.Join(client.Flush(context.Background()), failed)
}

// start runs the binary against the servers, in a group of its own.
func (r *rig) start(delivery string, settings ...string) (*exec.Cmd, error) {
	r.group = r.namespace + "-" + strings.ReplaceAll(delivery, "_", "-")
	log, err := os.Create(filepath.Join(r.dir, "freshet.log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(r.binary, "run", r.specPath)
	cmd.Env = append(os.Environ(), "FRESHET_KAFKA_BROKERS="+r.brokers, "FRESHET_ONLINE_STORE="+r.redisURL,
		"FRESHET_ENTITY_KEY_SECRET="+benchSecret, "FRESHET_LISTEN="+r.listen,
		"FRESHET_DELIVERY="+delivery, "FRESHET_KAFKA_GROUP="+r.group)
	cmd.Env = append(cmd.Env, settings...)
	cmd.Stderr, cmd.Stdout = log, log
	return cmd, cmd.Start()
}

// abort ends a process that did not do what was waited for, and shows the last
// of what it said.
func (r *rig) abort(cmd *exec.Cmd, why error) error {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	text, _ := os.ReadFile(filepath.Join(r.dir, "freshet.log"))
	return fmt.Errorf("%w; the last of what freshet said:\n%s", why, text[max(0, len(text)-4000):])
}

// stop drains the process; what it said is shown if it did not end well.
func (r *rig) stop(cmd *exec.Cmd) error {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		text, _ := os.ReadFile(filepath.Join(r.dir, "freshet.log"))
		return fmt.Errorf("freshet ended: %w\n%s", err, text[max(0, len(text)-4000):])
	}
	return nil
}

// committed is the sum of the group's committed offsets.
func (r *rig) committed(ctx context.Context) int64 {
	offsets, err := r.admin.FetchOffsets(ctx, r.group)
	if err != nil {
		return 0
	}
	sum := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(0, o.At) })
	return sum
}

// scrape reads the lines of the running instance's /metrics.
func (r *rig) scrape() []string {
	reply, err := http.Get("http://" + r.listen + "/metrics")
	if err != nil {
		return nil
	}
	defer reply.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(reply.Body); err != nil {
		return nil
	}
	return strings.Split(body.String(), "\n")
}

// metric reads one sample of the running instance's /metrics.
func (r *rig) metric(name string) float64 {
	for _, line := range r.scrape() {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return f
		}
	}
	return 0
}
