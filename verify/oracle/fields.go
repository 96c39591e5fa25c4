package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// decimal is money in minor units, int64 a whole number, instant milliseconds
// since 1970: the values of fields besides string, float64 and bool.
type (
	decimal int64
	instant int64
)

// The bounds of S12, S14 and S20.
var (
	firstInstant = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	endInstant   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	tolerance    = big.NewRat(1, 1_000_000) // of a decimal, in minor units (S13)
)

const (
	maxInt    = 1 << 53
	maxSummed = 1e15 // sums of doubles are exact up to here
)

// maxExponent bounds the exponent of a number's text, so that a short text
// cannot ask for a huge number.
const maxExponent = 400

var (
	rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
	whole   = regexp.MustCompile(`^-?\d+$`)
	number  = regexp.MustCompile(`^-?\d+(\.\d+)?([eE]([+-]?\d+))?$`)
)

var errTwice = errors.New("a name that occurs twice")

// lookUp finds the JSON value of a field by its path; null equals missing
// (S14).
func lookUp(o object, path []string) (any, error) {
	v, has := o[path[0]]
	if v == any(twice{}) {
		return nil, errTwice
	}
	if !has || v == nil || len(path) == 1 {
		return v, nil
	}
	inner, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", path[0])
	}
	return lookUp(inner, path[1:])
}

// typed reads a JSON value by the declared type of a field.
func typed(f *spec.Field, v any) (any, error) {
	switch f.Type {
	case spec.String:
		s, ok := v.(string)
		if !ok {
			return nil, errors.New("not a string")
		}
		if f.Strict && len(f.Enum) > 0 && !slices.Contains(f.Enum, s) {
			return nil, errors.New("not in enum")
		}
		return s, nil
	case spec.Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, errors.New("not a bool")
	case spec.Int:
		return typedInt(f, v)
	case spec.Double:
		n, ok := v.(json.Number)
		if !ok {
			return nil, errors.New("not a number")
		}
		return double(n.String())
	case spec.Decimal:
		if n, ok := v.(json.Number); ok {
			return minorUnits(n.String(), f.Scale)
		}
		if s, ok := v.(string); ok {
			return minorUnits(s, f.Scale)
		}
		return nil, errors.New("not a decimal")
	case spec.Timestamp:
		return typedInstant(f, v)
	}
	return nil, fmt.Errorf("type %d is not one of a field", f.Type)
}

func typedInt(f *spec.Field, v any) (any, error) {
	var text string
	switch n := v.(type) {
	case json.Number:
		text = n.String()
	case string:
		if !f.Text {
			return nil, errors.New("a string, not an int")
		}
		text = n
	default:
		return nil, errors.New("not an int")
	}
	if !whole.MatchString(text) {
		return nil, errors.New("not a whole number")
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil || i > maxInt || i < -maxInt {
		return nil, errors.New("beyond 2^53")
	}
	return i, nil
}

func double(text string) (any, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return nil, errors.New("not a finite double")
	}
	return x + 0, nil // -0 is 0
}

// minorUnits reads a decimal from its text (S13): within 1e-6 minor units of
// an exact value is that value.
func minorUnits(text string, scale int) (any, error) {
	m := number.FindStringSubmatch(text)
	if m == nil {
		return nil, errors.New("not a number")
	}
	if exponent, err := strconv.Atoi(m[3]); m[3] != "" && (err != nil || exponent > maxExponent || exponent < -maxExponent) {
		return nil, errors.New("exponent out of range")
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, errors.New("not a number")
	}
	exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
	near := nearest(exact)
	off := new(big.Rat).Sub(exact, new(big.Rat).SetInt(near))
	if off.Abs(off).Cmp(tolerance) > 0 {
		return nil, errors.New("more digits than its scale")
	}
	if !near.IsInt64() {
		return nil, errors.New("beyond int64 minor units")
	}
	return decimal(near.Int64()), nil
}

// nearest is the whole number closest to x.
func nearest(x *big.Rat) *big.Int {
	twice := new(big.Rat).Add(new(big.Rat).Add(x, x), big.NewRat(1, 1))
	floor := new(big.Int)
	floor.Div(twice.Num(), new(big.Int).Mul(twice.Denom(), big.NewInt(2)))
	return floor
}

// typedInstant reads a time (S12): RFC 3339 with a zone, or a whole number of
// the field's unit since 1970; floored to the millisecond.
func typedInstant(f *spec.Field, v any) (any, error) {
	var ms int64
	switch x := v.(type) {
	case string:
		if !rfc3339.MatchString(x) {
			return nil, errors.New("not RFC 3339 with a zone")
		}
		t, err := time.Parse(time.RFC3339Nano, x)
		if err != nil {
			return nil, errors.New("not RFC 3339 with a zone")
		}
		ms = t.UnixMilli()
	case json.Number:
		n, ok := new(big.Int).SetString(x.String(), 10)
		if !ok {
			return nil, errors.New("not a whole number")
		}
		perMilli := map[string]*big.Rat{"": big.NewRat(1, 1), "ms": big.NewRat(1, 1), "s": big.NewRat(1, 1000),
			"us": big.NewRat(1000, 1), "ns": big.NewRat(1_000_000, 1)}[f.TimeUnit]
		r := new(big.Rat).Quo(new(big.Rat).SetInt(n), perMilli)
		floor := new(big.Int).Div(r.Num(), r.Denom())
		if !floor.IsInt64() {
			return nil, errors.New("outside [2000, 2100)")
		}
		ms = floor.Int64()
	default:
		return nil, errors.New("not a time")
	}
	if ms < firstInstant || ms >= endInstant {
		return nil, errors.New("outside [2000, 2100)")
	}
	return instant(ms), nil
}

// outside is a field's value as expressions and outputs see it: numbers are
// doubles, decimals in major units rounded once (S13), times are time.Time.
func outside(v any, scale int) any {
	switch x := v.(type) {
	case int64:
		return float64(x)
	case decimal:
		return major(int64(x), scale)
	case instant:
		return time.UnixMilli(int64(x)).UTC()
	}
	return v
}

// major is minor / 10^scale, rounded once.
func major(minor int64, scale int) float64 {
	return ratio64(big.NewInt(minor), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
}

// ratio64 is the double nearest to a / b.
func ratio64(a, b *big.Int) float64 {
	x, _ := new(big.Rat).SetFrac(a, b).Float64()
	return x
}
