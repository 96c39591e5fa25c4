// Package sourcetest is what every source must do, as tests: a connector is
// one when it passes. It knows no connector; what a log cannot do by its
// nature is a flag of the Suite, not a missing test.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/sources"
)

// patience bounds every wait for something that must come.
const patience = 30 * time.Second

// glance is how long a Poll is watched that must bring nothing.
const glance = 300 * time.Millisecond

// maxPoll is the size of a Poll where its size is not what is tested.
const maxPoll = 1000

// Run is one run on a log: its sources, and who may read it.
type Run struct {
	// Append adds records to a partition and returns once they can be read. For
	// logs that end it is called before Open only.
	Append func(t *testing.T, source int, partition int32, values ...string)
	// Open makes an instance of the run; a second one, while the first lives,
	// is its standby.
	Open func(t *testing.T) sources.Consumer
	// Evict throws all members out of the group, as a coordinator does with
	// those it has not heard of. nil where there are no groups.
	Evict func(t *testing.T)
}

// Suite is a connector under test.
type Suite struct {
	// Begin makes a new log with so many partitions per source.
	Begin func(t *testing.T, partitions ...int) Run
	// Groups: positions are committed, one instance owns, others stand by.
	Groups bool
	// Ends: the log has an end, and Poll says Ended there.
	Ends bool
	// Clock: records carry the log's own time.
	Clock bool
	// MaxRecordBytes is the size above which values are cut; 0: not tested.
	MaxRecordBytes int
	// Single: only one partition per source.
	Single bool
}

// Test runs the suite.
func Test(t *testing.T, s Suite) {
	t.Run("everything in order", s.order)
	t.Run("max is the most that comes", s.max)
	t.Run("a poll ends with its context", s.context)
	t.Run("a log without records", s.empty)
	t.Run("ownership comes first and alone", s.ownership)
	if s.MaxRecordBytes > 0 {
		t.Run("a record over the cap is cut and marked", s.oversized)
	}
	if s.Ends {
		t.Run("the end is told and stays", s.end)
	} else {
		t.Run("lag falls to nothing", s.lag)
		t.Run("records that come later come", s.later)
	}
	if s.Groups {
		t.Run("a commit is found by the next owner", s.commit)
		t.Run("a first commit covers every partition", s.commitCovers)
		t.Run("a standby waits and takes over", s.standby)
		t.Run("a standby reads along", s.readsAlong)
		t.Run("an owner begins where it is told", s.beginsWhereTold)
		t.Run("a commit after a loss is refused", s.loss)
		t.Run("nothing of a lost session is handed over", s.lossDropsRecords)
	}
}

func (s Suite) partitions(n int) int {
	if s.Single {
		return 1
	}
	return n
}

func numbered(prefix string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf(`{"n":"%s%d"}`, prefix, i)
	}
	return values
}

// next polls until something comes.
func next(t *testing.T, c sources.Consumer, max int) sources.Poll {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ctx.Err() == nil {
		p, err := c.Poll(ctx, max)
		if err != nil {
			t.Fatalf("poll: %v", err)
		}
		if p.Owned != nil {
			begin(t, c)
		}
		if len(p.Records) > 0 || p.Owned != nil || p.Lost || p.Ended {
			return p
		}
	}
	t.Fatalf("nothing came within %s", patience)
	return sources.Poll{}
}

// begin tells a consumer where to begin, if it wants to be told: everywhere at
// the start, but for the positions.
func begin(t *testing.T, c sources.Consumer, from ...sources.Position) {
	t.Helper()
	beginner, ok := c.(sources.Beginner)
	if !ok {
		return
	}
	if err := beginner.Begin(from); err != nil {
		t.Fatalf("begin: %v", err)
	}
}

// owned polls until this instance is the owner.
func owned(t *testing.T, c sources.Consumer) []sources.Assigned {
	t.Helper()
	p := next(t, c, maxPoll)
	if p.Owned == nil {
		t.Fatalf("the first thing told is %+v, not the ownership", p)
	}
	if len(p.Records) > 0 || p.Lost {
		t.Fatalf("the ownership does not come alone: %+v", p)
	}
	return p.Owned
}

type taken struct {
	offset int64
	value  string
}

// collect polls until n records have come, by partition.
func collect(t *testing.T, c sources.Consumer, n, max int) map[sources.PartitionID][]taken {
	t.Helper()
	got := map[sources.PartitionID][]taken{}
	for n > 0 {
		p := next(t, c, max)
		if p.Owned != nil || p.Lost {
			t.Fatalf("the ownership changed in the middle: %+v", p)
		}
		if p.Ended {
			t.Fatalf("ended with %d records to come", n)
		}
		if len(p.Records) > max {
			t.Fatalf("%d records in a poll of at most %d", len(p.Records), max)
		}
		for _, r := range p.Records {
			id := sources.PartitionID{Source: r.Source, Partition: r.Partition}
			got[id] = append(got[id], taken{r.Offset, string(r.Value)})
		}
		n -= len(p.Records)
	}
	return got
}

// nothing watches Polls that must bring nothing, and returns whether the last
// one says that this instance is a standby.
func nothing(t *testing.T, c sources.Consumer) (standby bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), glance)
	defer cancel()
	for ctx.Err() == nil {
		p, err := c.Poll(ctx, maxPoll)
		if err != nil {
			t.Fatalf("poll: %v", err)
		}
		if len(p.Records) > 0 || p.Owned != nil || p.Lost {
			t.Fatalf("unexpected: %+v", p)
		}
		standby = p.Standby
	}
	return standby
}

func closed(t *testing.T, c sources.Consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func check(t *testing.T, got []taken, want []string) {
	t.Helper()
	values := make([]string, len(got))
	for i := range got {
		values[i] = got[i].value
		if i > 0 && got[i].offset <= got[i-1].offset {
			t.Fatalf("offset %d comes after %d", got[i].offset, got[i-1].offset)
		}
	}
	if !slices.Equal(values, want) {
		t.Fatalf("got %d records %.200q, want %d %.200q", len(values), values, len(want), want)
	}
}

func isLost(err error) bool { return errors.Is(err, sources.ErrLost) }
