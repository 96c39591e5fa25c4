package event

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
)

// payment is a source with a field of every type.
func payment() *spec.Source {
	src := &spec.Source{Name: "payments", Type: "kafka", Format: "json"}
	add := func(f spec.Field) *spec.Field {
		f.Index = len(src.Fields)
		src.Fields = append(src.Fields, &f)
		return src.Fields[f.Index]
	}
	src.IDField = add(spec.Field{Name: "id", Type: spec.String})
	src.TimestampField = add(spec.Field{Name: "at", Type: spec.Timestamp})
	add(spec.Field{Name: "card", Type: spec.String, Path: []string{"card", "id"}})
	add(spec.Field{Name: "country", Type: spec.String, Path: []string{"card", "issuer", "country"}, Optional: true})
	add(spec.Field{Name: "amount", Type: spec.Decimal, Scale: 2})
	add(spec.Field{Name: "tries", Type: spec.Int, Optional: true})
	add(spec.Field{Name: "count", Type: spec.Int, Text: true, Optional: true})
	add(spec.Field{Name: "lat", Type: spec.Double, Optional: true})
	add(spec.Field{Name: "ok", Type: spec.Bool, Optional: true})
	add(spec.Field{Name: "status", Type: spec.String, Enum: []string{"approved", "declined"}, Optional: true})
	add(spec.Field{Name: "channel", Type: spec.String, Enum: []string{"ecom", "pos"}, Strict: true, Optional: true})
	add(spec.Field{Name: "sec", Type: spec.Timestamp, TimeUnit: "s", Optional: true})
	add(spec.Field{Name: "us", Type: spec.Timestamp, TimeUnit: "us", Optional: true})
	add(spec.Field{Name: "ns", Type: spec.Timestamp, TimeUnit: "ns", Optional: true})
	add(spec.Field{Name: "computed", Type: spec.Double, Expr: &spec.Expr{Text: "amount * 2"}})
	return src
}

func fieldOf(src *spec.Source, name string) *spec.Field {
	for _, f := range src.Fields {
		if f.Name == name {
			return f
		}
	}
	panic("no field " + name)
}

// required are the members that every valid record of payment has.
const required = `"id":"p1","at":"2026-01-05T10:00:00Z","card":{"id":"c1"},"amount":12.5`

func decode(t *testing.T, src *spec.Source, raw string) (*Event, *Rejection) {
	t.Helper()
	ev := &Event{}
	rej := NewDecoder(src).Decode([]byte(raw), ev)
	return ev, rej
}

func TestDecodeWholeRecord(t *testing.T) {
	src := payment()
	ev, rej := decode(t, src, ` { "at" : 1767607200123 , "id" : "p\u00e9\n\ud83d\ude00", "noise":[1,{"id":"x"},null,true],
		"card":{"issuer":{"country":"DE"},"id":"c1","other":1}, "amount":"12.50","tries":3,"count":"-7",
		"lat":-0.0,"ok":true,"status":"approved","channel":"pos","sec":1767607200,"us":1767607200123456,"ns":1767607200123456789,
		"computed":5} `)
	if rej != nil {
		t.Fatalf("refused: %+v", rej)
	}
	want := map[string]Value{
		"id": OfString("pé\n😀"), "at": OfTimestamp(1767607200123), "card": OfString("c1"), "country": OfString("DE"),
		"amount": OfDecimal(1250), "tries": OfInt(3), "count": OfInt(-7), "lat": OfDouble(0), "ok": OfBool(true),
		"status": OfString("approved"), "channel": OfString("pos"), "sec": OfTimestamp(1767607200000),
		"us": OfTimestamp(1767607200123), "ns": OfTimestamp(1767607200123), "computed": {},
	}
	for _, f := range src.Fields {
		if got := ev.Values[f.Index]; !got.Equal(want[f.Name]) {
			t.Errorf("%s: got %+v, want %+v", f.Name, got, want[f.Name])
		}
	}
	if ev.Time != 1767607200123 || ev.ID != "pé\n😀" {
		t.Errorf("time %d, id %q", ev.Time, ev.ID)
	}
}

// TestS08DecodeBeforeSchema holds the order of reasons: a record that violates
// its schema and is no valid JSON either is refused for decode.
func TestS08DecodeBeforeSchema(t *testing.T) {
	_, rej := decode(t, payment(), `{"id":5,`+required[10:]+`,}`)
	if rej == nil || rej.Reason != Decode {
		t.Fatalf("got %+v", rej)
	}
}

// TestRefused holds one record per way of being wrong (reliability.md rows 37
// to 46).
func TestRefused(t *testing.T) {
	deep := func(n int) string {
		return `{` + required + `,"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
	}
	cases := []struct {
		name, raw string
		reason    Reason
		field     string
	}{
		{"R37 empty", ``, Decode, ""},
		{"R37 space only", `  `, Decode, ""},
		{"R37 cut", `{` + required, Decode, ""},
		{"R37 trailing", `{` + required + `}x`, Decode, ""},
		{"R37 two records", `{` + required + `}{` + required + `}`, Decode, ""},
		{"R37 byte order mark", "\ufeff{" + required + `}`, Decode, ""},
		{"R37 comma at the end", `{` + required + `,}`, Decode, ""},
		{"R37 no colon", `{` + required + `,"x" 1}`, Decode, ""},
		{"R37 bare name", `{` + required + `,x:1}`, Decode, ""},
		{"R37 wrong literal", `{` + required + `,"x":nul}`, Decode, ""},
		{"R37 not json", `<xml/>`, Decode, ""},
		{"R37 array", `[1]`, Schema, ""},
		{"R37 number", `17`, Schema, ""},
		{"R37 invalid utf-8 in a value", `{` + required + ",\"x\":\"\xff\"}", Decode, ""},
		{"R37 invalid utf-8 in a name", `{` + required + ",\"\xc3\":1}", Decode, ""},
		{"R37 invalid utf-8 after an escape", `{` + required + ",\"x\":\"\\n\xff\"}", Decode, ""},
		{"R37 lone surrogate", `{"id":"\ud83d",` + required[10:] + `}`, Decode, "id"},
		{"R37 surrogates in the wrong order", `{"id":"\ude00\ud83d",` + required[10:] + `}`, Decode, "id"},
		{"R37 bad second half", `{"id":"\ud83d\uzzzz",` + required[10:] + `}`, Decode, ""},
		{"R37 bad escape", `{` + required + `,"x":"\x41"}`, Decode, ""},
		{"R37 short hex", `{` + required + `,"x":"\u12"}`, Decode, ""},
		{"R37 control character", `{` + required + ",\"x\":\"a\nb\"}", Decode, ""},
		{"R37 control character after an escape", `{` + required + ",\"x\":\"\\ta\nb\"}", Decode, ""},
		{"R37 string without an end", `{` + required + `,"x":"abc\"}`, Decode, ""},
		{"R38 required is missing", `{"id":"p1","at":"2026-01-05T10:00:00Z","card":{"id":"c1"}}`, Schema, "amount"},
		{"S14 required is null", `{"id":null,` + required[10:] + `}`, Schema, "id"},
		{"S14 object on the path is null", `{"id":"p1","at":"2026-01-05T10:00:00Z","card":null,"amount":1}`, Schema, "card"},
		{"R38 path became a string", `{"id":"p1","at":"2026-01-05T10:00:00Z","card":"c1","amount":1}`, Schema, "card"},
		{"R38 path became a list", `{"id":"p1","at":"2026-01-05T10:00:00Z","card":["c1"],"amount":1}`, Schema, "card"},
		{"R38 string became a number", `{"id":7,` + required[10:] + `}`, Schema, "id"},
		{"R38 string became an object", `{"id":{},` + required[10:] + `}`, Schema, "id"},
		{"R38 number became a string", `{` + required + `,"lat":"1.5"}`, Schema, "lat"},
		{"the first violation counts", `{` + required + `,"ok":1,"tries":"1"}`, Schema, "ok"},
		{"S14 int in a string without text", `{` + required + `,"tries":"1"}`, Schema, "tries"},
		{"S14 bool in a string", `{` + required + `,"ok":"true"}`, Schema, "ok"},
		{"S14 bool as a number", `{` + required + `,"ok":1}`, Schema, "ok"},
		{"R38 strict enum", `{` + required + `,"channel":"fax"}`, Schema, "channel"},
		{"R39 huge", `{` + required + `,"x":"` + strings.Repeat("x", MaxRecordBytes) + `"}`, Decode, ""},
		{"R40 too deep", deep(MaxDepth + 1), Decode, ""},
		{"R40 a million brackets", strings.Repeat("[", 1_000_000), Decode, ""},
		{"R40 deep objects", `{` + required + `,"x":` + strings.Repeat(`{"a":`, MaxDepth) + `1` + strings.Repeat(`}`, MaxDepth) + `}`, Decode, ""},
		{"R41 name twice", `{` + required + `,"amount":999}`, Decode, "amount"},
		{"R41 name twice, once escaped", `{` + required + `,"am\u006funt":999}`, Decode, "amount"},
		{"R41 object on the path twice", `{` + required + `,"card":{"id":"c2"}}`, Decode, "card"},
		{"R41 case is another name", `{"id":"p1","at":"2026-01-05T10:00:00Z","card":{"id":"c1"},"AMOUNT":999}`, Schema, "amount"},
		{"R42 NaN", `{` + required + `,"lat":NaN}`, Decode, ""},
		{"R42 Infinity", `{` + required + `,"lat":-Infinity}`, Decode, ""},
		{"R42 hex", `{` + required + `,"lat":0x10}`, Decode, ""},
		{"R42 underscore", `{` + required + `,"lat":1_000}`, Decode, ""},
		{"R42 plus", `{` + required + `,"lat":+1}`, Decode, ""},
		{"R42 leading zero", `{` + required + `,"lat":01}`, Decode, ""},
		{"R42 no digit behind the point", `{` + required + `,"lat":1.}`, Decode, ""},
		{"R42 no digit in the exponent", `{` + required + `,"lat":1e}`, Decode, ""},
		{"R42 bare minus", `{` + required + `,"lat":-}`, Decode, ""},
		{"R42 overflow", `{` + required + `,"lat":1e400}`, Schema, "lat"},
		{"R42 int beyond 2^53", `{` + required + `,"tries":9007199254740993}`, Schema, "tries"},
		{"R42 int beyond -2^53", `{` + required + `,"tries":-9007199254740993}`, Schema, "tries"},
		{"R42 int beyond 2^64", `{` + required + `,"tries":92233720368547758070}`, Schema, "tries"},
		{"R38 int became a double", `{` + required + `,"tries":1.0}`, Schema, "tries"},
		{"R38 int with an exponent", `{` + required + `,"tries":1e3}`, Schema, "tries"},
		{"S12 epoch as a double", `{` + required + `,"sec":1767607200.0}`, Schema, "sec"},
		{"R42 int with a fraction", `{` + required + `,"tries":1.5}`, Schema, "tries"},
		{"R42 NaN in a string", `{"amount":"NaN",` + required[:len(required)-14] + `}`, Schema, "amount"},
		{"R42 money in a string with a space", `{"amount":" 1",` + required[:len(required)-14] + `}`, Schema, "amount"},
		{"R42 money with a third digit", `{"amount":1.005,` + required[:len(required)-14] + `}`, Schema, "amount"},
		{"R42 money beyond 64 bits", `{"amount":92233720368547758.08,` + required[:len(required)-14] + `}`, Schema, "amount"},
		{"R45 year 9999", `{"at":"9999-12-31T23:59:59Z","id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
		{"R45 MaxInt64", `{"at":9223372036854775807,"id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
		{"R45 beyond MaxInt64", `{"at":1e300,"id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
		{"R45 seconds overflow", `{` + required + `,"sec":9223372036854775}`, Schema, "sec"},
		{"R46 zero", `{"at":0,"id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
		{"R46 negative", `{"at":-1,"id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
		{"S12 no zone", `{"at":"2026-01-05T10:00:00","id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
		{"S12 part of a millisecond", `{"at":1767607200000.5,"id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
		{"S12 epoch in a string", `{"at":"1767607200000","id":"p1","card":{"id":"c1"},"amount":1}`, Schema, "at"},
	}
	src := payment()
	d := NewDecoder(src) // one for all: no case may leave something behind
	ev := &Event{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rej := d.Decode([]byte(c.raw), ev)
			if rej == nil || rej.Reason != c.reason || rej.Field != c.field || rej.Detail == "" {
				t.Fatalf("got %+v, want %s of %q", rej, c.reason, c.field)
			}
			if rej.Reason == Schema && rej.Field != "" && rej.Offset >= 0 && !strings.HasSuffix(c.raw[:rej.Offset], ":") {
				t.Errorf("byte %d is not where the value begins: %+v", rej.Offset, rej)
			}
			if rej := d.Decode([]byte(`{`+required+`}`), ev); rej != nil {
				t.Fatalf("the next good record was refused: %+v", rej)
			}
		})
	}
	if _, rej := decode(t, src, deep(MaxDepth)); rej != nil {
		t.Errorf("refused at the depth that is allowed: %+v", rej)
	}
}

// TestS14UnknownEnumIsAcceptedAndCounted: only strict fields refuse.
func TestS14UnknownEnumIsAcceptedAndCounted(t *testing.T) {
	src := payment()
	d := NewDecoder(src)
	ev := &Event{}
	for _, v := range []string{"approved", "new", "newer"} {
		if rej := d.Decode([]byte(`{`+required+`,"status":"`+v+`"}`), ev); rej != nil {
			t.Fatal(rej)
		}
		if got := ev.Values[fieldOf(src, "status").Index].Str(); got != v {
			t.Errorf("got %q, want %q", got, v)
		}
	}
	if got := d.UnknownEnum()[fieldOf(src, "status").Index]; got != 2 {
		t.Errorf("counted %d, want 2", got)
	}
}

// TestS13DecimalsAreReadFromTheirText holds exact minor units.
func TestS13DecimalsAreReadFromTheirText(t *testing.T) {
	cases := []struct {
		text  string
		minor int64
		ok    bool
	}{
		{"0", 0, true}, {"-0.00", 0, true}, {"12.5", 1250, true}, {"1e2", 10000, true}, {"125e-1", 1250, true},
		{"85.64999999999999", 8565, true}, {"85.65000000000001", 8565, true}, {"-85.64999999999999", -8565, true},
		{"0.3000000000000000166533453693773481063544750213623046875", 30, true},
		{"1.00000001", 100, true}, {"1.000000010", 100, true}, {"1.00000002", 0, false}, {"1.000000011", 0, false},
		{"0.99999999", 100, true}, {"0.99999998", 0, false}, {"1.005", 0, false}, {"0.001", 0, false},
		{"1e-9", 0, true}, {"1e-30", 0, true}, {"1e-400", 0, true}, {"99999999999999999e-26", 0, true},
		{"92233720368547758.07", 1<<63 - 1, true}, {"-92233720368547758.07", -(1<<63 - 1), true},
		{"92233720368547758.08", 0, false}, {"1e30", 0, false}, {"0e99999999", 0, true},
		{"12345678901234567.891", 0, false}, {"100000000000000000000", 0, false}, {"200000000000000000", 0, false},
	}
	src := payment()
	for _, c := range cases {
		for _, form := range []string{c.text, `"` + c.text + `"`} {
			ev, rej := decode(t, src, `{"id":"p1","at":"2026-01-05T10:00:00Z","card":{"id":"c1"},"amount":`+form+`}`)
			if (rej == nil) != c.ok {
				t.Errorf("%s: %+v, want accepted %v", form, rej, c.ok)
			} else if got := ev.Values[fieldOf(src, "amount").Index]; c.ok && !got.Equal(OfDecimal(c.minor)) {
				t.Errorf("%s: got %d, want %d", form, got.Int(), c.minor)
			}
		}
	}
}

// TestS14IntsReachTo2To53 and no further.
func TestS14IntsReachTo2To53(t *testing.T) {
	src := payment()
	for text, want := range map[string]int64{"9007199254740992": MaxInt, "-9007199254740992": -MaxInt, "-0": 0} {
		ev, rej := decode(t, src, `{`+required+`,"tries":`+text+`}`)
		if rej != nil || !ev.Values[fieldOf(src, "tries").Index].Equal(OfInt(want)) {
			t.Errorf("%s: %+v", text, rej)
		}
	}
}

// TestDoublesAreTheNearest holds both ways of reading a double against strconv.
func TestDoublesAreTheNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		digits := strconv.FormatUint(r.Uint64()>>r.IntN(64), 10)
		s := digits + "e" + strconv.Itoa(r.IntN(60)-30)
		if r.IntN(2) == 0 {
			s = digits[:1] + "." + digits + "e" + strconv.Itoa(r.IntN(30)-15)
		}
		want, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := numberOf(s)
		if got, fits := n.double(); !ok || !fits || got != want {
			t.Fatalf("%s: got %v, want %v", s, got, want)
		}
	}
}

// TestS20SummedDoublesAreBounded: only fields that are summed are.
func TestS20SummedDoublesAreBounded(t *testing.T) {
	src := payment()
	d := NewDecoder(src)
	ev := &Event{}
	big := []byte(`{` + required + `,"lat":-1.0000000000000002e15}`)
	if rej := d.Decode(big, ev); rej != nil {
		t.Fatalf("not summed, but %+v", rej)
	}
	d.LimitSum(fieldOf(src, "lat"))
	if rej := d.Decode(big, ev); rej == nil || rej.Reason != Schema || rej.Field != "lat" {
		t.Fatalf("summed: %+v", rej)
	}
	if rej := d.Decode([]byte(`{`+required+`,"lat":1e15}`), ev); rej != nil {
		t.Fatalf("1e15 itself: %+v", rej)
	}
}

// TestS14HalfACharacterInAnUndeclaredFieldIsIgnored: a cut user agent must not
// cost a payment.
func TestS14HalfACharacterInAnUndeclaredFieldIsIgnored(t *testing.T) {
	ev, rej := decode(t, payment(), `{"agent":"x\ud83d","\ude00":1,`+required+`}`)
	if rej != nil || ev.ID != "p1" {
		t.Errorf("%+v", rej)
	}
}

// TestRejectionHoldsNoValue: what is logged of a refused record must not be
// its payload.
func TestRejectionHoldsNoValue(t *testing.T) {
	const secret = "4111"
	for _, raw := range []string{
		`{"id":"p1","at":"4111","card":{"id":"c1"},"amount":1}`,
		`{` + required + `,"channel":"4111"}`, `{` + required + `,"tries":"4111"}`, `{` + required + `,"x":"4111\q"}`,
		`{` + required + `,"tries":4111.5}`, `{` + required + `,"4111" 1}`,
	} {
		if _, rej := decode(t, payment(), raw); rej == nil || strings.Contains(rej.Detail+rej.Field, secret) {
			t.Errorf("%s: %+v", raw, rej)
		}
	}
}

// TestDecodeAllocatesNothing holds the warm path, with escapes and without.
func TestDecodeAllocatesNothing(t *testing.T) {
	src := payment()
	d := NewDecoder(src)
	ev := &Event{}
	for _, raw := range []string{
		`{` + required + `,"tries":3,"lat":52.520008,"status":"declined","noise":{"a":[1,2,{"b":"c"}]}}`,
		`{` + required + `,"status":"not\u0020known","lat":5.123456789012345678e-7}`,
	} {
		b := []byte(raw)
		if n := testing.AllocsPerRun(1000, func() {
			if rej := d.Decode(b, ev); rej != nil {
				t.Fatal(rej)
			}
		}); n != 0 {
			t.Errorf("%g allocations for %s", n, raw)
		}
	}
}

// TestStringsOutliveTheNextRecord: unescaped strings are not overwritten.
func TestStringsOutliveTheNextRecord(t *testing.T) {
	src := payment()
	d := NewDecoder(src)
	first, second := &Event{}, &Event{}
	d.Decode([]byte(`{"id":"\u0061bc",`+required[10:]+`}`), first)
	d.Decode([]byte(`{"id":"\u0078yz",`+required[10:]+`}`), second)
	if first.ID != "abc" || second.ID != "xyz" {
		t.Errorf("got %q and %q", first.ID, second.ID)
	}
}

// benchmarkRecord is a payment as it may come, with fields that nobody declared.
var benchmarkRecord = []byte(`{"id":"pay_0000000000012345","at":"2026-01-05T10:00:00.123Z","user_id":"user_000123","device":"dev_9a8b7c6d",` +
	`"card":{"id":"card_00001234","network":"visa","issuer":{"country":"DE"}},"ip":"203.0.113.42","merchant":"m_000042",` +
	`"amount":"123.45","currency":"EUR","status":"approved","channel":"ecom","lat":52.520008,"lon":13.404954,"tries":1,` +
	`"mcc":"5411","session":"5b4c9d5e-5d6c-4c1f-9b0a-6a2c3f1e9d7b"}`)

func BenchmarkDecode(b *testing.B) {
	d := NewDecoder(payment())
	ev := &Event{}
	b.SetBytes(int64(len(benchmarkRecord)))
	b.ReportAllocs()
	for b.Loop() {
		if rej := d.Decode(benchmarkRecord, ev); rej != nil {
			b.Fatal(rej)
		}
	}
}

// BenchmarkEncodingJSON is the floor's other side: the standard library on the
// same record, into a struct.
func BenchmarkEncodingJSON(b *testing.B) {
	var p struct {
		ID   string `json:"id"`
		At   string `json:"at"`
		Card struct {
			ID     string `json:"id"`
			Issuer struct {
				Country string `json:"country"`
			} `json:"issuer"`
		} `json:"card"`
		Amount string  `json:"amount"`
		Lat    float64 `json:"lat"`
		Status string  `json:"status"`
		Tries  int     `json:"tries"`
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(benchmarkRecord, &p); err != nil {
			b.Fatal(err)
		}
	}
}
