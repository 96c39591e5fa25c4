package record

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
	"github.com/freshet-dev/freshet/sinks/mask"
)

var secret = []byte("a secret of the tests")

// payments is a source with one field of every type, and what an event of it
// is enriched with.
func payments() (*spec.Spec, *features.Layout) {
	field := func(i int, name string, t spec.Type) *spec.Field { return &spec.Field{Index: i, Name: name, Type: t} }
	fields := []*spec.Field{
		field(0, "txn_id", spec.String), field(1, "ts", spec.Timestamp), field(2, "card_id", spec.String),
		field(3, "ip", spec.String), field(4, "amount", spec.Decimal), field(5, "tries", spec.Int),
		field(6, "present", spec.Bool), field(7, "lat", spec.Double), field(8, "secret_note", spec.String),
	}
	fields[2].PII, fields[2].Mask = true, "last4"
	fields[3].PII, fields[3].Mask = true, "ip24"
	fields[4].Scale = 2
	fields[8].PII, fields[8].Mask, fields[8].Optional = true, "drop", true
	src := &spec.Source{Name: "transactions", Topic: "payments.transactions.v1", Fields: fields, IDField: fields[0], TimestampField: fields[1]}
	card := &spec.Entity{Name: "card", Key: []string{"card_id"}, PII: true}
	merchant := &spec.Entity{Index: 1, Name: "merchant", Key: []string{"merchant_id"}}
	view := &spec.View{Name: "card_velocity", Version: 1, Latest: true, Source: src, Entity: card}
	feature := func(short string, t spec.Type, agg string, f *spec.Field) *spec.Feature {
		return &spec.Feature{View: view, Short: short, Type: t, Def: &spec.Definition{Aggregation: agg, Field: f}}
	}
	count := feature("txn_count_1m", spec.Double, "count", nil)
	sum := feature("amount_max_1h", spec.Decimal, "max", fields[4])
	lastIP := feature("ip_last", spec.String, "last", fields[3])
	hidden := feature("hidden", spec.Double, "count", nil)
	service := &spec.Service{Name: "payment_risk", On: src}
	derived := &spec.ServiceDerived{Name: "ratio", Type: spec.Double}
	model := &spec.Model{Name: "payment_risk", Version: 7, Service: service, Rules: []*spec.Rule{{Code: "VEL_CARD_1M"}, {Code: "FAR"}}}
	s := &spec.Spec{Namespace: "payments", Hash: "41c9a5e0b1d2c3f4", Sources: []*spec.Source{src},
		Entities: []*spec.Entity{card, merchant}, Views: []*spec.View{view}, Models: []*spec.Model{model}}
	column := func(f *spec.Feature, emit bool, scale int) features.Column {
		return features.Column{Name: f.Full(), Feature: f, Emit: emit, Scale: scale}
	}
	layout := &features.Layout{Source: src, Entities: s.Entities, Models: []features.ModelLayout{{Model: model}},
		Columns: []features.Column{column(count, true, 0), column(hidden, false, 0), column(sum, true, 2), column(lastIP, true, 0),
			{Name: "payment_risk.ratio", Derived: derived, Service: service, Emit: true}}}
	return s, layout
}

func sample() *Enriched {
	return &Enriched{
		Event: &event.Event{Partition: 3, Offset: 118273, ID: "t_8841", Time: 1767614671882, Values: []event.Value{
			event.OfString("t_8841"), event.OfTimestamp(1767614671882), event.OfString("4242424242424242"), event.OfString("10.1.2.3"),
			event.OfDecimal(90050), event.OfInt(-3), event.OfBool(true), event.OfDouble(1e-7), event.OfString("do not show")}},
		Vector: &features.Vector{
			Values:   []event.Value{event.OfDouble(5), event.OfDouble(1), event.OfDecimal(90050), event.OfString("10.1.2.3"), {}},
			Statuses: []features.Status{features.Present, features.Default, features.Warming, features.Present, features.NotFound},
			Keys:     []string{"4242424242424242", ""},
		},
		Scores:      []models.Result{{Score: 1, HasScore: true, Band: "block", Reasons: []int{0, 1}}},
		Place:       Place{Batch: 88123, Owner: 4, Seq: 17},
		ProcessedAt: 1767614671946, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
	}
}

// The token is HMAC-SHA-256 by another implementation:
// printf 4242424242424242 | openssl dgst -sha256 -hmac "a secret of the tests" -binary | head -c16 | base32
const golden = `{"schema_version":1,"event_id":"t_8841","event_time":"2026-01-05T12:04:31.882Z","source":"transactions",` +
	`"event":{"txn_id":"t_8841","ts":"2026-01-05T12:04:31.882Z","card_id":"••••4242","ip":"10.1.2.0","amount":900.5,"tries":-3,"present":true,"lat":1e-07},` +
	`"entities":{"card":"TOKEN"},` +
	`"features":{"card_velocity.txn_count_1m":5,"card_velocity.amount_max_1h":900.5,"card_velocity.ip_last":"10.1.2.0","payment_risk.ratio":null},` +
	`"statuses":{"card_velocity.amount_max_1h":"WARMING","payment_risk.ratio":"NOT_FOUND"},` +
	`"scores":[{"model":"payment_risk@7","score":1,"band":"block","shadow":false,"reasons":[{"code":"VEL_CARD_1M"},{"code":"FAR"}]}],` +
	`"provenance":{"spec":"sha256:41c9a5e0b1d2","place":"transactions:3:118273","batch":88123,"owner":4,"seq":17}`

const goldenTail = `,"processed_at":"2026-01-05T12:04:31.946Z","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}`

func TestEnrichedRecordIsTheDocumentedOne(t *testing.T) {
	s, layout := payments()
	tokens := mask.NewTokens(secret)
	want := strings.ReplaceAll(golden, "TOKEN", tokens.Hash("4242424242424242"))
	got := NewEncoder(s, layout, tokens).Append(nil, sample())
	if string(got) != want+goldenTail {
		t.Errorf("got\n%s\nwant\n%s", got, want+goldenTail)
	}
	if c := Canonical(got); string(c) != want {
		t.Errorf("canonical bytes are\n%s\nwant\n%s", c, want)
	}
	r, err := Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if r.EventID != "t_8841" || r.Features["card_velocity.txn_count_1m"] != 5.0 || r.Features["payment_risk.ratio"] != nil ||
		*r.Scores[0].Score != 1 || r.Scores[0].Reasons[1].Code != "FAR" || r.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" ||
		r.Provenance != (Provenance{"sha256:41c9a5e0b1d2", "transactions:3:118273", 88123, 4, 17}) {
		t.Errorf("read back %+v", r)
	}
}

func TestRawPIILeavesOnlyWhereTheSpecSaysSo(t *testing.T) {
	s, layout := payments()
	layout.Source.Output.PIIRaw = true
	tokens := mask.NewTokens(secret)
	r, err := Decode(NewEncoder(s, layout, tokens).Append(nil, sample()))
	if err != nil {
		t.Fatal(err)
	}
	if r.Event["card_id"] != "4242424242424242" || r.Event["ip"] != "10.1.2.3" || r.Features["card_velocity.ip_last"] != "10.1.2.3" {
		t.Errorf("pii: raw lets the fields out, got %v %v", r.Event, r.Features)
	}
	if r.Entities["card"] != tokens.Hash("4242424242424242") {
		t.Errorf("keys are tokens all the same, got %v", r.Entities)
	}
}

func TestARecordWithoutAnything(t *testing.T) {
	s, layout := payments()
	in := &Enriched{Event: &event.Event{Values: make([]event.Value, 9), Time: 1767614671882},
		Vector: &features.Vector{Values: make([]event.Value, 5), Statuses: make([]features.Status, 5), Keys: []string{"", ""}},
		Scores: []models.Result{{}}}
	got := NewEncoder(s, layout, mask.NewTokens(secret)).Append(nil, in)
	r, err := Decode(got)
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	if len(r.Event) != 0 || len(r.Entities) != 0 || r.Scores[0].Score != nil || r.Scores[0].Band != "" || r.TraceID != "" || r.EventID != "" {
		t.Errorf("got %s", got)
	}
	if len(r.Statuses) != 4 || r.Statuses["card_velocity.txn_count_1m"] != "NO_ENTITY" {
		t.Errorf("statuses %v", r.Statuses)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	s, layout := payments()
	for _, f := range layout.Source.Fields {
		f.PII, f.KeepCardNumbers = false, true // masks make new texts; tokens are cached
	}
	e := NewEncoder(s, layout, mask.NewTokens(secret))
	in, dst := sample(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { e.Append(dst, in) }); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

func TestJSONPrimitivesReadBack(t *testing.T) {
	for _, s := range []string{"", "a", `"\/`, "\x00\x1f\n\r\t\b", "é \u2028\u2029 😀", "\xff\xfe", strings.Repeat("x", 300), "</script>"} {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.Count(s, "\xff") == 0 && got != want {
			t.Errorf("%q became %q", s, got)
		}
	}
	for _, f := range []float64{0, 1, -1, 0.1, 1e21, 1e20, 1e-6, 9.9e-7, 1 << 53, 1<<53 + 2, -123456789.125, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		var got float64
		if err := json.Unmarshal(appendNumber(nil, f), &got); err != nil || got != f {
			t.Errorf("%v became %v (%v)", f, got, err)
		}
	}
	if got := string(appendNumber(nil, math.Copysign(0, -1))); got != "0" {
		t.Errorf("-0 is %s", got) // S21: -0 and 0 are one value
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := string(appendNumber(nil, f)); got != "null" {
			t.Errorf("%v became %s", f, got)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := NewHeaders("sha256:41c9")
	trace := []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	var got []string
	for _, header := range h.Of("block", trace) {
		got = append(got, header.Key+"="+string(header.Value))
	}
	want := []string{"traceparent=" + string(trace), "content-type=application/json", "freshet-spec=sha256:41c9", "freshet-band=block"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(h.Of("", nil)); n != 2 {
		t.Errorf("%d headers without band and trace, want 2", n)
	}
}

func TestOnlyAValidTraceparentIsOne(t *testing.T) {
	good := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if got := TraceID([]byte(good)); got != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"", "00-4111111111111111", strings.ToUpper(good), good + "0", strings.Replace(good, "-", "_", 1)} {
		if got := TraceID([]byte(bad)); got != "" {
			t.Errorf("%q has trace %q", bad, got)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	s, layout := payments()
	e := NewEncoder(s, layout, mask.NewTokens(secret))
	in, dst := sample(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Append(dst[:0], in)
	}
	if !bytes.HasPrefix(dst, []byte("{")) {
		b.Fatal("no record")
	}
}

// S12: three digits and Z, whatever the time.
func TestS12TimesLeaveWithMilliseconds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, ms := range []int64{0, -1, event.MinTime, event.MaxTime - 1, 951782399999, 1767607200007, 1767607200070} {
		for range 1000 {
			if got, want := string(AppendTime(nil, ms)), time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
				t.Fatalf("%d: got %s, want %s", ms, got, want)
			}
			ms = event.MinTime + rng.Int64N(event.MaxTime-event.MinTime)
		}
	}
}
