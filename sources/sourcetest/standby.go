package sourcetest

import (
	"context"
	"testing"

	"github.com/freshet-dev/freshet/sources"
)

// standing polls until a standby was told that the group stands as wanted.
// What comes with it is given to records.
func standing(t *testing.T, c sources.Consumer, records func([]sources.Record), want func([]sources.Assigned) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ctx.Err() == nil {
		p, err := c.Poll(ctx, maxPoll)
		switch {
		case err != nil:
			t.Fatalf("poll: %v", err)
		case p.Owned != nil || p.Lost:
			t.Fatalf("a standby is told %+v", p)
		case (len(p.Records) > 0 || p.Standing != nil) && !p.Standby:
			t.Fatalf("it does not say that it is a standby: %+v", p)
		}
		records(p.Records)
		if p.Standing != nil && want(p.Standing) {
			return
		}
	}
	t.Fatalf("a standby was not told within %s", patience)
}

func committed(next int64, metadata string) func([]sources.Assigned) bool {
	return func(all []sources.Assigned) bool {
		return all[0].Committed == next && all[0].Metadata == metadata
	}
}

// A standby reads what is there and what comes, is told what is committed, and
// goes on as the owner from where it says.
func (s Suite) readsAlong(t *testing.T) {
	run := s.Begin(t, s.partitions(2), 1)
	values := numbered("", 20)
	run.Append(t, 0, 0, values[:5]...)
	first := run.Open(t)
	if _, able := first.(sources.Beginner); !able {
		closed(t, first)
		t.Skip("it cannot read along")
	}
	owned(t, first)
	collect(t, first, 5, maxPoll)

	second := run.Open(t)
	defer closed(t, second)
	var got []taken
	take := func(records []sources.Record) {
		for _, r := range records {
			got = append(got, taken{r.Offset, string(r.Value)})
		}
	}
	standing(t, second, take, committed(-1, ""))
	if len(got) > 0 {
		t.Fatalf("%d records before it was told to begin", len(got))
	}
	begin(t, second)
	for len(got) < 5 {
		take(next(t, second, 2).Records)
	}
	if err := commit(t, first, "batch 1", at(0, 3)); err != nil {
		t.Fatal(err)
	}
	standing(t, second, take, committed(3, "batch 1"))
	run.Append(t, 0, 0, values[5:10]...)
	for len(got) < 10 {
		take(next(t, second, 2).Records)
	}
	check(t, got, values[:10])
	collect(t, first, 5, maxPoll) // nothing was taken from the owner
	closed(t, first)
	run.Append(t, 0, 0, values[10:]...)
	for { // until it is the owner
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		p, err := second.Poll(ctx, maxPoll)
		cancel()
		if err != nil || p.Lost {
			t.Fatalf("poll: %+v, %v", p, err)
		}
		take(p.Records)
		if p.Owned != nil {
			break
		}
	}
	last := got[len(got)-1].offset
	begin(t, second, at(0, last+1))
	for len(got) < 20 {
		take(next(t, second, 3).Records)
	}
	check(t, got, values)
	if err := commit(t, second, "batch 2", at(0, 20)); err != nil {
		t.Fatal(err)
	}
}

func (s Suite) beginsWhereTold(t *testing.T) {
	run := s.Begin(t, s.partitions(2))
	values := numbered("", 10)
	run.Append(t, 0, 0, values...)
	c := run.Open(t)
	defer closed(t, c)
	if _, able := c.(sources.Beginner); !able {
		t.Skip("it begins at the start")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		p, err := c.Poll(ctx, maxPoll)
		if err != nil || len(p.Records) > 0 || ctx.Err() != nil {
			t.Fatalf("before it is told: %+v, %v", p, err)
		}
		if p.Owned != nil {
			break
		}
	}
	if nothing(t, c) { // nothing comes until it is told
		t.Error("an owner says that it is a standby")
	}
	begin(t, c, at(0, 7))
	check(t, collect(t, c, 3, maxPoll)[sources.PartitionID{}], values[7:])
}
