package event

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What a string holds as it is, byte by byte.
func plainByByte(b []byte) (n int) {
	for n < len(b) && b[n] >= ' ' && b[n] < 0x80 && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}

// Each byte at each place of a word, alone and before and behind each kind of
// other byte that ends a stretch.
func TestPlainBytesStopAtTheFirstThatIsNot(t *testing.T) {
	kinds := []byte{'a', '"', '\\', 0, 0x1f, ' ', '!', '#', '[', ']', 0x7f, 0x80, 0xa2, 0xdc, 0xff}
	for n := range 18 {
		for at := range n {
			for c := range 256 {
				for _, other := range kinds {
					b := slices.Repeat([]byte("x"), n)
					b[at] = byte(c)
					b[(at+1)%n] = other
					if got, want := plainBytes(b), plainByByte(b); got != want {
						t.Fatalf("%q: got %d, want %d", b, got, want)
					}
				}
			}
		}
	}
}

// The order of names is learned from records, and no order changes what they
// say: fields that are missing, undeclared, or where they never were before.
func TestNamesInAnyOrder(t *testing.T) {
	parts := []string{`"id":"a"`, `"at":1767607200000`, `"user_id":"u"`, `"amount":"1.50"`, `"currency":"EUR"`, `"status":"approved"`,
		`"lat":52.5`, `"tries" : 3`, `"\u006don":7`, `"unknown":{"id":"z"}`, `"card":{"other":1,"id":"c","issuer":{"country":"DE"}}`}
	learned, rng := NewDecoder(payment()), rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 2000 {
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		raw := []byte("{" + strings.Join(parts[:rng.IntN(len(parts)+1)], ",") + "}")
		got, want := &Event{}, &Event{}
		rej, fresh := learned.Decode(raw, got), NewDecoder(payment()).Decode(raw, want)
		if (rej == nil) != (fresh == nil) || rej != nil && *rej != *fresh || got.Time != want.Time || got.ID != want.ID ||
			!slices.EqualFunc(got.Values, want.Values, Value.Equal) {
			t.Fatalf("%s\nlearned %v %v\nfresh   %v %v", raw, got, rej, want, fresh)
		}
		if rej == nil {
			accepted++
		}
	}
	if accepted < 100 {
		t.Errorf("only %d of the records were accepted", accepted)
	}
}
