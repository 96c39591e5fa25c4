package spec

import (
	"testing"
	"time"
)

func TestS32Durations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1ms": time.Millisecond, "90s": 90 * time.Second, "10m": 10 * time.Minute, "24h": 24 * time.Hour, "30d": 30 * 24 * time.Hour,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s", "5", "0s", "05s", "1.5h", "1h30m", "-1s", "1 s", "1w", "1H", "1us", "40000d", "99999999999999999999s"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}
