package record

import "unicode"

// The length of a card number in digits (ISO/IEC 7812).
const (
	minCardDigits = 13
	maxCardDigits = 19
)

// hideCardNumbers replaces the digits of whatever looks like a card number: 13
// to 19 digits in a row, single spaces, dashes or dots between them allowed,
// whose check digit holds, alone or with other digits around them (an expiry
// date that follows). Digits of any script count. Of random numbers of 13 digits
// one in ten is hidden without need, of 16 digits two in three: the safe side.
func hideCardNumbers(s string) string {
	runes := []rune(s)
	hidden := false
	for i := 0; i < len(runes); {
		if digit(runes[i]) < 0 {
			i++
			continue
		}
		end, values := digitRun(runes, i)
		if holdsCardNumber(values) {
			hidden = true
			for j := i; j < end; j++ {
				if digit(runes[j]) >= 0 {
					runes[j] = '*'
				}
			}
		}
		i = end
	}
	if !hidden {
		return s
	}
	return string(runes)
}

// digitRun collects the digits from i on, to the end of the run.
func digitRun(runes []rune, i int) (end int, values []int) {
	for end = i; end < len(runes); {
		if d := digit(runes[end]); d >= 0 {
			values = append(values, d)
			end++
			continue
		}
		if !separator(runes[end]) || end+1 == len(runes) || digit(runes[end+1]) < 0 {
			break
		}
		end++
	}
	return end, values
}

func separator(r rune) bool {
	return r == '-' || r == '.' || r == '_' || unicode.IsSpace(r)
}

// holdsCardNumber reports whether any 13 to 19 neighbours pass the Luhn check.
func holdsCardNumber(values []int) bool {
	for from := range values {
		for n := minCardDigits; n <= maxCardDigits && from+n <= len(values); n++ {
			if luhn(values[from : from+n]) {
				return true
			}
		}
	}
	return false
}

func luhn(values []int) bool {
	sum := 0
	for i := range values {
		d := values[len(values)-1-i]
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// digit is the value of a decimal digit of any script, -1 for other runes.
func digit(r rune) int {
	if r < 0x80 {
		if r >= '0' && r <= '9' {
			return int(r - '0')
		}
		return -1
	}
	for _, rg := range unicode.Nd.R16 {
		if r >= rune(rg.Lo) && r <= rune(rg.Hi) {
			return int(r-rune(rg.Lo)) % 10 // each script's digits begin with its zero
		}
	}
	for _, rg := range unicode.Nd.R32 {
		if r >= rune(rg.Lo) && r <= rune(rg.Hi) {
			return int(r-rune(rg.Lo)) % 10
		}
	}
	return -1
}
