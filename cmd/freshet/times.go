package main

import (
	"strconv"
	"strings"
	"time"
)

// parseWhen reads --since and --until: a duration ago, a clock time today, an
// RFC 3339 time, today or yesterday.
func parseWhen(flag, text string, now time.Time) (time.Time, error) {
	switch text {
	case "":
		return time.Time{}, nil
	case "now":
		return now, nil
	case "today", "yesterday":
		year, month, day := now.Date()
		if text == "yesterday" {
			day--
		}
		return time.Date(year, month, day, 0, 0, 0, 0, now.Location()), nil
	}
	if d, ok := ago(text); ok {
		return now.Add(-d), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if clock, err := time.Parse(layout, text); err == nil {
			year, month, day := now.Date()
			return time.Date(year, month, day, clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, &problem{code: exitUsage, next: "freshet help time",
		err: usage("--%s %s: it is 15m, 12:04, 2026-01-05T12:04:00Z, today or yesterday", flag, text)}
}

// ago reads a duration: 90s, 15m, 2h, 7d.
func ago(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
