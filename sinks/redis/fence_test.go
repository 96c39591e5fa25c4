package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

// owning is a store that has taken over.
func owning(t *testing.T, o Options) *Store {
	t.Helper()
	s := openStore(t, o)
	if _, _, err := s.TakeOver(context.Background(), sinks.Writer{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func wantLost(t *testing.T, what string, err error) {
	t.Helper()
	var fatal *sinks.Fatal
	if !errors.Is(err, sinks.ErrLost) || !errors.As(err, &fatal) {
		t.Errorf("%s: %v, want a fatal error that is ErrLost", what, err)
	}
}

// realOptions are a namespace of the real server that is deleted at the end.
func realOptions(t *testing.T) Options {
	o := options(realServer(t))
	t.Cleanup(func() { deleteNamespace(t, openStore(t, o).client, o.Namespace) })
	return o
}

// Reliability row 36: a transaction that was on its way when another writer took
// over stores nothing, although its connection has seen the fence as its own.
func TestATransactionOnItsWayIsRefused(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	zombie := owning(t, o)
	if err := zombie.Write(ctx, cardRows(300, 1)); err != nil {
		t.Fatal(err)
	}
	if !zombie.writes.armed {
		t.Fatal("a write costs two round trips: the fence is not watched behind the one before")
	}
	owner := owning(t, o)
	if err := owner.Write(ctx, cardRows(1, 2)); err != nil {
		t.Fatal(err)
	}
	// What lane.exec would do again is what a delayed packet does once.
	done, err := zombie.writes.try(ctx, zombie.rows.encode(ctx, cardRows(300, 3)))
	if done || err != nil {
		t.Errorf("the delayed transaction: %t, %v; want it refused", done, err)
	}
	wantLost(t, "write", zombie.Write(ctx, cardRows(300, 3)))
	wantLost(t, "alive", zombie.Alive(ctx, 7))
	cards := sinktest.Cards()
	for i, want := range []uint64{2, 1} {
		text, err := owner.client.HGet(ctx, owner.keys.row(cards.View, fmt.Sprint("c", i)), fieldVersion).Result()
		if err != nil {
			t.Fatal(err)
		}
		if v, err := parseVersion(text); err != nil || v.Batch != want {
			t.Errorf("row %d: %+v, %v; want that of batch %d", i, v, err, want)
		}
	}
	if err := owner.Write(ctx, cardRows(300, 4)); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// A fence that the server has lost is raised again by its owner; one of an owner
// before that came back from an old copy too.
func TestALostFenceIsRaisedAgain(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	zombie, owner := owning(t, o), owning(t, o)
	for i, fault := range []func() error{
		func() error { return owner.client.Del(ctx, owner.keys.fence()).Err() },
		func() error { return owner.client.Set(ctx, owner.keys.fence(), zombie.claimed(), 0).Err() },
		func() error { return owner.client.Set(ctx, owner.keys.fence(), owner.claimed(), 0).Err() }, // touched, the same
		func() error { // the zombie is the first to find it gone
			if err := owner.client.Del(ctx, owner.keys.fence()).Err(); err != nil {
				return err
			}
			return zombie.Write(ctx, cardRows(1, 1))
		},
	} {
		if err := fault(); err != nil {
			t.Fatal(err)
		}
		if err := owner.Write(ctx, cardRows(10, uint64(10+i))); err != nil {
			t.Errorf("case %d: %v", i, err)
		}
		if got := owner.client.Get(ctx, owner.keys.fence()).Val(); got != owner.claimed() {
			t.Errorf("case %d: fence %s, want %s", i, got, owner.claimed())
		}
		wantLost(t, fmt.Sprint("case ", i, ": zombie"), zombie.Write(ctx, cardRows(1, 1)))
	}
	// A store whose meta was lost and whose fence was not.
	if err := owner.client.Del(ctx, owner.keys.meta()).Err(); err != nil {
		t.Fatal(err)
	}
	if next := owning(t, o); next.owner <= owner.owner {
		t.Errorf("owner %d was drawn after %d", next.owner, owner.owner)
	}
}

// Eight writers take over one after another while all of them go on writing: at
// the end every row is the last one's.
func TestARaceOfStaleWriters(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	const writers = 8
	var wg sync.WaitGroup
	var last *Store
	for w := range writers {
		s := owning(t, o)
		if w == writers-1 {
			last = s
		}
		random := rand.New(rand.NewPCG(uint64(w), 1))
		wg.Go(func() {
			for n := range 60 {
				rows := cardRows(40, uint64(1+w*100+n))
				random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
				err := s.Write(ctx, rows)
				if errors.Is(err, sinks.ErrLost) && w < writers-1 {
					return
				}
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	cards := sinktest.Cards()
	for i := range 40 {
		v, err := parseVersion(last.client.HGet(ctx, last.keys.row(cards.View, fmt.Sprint("c", i)), fieldVersion).Val())
		if want := uint64(1 + (writers-1)*100 + 59); err != nil || v.Batch != want {
			t.Errorf("row %d is of batch %d, want %d, the last of the last writer (%v)", i, v.Batch, want, err)
		}
	}
}

func TestAFenceThatNobodyWroteIsFatal(t *testing.T) {
	o := realOptions(t)
	s := owning(t, o)
	if err := s.client.Set(context.Background(), s.keys.fence(), "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	err := s.Write(context.Background(), cardRows(1, 1))
	var fatal *sinks.Fatal
	if !errors.As(err, &fatal) || !strings.Contains(err.Error(), "edited by hand") {
		t.Errorf("%v, want it fatal", err)
	}
	if n := s.client.Exists(context.Background(), s.keys.row(sinktest.Cards().View, "c0")).Val(); n != 0 {
		t.Error("a row was written")
	}
}

// On one server, where the fence decides, one row of many is looked at before it
// is replaced: the same version with other bytes is an alarm.
func TestTheSameVersionWithOtherBytesIsSeenOnOneServer(t *testing.T) {
	o := realOptions(t)
	ctx := context.Background()
	s := owning(t, o)
	write := func(rows []sinks.VersionedRow, want sinks.VersionCounts) {
		t.Helper()
		if err := s.Write(ctx, rows); err != nil {
			t.Fatal(err)
		}
		if got := s.Versions(); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	}
	write(cardRows(sampleEvery, 1), sinks.VersionCounts{})
	write(cardRows(sampleEvery, 1), sinks.VersionCounts{Equal: 1})
	write(cardRows(sampleEvery, 2), sinks.VersionCounts{Equal: 1})
	other := cardRows(sampleEvery, 2)
	other[0].Values[0] = event.OfDouble(-1)
	write(other, sinks.VersionCounts{Equal: 1, Differ: 1})
	other[0].Statuses[0] = features.Warming
	write(other, sinks.VersionCounts{Equal: 1, Differ: 2})
	write(other, sinks.VersionCounts{Equal: 2, Differ: 2})
}
