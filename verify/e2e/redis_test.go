package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sources/generate"
	"github.com/freshet-dev/freshet/verify/checks"
	"github.com/freshet-dev/freshet/verify/proxy"
	"github.com/freshet-dev/freshet/verify/redisfault"
)

// redisTrial is the built binary on a Redis of its own, behind an address that
// stays, with a reader that watches the rows.
type redisTrial struct {
	*proof
	store   *redisfault.Server
	cluster *redisfault.Cluster // instead of store
	door    *proxy.Proxy
	sampler *redisfault.Sampler
	run     *process
	port    string

	found func() // what there is to do once a fault was found; nil: nothing

	feeding sync.Mutex
	gen     *generate.Generator
}

// rowEvents is how many events each part of a trial has: FRESHET_FAULT_EVENTS
// asks for more (400,000 lead to about 200,000 rows).
func rowEvents(t *testing.T) int {
	t.Helper()
	text := os.Getenv("FRESHET_FAULT_EVENTS")
	if text == "" {
		return 3000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 100 {
		t.Fatalf("FRESHET_FAULT_EVENTS=%s: want a number", text)
	}
	return n
}

func newRedisTrial(t *testing.T, delivery string) *redisTrial {
	t.Helper()
	store := startRedis(t)
	door, err := proxy.Open(store.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(door.Close)
	c := &redisTrial{proof: newProof(t, 0, delivery), store: store, door: door, port: freePort(t)}
	c.begin(t, "redis://"+door.Addr())
	c.sampler = redisfault.Sample(store, c.spec.Namespace, 1)
	return c
}

// begin starts the run on a store and brings the first rows there.
func (c *redisTrial) begin(t *testing.T, url string, env ...string) {
	t.Helper()
	traffic := proofTraffic()
	if n := rowEvents(t); n > 20_000 { // few events an entity, and none from the future
		traffic.Cards, traffic.Users, traffic.Rate = n, n, float64(n)/900
	}
	c.gen = generate.New(traffic)
	c.env = append(append(c.env, env...), "FRESHET_ONLINE_STORE="+url, "FRESHET_ONLINE_STORE_WAIT=500ms", "FRESHET_LISTEN=127.0.0.1:"+c.port)
	c.run = start(t, "the run", build(t), c.env, "run", c.path)
	c.feed(t)
	c.settle(t)
}

// client is of the server or the cluster that has the rows.
func (c *redisTrial) client() redis.UniversalClient {
	if c.cluster != nil {
		return c.cluster.Client
	}
	return c.store.Client
}

func (c *redisTrial) feed(t *testing.T) {
	c.feeding.Lock()
	defer c.feeding.Unlock()
	c.srv.produce(t, c.spec, c.gen, rowEvents(t))
}

// settle waits until all is committed and the writer vouches for every row.
func (c *redisTrial) settle(t *testing.T) {
	t.Helper()
	total := c.srv.end(t, c.topics)
	c.run.until(t, 5*time.Minute, "all was committed and every row was there", func() bool {
		return c.srv.committed(t, c.group) == total && c.metric(t, "freshet_online_missing_rows") == 0 &&
			redisfault.Whole(context.Background(), c.client(), c.spec.Namespace)
	})
}

// fault breaks the store under load, waits until all is well again and judges
// all that there is. It says how long there was no whole store.
func (c *redisTrial) fault(t *testing.T, name, counter string, breaks func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		before, began := c.metric(t, counter), time.Now()
		var fed sync.WaitGroup
		fed.Go(func() { c.feed(t) })
		breaks(t)
		c.run.until(t, time.Minute, counter+" counted it", func() bool { return c.metric(t, counter) > before })
		found := time.Since(began)
		if c.found != nil {
			c.found()
			c.found = nil
		}
		c.run.until(t, 5*time.Minute, "the store was whole", func() bool {
			return c.metric(t, "freshet_online_missing_rows") == 0 && redisfault.Whole(context.Background(), c.client(), c.spec.Namespace)
		})
		whole := time.Since(began)
		fed.Wait()
		c.settle(t)
		verdict := c.judge(t)
		t.Logf("found after %v, whole after %v; %.0f rows written anew so far; %v", found.Round(time.Millisecond), whole.Round(time.Millisecond),
			c.metric(t, "freshet_online_rewritten_rows_total"), verdict)
	})
}

// judge holds all that was written so far against the oracle.
func (c *redisTrial) judge(t *testing.T) *checks.Verdict {
	t.Helper()
	rows, err := redisfault.Rows(context.Background(), c.client(), c.spec.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	dump := c.srv.collect(t, c.spec)
	dump.Rows = rows
	dump.Every = max(2, rowEvents(t)/5000)
	verdict := checks.Check(dump)
	if !verdict.OK() || verdict.Repeated != 0 || verdict.Rows == 0 {
		t.Fatalf("the store or the records do not equal the oracle: %v", verdict)
	}
	return verdict
}

// metric is the sum of a metric over its labels.
func (c *redisTrial) metric(t *testing.T, name string) float64 {
	t.Helper()
	answer, err := http.Get("http://127.0.0.1:" + c.port + "/metrics")
	if err != nil {
		return -1 // it has just started
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		labelled, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if metric, _, _ := strings.Cut(labelled, "{"); !ok || metric != name {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += n
	}
	return sum
}

// end stops the run and the watching reader.
func (c *redisTrial) end(t *testing.T) {
	t.Helper()
	samples := c.sampler.Stop()
	t.Logf("a reader beside it: %v", samples)
	if !samples.OK() || samples.Rows == 0 || samples.Stale == 0 {
		t.Errorf("a reader saw what it must not, or nothing: %v", samples)
	}
	c.run.signal(t, syscall.SIGTERM)
	if code := c.run.wait(t, 20*time.Second); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}
	behind := 0
	for _, topic := range c.outputs {
		for _, r := range c.srv.dump(t, topic, kgo.ReadCommitted()) {
			for _, h := range r.Headers {
				if h.Key == "freshet-online" {
					behind++
				}
			}
		}
	}
	t.Logf("%d records said that the store was behind", behind)
	if behind == 0 {
		t.Error("no record said that the store was behind")
	}
}

// TestRedisFaults breaks the Redis of the built binary under load, in all the ways
// of reliability.md's rows 28 to 33. After each fault every row and every record
// equals the oracle, no reader has seen a version go back or a row missing under
// a sign of life, and each fault shows in its counter.
func TestRedisFaults(t *testing.T) {
	c := newRedisTrial(t, "exactly_once")
	ctx := context.Background()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c.fault(t, "Wipe", "freshet_online_losses_total", func(t *testing.T) {
		must(t, c.store.Wipe(ctx))
		c.sampler.Master(c.store)
	})
	replica := startRedis(t)
	c.fault(t, "Failover", "freshet_online_losses_total", func(t *testing.T) { c.failover(t, replica) })
	c.fault(t, "Outage", "freshet_online_outages_total", func(t *testing.T) {
		c.door.Refuse()
		c.run.until(t, time.Minute, "the stream went on without the store", func() bool { return c.metric(t, "freshet_online_missing_rows") > 0 })
		c.door.Heal()
	})
	c.fault(t, "Slow", "freshet_online_outages_total", func(t *testing.T) {
		must(t, c.store.Pause(ctx, 3*time.Second))
	})
	c.fault(t, "Full", "freshet_online_write_errors_total", func(t *testing.T) {
		errors := c.metric(t, "freshet_online_write_errors_total")
		must(t, c.store.Set(ctx, "maxmemory", "1mb"))
		c.run.until(t, time.Minute, "writes were refused", func() bool { return c.metric(t, "freshet_online_write_errors_total") > errors+2 })
		must(t, c.store.Set(ctx, "maxmemory", "0"))
	})
	c.end(t)
}

// TestRedisClusterFaults wipes a node of a cluster under the built binary, and then
// kills one whose replica takes over: every row and record equals the oracle.
func TestRedisClusterFaults(t *testing.T) {
	cluster, err := redisfault.StartCluster(context.Background(), 3, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c := &redisTrial{proof: newProof(t, 0, "exactly_once"), cluster: cluster, port: freePort(t)}
	c.begin(t, "redis://"+cluster.Masters[0].Addr+"?addr="+cluster.Masters[1].Addr, "FRESHET_REDIS_MODE=cluster")
	ctx := context.Background()
	c.fault(t, "AWipedNode", "freshet_online_losses_total", func(t *testing.T) {
		if err := cluster.Masters[1].Client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
	})
	c.fault(t, "ADeadNode", "freshet_online_write_errors_total", func(*testing.T) { cluster.Masters[2].Kill() })
	if n := c.metric(t, "freshet_online_losses_total"); n != 1 {
		t.Logf("%v losses: the replica lacked the newest rows", n)
	}
	c.run.signal(t, syscall.SIGTERM)
	if code := c.run.wait(t, 20*time.Second); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}
}

// failover promotes a replica while its master still takes rows, and repoints the
// address: what the master took since is lost.
func (c *redisTrial) failover(t *testing.T, replica *redisfault.Server) {
	t.Helper()
	ctx := context.Background()
	if err := replica.Follow(ctx, c.store); err != nil {
		t.Fatal(err)
	}
	if err := replica.Promote(ctx); err != nil {
		t.Fatal(err)
	}
	accepted := c.metric(t, "freshet_online_rows_total")
	c.feed(t)
	c.run.until(t, time.Minute, "the old master took more rows", func() bool { return c.metric(t, "freshet_online_rows_total") >= accepted+1000 })
	c.store = replica
	// The replica has a copy of the old sign of life, which stands until the
	// writer comes: the readers are led there when it has.
	c.found = func() { c.sampler.Master(replica) }
	c.door.Repoint(replica.Addr)
}

func startRedis(t *testing.T) *redisfault.Server {
	t.Helper()
	s, err := redisfault.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := redisfault.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(port)
}
