package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/sources"
)

// A paused partition brings nothing new; after Resume it goes on without a gap.
func TestPauseHoldsAPartitionBack(t *testing.T) {
	f := begin(t, inProcess(t), 2)
	values := func(from int) []string {
		var v []string
		for i := range 200 {
			v = append(v, fmt.Sprint(from+i))
		}
		return v
	}
	f.append(t, 0, 0, values(0)...)
	f.append(t, 0, 1, values(0)...)
	c := f.open(t)
	defer func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	next := map[int32]int64{}
	read := func(until func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for !until() && ctx.Err() == nil {
			p, err := c.Poll(ctx, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Records {
				if r.Offset != next[r.Partition] {
					t.Fatalf("partition %d: offset %d after %d", r.Partition, r.Offset, next[r.Partition]-1)
				}
				next[r.Partition]++
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("read %v within 20 s", next)
		}
	}
	read(func() bool { return next[0] > 0 })
	c.Pause(sources.PartitionID{Partition: 0})
	// What one fetch had queued may still come; from then on nothing.
	read(func() bool { return next[1] > 0 && c.given == len(c.queue) })
	held := next[0]
	f.append(t, 0, 1, values(200)...)
	read(func() bool { return next[1] == 400 })
	if next[0] != held || held == 200 {
		t.Errorf("partition 0 stood at %d and is at %d", held, next[0])
	}
	c.Resume()
	read(func() bool { return next[0] == 200 })
}

var _ sources.Pauser = (*Consumer)(nil)
