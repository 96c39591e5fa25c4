package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds every duration in a spec: no window reaches behind the
// first time that an event may have (S12).
const maxDuration = 100 * 366 * 24 * time.Hour

var durationUnits = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// ParseDuration reads a duration as specs write it (S32).
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text) }

// parseDuration reads a duration as S32 writes it: a whole number without a
// leading zero, and one of ms s m h d.
func parseDuration(text string) (time.Duration, error) {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	unit, known := durationUnits[text[digits:]]
	if digits == 0 || text[0] == '0' || !known {
		return 0, fmt.Errorf("%q is not a duration: write a whole number and one of ms s m h d, such as 90s or 24h", text)
	}
	n, err := strconv.ParseInt(text[:digits], 10, 64)
	if err != nil || n > int64(maxDuration/unit) {
		return 0, fmt.Errorf("%q is longer than a hundred years", text)
	}
	return time.Duration(n) * unit, nil
}

// meantUnits are other spellings of units, in lower case. A month or a year is
// what people mean by 30 or 365 days.
var meantUnits = map[string]time.Duration{
	"msec": time.Millisecond, "millis": time.Millisecond, "millisecond": time.Millisecond, "sec": time.Second, "second": time.Second,
	"min": time.Minute, "minute": time.Minute, "hr": time.Hour, "hour": time.Hour, "day": 24 * time.Hour, "w": 7 * 24 * time.Hour, "wk": 7 * 24 * time.Hour,
	"week": 7 * 24 * time.Hour, "mo": 30 * 24 * time.Hour, "mon": 30 * 24 * time.Hour, "month": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
	"yr": 365 * 24 * time.Hour, "year": 365 * 24 * time.Hour,
}

var durationPart = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([a-z]+) ?`)

// meantDuration says how a text that is no duration is written as one: 1w,
// 1.5h, 1h30m, "2 hours", 3600. It is "" where that cannot be told.
func meantDuration(text string) string {
	if strings.Contains(text, "${") {
		return "write it out: ${VAR} is for the connection values of sources and outputs, never for logic"
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil && strings.Trim(text, "0") != "" {
		return "write its unit: " + text + "s"
	}
	total, rest := time.Duration(0), strings.ToLower(strings.TrimSpace(text))
	if bare := strings.ReplaceAll(rest, " ", ""); bare != "" {
		if _, err := parseDuration(bare); err == nil {
			return "write " + bare // 24H stays 24h
		}
	}
	for rest != "" {
		part := durationPart.FindStringSubmatch(rest)
		if part == nil {
			return ""
		}
		unit, known := durationUnits[part[2]]
		if !known {
			if unit, known = meantUnits[part[2]]; !known {
				unit, known = meantUnits[strings.TrimSuffix(part[2], "s")]
			}
		}
		n, err := strconv.ParseFloat(part[1], 64)
		if !known || err != nil || n > float64((maxDuration-total)/unit) {
			return ""
		}
		total += time.Duration(math.Round(n * float64(unit)))
		rest = rest[len(part[0]):]
	}
	if total < time.Millisecond || total%time.Millisecond != 0 {
		return ""
	}
	return "write " + FormatDuration(total)
}

// parseOffset reads a place in a test: a duration, or 0s.
func parseOffset(text string) (time.Duration, error) {
	if len(text) > 1 && text[0] == '0' {
		if _, known := durationUnits[text[1:]]; known {
			return 0, nil
		}
	}
	return parseDuration(text)
}

// The range that every event time lies in (S12).
var (
	minTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// parseTimestamp reads RFC 3339 with a zone, floored to the millisecond (S12).
func parseTimestamp(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("write RFC 3339 with a zone, such as 2026-01-05T10:00:00Z")
	}
	if t.Before(minTime) || !t.Before(maxTime) {
		return t, fmt.Errorf("it lies outside the years 2000 to 2099")
	}
	return t.UTC().Truncate(time.Millisecond), nil
}

// FormatDuration writes a duration as S32 reads it: in the largest unit that
// holds it whole.
func FormatDuration(d time.Duration) string {
	for _, u := range [...]string{"d", "h", "m", "s"} {
		if unit := durationUnits[u]; d >= unit && d%unit == 0 {
			return strconv.FormatInt(int64(d/unit), 10) + u
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}
