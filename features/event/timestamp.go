package event

// The range of event times: [2000-01-01, 2100-01-01) in UTC, in ms (S12).
const (
	MinTime int64 = 946684800000
	MaxTime int64 = 4102444800000
)

// ParseTime reads an RFC 3339 time and floors it to the millisecond. The second
// result is why it is refused, "" if it is not. Leap seconds are refused, as in
// Go's own parser: they have no place in milliseconds since 1970.
func ParseTime(s string) (ms int64, why string) {
	// 2006-01-02T15:04:05[.999](Z|+07:00)
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return 0, "not an RFC 3339 time"
	}
	year := digits2(s, 0)*100 + digits2(s, 2)
	month, day := digits2(s, 5), digits2(s, 8)
	hour, minute, second := digits2(s, 11), digits2(s, 14), digits2(s, 17)
	if digits2(s, 0) < 0 || digits2(s, 2) < 0 || month < 1 || month > 12 || day < 1 ||
		uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 {
		return 0, "not an RFC 3339 time"
	}
	if day > daysIn(year, month) {
		return 0, "a day that the month does not have"
	}
	rest := s[19:]
	milli := 0
	if len(rest) > 0 && rest[0] == '.' {
		i := 1
		for unit := 100; i < len(rest) && isDigit(rest[i]); i, unit = i+1, unit/10 {
			milli += int(rest[i]-'0') * unit
		}
		if i == 1 {
			return 0, "not an RFC 3339 time"
		}
		rest = rest[i:]
	}
	offset, why := zone(rest)
	if why != "" {
		return 0, why
	}
	ms = (int64(daysSince1970(year, month, day))*1440+int64(hour*60+minute-offset))*60000 +
		int64(second*1000+milli)
	return ms, outside(ms)
}

// outside is why a time is refused, "" where it is in range.
func outside(ms int64) string {
	if ms < MinTime || ms >= MaxTime {
		return "a time outside 2000 to 2100"
	}
	return ""
}

// zone reads Z or ±hh:mm: the offset in minutes.
func zone(s string) (minutes int, why string) {
	if s == "" {
		return 0, "a time without a zone"
	}
	if s == "Z" || s == "z" {
		return 0, ""
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, "not an RFC 3339 time"
	}
	h, m := digits2(s, 1), digits2(s, 4)
	if uint(h) > 23 || uint(m) > 59 {
		return 0, "not an RFC 3339 time"
	}
	if s[0] == '-' {
		return -(h*60 + m), ""
	}
	return h*60 + m, ""
}

// digits2 is the two-digit number at i, negative if there is none.
func digits2(s string, i int) int {
	if !isDigit(s[i]) || !isDigit(s[i+1]) {
		return -1 << 20
	}
	return int(s[i]-'0')*10 + int(s[i+1]-'0')
}

var monthDays = [...]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysIn(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return monthDays[month]
}

// daysSince1970 counts days in the proleptic Gregorian calendar, for years from
// 0 on: whole years up to a March 1st, whose months have a regular rhythm.
func daysSince1970(year, month, day int) int {
	if month < 3 {
		year--
		month += 12
	}
	return 365*year + floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400) +
		(153*month-457)/5 + day - 719469
}

func floorDiv(a, b int) int {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}

// epoch is a number of a field's unit as milliseconds, floored.
func epoch(n number, unit string) (ms int64, why string) {
	v, w := n.integer()
	if w == fractions {
		return 0, "want a whole number of " + unitName(unit)
	}
	if w == tooLarge {
		return 0, outside(MaxTime)
	}
	switch unit {
	case "s":
		if v > MaxTime/1000 || v < 0 {
			return 0, outside(MaxTime)
		}
		v *= 1000
	case "us":
		v = floorDiv64(v, 1000)
	case "ns":
		v = floorDiv64(v, 1_000_000)
	}
	return v, outside(v)
}

func unitName(unit string) string {
	if unit == "" {
		return "ms"
	}
	return unit
}

func floorDiv64(a, b int64) int64 {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}
