package event

import (
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
)

func TestS14TextsAreReadByDeclaredType(t *testing.T) {
	src := payment()
	d := NewDecoder(src)
	ev := &Event{}
	names := []string{"at", "id", "card.id", "amount", "tries", "count", "lat", "ok", "status", "noise", "country"}
	rej := d.DecodeTexts(names, []string{"2026-01-05T10:00:00+00:00", "0123", "1e3", "85.64999999999999", "3", "4", "-0", "true", "", "x", "DE"}, ev)
	if rej != nil {
		t.Fatalf("%+v", rej)
	}
	want := map[string]Value{"at": OfTimestamp(1767607200000), "id": OfString("0123"), "card": OfString("1e3"), "amount": OfDecimal(8565),
		"tries": OfInt(3), "count": OfInt(4), "lat": OfDouble(0), "ok": OfBool(true), "country": OfString("DE")}
	for _, f := range src.Fields {
		if got := ev.Values[f.Index]; !got.Equal(want[f.Name]) {
			t.Errorf("%s: got %+v, want %+v", f.Name, got, want[f.Name])
		}
	}
	if ev.ID != "0123" || ev.Time != 1767607200000 {
		t.Errorf("id %q, time %d", ev.ID, ev.Time)
	}
}

func TestTextsRefused(t *testing.T) {
	good := map[string]string{"at": "1767607200000", "id": "p1", "card": "c1", "amount": "1"}
	for _, c := range []struct {
		name, field, text string
		reason            Reason
	}{
		{"S14 empty is missing", "amount", "", Schema}, {"no number", "amount", "1,50", Schema}, {"hex", "lat", "0x10", Schema},
		{"NaN", "lat", "NaN", Schema}, {"infinity", "lat", "inf", Schema}, {"space", "tries", " 1", Schema}, {"underscore", "tries", "1_000", Schema}, {"int as a double", "tries", "3.0", Schema},
		{"bool as a number", "ok", "1", Schema}, {"S12 no zone", "at", "2018-04-01 00:00:31", Schema}, {"S12 range", "at", "1522540831", Schema},
		{"strict enum", "channel", "fax", Schema}, {"invalid UTF-8", "id", "\xff", Decode}, {"invalid UTF-8, undeclared", "noise", "\xff", Decode},
		{"R39 huge", "noise", strings.Repeat("x", MaxRecordBytes+1), Decode},
	} {
		var names, texts []string
		for n, v := range good {
			if n != c.field {
				names, texts = append(names, n), append(texts, v)
			}
		}
		rej := NewDecoder(payment()).DecodeTexts(append(names, c.field), append(texts, c.text), &Event{})
		if rej == nil || rej.Reason != c.reason {
			t.Errorf("%s: %+v", c.name, rej)
		}
	}
	d := NewDecoder(payment())
	if rej := d.DecodeTexts([]string{"id", "id"}, []string{"a", "b"}, &Event{}); rej == nil || rej.Reason != Decode {
		t.Errorf("a name twice: %+v", rej)
	}
	if rej := d.DecodeTexts([]string{"id", "at"}, []string{"a"}, &Event{}); rej == nil || rej.Reason != Decode {
		t.Errorf("too few cells: %+v", rej)
	}
}

func TestDecodeTextsAllocatesNothing(t *testing.T) {
	d := NewDecoder(payment())
	ev := &Event{}
	names, texts := []string{"at", "id", "card", "amount"}, []string{"2026-01-05T10:00:00Z", "p1", "c1", "12.50"}
	if n := testing.AllocsPerRun(1000, func() {
		if rej := d.DecodeTexts(names, texts, ev); rej != nil {
			t.Fatal(rej)
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// A cell is read into every field that lies there, as a JSON value is.
func TestTwoFieldsOfOnePath(t *testing.T) {
	src := payment()
	f := spec.Field{Index: len(src.Fields), Name: "amount_text", Type: spec.String, Path: []string{"amount"}}
	src.Fields = append(src.Fields, &f)
	ev := &Event{}
	if rej := NewDecoder(src).DecodeTexts([]string{"at", "id", "card", "amount"}, []string{"1767607200000", "p1", "c1", "1.50"}, ev); rej != nil {
		t.Fatalf("%+v", rej)
	}
	if a, b := ev.Values[fieldOf(src, "amount").Index], ev.Values[f.Index]; !a.Equal(OfDecimal(150)) || !b.Equal(OfString("1.50")) {
		t.Errorf("amount %+v, amount_text %+v", a, b)
	}
}

// An empty text of a test is the empty text of a JSON record, not a missing
// field: the same event must give the same numbers in both.
func TestS33GivenEmptyTextIsAValue(t *testing.T) {
	src := payment()
	given := []string{"at", "id", "card", "amount", "status"}
	var fields []*spec.Field
	for _, name := range given {
		fields = append(fields, fieldOf(src, name))
	}
	var asTest, asJSON Event
	if rej := NewDecoder(src).DecodeGiven(fields, []string{"1767607200000", "p1", "", "1.5", ""}, &asTest); rej != nil {
		t.Fatalf("%+v", rej)
	}
	if rej := NewDecoder(src).Decode([]byte(`{"at":1767607200000,"id":"p1","card":{"id":""},"amount":1.5,"status":""}`), &asJSON); rej != nil {
		t.Fatalf("%+v", rej)
	}
	for i := range src.Fields {
		if !asTest.Values[i].Equal(asJSON.Values[i]) {
			t.Errorf("%s: %+v in a test, %+v in JSON", src.Fields[i].Name, asTest.Values[i], asJSON.Values[i])
		}
	}
	if rej := NewDecoder(src).DecodeGiven(fields, []string{"1767607200000", "p1", "c1", "", ""}, &asTest); rej == nil || rej.Reason != Schema {
		t.Errorf("an empty amount: %+v", rej)
	}
}
