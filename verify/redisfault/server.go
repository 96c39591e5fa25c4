package redisfault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/verify/tail"
)

// ErrNoServer is in the error of Start where redis-server is not installed.
var ErrNoServer = errors.New("redis-server is not installed (apt-get install redis-server)")

// Server is a redis-server of our own on loopback, without persistence. Its
// methods are for one goroutine at a time.
type Server struct {
	Addr   string // host:port, the same after Wipe
	Client *goredis.Client

	dir  string // of its own: a replica leaves there what it has copied
	args []string
	cmd  *exec.Cmd
	said tail.Buffer
}

// startWithin is how long a server may take until it answers.
const startWithin = 15 * time.Second

// Start starts a server on a free port and waits until it answers; args are
// more of its own, such as "--maxmemory", "64mb". The server dies with this
// process, or at Close.
func Start(ctx context.Context, args ...string) (*Server, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoServer
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), said: tail.Buffer{Limit: 8 << 10}}
	if s.dir, err = os.MkdirTemp("", "redisfault"); err != nil {
		return nil, err
	}
	s.args = append([]string{binary, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--repl-diskless-sync-delay", "0"}, args...)
	s.Client = goredis.NewClient(&goredis.Options{Addr: s.Addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: 4})
	if err := s.launch(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) launch(ctx context.Context) error {
	if err := os.Remove(filepath.Join(s.dir, "dump.rdb")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("start redis-server with nothing: %w", err)
	}
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	return s.until(ctx, startWithin, "answers", func(ctx context.Context) bool { return s.Client.Ping(ctx).Err() == nil })
}

// Kill ends the server at once (kill -9).
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended by itself
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Up starts a server that was killed again, at the same address, with nothing.
func (s *Server) Up(ctx context.Context) error { return s.launch(ctx) }

// Wipe kills the server and starts it empty at the same address.
func (s *Server) Wipe(ctx context.Context) error {
	s.Kill()
	return s.Up(ctx)
}

// Freeze stops the process as it stands: connections hang. Thaw lets it go on.
func (s *Server) Freeze() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// Pause makes the server hold back the answers of all clients for a time
// (CLIENT PAUSE).
func (s *Server) Pause(ctx context.Context, d time.Duration) error {
	return s.Client.Do(ctx, "client", "pause", d.Milliseconds(), "all").Err()
}

// Set changes a setting of the running server (CONFIG SET).
func (s *Server) Set(ctx context.Context, name, value string) error {
	return s.Client.ConfigSet(ctx, name, value).Err()
}

// Follow makes the server a replica of another and waits until it has all of it.
func (s *Server) Follow(ctx context.Context, master *Server) error {
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		return err
	}
	if err := s.Client.ReplicaOf(ctx, host, port).Err(); err != nil {
		return fmt.Errorf("replicaof: %w", err)
	}
	return s.until(ctx, time.Minute, "has the whole of its master", func(ctx context.Context) bool {
		info, err := s.Client.Info(ctx, "replication").Result()
		return err == nil && bytes.Contains([]byte(info), []byte("master_link_status:up"))
	})
}

// Promote makes a replica a master, which loses what its master takes from then
// on: the one before goes on as it was.
func (s *Server) Promote(ctx context.Context) error {
	return s.Client.ReplicaOf(ctx, "NO", "ONE").Err()
}

// Busy is the CPU time of the server so far, user and system.
func (s *Server) Busy(ctx context.Context) (time.Duration, error) {
	info, err := s.Client.InfoMap(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			return 0, fmt.Errorf("info cpu: %w", err)
		}
		sum += seconds
	}
	return time.Duration(sum * float64(time.Second)), nil
}

// Said is the last of what the server has logged.
func (s *Server) Said() string { return s.said.String() }

// Close ends the server.
func (s *Server) Close() {
	_ = s.Client.Close()
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

func (s *Server) until(ctx context.Context, limit time.Duration, what string, is func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !is(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis-server at %s: not within %v: it %s; it said:\n%s", s.Addr, limit, what, s.Said())
		case <-ticker.C:
		}
	}
	return nil
}

// FreePort is a port of loopback that nobody listens on at the moment.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
