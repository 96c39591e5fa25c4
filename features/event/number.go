package event

import "strconv"

// number is a JSON number as written: ±mant × 10^exp. mant holds the first 19
// significant digits; lost says that non-zero ones follow.
type number struct {
	text string
	mant uint64
	exp  int
	neg  bool
	lost bool
	bare bool // digits only, without a point or an exponent: an int
}

const (
	fullMant = 1e18 // from here on mant takes no further digit
	maxExp   = 1e6  // exponents are clamped here: far beyond every type
)

// number reads a number of the record.
func (d *Decoder) number() (number, bool) {
	n, end := scanNumber(d.raw, d.pos)
	if end < 0 {
		return n, d.fail(d.pos, "a malformed number")
	}
	d.pos = end
	return n, true
}

// numberOf reads a text that must be one number, in JSON's grammar.
func numberOf(s string) (number, bool) {
	n, end := scanNumber(bytesOf(s), 0)
	return n, end == len(s)
}

// scanNumber reads the number at from and says where it ends, -1 if it is none.
func scanNumber(b []byte, from int) (n number, end int) {
	i := from
	if i < len(b) && b[i] == '-' {
		n.neg = true
		i++
	}
	whole := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		if n.mant < fullMant {
			n.mant = n.mant*10 + uint64(b[i]-'0')
		} else {
			n.exp++
			n.lost = n.lost || b[i] != '0'
		}
	}
	if i == whole || b[whole] == '0' && i > whole+1 {
		return n, -1
	}
	n.bare = true
	if i < len(b) && b[i] == '.' {
		n.bare = false
		i++
		fraction := i
		for ; i < len(b) && isDigit(b[i]); i++ {
			if n.mant < fullMant {
				n.mant = n.mant*10 + uint64(b[i]-'0')
				n.exp--
			} else {
				n.lost = n.lost || b[i] != '0'
			}
		}
		if i == fraction {
			return n, -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		exp, next := scanExponent(b, i+1)
		if next < 0 {
			return n, -1
		}
		n.exp += exp
		n.bare = false
		i = next
	}
	n.text = alias(b[from:i])
	return n, i
}

func scanExponent(b []byte, i int) (exp, end int) {
	neg := false
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		neg = b[i] == '-'
		i++
	}
	first := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		exp = min(exp*10+int(b[i]-'0'), maxExp)
	}
	if i == first {
		return 0, -1
	}
	if neg {
		exp = -exp
	}
	return exp, i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// exactPow10 are the powers of ten that are doubles.
var exactPow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// double is the nearest double, false beyond the largest.
func (n number) double() (float64, bool) {
	if !n.lost && n.mant <= MaxInt && -22 <= n.exp && n.exp <= 22 {
		// Both are exact, so that the one rounding below is the right one.
		f := float64(n.mant)
		if n.exp < 0 {
			f /= exactPow10[-n.exp]
		} else {
			f *= exactPow10[n.exp]
		}
		if n.neg {
			f = -f
		}
		return f, true
	}
	f, err := strconv.ParseFloat(n.text, 64)
	return f, err == nil
}

// pow10 holds the powers of ten that are uint64.
var pow10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
	1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// whole is why a number is no int64, or "".
type whole string

const (
	isWhole   whole = ""
	fractions whole = "more digits than the type has"
	tooLarge  whole = "out of range"
)

// scaled is the number × 10^scale as an int64, where a fraction lies off a whole
// number by at most slack, a power of ten that is 0 or less.
func (n number) scaled(scale, slack int) (int64, whole) {
	exp := n.exp + scale
	units, why := n.mant, isWhole
	if exp >= 0 {
		for ; exp > 0 && units != 0 && why == isWhole; exp-- {
			if units > 1<<63/10 {
				why = tooLarge
			}
			units *= 10
		}
		if n.lost && why == isWhole {
			why = fractions // 19 digits before the point and more behind it
		}
	} else {
		units, why = n.rounded(-exp, slack)
	}
	if why == isWhole && units > 1<<63-1 {
		why = tooLarge
	}
	if why != isWhole {
		return 0, why
	}
	if n.neg {
		return -int64(units), isWhole
	}
	return int64(units), isWhole
}

// integer is the number as an int64. It must be written as one: 1.0 and 1e3 are
// doubles, and a field that has become one has changed its type.
func (n number) integer() (int64, whole) {
	if !n.bare {
		return 0, fractions
	}
	return n.scaled(0, 0)
}

// rounded is mant / 10^k for k > 0 where that lies within 10^slack of a whole
// number.
func (n number) rounded(k, slack int) (uint64, whole) {
	var q, r uint64 // mant = q × 10^k + r
	if k < len(pow10) {
		q, r = n.mant/pow10[k], n.mant%pow10[k]
	} else {
		r = n.mant
	}
	if r == 0 && !n.lost {
		return q, isWhole
	}
	off := k + slack // the slack is 10^off units of r
	if off < 0 {
		return 0, fractions
	}
	if off >= len(pow10) {
		return q, isWhole // mant < 10^19, and q is 0
	}
	// The lost digits add less than one unit to r.
	if r < pow10[off] || r == pow10[off] && !n.lost {
		return q, isWhole
	}
	if k < len(pow10) && r >= pow10[k]-pow10[off] {
		return q + 1, isWhole
	}
	return 0, fractions
}
