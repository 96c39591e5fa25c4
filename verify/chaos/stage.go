package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// stage is what all rows of a run share.
type stage struct {
	out     string // results, and what failures leave behind
	dir     string // of this run, removed at its end
	binary  string // freshet, built so that it can fail at will
	self    string // this program
	brokers string // of the real Kafka
	commit  string
	names   atomic.Int64
}

// openStage builds the binary and finds the servers.
func openStage(ctx context.Context, out string) (*stage, error) {
	s := &stage{out: out, brokers: os.Getenv("FRESHET_TEST_KAFKA"), commit: commitHash()}
	if s.brokers == "" {
		return nil, errors.New(`FRESHET_TEST_KAFKA is not set: scripts/services up, then eval "$(scripts/services env)"`)
	}
	var err error
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o750); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "chaos"); err != nil {
		return nil, err
	}
	s.binary = filepath.Join(s.dir, "freshet")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "fault", "-o", s.binary, "./cmd/freshet")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build, from the repository's root: %w\n%s", err, text)
	}
	return s, nil
}

func (s *stage) close() { _ = os.RemoveAll(s.dir) }

// name makes a name that no other run in the servers has.
func (s *stage) name(what string) string {
	return what + strconv.FormatInt(time.Now().UnixNano(), 36) + "x" + strconv.FormatInt(s.names.Add(1), 36)
}

// store is a Redis of our own, without persistence.
type store struct {
	port   int
	dir    string
	proc   *process
	client *redis.Client
}

// openStore starts one. It ends with ctx.
func (s *stage) openStore(ctx context.Context, more ...string) (*store, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.dir, "redis")
	if err != nil {
		return nil, err
	}
	r := &store{port: port, dir: dir, client: redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), MaxRetries: -1})}
	return r, r.start(ctx, more...)
}

func (r *store) url() string { return fmt.Sprintf("redis://127.0.0.1:%d", r.port) }

// start starts the server where it is not running: empty.
func (r *store) start(ctx context.Context, more ...string) error {
	args := append([]string{"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"}, more...)
	var err error
	if r.proc, err = spawn(ctx, "redis", nil, "redis-server", args...); err != nil {
		return err
	}
	return until(ctx, 20*time.Second, "redis answers", func() (bool, error) { return r.client.Ping(ctx).Err() == nil, nil }, r.proc)
}

func (r *store) close() {
	_ = r.client.Close()
	r.proc.kill()
}

// rows reads every hash below a namespace.
func (r *store) rows(ctx context.Context, namespace string) (map[string]map[string]string, error) {
	rows := map[string]map[string]string{}
	var keys []string
	it := r.client.Scan(ctx, 0, "freshet:"+namespace+":{*", 5000).Iterator()
	for it.Next(ctx) {
		keys = append(keys, it.Val())
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	for len(keys) > 0 {
		n := min(len(keys), 1000)
		pipe := r.client.Pipeline()
		for _, k := range keys[:n] {
			pipe.HGetAll(ctx, k)
		}
		replies, err := pipe.Exec(ctx)
		if err != nil {
			return nil, err
		}
		for i, reply := range replies {
			rows[keys[i]] = reply.(*redis.MapStringStringCmd).Val()
		}
		keys = keys[n:]
	}
	return rows, nil
}
