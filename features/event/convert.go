package event

import (
	"math"
	"slices"

	"github.com/freshet-dev/freshet/config/spec"
)

// decimalSlack is how far, as a power of ten, the text of a decimal may lie off
// its minor units: real files hold 85.64999999999999 for 85.65 (S13).
const decimalSlack = -6

// fromString turns a JSON string into the value of a field.
func (d *Decoder) fromString(p *plan, s []byte, at int) {
	switch {
	case p.Type == spec.String:
		d.setString(p, alias(s), at)
	case p.Type == spec.Timestamp:
		ms, why := ParseTime(alias(s))
		if why != "" {
			d.violate(p.Name, at, why)
			return
		}
		d.set(p, OfTimestamp(ms))
	case p.Type == spec.Decimal || p.Type == spec.Int && p.Text:
		n, ok := numberOf(alias(s))
		if !ok {
			d.violate(p.Name, at, "a string that is not a number")
			return
		}
		d.fromNumber(p, n, at, "a string")
	default:
		d.wrongType(p, at, "a string")
	}
}

// setString is the value of a string field. A value outside an enum is
// accepted and counted, unless the field is strict (S14).
func (d *Decoder) setString(p *plan, s string, at int) {
	if p.enum != nil {
		i, known := slices.BinarySearch(p.enum, s)
		switch {
		case known:
			s = p.enum[i] // which outlives the record
		case p.Strict:
			d.violate(p.Name, at, "a value outside the enum")
			return
		default:
			d.unknown[p.Index]++
		}
	}
	d.set(p, OfString(s))
}

// fromNumber turns a number into the value of a field.
func (d *Decoder) fromNumber(p *plan, n number, at int, got string) {
	switch p.Type {
	case spec.Double:
		f, ok := n.double()
		if !ok {
			d.violate(p.Name, at, "a number out of range")
			return
		}
		if p.summed && math.Abs(f) > MaxSummed {
			d.violate(p.Name, at, "a number beyond 1e15, which sums cannot hold")
			return
		}
		d.set(p, OfDouble(f))
	case spec.Int:
		i, why := n.integer()
		if why == isWhole && (i > MaxInt || i < -MaxInt) {
			why = tooLarge
		}
		if why == fractions {
			d.violate(p.Name, at, "want an int, got a number with a point or an exponent")
			return
		}
		if why != isWhole {
			d.violate(p.Name, at, "an int beyond 2^53")
			return
		}
		d.set(p, OfInt(i))
	case spec.Decimal:
		minor, why := n.scaled(p.Scale, decimalSlack)
		if why != isWhole {
			d.violate(p.Name, at, "a decimal with "+decimalFault(why))
			return
		}
		d.set(p, OfDecimal(minor))
	case spec.Timestamp:
		if got != "a number" {
			d.wrongType(p, at, got)
			return
		}
		ms, why := epoch(n, p.TimeUnit)
		if why != "" {
			d.violate(p.Name, at, why)
			return
		}
		d.set(p, OfTimestamp(ms))
	default:
		d.wrongType(p, at, got)
	}
}

func decimalFault(w whole) string {
	if w == fractions {
		return "more digits behind the point than its type"
	}
	return "more digits than 64 bits hold"
}

func (d *Decoder) fromBool(p *plan, b bool, at int) {
	if p.Type != spec.Bool {
		d.wrongType(p, at, "a bool")
		return
	}
	d.set(p, OfBool(b))
}

func (d *Decoder) set(p *plan, v Value) { d.ev.Values[p.Index] = v }

func (d *Decoder) wrongType(p *plan, at int, got string) {
	d.violate(p.Name, at, "want "+typeNames[p.Type]+", got "+got)
}

var typeNames = [...]string{
	spec.NoType: "nothing", spec.String: "a string", spec.Int: "an int", spec.Double: "a double",
	spec.Bool: "a bool", spec.Timestamp: "a timestamp", spec.Decimal: "a decimal", spec.Duration: "a duration",
}
