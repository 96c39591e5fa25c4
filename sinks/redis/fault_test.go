package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

func cardRows(n int, batch uint64) []sinks.VersionedRow {
	cards := sinktest.Cards()
	rows := make([]sinks.VersionedRow, n)
	for i := range rows {
		rows[i] = sinktest.FullCard(cards, fmt.Sprint("c", i), sinktest.At(batch, uint32(i)))
	}
	return rows
}

func wantPassing(t *testing.T, what string, err error) {
	t.Helper()
	var fatal *sinks.Fatal
	if err == nil || errors.As(err, &fatal) {
		t.Errorf("%s: %v, want an error that may pass", what, err)
	}
}

// A server that is away is no reason to end; when it is back, the same rows go
// through with the same store.
func TestAServerThatComesBack(t *testing.T) {
	server := miniredis.RunT(t)
	store := openStore(t, options("redis://"+server.Addr()))
	ctx := context.Background()
	rows := cardRows(300, 1)
	if err := store.Write(ctx, rows); err != nil {
		t.Fatal(err)
	}
	server.Close()
	wantPassing(t, "write", store.Write(ctx, rows))
	wantPassing(t, "alive", store.Alive(ctx, 1))
	_, _, err := store.TakeOver(ctx, sinks.Writer{})
	wantPassing(t, "take over", err)
	_, err = store.Check(ctx)
	wantPassing(t, "check", err)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	// A connection that died unnoticed costs one try each.
	for range 5 {
		if err = store.Write(ctx, rows); err == nil {
			break
		}
	}
	if err != nil {
		t.Errorf("write after the server came back: %v", err)
	}
}

// What a server says about its own state may pass.
func TestRepliesThatMayPass(t *testing.T) {
	server := miniredis.RunT(t)
	store := openStore(t, options("redis://"+server.Addr()))
	if err := store.Write(context.Background(), cardRows(1, 1)); err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{
		"LOADING Redis is loading the dataset in memory",
		"READONLY You can't write against a read only replica.",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
		"CLUSTERDOWN The cluster is down",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"NOREPLICAS Not enough good replicas to write.",
		"BUSY Redis is busy running a script.",
		"ERR max number of clients reached",
	} {
		server.SetError(reply)
		err := store.Write(context.Background(), cardRows(1, 1))
		wantPassing(t, reply, err)
		if err != nil && !strings.Contains(err.Error(), reply) {
			t.Errorf("%v does not say %q", err, reply)
		}
	}
	for _, reply := range []string{
		"NOAUTH Authentication required.",
		"WRONGPASS invalid username-password pair or user is disabled.",
		"NOPERM this user has no permissions to run the 'hset' command",
		"WRONGTYPE Operation against a key holding the wrong kind of value",
		"ERR unknown command 'HSET'",
	} {
		server.SetError(reply)
		err := store.Write(context.Background(), cardRows(1, 1))
		var fatal *sinks.Fatal
		if !errors.As(err, &fatal) || !strings.Contains(err.Error(), reply) {
			t.Errorf("%s: %v, want it fatal", reply, err)
		}
	}
}

// A server that takes everything and answers nothing is given up after Wait.
func TestASilentServerIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var taken []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			taken = append(taken, conn)
		}
		for _, conn := range taken {
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	o := options("redis://" + listener.Addr().String())
	o.Wait = 50 * time.Millisecond
	store := openStore(t, o)
	begun := time.Now()
	wantPassing(t, "write", store.Write(context.Background(), cardRows(1, 1)))
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("gave up after %v, with a wait of 50 ms", took)
	}
}

func TestCheckRefusesEviction(t *testing.T) {
	store := openStore(t, options(realServer(t)))
	ctx := context.Background()
	warnings, err := store.Check(ctx)
	if err != nil || len(warnings) != 0 {
		t.Errorf("a server with noeviction: %v, %v", warnings, err)
	}
	for reply, want := range map[string]string{
		"# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n": "allkeys-lru",
		"# Memory\r\nmaxmemory_policy:noeviction\r\n":                 "",
		"# Memory\r\nused_memory:1\r\n":                               "",
		"# Server\r\nredis_mode:cluster\r\n":                          "redis.mode",
	} {
		warning, err := store.checkServer(reply, "here")
		var fatal *sinks.Fatal
		if warning != "" || errors.As(err, &fatal) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want a fatal error with %q", reply, warning, err, want)
		}
	}
	store.allowEviction = true
	if warning, err := store.checkServer("maxmemory_policy:volatile-ttl", "here"); err != nil || !strings.Contains(warning, "volatile-ttl") {
		t.Errorf("allowed: %q, %v; want a warning", warning, err)
	}
}

// A fatal error is told though one that may pass came before it.
func TestTheFatalErrorOfAPipelineIsTold(t *testing.T) {
	store := openStore(t, options("redis://127.0.0.1:1"))
	var commands []goredis.Cmder
	for _, reply := range []string{"", "OOM command not allowed", "WRONGTYPE Operation", "LOADING Redis is loading"} {
		command := goredis.NewIntCmd(context.Background(), "hset", "k")
		if reply != "" {
			command.SetErr(refusal(reply))
		}
		commands = append(commands, command)
	}
	err := store.pipelineFailed(commands, 4, commands[1].Err())
	var fatal *sinks.Fatal
	if !errors.As(err, &fatal) || !strings.Contains(err.Error(), "WRONGTYPE") || !strings.Contains(err.Error(), "3 of 4 commands for 4 rows") {
		t.Errorf("%v; want the fatal one, and 3 of 4 commands", err)
	}
}

// refusal is a reply of a server.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

func TestCloseLeavesNothingRunning(t *testing.T) {
	server := miniredis.RunT(t)
	before := goleak.IgnoreCurrent()
	o := options("redis://" + server.Addr())
	store, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := OpenReader(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Write(context.Background(), cardRows(300, 1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := reader.Alive(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Close(), reader.Close()); err != nil {
		t.Fatal(err)
	}
	server.Close()
	goleak.VerifyNone(t, before)
}

// A master that has become a replica keeps its connections: a write that it
// refuses leaves it, since the address may lead to the new master by now.
func TestAMasterThatBecameAReplicaIsLeft(t *testing.T) {
	server, other := plainServer(t), plainServer(t)
	ctx := context.Background()
	s := first(t, options("redis://"+server.address()))
	for _, err := range []error{s.Write(ctx, cardRows(3, 1)), s.Alive(ctx, 1)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	admin := goredis.NewClient(plainOptions(server.port))
	defer admin.Close()
	if err := admin.ReplicaOf(ctx, "127.0.0.1", fmt.Sprint(other.port)).Err(); err != nil {
		t.Fatal(err)
	}
	wantPassing(t, "write", s.Write(ctx, cardRows(3, 2)))
	wantPassing(t, "alive", s.Alive(ctx, 2))
	if s.writes.conn != nil || s.signs.conn != nil {
		t.Error("a connection to a replica is kept")
	}
}
