package sourcetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/sources"
)

func (s Suite) order(t *testing.T) {
	const each = 400
	parts := []int{s.partitions(3), s.partitions(2)}
	run := s.Begin(t, parts...)
	want := map[sources.PartitionID][]string{}
	for source, n := range parts {
		for p := range int32(n) {
			values := numbered(fmt.Sprintf("%d.%d.", source, p), each)
			run.Append(t, source, p, values...)
			want[sources.PartitionID{Source: source, Partition: p}] = values
		}
	}
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	got := collect(t, c, len(want)*each, maxPoll)
	for id, values := range want {
		check(t, got[id], values)
	}
}

func (s Suite) max(t *testing.T) {
	run := s.Begin(t, s.partitions(2))
	values := numbered("", 100)
	run.Append(t, 0, 0, values...)
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	got := collect(t, c, len(values), 7)
	check(t, got[sources.PartitionID{}], values)
}

func (s Suite) context(t *testing.T) {
	run := s.Begin(t, 1)
	run.Append(t, 0, 0, numbered("", 3)...)
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	collect(t, c, 3, maxPoll)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p, err := c.Poll(ctx, maxPoll)
	if err != nil || len(p.Records) > 0 || p.Lost || p.Owned != nil {
		t.Fatalf("a poll whose context is done: %+v, %v", p, err)
	}
}

func (s Suite) empty(t *testing.T) {
	run := s.Begin(t, s.partitions(2), 1)
	c := run.Open(t)
	defer closed(t, c)
	for _, a := range owned(t, c) {
		if a.Start != 0 || a.End != 0 || a.Committed != -1 {
			t.Errorf("an empty partition is %+v", a)
		}
	}
	if s.Ends {
		if p := next(t, c, maxPoll); !p.Ended {
			t.Fatalf("got %+v, want the end", p)
		}
		return
	}
	nothing(t, c)
}

func (s Suite) ownership(t *testing.T) {
	parts := []int{s.partitions(2), 1}
	run := s.Begin(t, parts...)
	run.Append(t, 0, 0, numbered("", 5)...)
	c := run.Open(t)
	defer closed(t, c)
	all := owned(t, c)
	if len(all) != parts[0]+parts[1] {
		t.Fatalf("owner of %d partitions, want %d", len(all), parts[0]+parts[1])
	}
	for i, a := range all {
		if a.Start != 0 || a.Committed != -1 || a.Metadata != "" {
			t.Errorf("partition %d: %+v, want the start 0 and no commit", i, a)
		}
		if want := int64(5); a.PartitionID == (sources.PartitionID{}) && !s.Ends && a.End != want {
			t.Errorf("the end is %d, want %d", a.End, want)
		}
	}
	p := next(t, c, maxPoll)
	for _, r := range p.Records {
		if (r.Time != sources.NoTime) != s.Clock {
			t.Fatalf("record time %d, and the log's clock is %v", r.Time, s.Clock)
		}
	}
}

func (s Suite) oversized(t *testing.T) {
	run := s.Begin(t, 1)
	fits := strings.Repeat("a", s.MaxRecordBytes)
	tooLong := strings.Repeat("b", s.MaxRecordBytes+1)
	run.Append(t, 0, 0, fits, tooLong, "c")
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	var got []string
	var marks []int
	for len(got) < 3 {
		for _, r := range next(t, c, maxPoll).Records {
			got, marks = append(got, string(r.Value)), append(marks, r.Oversized)
		}
	}
	if marks[0] != 0 || got[0] != fits {
		t.Errorf("a record of exactly the cap: %d bytes, marked %d", len(got[0]), marks[0])
	}
	if marks[1] != len(tooLong) || len(got[1]) > s.MaxRecordBytes || !strings.HasPrefix(tooLong, got[1]) {
		t.Errorf("a record over the cap: %d bytes, marked %d", len(got[1]), marks[1])
	}
	if marks[2] != 0 || got[2] != "c" {
		t.Errorf("the record after it: %q, marked %d", got[2], marks[2])
	}
}

func (s Suite) end(t *testing.T) {
	run := s.Begin(t, 1, 1)
	run.Append(t, 0, 0, numbered("", 3)...)
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	collect(t, c, 3, maxPoll)
	for range 2 {
		if p := next(t, c, maxPoll); !p.Ended || len(p.Records) > 0 {
			t.Fatalf("got %+v, want the end", p)
		}
	}
}

func (s Suite) lag(t *testing.T) {
	run := s.Begin(t, 1)
	run.Append(t, 0, 0, numbered("", 20)...)
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	if lag := c.Lag()[sources.PartitionID{}]; lag != 20 {
		t.Errorf("lag before the first record is %d, want 20", lag)
	}
	collect(t, c, 5, 5)
	if lag := c.Lag()[sources.PartitionID{}]; lag != 15 {
		t.Errorf("lag after 5 of 20 is %d, want 15", lag)
	}
	collect(t, c, 15, 5)
	if lag := c.Lag()[sources.PartitionID{}]; lag != 0 {
		t.Errorf("lag at the end is %d", lag)
	}
}

func (s Suite) later(t *testing.T) {
	run := s.Begin(t, s.partitions(2))
	c := run.Open(t)
	defer closed(t, c)
	owned(t, c)
	nothing(t, c)
	run.Append(t, 0, 0, "a", "b")
	check(t, collect(t, c, 2, maxPoll)[sources.PartitionID{}], []string{"a", "b"})
}
