package features_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// run feeds records to an engine, one at a time, and asks for values by name.
type run struct {
	t       *testing.T
	plan    *features.Plan
	engine  *features.Engine
	readers []*features.Reader
	vectors []*features.Vector
	offsets map[[2]int]int64
	last    int  // the source of the last record
	asks    bool // with the record, instead of applying it
}

// start is the time that offsets of the tests count from.
var start = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)

func newRun(t *testing.T, text string) *run {
	t.Helper()
	return newRunOf(t, text, 0)
}

// bothWays runs a test on an engine that reads the rows of entities with few
// events, and on one that keeps a running state from the first event on.
func bothWays(t *testing.T, text string, test func(*run)) {
	t.Helper()
	for _, few := range []int{0, 1} {
		t.Run(fmt.Sprintf("few=%d", few), func(t *testing.T) { test(newRunOf(t, text, few)) })
	}
}

func newRunOf(t *testing.T, text string, few int) *run {
	t.Helper()
	r := &run{t: t, plan: compile(t, text), offsets: map[[2]int]int64{}}
	r.engine = features.NewEngine(r.plan, features.Options{Seed: [16]byte{7}, Few: few})
	for i := range r.plan.Spec().Sources {
		r.readers = append(r.readers, r.plan.NewReader(i))
		r.vectors = append(r.vectors, r.plan.NewVector(i))
	}
	return r
}

// record feeds one JSON record, with "at" replaced by an offset from start. It
// returns the reason that it was refused for, or "accepted".
func (r *run) record(source string, partition int, at string, fields string) string {
	r.t.Helper()
	for i, src := range r.plan.Spec().Sources {
		if src.Name == source {
			r.last = i
		}
	}
	d, err := time.ParseDuration(at)
	if err != nil {
		r.t.Fatal(err)
	}
	text := fmt.Sprintf(`{"at":%d`, start.Add(d).UnixMilli())
	if !strings.Contains(fields, `"id"`) {
		text += fmt.Sprintf(`,"id":"auto %d/%d"`, partition, r.offsets[[2]int{r.last, partition}])
	}
	if fields != "" {
		text += "," + fields
	}
	text += "}"
	place := [2]int{r.last, partition}
	ev := &event.Event{Source: r.last, Partition: int32(partition), Offset: r.offsets[place], RecordTime: event.NoTime}
	if r.asks {
		if rej := r.readers[r.last].Read([]byte(text), ev); rej != nil {
			return rej.Reason.String()
		}
		r.engine.ReadWith(ev, r.vectors[r.last])
		return "asked"
	}
	r.offsets[place]++
	if rej := r.readers[r.last].Read([]byte(text), ev); rej != nil {
		return rej.Reason.String()
	}
	if rej := r.engine.Admit(ev); rej != nil {
		return rej.Reason.String()
	}
	r.engine.Apply(ev, r.vectors[r.last])
	return "accepted"
}

// pay feeds an accepted record of source pay, partition 0.
func (r *run) pay(at string, fields string) {
	r.t.Helper()
	if got := r.record("pay", 0, at, fields); got != "accepted" {
		r.t.Fatalf("pay at %s %s: %s", at, fields, got)
	}
}

// ask reads with a record of source pay, which is not applied.
func (r *run) ask(at string, fields string) {
	r.t.Helper()
	r.asks = true
	if got := r.record("pay", 0, at, fields); got != "asked" {
		r.t.Fatalf("ask at %s %s: %s", at, fields, got)
	}
	r.asks = false
}

// show is a value with its status, where that is not PRESENT.
func show(v event.Value, scale int, s features.Status) string {
	text := "null"
	if x, ok := v.Number(scale); ok {
		text = fmt.Sprint(x)
	} else if v.Has() {
		switch v.Kind() {
		case event.String:
			text = v.Str()
		case event.Bool:
			text = fmt.Sprint(v.Bool())
		case event.List:
			var items []string
			for _, item := range v.Items() {
				items = append(items, show(item, scale, features.Present))
			}
			text = "[" + strings.Join(items, " ") + "]"
		case event.Map:
			var entries []string
			for _, e := range v.Entries() {
				entries = append(entries, e.Key+":"+show(e.Value, scale, features.Present))
			}
			text = "{" + strings.Join(entries, " ") + "}"
		default:
			text = fmt.Sprint(v.Int())
		}
	}
	if s != features.Present {
		text += " " + s.String()
	}
	return text
}

// get is a value of the last record, as show writes it.
func (r *run) get(name string) string {
	r.t.Helper()
	for i, c := range r.plan.Layout(r.last).Columns {
		if c.Name == name {
			return show(r.vectors[r.last].Values[i], c.Scale, r.vectors[r.last].Statuses[i])
		}
	}
	r.t.Fatalf("no column %s", name)
	return ""
}

// want checks values of the last record.
func (r *run) want(pairs ...string) {
	r.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := r.get(pairs[i]); got != pairs[i+1] {
			r.t.Errorf("%s is %s, want %s", pairs[i], got, pairs[i+1])
		}
	}
}

// read is the value of a feature in a read of now at an offset from start.
func (r *run) read(name, key, at string) string {
	r.t.Helper()
	view, short, _ := strings.Cut(name, ".")
	d, err := time.ParseDuration(at)
	if err != nil {
		r.t.Fatal(err)
	}
	var row features.Row
	for _, layout := range r.plan.Reads() {
		if layout.View.Ref() != view {
			continue
		}
		r.engine.Read(layout.View, key, start.Add(d).UnixMilli(), &row)
		for i, c := range layout.Columns {
			if c.Feature.Short == short {
				return show(row.Values[i], c.Scale, row.Statuses[i])
			}
		}
	}
	r.t.Fatalf("no row column %s", name)
	return ""
}

// wantRead checks a read of now.
func (r *run) wantRead(name, key, at, want string) {
	r.t.Helper()
	if got := r.read(name, key, at); got != want {
		r.t.Errorf("%s of %s at %s is %s, want %s", name, key, at, got, want)
	}
}

// payments is a spec over one source with the given views.
func specOf(views string) string {
	return `
version: 1
namespace: rules
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    id_field: id
    allowed_lateness: 1m
    fields:
      id: {type: string}
      at: {type: timestamp}
      card: {type: string, optional: true}
      user: {type: string, optional: true}
      amt: {type: decimal(2), optional: true}
      qty: {type: int, optional: true}
      x: {type: double, optional: true}
      ok: {type: bool, optional: true}
      mcc: {type: string, optional: true}
  act:
    type: kafka
    topic: act
    format: json
    timestamp_field: at
    fields:
      at: {type: timestamp}
      user: {type: string, optional: true}
      kind: {type: string, optional: true}
entities:
  card: {key: card}
  user: {key: user}
  both: {key: [card, user]}
feature_views:
` + views
}
