package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
	"github.com/freshet-dev/freshet/verify/redisfault"
)

// clusterACL is what a writer needs of a cluster beside what it needs anyway.
const clusterACL = " +cluster|slots +asking"

func startCluster(t testing.TB, replicas bool) *redisfault.Cluster {
	t.Helper()
	c, err := redisfault.StartCluster(context.Background(), 3, replicas)
	if errors.Is(err, redisfault.ErrNoServer) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func clusterOptions(c *redisfault.Cluster) Options {
	o := options("redis://" + c.Masters[0].Addr + "?addr=" + c.Masters[1].Addr)
	o.Cluster = true
	return o
}

// The suite on a real cluster, as the users of the documentation.
func TestConformanceCluster(t *testing.T) {
	c := startCluster(t, false)
	ctx := context.Background()
	for _, s := range c.Masters {
		for user, rules := range map[string]string{"writer": writerACL + clusterACL, "reader": readerACL + " +cluster|slots"} {
			args := []any{"acl", "setuser", user, "on", ">" + user + "-secret"}
			for rule := range strings.FieldsSeq(rules) {
				args = append(args, rule)
			}
			if err := s.Client.Do(ctx, args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	as := func(user string, o Options) Options {
		o.User, o.Password = user, user+"-secret"
		return o
	}
	sinktest.OnlineStore(t, func(t *testing.T) sinktest.Harness {
		o := clusterOptions(c)
		return harness(t, as("writer", o), as("reader", o), o)
	})
	t.Run("Check", func(t *testing.T) {
		if warnings, err := openStore(t, as("writer", clusterOptions(c))).Check(ctx); err != nil || len(warnings) != 0 {
			t.Errorf("check: %v, %v", warnings, err)
		}
		single := options("redis://" + c.Masters[0].Addr)
		_, err := openStore(t, single).Check(ctx)
		var fatal *sinks.Fatal
		if !errors.As(err, &fatal) || !strings.Contains(err.Error(), "redis.mode") {
			t.Errorf("check of a cluster's node as one server: %v", err)
		}
		if err := openStore(t, single).Write(ctx, cardRows(50, 1)); !errors.As(err, &fatal) || !strings.Contains(err.Error(), "redis.mode") {
			t.Errorf("write to a cluster's node as one server: %v", err)
		}
	})
}

// Reliability row 36 on a cluster: an older version never replaces a newer one,
// whoever writes it and however late it comes.
func TestAnOlderVersionReplacesNothing(t *testing.T) {
	c := startCluster(t, false)
	o := clusterOptions(c)
	h := harness(t, o, o, o)
	ctx := context.Background()
	s, cards := openStore(t, o), sinktest.Cards()
	at := func(incarnation uint32, batch uint64, owner, seq uint32, asOf int64) sinks.Version {
		return sinks.Version{Incarnation: incarnation, Batch: batch, Owner: owner, Seq: seq, AsOf: asOf}
	}
	newest := at(2, 1<<40, 3, 9, 100)
	again(t, func() error { return s.Write(ctx, []sinks.VersionedRow{sinktest.FullCard(cards, "c1", newest)}) })
	before := h.Read(t, cards, "c1")
	for _, v := range []sinks.Version{at(1, 1<<50, 9, 9, 999), at(2, 1<<39, 9, 9, 999), at(2, 1<<40, 2, 9, 999), at(2, 1<<40, 3, 8, 999), at(2, 1<<40, 3, 9, 99)} {
		row := sinktest.FullCard(cards, "c1", v)
		row.Values[0] = event.OfDouble(-1)
		if err := s.Write(ctx, []sinks.VersionedRow{row}); err != nil {
			t.Fatal(err)
		}
		if got := h.Read(t, cards, "c1"); got.Version != newest || got.Texts[0] != before.Texts[0] {
			t.Errorf("version %+v replaced %+v", v, newest)
		}
	}
	if got := s.Versions(); got != (sinks.VersionCounts{Stale: 5}) {
		t.Errorf("counts %+v, want 5 stale", got)
	}
	// The same again is equal; the same version with other bytes is an alarm.
	if err := s.Write(ctx, []sinks.VersionedRow{sinktest.FullCard(cards, "c1", newest)}); err != nil {
		t.Fatal(err)
	}
	for i, change := range []func(*sinks.VersionedRow){
		func(r *sinks.VersionedRow) { r.Values[0] = event.OfDouble(-1) },
		func(r *sinks.VersionedRow) { r.Values[1] = event.Value{} },
		func(r *sinks.VersionedRow) { r.Statuses[2] = 1 },
	} {
		row := sinktest.FullCard(cards, "c1", newest)
		change(&row)
		if err := s.Write(ctx, []sinks.VersionedRow{row}); err != nil {
			t.Fatal(err)
		}
		if got, want := s.Versions(), (sinks.VersionCounts{Stale: 5, Equal: 1, Differ: int64(i + 1)}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	}
}

// Reliability row 35: a row whose key is something else is refused before
// anything of it is written, and does not hide among the others.
func TestARefusedRowOfAClusterIsLeftWhole(t *testing.T) {
	c := startCluster(t, false)
	o := clusterOptions(c)
	h := harness(t, o, o, o)
	ctx := context.Background()
	s, cards := openStore(t, o), sinktest.Cards()
	key := s.keys.row(cards.View, "c7")
	for name, spoil := range map[string]func() error{
		"another type": func() error { return s.client.Set(ctx, key, "x", 0).Err() },
		"no version":   func() error { return s.client.HSet(ctx, key, fieldVersion, "7").Err() },
	} {
		if err := errors.Join(s.client.Del(ctx, key).Err(), spoil()); err != nil {
			t.Fatal(err)
		}
		err := s.Write(ctx, cardRows(100, 1))
		var fatal *sinks.Fatal
		if !errors.As(err, &fatal) {
			t.Errorf("%s: %v, want it fatal", name, err)
		}
		if n := s.client.Exists(ctx, key).Val(); n != 1 || s.client.HLen(ctx, key).Val() > 1 {
			t.Errorf("%s: something was written", name)
		}
		if !h.Read(t, cards, "c99").Found {
			t.Errorf("%s: another row was not written", name)
		}
	}
}

// Reliability rows 28 and 29 on a cluster: one node that is wiped, and a replica
// that takes a node over and lacks its newest rows, are found by the next write
// or sign of life; one that has all of them is believed.
func TestALossOfOneNodeIsFound(t *testing.T) {
	ctx := context.Background()
	for name, find := range map[string]func(s *Store) error{
		"by a write": func(s *Store) error { return s.Write(ctx, cardRows(3, 9)) },
		"by the sign of life": func(s *Store) error {
			if err := s.Alive(ctx, 9); !errors.Is(err, sinks.ErrRowsLost) {
				return fmt.Errorf("alive: %w, want ErrRowsLost", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, false)
			s := first(t, clusterOptions(c))
			for batch := range uint64(3) {
				for _, err := range []error{s.Write(ctx, cardRows(700, batch+1)), s.Alive(ctx, 1)} {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			wantLosses(t, s, 0)
			if err := c.Masters[1].Client.FlushAll(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			again(t, func() error { return find(s) })
			wantLosses(t, s, 1)
			if err := s.Alive(ctx, 2); !errors.Is(err, sinks.ErrRowsLost) {
				t.Errorf("alive while rows are lost: %v", err)
			}
			again(t, func() error { return s.Write(ctx, cardRows(700, 4)) })
			wantLosses(t, s, 1)
			s.Whole(1)
			again(t, func() error { return s.Alive(ctx, 3) })
			reader := openReader(t, func() Options { o := clusterOptions(c); o.Namespace = s.keys.namespace; return o }())
			if meta, err := reader.Meta(ctx); err != nil || meta.Spec != "41c9" || meta.Owner != "1" || meta.Incarnation != "1" {
				t.Errorf("meta did not come back: %+v, %v", meta, err)
			}
			if ms, ok, err := reader.Alive(ctx); !ok || ms != 3 || err != nil {
				t.Errorf("alive: %d %t %v", ms, ok, err)
			}
		})
	}
}

// A next owner believes a cluster of which every node has what was there at the
// last commit; counters that one node has lost are taken from the others.
func TestATakeOverAsksEveryNodeForProof(t *testing.T) {
	c := startCluster(t, false)
	o := clusterOptions(c)
	ctx := context.Background()
	before := first(t, o)
	if err := before.Write(ctx, cardRows(300, 1)); err != nil {
		t.Fatal(err)
	}
	if batch, err := openStore(t, o).NewestBatch(ctx); err != nil || batch != 1 {
		t.Errorf("batch %d, want 1: %v", batch, err)
	}
	proof := before.Proof()
	wantLosses(t, heir(t, o, proof), 0)
	wantLosses(t, heir(t, o, ""), 1)
	wantLosses(t, heir(t, o, proof), 1) // the one before has not repaired it
	s := heir(t, o, proof)
	s.Whole(1)
	if err := s.Write(ctx, cardRows(1, 2)); err != nil {
		t.Fatal(err)
	}
	proof, owner := s.Proof(), s.owner
	wantLosses(t, heir(t, o, proof), 0)
	for i, node := range c.Masters {
		if err := node.Client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		next := heir(t, o, proof)
		wantLosses(t, next, 1)
		if next.owner <= owner || next.incarnation != 1 {
			t.Errorf("node %d was wiped: owner %d after %d, incarnation %d", i, next.owner, owner, next.incarnation)
		}
		next.Whole(1)
		if err := next.Write(ctx, cardRows(300, uint64(i+3))); err != nil {
			t.Fatal(err)
		}
		proof, owner = next.Proof(), next.owner
	}
}

// Slots that move under the writer (MOVED, ASK) lose nothing and are no loss.
func TestSlotsThatMove(t *testing.T) {
	c := startCluster(t, false)
	o := clusterOptions(c)
	h := harness(t, o, o, o)
	ctx := context.Background()
	s, cards := first(t, o), sinktest.Cards()
	if err := s.Write(ctx, cardRows(300, 1)); err != nil {
		t.Fatal(err)
	}
	slot := int(c.Client.ClusterKeySlot(ctx, s.keys.row(cards.View, "c7")).Val())
	from, to := ownerOfSlot(t, c, slot), c.Masters[0]
	if from == to {
		to = c.Masters[1]
	}
	batch := uint64(1)
	write := func() {
		batch++
		if err := s.Write(ctx, cardRows(300, batch)); err != nil {
			t.Errorf("write %d: %v", batch, err)
		}
	}
	if err := c.Move(ctx, slot, from, to, write); err != nil {
		t.Fatal(err)
	}
	write()
	if err := s.Alive(ctx, 1); err != nil {
		t.Errorf("alive: %v", err)
	}
	write()
	wantLosses(t, s, 0)
	for i := range 300 {
		if got := h.Read(t, cards, fmt.Sprint("c", i)); got.Version.Batch != batch {
			t.Fatalf("row %d is of batch %d, want %d", i, got.Version.Batch, batch)
		}
	}
}

func ownerOfSlot(t *testing.T, c *redisfault.Cluster, slot int) *redisfault.Server {
	t.Helper()
	shards, err := c.Client.ClusterShards(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		if !slices.ContainsFunc(shard.Slots, func(r goredis.SlotRange) bool { return int(r.Start) <= slot && slot <= int(r.End) }) {
			continue
		}
		for _, n := range shard.Nodes {
			for _, s := range c.Masters {
				if n.Role == "master" && net.JoinHostPort(n.IP, strconv.FormatInt(n.Port, 10)) == s.Addr {
					return s
				}
			}
		}
	}
	t.Fatal("nobody has the slot")
	return nil
}

// A failover of one node with forced loss: its replica lacks the newest rows.
func TestAFailoverOfOneNodeThatLosesRows(t *testing.T) {
	c := startCluster(t, true)
	o := clusterOptions(c)
	ctx := context.Background()
	s := first(t, o)
	again(t, func() error { return s.Write(ctx, cardRows(600, 1)) })
	for _, loses := range []bool{false, true} {
		i := 1
		if loses {
			i = 2
		}
		master, replica := c.Masters[i], c.Replicas[i]
		waitUntil(t, func() bool { return offsetOf(ctx, replica.Client) == offsetOf(ctx, master.Client) })
		if loses { // cut the link; a frozen replica would be given the rest when it wakes
			if err := replica.Freeze(); err != nil {
				t.Fatal(err)
			}
			if err := master.Client.Do(ctx, "client", "kill", "type", "replica").Err(); err != nil {
				t.Fatal(err)
			}
			again(t, func() error { return s.Write(ctx, cardRows(600, 5)) })
		}
		master.Kill()
		if loses {
			if err := replica.Thaw(); err != nil {
				t.Fatal(err)
			}
		}
		if err := replica.Client.Do(ctx, "cluster", "failover", "takeover").Err(); err != nil {
			t.Fatal(err)
		}
		var err error
		if !comes(func() bool { err = s.Write(ctx, cardRows(600, 9)); return err == nil }) {
			t.Fatal(err)
		}
		if n, lost := s.Lost(); lost != loses || n > 1 {
			t.Errorf("%d losses, lost %t, want %t", n, lost, loses)
		}
	}
}

func offsetOf(ctx context.Context, client *goredis.Client) string {
	info, _ := client.Info(ctx, "replication").Result()
	return infoOf(info, "master_repl_offset")
}
