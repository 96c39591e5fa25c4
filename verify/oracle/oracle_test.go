package oracle

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// The oracle's own rules, each worked out by hand: a judge that errs with the
// engine is worth nothing.

const small = `version: 1
namespace: small
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    id_field: id
    allowed_lateness: 1m
    dedup_window: 5s
    max_ahead: 10s
    fields:
      id:   {type: string}
      at:   {type: timestamp}
      card: {type: string, optional: true}
      amt:  {type: decimal(2), optional: true}
      x:    {type: double, optional: true}
      ok:   {type: bool, optional: true}
entities:
  card: {key: card}
feature_views:
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    features:
      n:     {aggregation: count, windows: [10s]}
      other: {aggregation: count, exclude_current: true, windows: [10s]}
      was:   {aggregation: count, delay: 10s, windows: [10s]}
      total: {aggregation: sum, field: amt, windows: [10s]}
      exact: {aggregation: sum, field: x, windows: [10s]}
      avg:   {aggregation: mean, field: amt, windows: [10s], min_count: 2, default: -1}
      low:   {aggregation: min, field: amt, windows: [10s]}
      dev:   {aggregation: stddev, field: x, windows: [10s]}
      kinds: {aggregation: count_distinct, field: amt, windows: [10s]}
      share: {aggregation: ratio, numerator: ok, windows: [10s]}
      new:   {aggregation: is_new, field: amt, windows: [10s]}
      prev:  {aggregation: last, field: amt, exclude_current: true, windows: [10s]}
      life:  {aggregation: count}
      since: {aggregation: time_since_last, exclude_current: true}
    derived:
      twice: {expr: 'n_10s * 2 + event.amt', default: -5}
`

type hand struct {
	t *testing.T
	o *Oracle
	s *spec.Spec
	n int64
}

func newHand(t *testing.T) *hand {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.freshet.yaml")
	if err := os.WriteFile(path, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, diagnostics, err := spec.Load([]string{path})
	if err != nil || diagnostics.HasErrors() {
		t.Fatal(err, diagnostics)
	}
	return &hand{t: t, o: New(specs[0]), s: specs[0]}
}

var start = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)

// send applies a record of partition 0 at start + after.
func (h *hand) send(id string, after time.Duration, rest string) *Outcome {
	return h.sendTo(0, id, after, rest)
}

func (h *hand) sendTo(partition int32, id string, after time.Duration, rest string) *Outcome {
	h.t.Helper()
	h.n++
	return h.o.Apply(Record{Partition: partition, Offset: h.n, Time: NoTime,
		Value: fmt.Appendf(nil, `{"id":%q,"at":%d,"card":"c1"%s}`, id, start.Add(after).UnixMilli(), rest)})
}

func (h *hand) feature(name string) *spec.Feature {
	h.t.Helper()
	for _, f := range h.s.Views[0].Features {
		if f.Short == name {
			return f
		}
	}
	h.t.Fatalf("no feature %s", name)
	return nil
}

// want checks one value of an enriched record.
func (h *hand) want(c *Outcome, name string, value any, status string) {
	h.t.Helper()
	if c.Reason != Accepted {
		h.t.Fatalf("refused: %s %s", c.Reason, c.Detail)
	}
	if got := c.Feature(h.feature(name)); got.Value != value || got.Status != status {
		h.t.Errorf("%s is %v %s, want %v %s", name, got.Value, got.Status, value, status)
	}
}

func (h *hand) read(after time.Duration, name string) Result {
	h.t.Helper()
	return h.o.Read(h.s.Views[0], "c1", start.Add(after).UnixMilli()).Feature(h.feature(name))
}

func TestWindowIsOpenOnTheLeftAndClosedOnTheRight(t *testing.T) {
	h := newHand(t)
	h.send("a", 0, "")
	h.want(h.send("b", 9999*time.Millisecond, ""), "n_10s", 2.0, Present)
	h.want(h.send("c", 10*time.Second, ""), "n_10s", 2.0, Present)
	if got := h.read(10*time.Second, "n_10s"); got.Value != 2.0 {
		t.Error("a read at 10s is", got)
	}
	if got := h.read(20*time.Second, "n_10s"); got.Value != 0.0 || got.Status != Present {
		t.Error("a read at 20s is", got)
	}
}

func TestS02S24CurrentEventExcludedOrDelayed(t *testing.T) {
	h := newHand(t)
	h.want(h.send("a", 0, ""), "other_10s", 0.0, Present)
	h.want(h.send("b", 0, ""), "other_10s", 1.0, Present)
	c := h.send("c", 10*time.Second, "")
	h.want(c, "was_10s", 2.0, Present)
	h.want(c, "other_10s", 0.0, Present)
}

func TestS03PeersSeeThoseBeforeThem(t *testing.T) {
	h := newHand(t)
	h.want(h.sendTo(1, "a", 0, ""), "n_10s", 1.0, Present)
	h.want(h.sendTo(0, "b", 0, ""), "n_10s", 1.0, Present) // before a in the order
	h.want(h.sendTo(2, "c", 0, ""), "n_10s", 3.0, Present)
	if got := h.read(0, "n_10s"); got.Value != 3.0 {
		t.Error("a read sees", got)
	}
}

func TestS06EventBoundIsNothingInARead(t *testing.T) {
	h := newHand(t)
	h.want(h.send("a", 0, `,"amt":1`), "twice", 3.0, Present)
	if got := h.read(0, "twice"); got.Value != nil || got.Status != NeedsEvent {
		t.Error("read of a derived with event.amt:", got)
	}
	if got := h.read(0, "new_10s"); got.Value != nil || got.Status != NeedsEvent {
		t.Error("read of is_new:", got)
	}
}

func TestS09LateExactlyEqualIsAccepted(t *testing.T) {
	h := newHand(t)
	h.send("a", time.Minute, "")
	if c := h.send("b", 0, ""); c.Reason != Accepted {
		t.Error("exactly a minute late:", c.Reason)
	}
	if c := h.send("c", -time.Millisecond, ""); c.Reason != Late {
		t.Error("a millisecond more:", c.Reason)
	}
	if c := h.sendTo(1, "d", -time.Millisecond, ""); c.Reason != Accepted {
		t.Error("of another partition:", c.Reason)
	}
}

func TestS10DuplicatesByTimeAndByWindow(t *testing.T) {
	h := newHand(t)
	h.send("a", 0, "")
	h.send("b", 5*time.Second, "")
	for _, c := range []struct {
		name      string
		partition int32
		id        string
		after     time.Duration
		want      string
	}{
		{"same time, another partition", 1, "a", 0, Duplicate},
		{"stamped again, its partition has moved 5s", 0, "a", 6 * time.Second, Duplicate},
		{"stamped again, another partition", 1, "a", time.Second, Accepted},
		{"another id moves the partition to 5.001s", 0, "x", 5001 * time.Millisecond, Accepted},
		{"stamped again, beyond the window", 0, "a", 6 * time.Second, Accepted},
		{"same time, long after", 0, "a", 0, Duplicate},
	} {
		if got := h.sendTo(c.partition, c.id, c.after, ""); got.Reason != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.Reason, c.want)
		}
	}
}

func TestS11FutureIsBeyondTheRecordsOwnClock(t *testing.T) {
	h := newHand(t)
	at := start.UnixMilli()
	record := func(offset, ahead int64) Record {
		return Record{Offset: offset, Time: at - ahead, Value: fmt.Appendf(nil, `{"id":"f%d","at":%d}`, offset, at)}
	}
	if c := h.o.Apply(record(1, 10_000)); c.Reason != Accepted {
		t.Error("exactly max_ahead:", c.Reason)
	}
	if c := h.o.Apply(record(2, 10_001)); c.Reason != Future {
		t.Error("more:", c.Reason)
	}
}

func TestS12S13S14Schema(t *testing.T) {
	h := newHand(t)
	for value, want := range map[string]string{
		`{"id":"1","at":"2026-01-05T10:00:00Z"}`:                         Accepted,
		`{"id":"2","at":"2026-01-05T12:00:00.1239+02:00"}`:               Accepted,
		`{"id":"3","at":"2026-01-05T10:00:00"}`:                          Schema,
		`{"id":"4","at":"1999-12-31T23:59:59.999Z"}`:                     Schema,
		`{"id":"5","at":4102444800000}`:                                  Schema,
		`{"id":"6","at":"2026-01-05T10:00:00Z","amt":85.64999999999999}`: Accepted,
		`{"id":"7","at":"2026-01-05T10:00:00Z","amt":"1.005"}`:           Schema,
		`{"id":"8","at":"2026-01-05T10:00:00Z","amt":1e400}`:             Schema,
		`{"id":"9","at":"2026-01-05T10:00:00Z","ok":"true"}`:             Schema,
		`{"id":"10","at":"2026-01-05T10:00:00Z","card":null}`:            Accepted,
		`{"id":"11"}`:                                                             Schema,
		`{"id":12,"at":"2026-01-05T10:00:00Z"}`:                                   Schema,
		`{"id":"13","id":"13","at":"2026-01-05T10:00:00Z"}`:                       Decode,
		`{"id":"14","at":"2026-01-05T10:00:00Z"} `:                                Accepted,
		`{"id":"15","at":"2026-01-05T10:00:00Z"}{}`:                               Decode,
		"{\"id\":\"16\",\"at\":\"2026-01-05T10:00:00Z\",\"card\":\"\xff\"}":       Decode,
		`{"id":"17","at":"2026-01-05T10:00:00Z","x":2e15}`:                        Schema,
		`{"id":"18","at":"2026-01-05T10:00:00Z","other":1,"other":{"deep":[[]]}}`: Accepted,
	} {
		if c := h.o.Apply(Record{Time: NoTime, Value: []byte(value)}); c.Reason != want {
			t.Errorf("%s: %s (%s), want %s", value, c.Reason, c.Detail, want)
		}
	}
}

func TestS15NoEntity(t *testing.T) {
	h := newHand(t)
	c := h.o.Apply(Record{Offset: 1, Time: NoTime, Value: fmt.Appendf(nil, `{"id":"a","at":%d,"card":""}`, start.UnixMilli())})
	h.want(c, "n_10s", nil, NoEntity)
	h.want(c, "avg_10s", nil, NoEntity)
	h.want(c, "twice", nil, NoEntity)
}

func TestS17S18MissingInputsAndMinCount(t *testing.T) {
	h := newHand(t)
	c := h.send("a", 0, `,"amt":3`)
	h.want(c, "avg_10s", -1.0, Default)
	h.want(c, "share_10s", nil, Default)
	h.want(c, "total_10s", 3.0, Present)
	c = h.send("b", 0, `,"ok":true`)
	h.want(c, "avg_10s", -1.0, Default) // b has no amount
	h.want(c, "share_10s", 1.0, Present)
	h.want(c, "twice", -5.0, Default) // event.amt has no value
	h.want(c, "new_10s", nil, Default)
	c = h.send("c", 0, `,"amt":"0.5","ok":false`)
	h.want(c, "avg_10s", 1.75, Present)
	h.want(c, "share_10s", 0.5, Present)
	h.want(c, "low_10s", 0.5, Present)
	h.want(c, "kinds_10s", 2.0, Present)
	h.want(c, "prev_10s", 3.0, Present)
	h.want(c, "new_10s", true, Present)
	h.want(h.send("d", 0, `,"amt":3`), "new_10s", false, Present)
}

func TestS20SumsOfDoublesAndDeviation(t *testing.T) {
	h := newHand(t)
	h.send("a", 0, `,"x":1e15`)
	h.send("b", 0, `,"x":0.001`)
	h.want(h.send("c", 0, `,"x":-1e15`), "exact_10s", 0.001, Present)
	h = newHand(t)
	h.want(h.send("a", 0, `,"x":1`), "dev_10s", nil, Default)
	h.send("b", 0, `,"x":2`)
	h.want(h.send("c", 0, `,"x":3`), "dev_10s", 1.0, Present)
}

func TestS22ALifeEndsAfterTTL(t *testing.T) {
	h := newHand(t)
	h.send("a", 0, "")
	h.want(h.send("b", 59_999*time.Millisecond, ""), "life", 2.0, Present)
	h.want(h.send("c", 119_999*time.Millisecond, ""), "life", 1.0, Present)
	h.want(h.send("c2", 120*time.Second, ""), "since", 0.001, Present)
	if got := h.read(180*time.Second, "life"); got.Value != 0.0 || got.Status != NotFound {
		t.Error("a row of exactly ttl is", got)
	}
	// A late event joins two lives.
	h.want(h.send("d", 100*time.Second, ""), "life", 3.0, Present)
	if got := h.read(120*time.Second, "life"); got.Value != 5.0 {
		t.Error("joined:", got)
	}
}

func TestS19NotFoundAndWarming(t *testing.T) {
	h := newHand(t)
	if got := h.read(0, "n_10s"); got.Value != 0.0 || got.Status != NotFound {
		t.Error("never seen:", got)
	}
	h.o.ReadSince(0, start.UnixMilli())
	h.want(h.send("a", 9*time.Second, ""), "n_10s", 1.0, Warming)
	h.want(h.send("b", 10*time.Second, ""), "n_10s", 2.0, Present)
	h.want(h.send("c", 15*time.Second, ""), "was_10s", 0.0, Warming)
}
