// Package logtest is what every output log must do, as tests. It knows no
// connector; what a log cannot do by its nature is a flag of the Suite.
package logtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/sinks"
)

// patience bounds every call that must return.
const patience = 30 * time.Second

// Target is one empty log.
type Target struct {
	Log   sinks.Log
	Topic string
	// Read closes the log and returns what is in it, per partition in order.
	Read func(t *testing.T) [][]sinks.Record
}

// Suite is a log under test.
type Suite struct {
	Begin func(t *testing.T) Target
	// MaxBytes is the size of a value that is refused; 0: none is.
	MaxBytes int
	// Keys, Headers, Times: what is kept beside the value.
	Keys, Headers, Times bool
}

// Test runs the suite.
func Test(t *testing.T, s Suite) {
	t.Run("everything arrives once, in order per key", s.order)
	t.Run("all parts of a record arrive", s.parts)
	t.Run("nothing to produce is fine", s.nothing)
	t.Run("the bytes are the caller's again", s.reuse)
	if s.MaxBytes > 0 {
		t.Run("what is too large is named and the rest is stored", s.tooLarge)
		t.Run("what is too large does not disturb the order", s.tooLargeOrder)
	}
}

func produce(t *testing.T, target Target, records []sinks.Record) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return target.Log.Produce(ctx, records)
}

func records(topic string, n int) []sinks.Record {
	all := make([]sinks.Record, n)
	for i := range all {
		all[i] = sinks.Record{
			Topic: topic,
			Key:   fmt.Appendf(nil, "k%d", i%7),
			Value: fmt.Appendf(nil, `{"key":"k%d","n":%d}`, i%7, i),
			Time:  1_700_000_000_000 + int64(i),
		}
	}
	return all
}

func (s Suite) order(t *testing.T) {
	target := s.Begin(t)
	const calls, each = 5, 1000
	all := records(target.Topic, calls*each)
	for i := range calls {
		if err := produce(t, target, all[i*each:(i+1)*each]); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string][]string{}
	for _, r := range all {
		want[string(r.Key)] = append(want[string(r.Key)], string(r.Value))
	}
	got := byKey(target.Read(t))
	for key, values := range want {
		if !slices.Equal(got[key], values) {
			t.Errorf("key %s: %d records, want %d in the order given", key, len(got[key]), len(values))
		}
	}
}

// byKey reads the key from the value, so that logs without keys fit too.
func byKey(partitions [][]sinks.Record) map[string][]string {
	got := map[string][]string{}
	for _, partition := range partitions {
		for _, r := range partition {
			key, _, _ := strings.Cut(strings.TrimPrefix(string(r.Value), `{"key":"`), `"`)
			got[key] = append(got[key], string(r.Value))
		}
	}
	return got
}

func (s Suite) parts(t *testing.T) {
	target := s.Begin(t)
	give := sinks.Record{
		Topic:   target.Topic,
		Key:     []byte("k"),
		Value:   []byte(`{"a":1}`),
		Headers: []sinks.Header{{Key: "x", Value: []byte("1")}, {Key: "y", Value: []byte("2")}},
		Time:    1_700_000_000_123,
	}
	bare := sinks.Record{Topic: target.Topic, Value: []byte(`{"b":2}`), Time: give.Time}
	if err := produce(t, target, []sinks.Record{give, bare}); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, partition := range target.Read(t) {
		for _, got := range partition {
			found++
			want := bare
			if string(got.Value) == string(give.Value) {
				want = give
			}
			if string(got.Value) != string(want.Value) ||
				s.Keys && (string(got.Key) != string(want.Key) || (got.Key == nil) != (want.Key == nil)) ||
				s.Times && got.Time != want.Time ||
				s.Headers && fmt.Sprint(got.Headers) != fmt.Sprint(want.Headers) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d records, want 2", found)
	}
}

func (s Suite) nothing(t *testing.T) {
	target := s.Begin(t)
	if err := produce(t, target, nil); err != nil {
		t.Error(err)
	}
	target.Read(t)
}

func (s Suite) reuse(t *testing.T) {
	target := s.Begin(t)
	value := []byte(`{"key":"a","n":0}`)
	for i := range 10 {
		value[len(value)-2] = byte('0' + i)
		if err := produce(t, target, []sinks.Record{{Topic: target.Topic, Key: []byte("a"), Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range byKey(target.Read(t))["a"] {
		if want := fmt.Sprintf(`{"key":"a","n":%d}`, i); v != want {
			t.Errorf("record %d is %s", i, v)
		}
	}
}

func (s Suite) large() []byte {
	return []byte(`{"key":"large","pad":"` + strings.Repeat("x", s.MaxBytes) + `"}`)
}

func (s Suite) tooLarge(t *testing.T) {
	target := s.Begin(t)
	all := records(target.Topic, 10)
	all[3].Value, all[8].Value = s.large(), s.large()
	err := produce(t, target, all)
	var refused *sinks.TooLarge
	if !errors.As(err, &refused) || !slices.Equal(refused.Indexes, []int{3, 8}) {
		t.Fatalf("got %v %+v, want records 3 and 8 refused", err, refused)
	}
	if err := produce(t, target, records(target.Topic, 1)); err != nil {
		t.Fatalf("after a refusal: %v", err)
	}
	n := 0
	for _, values := range byKey(target.Read(t)) {
		n += len(values)
	}
	if n != 9 {
		t.Errorf("%d records are stored, want 8 and 1", n)
	}
}

func (s Suite) tooLargeOrder(t *testing.T) {
	target := s.Begin(t)
	all := records(target.Topic, 3000)
	want := map[string][]string{}
	for i := range all {
		if i%500 == 250 {
			all[i].Value = s.large()
			continue
		}
		want[string(all[i].Key)] = append(want[string(all[i].Key)], string(all[i].Value))
	}
	var refused *sinks.TooLarge
	if err := produce(t, target, all); !errors.As(err, &refused) || len(refused.Indexes) != 6 {
		t.Fatalf("got %v, want 6 records refused", err)
	}
	got := byKey(target.Read(t))
	for key, values := range want {
		if !slices.Equal(got[key], values) {
			t.Errorf("key %s: %d records, want %d in the order given", key, len(got[key]), len(values))
		}
	}
}
