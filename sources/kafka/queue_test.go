package kafka

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/freshet-dev/freshet/sources"
)

// What was queued in one session is not handed over in another, whichever way
// the change came.
func TestQueueOfAnotherSessionIsDropped(t *testing.T) {
	for name, change := range map[string]func(*ownership){
		"lost":            func(o *ownership) { o.held = false },
		"lost and gained": func(o *ownership) { o.session++ },
	} {
		c := &Consumer{queue: make([]sources.Record, 5), of: 1, passed: make([]sources.Position, 1)}
		c.own = ownership{held: true, session: 1}
		if batch, passed, _ := c.take(2); len(batch) != 2 || len(passed) != 1 {
			t.Fatalf("%s: %d records, %d positions before", name, len(batch), len(passed))
		}
		c.passed = make([]sources.Position, 1)
		change(&c.own)
		if batch, passed, _ := c.take(2); len(batch) != 0 || len(passed) != 0 {
			t.Errorf("%s: %d records, %d positions of the old session", name, len(batch), len(passed))
		}
	}
}

// The position moves past what lies behind the last record when that record is
// handed over, not before.
func TestProgressOverMarkers(t *testing.T) {
	p := progress{tail: -1}
	if p.fetched(4, 7, 9) || p.next != 0 {
		t.Errorf("moved to %d by a fetch with records", p.next)
	}
	if p.handed(3) || p.next != 4 || p.behind() != 5 {
		t.Errorf("after a record before the last: next %d, behind %d", p.next, p.behind())
	}
	if !p.handed(4) || p.next != 7 || p.behind() != 2 {
		t.Errorf("after the last record: next %d, behind %d", p.next, p.behind())
	}
	if !p.fetched(-1, 9, 9) || p.next != 9 || p.behind() != 0 {
		t.Errorf("after a fetch of markers: next %d, behind %d", p.next, p.behind())
	}
	if p.fetched(9, 10, 10); p.handed(9) || p.next != 10 {
		t.Errorf("a record with nothing behind it: next %d", p.next)
	}
}

// What a look at a topic finds, against what was there at the start.
func TestChangedTopics(t *testing.T) {
	was := &topic{partitions: 2, id: kadm.TopicID{1}}
	two := kadm.PartitionDetails{0: {}, 1: {}}
	for want, is := range map[string]kadm.TopicDetail{
		"":              {ID: kadm.TopicID{1}, Partitions: two},
		"was deleted":   {Err: kerr.UnknownTopicOrPartition},
		"was made anew": {ID: kadm.TopicID{2}, Partitions: two},
		"3 partitions":  {ID: kadm.TopicID{1}, Partitions: kadm.PartitionDetails{0: {}, 1: {}, 2: {}}},
	} {
		err := changed("payments", was, is)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
