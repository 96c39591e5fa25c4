package mask

// The length of a card number in digits (ISO/IEC 7812).
const (
	leastCardDigits = 13
	mostCardDigits  = 19
)

// HideCardNumbers takes the digits out of the card numbers in a text: 13 to 19
// digits that begin as those of an issuer do and whose check digit holds, as one
// group or as several with a space, dash, dot or underscore between. Of random
// numbers of 16 digits one in twenty-five looks so. A text without any is
// returned as it is, without allocating.
func HideCardNumbers(s string) (hidden string, found bool) {
	var out []byte
	for from, to := nextCardNumber(s, 0); to > 0; from, to = nextCardNumber(s, to) {
		if out == nil {
			out = []byte(s)
		}
		for j := from; j < to; j++ {
			if isDigit(out[j]) {
				out[j] = '*'
			}
		}
	}
	if out == nil {
		return s, false
	}
	return string(out), true
}

// HasCardNumber reports whether HideCardNumbers would hide something.
func HasCardNumber(s string) bool {
	_, to := nextCardNumber(s, 0)
	return to > 0
}

// nextCardNumber is the first card number from i on, which is not within a group
// of digits; to is 0 where there is none.
func nextCardNumber(s string, i int) (from, to int) {
	for len(s)-i >= leastCardDigits {
		if !isDigit(s[i]) {
			i++
			continue
		}
		end := runEnd(s, i)
		for i < end {
			if to := cardNumberAt(s, i, end); to > 0 {
				return i, to
			}
			i = nextGroup(s, i, end)
		}
	}
	return 0, 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isSeparator(c byte) bool { return c == ' ' || c == '-' || c == '.' || c == '_' }

// runEnd is the end of a run of digits with single separators between them.
func runEnd(s string, i int) int {
	for i < len(s) && (isDigit(s[i]) || isSeparator(s[i]) && i+1 < len(s) && isDigit(s[i+1])) {
		i++
	}
	return i
}

// nextGroup is where the next group of digits begins.
func nextGroup(s string, i, end int) int {
	for i < end && isDigit(s[i]) {
		i++
	}
	return min(i+1, end)
}

// cardNumberAt is the end of the card number that begins at from, with a group,
// and ends with one; 0: there is none.
func cardNumberAt(s string, from, end int) int {
	var digits [mostCardDigits]byte
	n := 0
	for i := from; i < end; i++ {
		if !isDigit(s[i]) {
			continue
		}
		if n == mostCardDigits {
			return 0
		}
		digits[n] = s[i] - '0'
		n++
		if n >= leastCardDigits && (i+1 == end || !isDigit(s[i+1])) && issued(digits[:n]) && luhn(digits[:n]) {
			return i + 1
		}
	}
	return 0
}

// issued reports whether a number begins as one of the card schemes' do, and is
// as long as theirs are.
func issued(d []byte) bool {
	two := int(d[0])*10 + int(d[1])
	four := two*100 + int(d[2])*10 + int(d[3])
	n := len(d)
	switch {
	case d[0] == 4:
		return n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720, four >= 2200 && four <= 2204:
		return n == 16
	case two == 34, two == 37:
		return n == 15
	case two == 36, two == 38, two == 39, four/10 >= 300 && four/10 <= 305:
		return n >= 14
	case four >= 3528 && four <= 3589, two == 62, two == 60, two == 64, two == 65, two == 81:
		return n >= 16
	case two == 50, two >= 56 && two <= 59, two == 61, two == 63, two >= 66 && two <= 69:
		return true // Maestro
	}
	return false
}

func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		x := int(d[len(d)-1-i])
		if i%2 == 1 {
			if x *= 2; x > 9 {
				x -= 9
			}
		}
		sum += x
	}
	return sum%10 == 0
}
