package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/sinks"
	sinkkafka "github.com/freshet-dev/freshet/sinks/kafka"
	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/sources/sourcetest"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

// pair is a run with its source and its outputs in one transaction.
type pair struct {
	*fixture
	out     string
	id      string
	session *sinkkafka.Session
}

func beginPair(t *testing.T, client kafkaclient.Config) *pair {
	t.Helper()
	f := begin(t, client, 2)
	p := &pair{fixture: f, out: kafkatest.Unique("out"), id: kafkatest.Unique("txn")}
	if _, err := f.admin.CreateTopic(t.Context(), 1, 1, nil, p.out); err != nil {
		t.Fatal(err)
	}
	f.appears(t, p.out)
	f.adjust = func(c *Config) { c.Transaction = p.session }
	return p
}

// open makes a session over the client and the consumer that shares it, and
// waits for the ownership.
func (p *pair) open(t *testing.T, client kafkaclient.Config) (*Consumer, sources.Poll) {
	t.Helper()
	session, err := sinkkafka.NewSession(t.Context(), sinkkafka.SessionConfig{
		Config: sinkkafka.Config{Client: client}, TransactionalID: p.id})
	if err != nil {
		t.Fatal(err)
	}
	p.session = session
	c := p.fixture.open(t)
	var owned sources.Poll
	if err := until(t, c, func(got sources.Poll) bool { owned = got; return isOwned(got) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(c); _ = session.Close() })
	return c, owned
}

func (p *pair) produce(t *testing.T, s *sinkkafka.Session, values ...string) error {
	t.Helper()
	var records []sinks.Record
	for _, v := range values {
		records = append(records, sinks.Record{Topic: p.out, Value: []byte(v), Time: time.Now().UnixMilli()})
	}
	return s.Produce(t.Context(), records)
}

func (p *pair) mustProduce(t *testing.T, s *sinkkafka.Session, values ...string) {
	t.Helper()
	if err := p.produce(t, s, values...); err != nil {
		t.Fatal(err)
	}
}

// dump reads the outputs to the end: those committed, or all.
func (p *pair) dump(t *testing.T, isolation kgo.IsolationLevel) []string {
	t.Helper()
	opts, err := p.client.Options()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(p.out), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords())...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	admin := kadm.NewClient(reader)
	ends, err := admin.ListEndOffsets(t.Context(), p.out)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(p.out, 0)
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for at := int64(0); at < end.Offset && ctx.Err() == nil; {
		reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				got = append(got, string(r.Value))
			}
		})
	}
	if ctx.Err() != nil {
		t.Fatalf("%v, and then nothing until the end at %d: a transaction is open", got, end.Offset)
	}
	return got
}

func (p *pair) mustHold(t *testing.T, committed, all []string) {
	t.Helper()
	if got := p.dump(t, kgo.ReadCommitted()); !slices.Equal(got, committed) {
		t.Errorf("committed are %v, want %v", got, committed)
	}
	if got := p.dump(t, kgo.ReadUncommitted()); !slices.Equal(got, all) {
		t.Errorf("written are %v, want %v", got, all)
	}
}

func at(next int64) []sources.Position {
	return []sources.Position{{PartitionID: sources.PartitionID{}, Next: next}}
}

// withOutputs commits as a batch with outputs does.
type withOutputs struct {
	*Consumer
	session *sinkkafka.Session
	out     string
}

func (w withOutputs) Commit(ctx context.Context, positions []sources.Position, metadata string) error {
	for {
		err := w.session.Produce(ctx, []sinks.Record{{Topic: w.out, Value: []byte("x"), Time: time.Now().UnixMilli()}})
		if err == nil {
			err = w.Consumer.Commit(ctx, positions, metadata)
		}
		if !errors.Is(err, sources.ErrAborted) {
			if errors.Is(err, sinks.ErrAborted) && errors.Is(err, sources.ErrLost) {
				return sources.ErrLost
			}
			return err
		}
	}
}

func (w withOutputs) Close(ctx context.Context) error {
	return errors.Join(w.Consumer.Close(ctx), w.session.Close())
}

func TestConformanceInTransactions(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		s := suite(client)
		s.Begin = func(t *testing.T, partitions ...int) sourcetest.Run {
			f := begin(t, client, partitions...)
			out, id := kafkatest.Unique("out"), kafkatest.Unique("txn")
			if _, err := f.admin.CreateTopic(t.Context(), 1, 1, nil, out); err != nil {
				t.Fatal(err)
			}
			f.appears(t, out)
			return sourcetest.Run{Append: f.append, Evict: f.evict, Open: func(t *testing.T) sources.Consumer {
				session, err := sinkkafka.NewSession(t.Context(), sinkkafka.SessionConfig{
					Config: sinkkafka.Config{Client: client}, TransactionalID: id})
				if err != nil {
					t.Fatal(err)
				}
				f.adjust = func(c *Config) { c.Transaction = session }
				return withOutputs{f.open(t), session, out}
			}}
		}
		sourcetest.Test(t, s)
	})
}

func TestOutputsAndPositionsAreCommittedTogether(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		p := beginPair(t, client)
		p.append(t, 0, 0, "a", "b", "c")
		c, _ := p.open(t, client)
		p.mustProduce(t, p.session, "A")
		p.mustProduce(t, p.session, "B")
		if err := c.Commit(t.Context(), at(2), "batch 1"); err != nil {
			t.Fatal(err)
		}
		p.mustProduce(t, p.session, "C, once")
		p.session.Abort(t.Context())
		if err := c.Commit(t.Context(), at(3), "batch 2"); !errors.Is(err, sources.ErrAborted) {
			t.Fatalf("commit of what was aborted: %v", err)
		}
		p.mustProduce(t, p.session, "C")
		if err := c.Commit(t.Context(), at(3), "batch 2"); err != nil {
			t.Fatal(err)
		}
		if err := c.Commit(t.Context(), at(3), "batch 3, no outputs"); err != nil {
			t.Fatal(err)
		}
		shut(c)
		_, owned := p.open(t, client)
		if a := owned.Owned[0]; a.Committed != 3 || a.Metadata != "batch 3, no outputs" {
			t.Errorf("committed %d %q", a.Committed, a.Metadata)
		}
		if a := owned.Owned[1]; a.Committed != 0 || a.Metadata != "batch 1" {
			t.Errorf("the other partition: committed %d %q", a.Committed, a.Metadata)
		}
		p.mustHold(t, []string{"A", "B", "C"}, []string{"A", "B", "C, once", "C"})
	})
}

// An owner that is killed leaves a transaction open. The next one must not wait
// for its timeout, and must not find its positions.
func TestWhoTakesOverEndsWhatWasLeftOpen(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		p := beginPair(t, client)
		p.append(t, 0, 0, "a")
		wire := &cutter{}
		cutting := client
		cutting.Dial = wire.dial
		p.fixture.client = cutting // the consumer's connections too
		dead, _ := p.open(t, cutting)
		p.fixture.client = client
		left := p.session
		p.mustProduce(t, left, "A of the dead")
		request, err := dead.request(map[string]map[int32]kgo.EpochOffset{p.topics[0].Name: {0: {Epoch: -1, Offset: 1}}}, "of the dead")
		if err != nil {
			t.Fatal(err)
		}
		if err := left.AddOffsets(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		wire.sever(true)
		p.evict(t)
		began := time.Now()
		c, owned := p.open(t, client)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the take-over took %s", took)
		}
		if a := owned.Owned[0]; a.Committed != -1 {
			t.Fatalf("took over at %d %q: that was not committed", a.Committed, a.Metadata)
		}
		p.mustProduce(t, p.session, "A")
		if err := c.Commit(t.Context(), at(1), "of the next"); err != nil {
			t.Fatal(err)
		}
		// The dead one was only cut off.
		wire.sever(false)
		if err := dead.Commit(t.Context(), at(1), "of the zombie"); !errors.Is(err, sources.ErrLost) && !errors.Is(err, sources.ErrAborted) {
			t.Errorf("the zombie's commit: %v", err)
		}
		if err := p.produce(t, left, "of the zombie"); !errors.Is(err, sinks.ErrAborted) {
			t.Errorf("the zombie's produce: %v", err)
		}
		p.mustHold(t, []string{"A"}, []string{"A of the dead", "A"})
	})
}

// Another process under the same id that is no member of the group: one of them
// must end, and say why.
func TestAStolenTransactionalIDIsFatal(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		p := beginPair(t, client)
		p.open(t, client)
		p.mustProduce(t, p.session, "mine")
		thief, err := sinkkafka.NewSession(t.Context(), sinkkafka.SessionConfig{Config: sinkkafka.Config{Client: client}, TransactionalID: p.id})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = thief.Close() }()
		if err := thief.Fence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.produce(t, p.session, "mine too"); !errors.Is(err, sinks.ErrAborted) {
			t.Fatalf("produce after the theft: %v", err)
		}
		var fatal *sinks.Fatal
		err = p.produce(t, p.session, "again")
		if !errors.As(err, &fatal) {
			t.Fatalf("produce again: %v", err)
		}
		mustSay(t, err, "another process writes under transactional id "+p.id)
	})
}

// The answer to the end of a transaction is lost, once or for good, after the
// broker has done it or before: the outcome is always found out.
func TestTheAnswerToACommitIsLost(t *testing.T) {
	both(t, func(t *testing.T, client kafkaclient.Config) {
		for _, test := range []struct {
			name      string
			cut       cut
			committed bool
		}{
			{"once, and it was done", cut{after: true, times: 1}, true},
			{"for good, and it was done", cut{after: true, times: 1 << 30}, true},
			{"for good, and it was not", cut{times: 1 << 30}, false},
		} {
			t.Run(test.name, func(t *testing.T) {
				p := beginPair(t, client)
				p.append(t, 0, 0, "a")
				wire := &cutter{}
				cutting := client
				cutting.Dial = wire.dial
				c, _ := p.open(t, cutting)
				p.mustProduce(t, p.session, "first")
				if err := c.Commit(t.Context(), at(1), "batch 1"); err != nil {
					t.Fatal(err)
				}
				p.mustProduce(t, p.session, "A")
				wire.arm(test.cut)
				err := c.Commit(t.Context(), at(1), "batch 2")
				if wire.cuts.Load() == 0 {
					t.Fatal("nothing was cut")
				}
				all := []string{"first", "A"}
				switch {
				case test.committed && err != nil:
					t.Fatalf("it was committed: %v", err)
				case !test.committed:
					if !errors.Is(err, sources.ErrAborted) {
						t.Fatalf("it was not committed: %v", err)
					}
					wire.arm(cut{})
					p.mustProduce(t, p.session, "A")
					if err := c.Commit(t.Context(), at(1), "batch 2"); err != nil {
						t.Fatal(err)
					}
					all = append(all, "A")
				}
				p.mustHold(t, []string{"first", "A"}, all)
			})
		}
	})
}

// cut says which EndTxn requests are lost: the next so many, before the broker
// got them or after.
type cut struct {
	after bool
	times int64
}

// cutter dials, and cuts connections that carry the end of a transaction.
type cutter struct {
	mu      sync.Mutex
	now     cut
	severed bool
	conns   []net.Conn
	cuts    atomic.Int64
}

// sever cuts everything, and lets nothing through until it is mended.
func (w *cutter) sever(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.severed = on
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

func (w *cutter) arm(c cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = c
}

func (w *cutter) next() (cut, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now.times <= 0 {
		return cut{}, false
	}
	w.now.times--
	w.cuts.Add(1)
	return w.now, true
}

func (w *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.severed {
		_ = conn.Close()
		return nil, errors.New("cut off")
	}
	w.conns = append(w.conns, conn)
	return &cutConn{Conn: conn, wire: w}, nil
}

type cutConn struct {
	net.Conn
	wire *cutter
	deaf atomic.Bool
}

// Write sees whole requests: the client writes each with one call.
func (c *cutConn) Write(b []byte) (int, error) {
	if len(b) < 6 || kmsg.Key(binary.BigEndian.Uint16(b[4:])) != kmsg.EndTxn {
		return c.Conn.Write(b)
	}
	cut, hit := c.wire.next()
	if !hit {
		return c.Conn.Write(b)
	}
	if !cut.after {
		_ = c.Close()
		return 0, fmt.Errorf("cut: %w", io.ErrClosedPipe)
	}
	c.deaf.Store(true)
	return c.Conn.Write(b)
}

// Read loses the answer that comes after the cut.
func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.deaf.Load() {
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}
