package event

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestS13MajorUnitsAreRoundedOnce, also where the minor units are beyond 2^53.
func TestS13MajorUnitsAreRoundedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		minor, scale := int64(r.Uint64())>>r.IntN(64), r.IntN(7)
		want, _ := new(big.Rat).SetFrac(big.NewInt(minor), big.NewInt(int64(math.Pow10(scale)))).Float64()
		if got, ok := OfDecimal(minor).Number(scale); !ok || got != want {
			t.Fatalf("%d / 10^%d = %v, want %v", minor, scale, got, want)
		}
	}
}

func TestS21NegativeZeroIsZero(t *testing.T) {
	if v := OfDouble(math.Copysign(0, -1)); !v.Equal(OfDouble(0)) || math.Signbit(v.Float()) {
		t.Errorf("got %+v", v)
	}
}

func TestOnlyNumbersAreNumbers(t *testing.T) {
	for _, v := range []Value{{}, OfString("1"), OfBool(true), OfTimestamp(1)} {
		if _, ok := v.Number(0); ok {
			t.Errorf("%+v is a number", v)
		}
	}
	for _, v := range []Value{OfInt(7), OfDouble(7), OfDecimal(700)} {
		if f, ok := v.Number(2); !ok || f != 7 {
			t.Errorf("%+v is %v", v, f)
		}
	}
}
