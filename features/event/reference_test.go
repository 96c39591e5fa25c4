package event

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/config/spec"
)

// This file is a second decoder, slow and plain: encoding/json finds the
// tokens, big.Rat reads the numbers, time.Parse the times. The fuzz target
// holds the real one against it.

// reference reads raw as the contract says. The reason is Accepted, Decode or
// Schema.
func reference(src *spec.Source, raw []byte) ([]Value, Reason) {
	if len(raw) > MaxRecordBytes || !json.Valid(raw) || !utf8.Valid(raw) {
		return nil, Decode
	}
	members := map[string]any{} // by path with dots
	paths := map[string]bool{}  // what is declared, and what lies on the way
	for _, f := range src.Fields {
		if f.Expr != nil {
			continue
		}
		p := pathOf(f)
		for i := range p {
			paths[strings.Join(p[:i+1], ".")] = true
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if !gather(dec, "", 0, paths, members) {
		return nil, Decode
	}
	if raw[bytes.IndexFunc(raw, func(r rune) bool { return !strings.ContainsRune(" \t\r\n", r) })] != '{' {
		return nil, Schema
	}
	values := make([]Value, len(src.Fields))
	for _, f := range src.Fields {
		if f.Expr != nil {
			continue
		}
		p := pathOf(f)
		for i := 1; i < len(p); i++ {
			if on, has := members[strings.Join(p[:i], ".")]; has && on != "{" && on != nil {
				return nil, Schema
			}
		}
		v, ok := refField(f, members[strings.Join(p, ".")])
		if !ok || !v.Has() && !f.Optional {
			return nil, Schema
		}
		values[f.Index] = v
	}
	return values, Accepted
}

func pathOf(f *spec.Field) []string {
	if len(f.Path) > 0 {
		return f.Path
	}
	return []string{f.Name}
}

// text marks a JSON string, so that it differs from the marks "{" and "[".
type text string

// gather reads one value and what lies in it, and notes what is declared.
func gather(dec *json.Decoder, path string, depth int, paths map[string]bool, into map[string]any) bool {
	tok, err := dec.Token()
	if err == io.EOF || err != nil {
		return false
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		if s, isText := tok.(string); isText {
			tok = text(s)
		}
		into[path] = tok
		return true
	}
	if depth+1 > MaxDepth {
		return false
	}
	into[path] = string(delim)
	for dec.More() {
		below := "\x00" // nothing in an array is declared
		if delim == '{' {
			name, _ := dec.Token()
			if path != "\x00" && !strings.Contains(name.(string), ".") {
				if below = strings.TrimPrefix(path+"."+name.(string), "."); !paths[below] {
					below = "\x00"
				} else if _, twice := into[below]; twice {
					return false
				}
			}
		}
		if !gather(dec, below, depth+1, paths, into) {
			return false
		}
	}
	_, err = dec.Token()
	return err == nil
}

// ambiguous matches records whose strings encoding/json cannot tell from
// others, since it replaces what is no character, and numbers that big.Rat
// would need too much memory for.
var ambiguous = regexp.MustCompile(`\\u[dD][89a-fA-F]|\\u[fF]{3}[dD]|\x{FFFD}|[eE][+-]?\d{4,}`)

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// refField is the value of a member; false where the field's type refuses it.
func refField(f *spec.Field, member any) (Value, bool) {
	switch m := member.(type) {
	case nil:
		return Value{}, true
	case bool:
		return OfBool(m), f.Type == spec.Bool
	case text:
		switch {
		case f.Type == spec.String:
			return OfString(string(m)), !f.Strict || slices.Contains(f.Enum, string(m))
		case f.Type == spec.Timestamp:
			t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(string(m)))
			return refTime(t, err == nil && strictTime.MatchString(string(m)))
		case f.Type == spec.Decimal || f.Text:
			return refNumber(f, string(m))
		}
	case json.Number:
		if f.Type != spec.String && f.Type != spec.Bool {
			return refNumber(f, m.String())
		}
	}
	return Value{}, false
}

// strictTime is RFC 3339's grammar: time.Parse is laxer about digits, commas
// and offsets.
var strictTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func refTime(t time.Time, ok bool) (Value, bool) {
	ms := t.UnixMilli()
	return OfTimestamp(ms), ok && MinTime <= ms && ms < MaxTime
}

func refNumber(f *spec.Field, s string) (Value, bool) {
	if !jsonNumber.MatchString(s) {
		return Value{}, false
	}
	if f.Type == spec.Double {
		x, err := strconv.ParseFloat(s, 64)
		return OfDouble(x), err == nil
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return Value{}, false
	}
	switch f.Type {
	case spec.Decimal:
		r.Mul(r, new(big.Rat).SetInt64(int64(math.Pow10(f.Scale))))
		i := new(big.Int).Div(new(big.Int).Add(new(big.Int).Mul(r.Num(), big.NewInt(2)), r.Denom()),
			new(big.Int).Mul(r.Denom(), big.NewInt(2))) // the nearest whole number
		off := new(big.Rat).Sub(r, new(big.Rat).SetInt(i))
		near := off.Abs(off).Cmp(big.NewRat(1, 1e6)) <= 0
		return OfDecimal(i.Int64()), near && i.IsInt64() && i.Int64() != math.MinInt64
	case spec.Int:
		return OfInt(r.Num().Int64()), !strings.ContainsAny(s, ".eE") && r.Num().IsInt64() && MaxInt >= max(r.Num().Int64(), -r.Num().Int64())
	}
	unit := map[string]int64{"": 1e6, "ms": 1e6, "s": 1e9, "us": 1e3, "ns": 1}[f.TimeUnit]
	if strings.ContainsAny(s, ".eE") || !r.Num().IsInt64() {
		return Value{}, false
	}
	ns := new(big.Int).Mul(r.Num(), big.NewInt(unit))
	ms := ns.Div(ns, big.NewInt(1e6)) // floors for a positive divisor
	return OfTimestamp(ms.Int64()), ms.IsInt64() && MinTime <= ms.Int64() && ms.Int64() < MaxTime
}

// FuzzDecode holds the decoder against the reference on any bytes.
func FuzzDecode(f *testing.F) {
	seeds := []string{"", "[1]", "{}", `{` + required + `}`,
		`{` + required + `,"tries":-1.50e1,"lat":1e-7,"ok":false,"status":"x","channel":"pos","count":"12","sec":1767607200.0}`,
		`{"id":"\ud83d\ude00\ud83d","at":"2026-02-29T24:00:00.1234+01:00","card":{"id":null,"issuer":{"country":"DE"}},"amount":"1.005"}`,
		`{"id":"a","at":1767607200123,"card":{"id":"c","id":"d"},"amount":85.64999999999999,"us":1767607200123456,"ns":-1}`,
		`{"amount":0.12345678901234567890123456789,"at":"2000-01-01T00:00:00.9999Z","id":"\\\u0061\/","card":{"id":"\t"}}`,
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	src := payment()
	d := NewDecoder(src)
	ev := &Event{}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := slices.Clone(raw)
		rej := d.Decode(raw, ev)
		if !bytes.Equal(before, raw) {
			t.Fatal("the record was changed")
		}
		if ambiguous.Match(raw) {
			return
		}
		got := Accepted
		if rej != nil {
			got = rej.Reason
		}
		values, want := reference(src, raw)
		if got != want {
			t.Fatalf("%q: %s (%+v), the reference says %s", raw, got, rej, want)
		}
		if got != Accepted {
			return
		}
		for _, f := range src.Fields {
			if !ev.Values[f.Index].Equal(values[f.Index]) {
				t.Errorf("%q: %s is %+v, the reference says %+v", raw, f.Name, ev.Values[f.Index], values[f.Index])
			}
		}
	})
}

// TestS12TimesEqualTheStandardLibrary walks through years, zones and fractions.
func TestS12TimesEqualTheStandardLibrary(t *testing.T) {
	zones := []int{0, 60, -60, 345, -210, 23*60 + 59, -(23*60 + 59)}
	forms := []string{"2006-01-02T15:04:05Z07:00", "2006-01-02t15:04:05.9Z07:00", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.999999999Z07:00"}
	for ms := MinTime; ms < MaxTime; ms += 86_400_000*3 + 12_345_678 {
		at := time.UnixMilli(ms).In(time.FixedZone("", 60*zones[int(ms%7)]))
		s := at.Format(forms[int(ms%4)])
		want, err := time.Parse(time.RFC3339, strings.ToUpper(s))
		if err != nil {
			t.Fatal(err)
		}
		if got, why := ParseTime(s); why != "" || got != want.UnixMilli() {
			t.Fatalf("%s: got %d (%s), want %d", s, got, why, want.UnixMilli())
		}
	}
}

// TestS12Times holds the edges and what is refused.
func TestS12Times(t *testing.T) {
	for _, c := range []struct {
		text string
		ms   int64
		ok   bool
	}{
		{"2000-01-01T00:00:00Z", MinTime, true}, {"1999-12-31T23:59:59.999999Z", 0, false},
		{"2099-12-31T23:59:59.999999999Z", MaxTime - 1, true}, {"2100-01-01T00:00:00Z", 0, false},
		{"2000-01-01T00:30:00+00:30", MinTime, true}, {"2000-01-01T00:29:59+00:30", 0, false},
		{"2024-02-29T00:00:00-00:00", 1709164800000, true}, {"2000-02-29T00:00:00Z", 951782400000, true}, {"2023-02-29T00:00:00Z", 0, false}, {"2100-02-29T00:00:00Z", 0, false},
		{"2026-01-05t10:00:00.0009z", 1767607200000, true}, {"2026-01-05T10:00:00.123999Z", 1767607200123, true},
		{"2026-01-05T24:00:00Z", 0, false}, {"2026-01-05T10:60:00Z", 0, false}, {"2016-12-31T23:59:60Z", 0, false},
		{"2026-01-05 10:00:00Z", 0, false}, {"2026-01-05T10:00:00,5Z", 0, false}, {"2026-01-05T10:00:00.Z", 0, false},
		{"2026-01-05T10:00:00", 0, false}, {"2026-01-05T10:00:00+01", 0, false}, {"2026-01-05T10:00:00+0100", 0, false},
		{"2026-01-05T10:00:00+24:00", 0, false}, {"2026-01-05T10:00:00Zx", 0, false}, {"2026-01-05T10:00Z", 0, false},
		{"2026-13-05T10:00:00Z", 0, false}, {"2026-00-05T10:00:00Z", 0, false}, {"2026-01-00T10:00:00Z", 0, false},
		{"+026-01-05T10:00:00Z", 0, false}, {"2026-1-05T10:00:00Z0", 0, false}, {"", 0, false},
	} {
		if ms, why := ParseTime(c.text); (why == "") != c.ok || c.ok && ms != c.ms {
			t.Errorf("%s: got %d (%s), want %d, accepted %v", c.text, ms, why, c.ms, c.ok)
		}
	}
}
