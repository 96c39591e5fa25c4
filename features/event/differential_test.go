package event

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pools are the JSON values that random records are made of: for every field
// some that fit, and some that fit another.
var pools = [...]string{
	`"a" "" "\u0041\n" "\ud83d\ude00" "É" "approved" "pos" "fax" "DE"`,
	`0 -0 1 -1 12.5 1e3 1.5e-1 0.1 85.64999999999999 1.005 9007199254740992 9007199254740993 1e15 1e400 1e-400 92233720368547758.07`,
	`92233720368547758.08 123456789012345678901234567890 0.30000000000000001665334536937 1.00000001 1.00000002 0.99999999 01 1. -`,
	`"12.50" "7" "-0.00" "1.005" "1e2" "x" " 1"`,
	`1767607200123 1767607200 1767607200123456 1767607200123456789 946684799999 946684800000 4102444799999 4102444800000 -1 1.5e12 1767607200.0`,
	`"2026-01-05T10:00:00Z" "2026-01-05t10:00:00.1239+05:45" "2026-01-05T10:00:00" "2100-01-01T00:00:00Z" "2023-02-29T00:00:00Z"`,
	`true false null nul {} [] {"id":"x"} {"id":"x","issuer":{"country":"FR"}} {"id":1} {"issuer":"x","id":"y"} {"id":"x","id":"y"} [[1,{"a":"b"}]]`,
}

// fitting are values that fit, by field, so that many records are accepted.
var fitting = map[string]string{
	"id": `"a" "\u0041\n" "\ud83d\ude00" "É"`, "at": pools[5][:54] + ` 1767607200123 946684800000`, "amount": `12.5 "12.50" 85.64999999999999 "1e2" -0`,
	"card": `{"id":"x"} {"id":"x","issuer":{"country":"FR"},"more":[1]}`, "tries": `0 -0 9007199254740992 null`, "count": `"7" 7`,
	"lat": `0.1 -0 1e-400 123456789012345678901234567890`, "ok": "true false null", "status": `"approved" "fax"`, "channel": `"pos"`,
	"sec": "1767607200", "us": "1767607200123456", "ns": "1767607200123456789", "noise": `{"a":[1,2,{"id":"\\\""}]} "x" 1e400`,
}

// TestDecodeEqualsReference holds random records against the plain decoder.
func TestDecodeEqualsReference(t *testing.T) {
	src := payment()
	d := NewDecoder(src)
	ev := &Event{}
	var pool []string
	for _, p := range pools {
		pool = append(pool, strings.Fields(p)...)
	}
	accepted := 0
	one := rapid.MakeCheck(func(rt *rapid.T) {
		names := []string{"id", "at", "amount", "card"}
		names = append(names, rapid.SliceOfN(rapid.SampledFrom([]string{"tries", "count", "lat", "ok", "status", "channel",
			"sec", "us", "ns", "noise"}), 0, 6).Draw(rt, "more")...)
		if rapid.IntRange(0, 9).Draw(rt, "twice") > 0 {
			names = distinct(names)
		}
		names = rapid.Permutation(names).Draw(rt, "order")
		space := func() string { return rapid.SampledFrom([]string{"", "", " ", "\n\t"}).Draw(rt, "space") }
		var b strings.Builder
		for i, n := range names {
			from := strings.Fields(fitting[n])
			if rapid.IntRange(0, 19).Draw(rt, "wrong") == 0 {
				from = pool
			}
			b.WriteString([]string{"{", ","}[min(i, 1)] + space() + `"` + n + `"` + space() + ":" + space() + rapid.SampledFrom(from).Draw(rt, n) + space())
		}
		raw := []byte(b.String() + "}")
		rej := d.Decode(raw, ev)
		got := Accepted
		if rej != nil {
			got = rej.Reason
		}
		values, want := reference(src, raw)
		if got != want {
			rt.Fatalf("%s: %s (%+v), the reference says %s", raw, got, rej, want)
		}
		if got != Accepted {
			return
		}
		accepted++
		for _, f := range src.Fields {
			if !ev.Values[f.Index].Equal(values[f.Index]) {
				rt.Fatalf("%s: %s is %+v, the reference says %+v", raw, f.Name, ev.Values[f.Index], values[f.Index])
			}
		}
	})
	for range 80 { // a check is 100 records
		one(t)
	}
	t.Logf("8000 records, %d accepted", accepted)
	if accepted < 2000 {
		t.Errorf("only %d of 8000 records were accepted: the test proves little", accepted)
	}
}

func distinct(names []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}
