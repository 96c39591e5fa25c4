package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
)

func plainServer(t *testing.T) *server {
	return startServer(t, plainOptions, "--port", "{port}")
}

func plainOptions(port int) *goredis.Options {
	return &goredis.Options{Addr: fmt.Sprint("127.0.0.1:", port)}
}

// wipe kills the server and starts it again at the same port with nothing.
func (s *server) wipe(t *testing.T) {
	t.Helper()
	s.process.Process.Kill()
	s.process.Wait()
	args := s.process.Args
	s.process = exec.Command(args[0], args[1:]...)
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, plainOptions(s.port))
}

// again does what until it works: a connection that died unnoticed costs a try.
func again(t *testing.T, what func() error) {
	t.Helper()
	var err error
	for range 5 {
		if err = what(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func first(t *testing.T, o Options) *Store {
	t.Helper()
	s := openStore(t, o)
	if _, _, err := s.TakeOver(context.Background(), sinks.Writer{First: true, SpecHash: "41c9"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func wantLosses(t *testing.T, s *Store, want uint64) {
	t.Helper()
	if n, lost := s.Lost(); n != want || lost != (want > 0) {
		t.Fatalf("loss %d, lost %t; want loss %d", n, lost, want)
	}
}

// Reliability row 28: whoever comes first after a wipe, a write or the sign of
// life, finds the loss. There is no sign of life until every row is there again.
func TestAWipeIsFound(t *testing.T) {
	ctx := context.Background()
	for name, find := range map[string]func(s *Store) error{
		"by a write": func(s *Store) error { return s.Write(ctx, cardRows(3, 2)) },
		"by the sign of life": func(s *Store) error {
			if err := s.Alive(ctx, 1); !errors.Is(err, sinks.ErrRowsLost) {
				return fmt.Errorf("alive: %w, want ErrRowsLost", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := plainServer(t)
			o := options("redis://" + server.address())
			s := first(t, o)
			for _, err := range []error{s.Write(ctx, cardRows(300, 1)), s.Alive(ctx, 1)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			wantLosses(t, s, 0)
			server.wipe(t)
			again(t, func() error { return find(s) })
			wantLosses(t, s, 1)
			again(t, func() error { return s.Write(ctx, cardRows(300, 2)) })
			if err := s.Alive(ctx, 2); !errors.Is(err, sinks.ErrRowsLost) {
				t.Errorf("alive while rows are lost: %v, want ErrRowsLost", err)
			}
			reader := openReader(t, o)
			if _, ok, err := reader.Alive(ctx); ok || err != nil {
				t.Errorf("a reader sees a sign of life: %t, %v", ok, err)
			}
			if meta, err := reader.Meta(ctx); err != nil || meta.Spec != "41c9" || meta.Owner != "1" || meta.Incarnation != "1" {
				t.Errorf("meta did not come back: %+v, %v", meta, err)
			}
			wantLosses(t, s, 1)
			s.Whole(1)
			again(t, func() error { return s.Alive(ctx, 3) })
			if ms, ok, err := reader.Alive(ctx); !ok || ms != 3 || err != nil {
				t.Errorf("alive: %d %t %v", ms, ok, err)
			}
		})
	}
}

// A connection that breaks loses nothing; a database that is emptied while it
// stands loses all.
func TestOnlyALossIsOne(t *testing.T) {
	server := plainServer(t)
	ctx := context.Background()
	s := first(t, options("redis://"+server.address()))
	admin := goredis.NewClient(plainOptions(server.port))
	defer admin.Close()
	write := func() error { return s.Write(ctx, cardRows(300, 1)) }
	again(t, write)
	for range 3 {
		if err := admin.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			t.Fatal(err)
		}
		again(t, write)
		again(t, func() error { return s.Alive(ctx, 1) })
	}
	if n, lost := s.Lost(); lost || n != 0 {
		t.Fatalf("%d losses, where only connections broke", n)
	}
	if err := admin.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	again(t, write)
	wantLosses(t, s, 1)
	if err := admin.FlushAll(ctx).Err(); err != nil { // again, before it was repaired
		t.Fatal(err)
	}
	again(t, write)
	wantLosses(t, s, 2)
	s.Whole(1) // of a walk that began before the second
	if _, lost := s.Lost(); !lost {
		t.Error("the repair of the first loss counts for the second")
	}
}

// Reliability row 29: of a replica that takes over, the rows of which it has all
// are believed, and those of which it lacks the newest are not.
func TestAFailoverThatLosesRows(t *testing.T) {
	for _, loses := range []bool{false, true} {
		t.Run(fmt.Sprint("loses=", loses), func(t *testing.T) {
			master, replica := plainServer(t), plainServer(t)
			ctx := context.Background()
			admin := goredis.NewClient(plainOptions(replica.port))
			defer admin.Close()
			if err := admin.ReplicaOf(ctx, "127.0.0.1", fmt.Sprint(master.port)).Err(); err != nil {
				t.Fatal(err)
			}
			p := newProxy(t, master.address())
			s := first(t, options("redis://"+p.address()))
			again(t, func() error { return s.Write(ctx, cardRows(300, 1)) })
			waitUntil(t, func() bool {
				return admin.Get(ctx, s.keys.heartbeat()).Val() != "" && placeOf(admin.Get(ctx, s.keys.heartbeat()).Val()) == s.Proof()
			})
			if err := admin.ReplicaOf(ctx, "NO", "ONE").Err(); err != nil {
				t.Fatal(err)
			}
			if loses {
				again(t, func() error { return s.Write(ctx, cardRows(300, 2)) })
			}
			p.point(replica.address())
			again(t, func() error {
				if err := s.Alive(ctx, 1); !errors.Is(err, sinks.ErrRowsLost) {
					return err
				}
				return nil
			})
			if _, lost := s.Lost(); lost != loses {
				t.Errorf("lost %t, want %t", lost, loses)
			}
		})
	}
}

// A next owner believes a store that has all that was there at the last commit.
func TestATakeOverAsksForProof(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	before := first(t, o)
	if err := before.Write(ctx, cardRows(300, 1)); err != nil {
		t.Fatal(err)
	}
	proof := before.Proof()
	takeOver := func(w sinks.Writer) *Store {
		s := openStore(t, o)
		if _, _, err := s.TakeOver(ctx, w); err != nil {
			t.Fatal(err)
		}
		return s
	}
	wantLosses(t, takeOver(sinks.Writer{Proof: proof}), 0)
	wantLosses(t, takeOver(sinks.Writer{}), 1)             // nothing to hold it against
	wantLosses(t, takeOver(sinks.Writer{Proof: proof}), 1) // the one before has not repaired it
	s := takeOver(sinks.Writer{Proof: proof})
	s.Whole(1)
	if err := s.Write(ctx, cardRows(1, 2)); err != nil {
		t.Fatal(err)
	}
	s = takeOver(sinks.Writer{Proof: s.Proof()})
	wantLosses(t, s, 0)
	proof = s.Proof()
	if err := s.client.Del(ctx, s.keys.heartbeat()).Err(); err != nil {
		t.Fatal(err)
	}
	wantLosses(t, takeOver(sinks.Writer{Proof: proof}), 1)
	wantLosses(t, takeOver(sinks.Writer{First: true}), 0)
}

// What an old connection of our own has on its way does not land behind what a
// new one has written.
func TestAnOldConnectionsTransactionIsVoid(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	s := first(t, o)
	if err := s.Write(ctx, cardRows(10, 1)); err != nil {
		t.Fatal(err)
	}
	old := s.writes
	s.writes.conn, s.writes.armed = nil, false
	if err := s.Write(ctx, cardRows(10, 3)); err != nil {
		t.Fatal(err)
	}
	defer old.drop()
	other := openStore(t, o)
	if done, err := old.try(ctx, other.rows.encode(ctx, cardRows(10, 2))); done || err != nil {
		t.Errorf("the delayed transaction: %t, %v; want it refused", done, err)
	}
	wantLosses(t, s, 0)
}

// proxy passes connections on to an address that changes.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	to       string
	open     []net.Conn
	wait     sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, to: to}
	p.wait.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			p.pass(in)
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.point("")
		p.wait.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) pass(in net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		in.Close()
		return
	}
	p.open = append(p.open, in, out)
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		p.wait.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			way[0].Close()
			way[1].Close()
		})
	}
}

// point breaks what is connected and passes what comes on to another address.
func (p *proxy) point(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

func waitUntil(t *testing.T, what func() bool) {
	t.Helper()
	if !comes(what) {
		t.Fatal("it did not come")
	}
}

// comes reports whether something becomes true soon.
func comes(what func() bool) bool {
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !what() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}

// A quiet stream says that its rows are whole again: with the first sign of life
// after the repair, not with the next row.
func TestTheHeartbeatSaysThatRowsAreWholeAgain(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	s := first(t, o)
	if err := s.Write(ctx, cardRows(10, 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Del(ctx, s.keys.fence(), s.keys.heartbeat()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(ctx, cardRows(10, 2)); err != nil {
		t.Fatal(err)
	}
	wantLosses(t, s, 1)
	says := func() string { return s.client.Get(ctx, s.keys.heartbeat()).Val() }
	if got := says(); !strings.HasSuffix(got, beatRewriting) {
		t.Fatalf("heartbeat %q while rows are missing", got)
	}
	s.Whole(1)
	if err := s.Alive(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if got := says(); strings.HasSuffix(got, beatRewriting) || placeOf(got) != s.Proof() {
		t.Errorf("heartbeat %q after the repair, the proof is %q", got, s.Proof())
	}
	before := says()
	if err := s.Alive(ctx, 2); err != nil || says() != before {
		t.Errorf("a sign of life moved the heartbeat to %q: %v", says(), err)
	}
	if err := s.Write(ctx, cardRows(10, 3)); err != nil {
		t.Fatal(err)
	}
	if n, lost := s.Lost(); lost || n != 1 {
		t.Errorf("%d losses, lost %t: our own heartbeat was taken for an older one", n, lost)
	}
	wantLosses(t, heir(t, o, s.Proof()), 0)
}

// heir is a store that has taken over, with what proves the rows.
func heir(t *testing.T, o Options, proof string) *Store {
	t.Helper()
	s := openStore(t, o)
	if _, _, err := s.TakeOver(context.Background(), sinks.Writer{Proof: proof}); err != nil {
		t.Fatal(err)
	}
	return s
}

// The sign of life finds a loss while a write is on its way: that write, done
// again, is not taken for a heartbeat that went back.
func TestALossThatTheSignOfLifeFindsIsCountedOnce(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	s := first(t, o)
	for batch := range uint64(20) {
		for _, err := range []error{s.Write(ctx, cardRows(300, batch+1)), s.Alive(ctx, 1)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.client.Del(ctx, s.keys.fence(), s.keys.heartbeat()).Err(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Alive(ctx, 2) }()
		if err := s.Write(ctx, cardRows(300, batch+1)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil && !errors.Is(err, sinks.ErrRowsLost) {
			t.Fatal(err)
		}
		s.writes.drop() // the next one looks at the heartbeat
		if err := s.Write(ctx, cardRows(1, batch+1)); err != nil {
			t.Fatal(err)
		}
		if n, _ := s.Lost(); n != batch+1 {
			t.Fatalf("%d losses counted after %d", n, batch+1)
		}
		s.Whole(batch + 1)
	}
}

// A failover that loses the drawing of an owner number gives it out again. Of two
// writers with one number the one who finds the other's word ends; the rows are
// one writer's.
func TestOneNumberIsOneOwners(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	zombie := first(t, o)
	if err := zombie.Write(ctx, cardRows(3, 1)); err != nil {
		t.Fatal(err)
	}
	if err := zombie.client.Del(ctx, zombie.keys.fence(), zombie.keys.meta(), zombie.keys.heartbeat()).Err(); err != nil {
		t.Fatal(err)
	}
	owner := heir(t, o, zombie.Proof())
	if owner.owner != zombie.owner {
		t.Fatalf("owner %d beside %d: the number was not given out again, so nothing is tried", owner.owner, zombie.owner)
	}
	wantLost(t, "a write of the one before", zombie.Write(ctx, cardRows(3, 1)))
	wantLost(t, "its sign of life", zombie.Alive(ctx, 1))
	if err := owner.Write(ctx, cardRows(3, 2)); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// A next owner hears from the store how far the one before had come.
func TestTheStoreTellsItsNewestBatch(t *testing.T) {
	o, ctx := realOptions(t), context.Background()
	s := first(t, o)
	for _, batch := range []uint64{0, 7, 88123} {
		if batch > 0 {
			if err := s.Write(ctx, cardRows(3, batch)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := openStore(t, o).NewestBatch(ctx); err != nil || got != batch {
			t.Errorf("batch %d, want %d: %v", got, batch, err)
		}
	}
}
