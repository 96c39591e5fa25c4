package sourcetest

import (
	"context"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/sources"
)

func commit(t *testing.T, c sources.Consumer, metadata string, positions ...sources.Position) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Commit(ctx, positions, metadata)
}

func at(partition int32, next int64) sources.Position {
	return sources.Position{PartitionID: sources.PartitionID{Partition: partition}, Next: next}
}

func (s Suite) commit(t *testing.T) {
	run := s.Begin(t, s.partitions(2))
	values := numbered("", 10)
	run.Append(t, 0, 0, values...)
	first := run.Open(t)
	owned(t, first)
	collect(t, first, 10, maxPoll)
	if err := commit(t, first, "batch 1", at(0, 4)); err != nil {
		t.Fatal(err)
	}
	if err := commit(t, first, "batch 2", at(0, 7)); err != nil {
		t.Fatal(err)
	}
	closed(t, first)

	second := run.Open(t)
	defer closed(t, second)
	for _, a := range owned(t, second) {
		if a.Partition == 0 && (a.Start != 0 || a.Committed != 7 || a.End != 10 || a.Metadata != "batch 2") {
			t.Errorf("the next owner finds %+v", a)
		}
	}
	// The state is rebuilt from everything retained, committed or not.
	check(t, collect(t, second, 10, maxPoll)[sources.PartitionID{}], values)
}

func (s Suite) commitCovers(t *testing.T) {
	run := s.Begin(t, s.partitions(3), 1)
	run.Append(t, 0, 0, numbered("", 2)...)
	first := run.Open(t)
	owned(t, first)
	collect(t, first, 2, maxPoll)
	if err := commit(t, first, "batch 1", at(0, 2)); err != nil {
		t.Fatal(err)
	}
	closed(t, first)

	second := run.Open(t)
	defer closed(t, second)
	for _, a := range owned(t, second) {
		want := int64(0)
		if a.PartitionID == (sources.PartitionID{}) {
			want = 2
		}
		if a.Committed != want || a.Metadata != "batch 1" {
			t.Errorf("source %d, partition %d: committed %d %q, want %d", a.Source, a.Partition, a.Committed, a.Metadata, want)
		}
	}
}

func (s Suite) standby(t *testing.T) {
	run := s.Begin(t, s.partitions(3), 1)
	values := numbered("", 10)
	run.Append(t, 0, 0, values...)
	first := run.Open(t)
	owned(t, first)
	collect(t, first, 10, maxPoll)

	second := run.Open(t)
	defer closed(t, second)
	joining, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !nothing(t, second) { // until the group has told it that it is a standby
		if joining.Err() != nil {
			t.Fatal("the standby does not say that it is one")
		}
	}
	if nothing(t, first) { // a standby's join takes nothing from the owner
		t.Error("the owner says that it is a standby")
	}
	if err := commit(t, first, "batch 1", at(0, 10)); err != nil {
		t.Fatalf("the owner's commit while a standby is there: %v", err)
	}

	left := time.Now()
	closed(t, first)
	for _, a := range owned(t, second) {
		if a.PartitionID == (sources.PartitionID{}) && (a.Committed != 10 || a.Metadata != "batch 1") {
			t.Errorf("the standby finds %+v", a)
		}
	}
	t.Logf("a clean hand-over took %s", time.Since(left).Round(time.Millisecond))
	check(t, collect(t, second, 10, maxPoll)[sources.PartitionID{}], values)
	if err := commit(t, second, "batch 2", at(0, 10)); err != nil {
		t.Fatal(err)
	}
}

func (s Suite) loss(t *testing.T) {
	run := s.Begin(t, s.partitions(2))
	values := numbered("", 4)
	run.Append(t, 0, 0, values...)
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	collect(t, c, 4, maxPoll)
	if err := commit(t, c, "batch 1", at(0, 2)); err != nil {
		t.Fatal(err)
	}
	run.Evict(t)
	if err := commit(t, c, "batch 2", at(0, 4)); !isLost(err) {
		t.Fatalf("a commit of an evicted member: %v, want ErrLost", err)
	}
	if p := next(t, c, maxPoll); !p.Lost || len(p.Records) > 0 {
		t.Fatalf("after the loss: %+v", p)
	}
	// It is the only instance, so it becomes the owner again, from the start.
	for _, a := range owned(t, c) {
		if a.Partition == 0 && (a.Committed != 2 || a.Metadata != "batch 1") {
			t.Errorf("after the refused commit: %+v", a)
		}
	}
	check(t, collect(t, c, 4, maxPoll)[sources.PartitionID{}], values)
}

// lossDropsRecords: what was fetched and not yet handed over when the
// ownership went must not come after it: the new session begins at the start.
func (s Suite) lossDropsRecords(t *testing.T) {
	run := s.Begin(t, s.partitions(2))
	values := numbered("", 500)
	run.Append(t, 0, 0, values...)
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	collect(t, c, 10, 10) // 490 are left in the client
	run.Evict(t)
	for {
		if p := next(t, c, 10); p.Lost {
			break
		}
	}
	owned(t, c)
	check(t, collect(t, c, 500, maxPoll)[sources.PartitionID{}], values)
}
