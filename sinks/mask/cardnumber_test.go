package mask

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestCardNumbersAreHidden(t *testing.T) {
	for text, want := range map[string]string{
		"4111111111111111":                       "****************",
		"4111 1111 1111 1111":                    "**** **** **** ****",
		"card 4111-1111-1111-1111 12/27 cvc":     "card ****-****-****-**** 12/27 cvc",
		"{\"pan\":\"5555555555554444\",\"x\":1}": "{\"pan\":\"****************\",\"x\":1}",
		"https://x/?n=378282246310005&y":         "https://x/?n=***************&y",
		"3782 822463 10005":                      "**** ****** *****",
		"12 4111111111111111":                    "12 ****************",
		"4111111111111111 4012888888881881":      "**************** ****************",
		"4111111111111112":                       "4111111111111112", // check digit
		"1767607471882":                          "1767607471882",    // a time in milliseconds
		"9111111111111111":                       "9111111111111111", // nobody's
		"41111111111111111111":                   "41111111111111111111",
		"short":                                  "short",
	} {
		if got, found := HideCardNumbers(text); got != want || found != (got != text) {
			t.Errorf("%q: %q, %v; want %q", text, got, found, want)
		}
	}
}

// Ten thousand numbers of every brand are found; of random ids few look so.
func TestCardNumbersFoundAndMistaken(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		brand := []struct {
			prefix string
			length int
		}{{"4", 16}, {"4", 13}, {"51", 16}, {"2221", 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"3528", 16}, {"36", 14}, {"62", 19}}[i%10]
		digits := make([]byte, 0, brand.length)
		for _, c := range brand.prefix {
			digits = append(digits, byte(c-'0'))
		}
		for len(digits) < brand.length-1 {
			digits = append(digits, byte(r.IntN(10)))
		}
		for check := range byte(10) {
			if luhn(append(digits, check)) {
				digits = append(digits, check)
				break
			}
		}
		text := ""
		for _, d := range digits {
			text += fmt.Sprint(d)
		}
		if _, found := HideCardNumbers(text); !found {
			t.Fatalf("%s leaves", text)
		}
	}
	const ids = 1_000_000
	mistaken := 0
	for range ids {
		if _, found := HideCardNumbers(fmt.Sprintf("%016d", r.Int64N(1e16))); found {
			mistaken++
		}
	}
	t.Logf("of a million random ids of 16 digits %d look like card numbers", mistaken)
	if mistaken > ids/20 {
		t.Errorf("%d of a million random ids look like card numbers", mistaken)
	}
	if n := testing.AllocsPerRun(100, func() { HideCardNumbers("t_88412345 and some more text, 2026-01-05") }); n != 0 {
		t.Errorf("%v allocations for a text without one", n)
	}
}
