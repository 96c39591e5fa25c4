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

// What is nearly a duration is told how it is written.
func TestMeantDurations(t *testing.T) {
	for text, want := range map[string]string{
		"1w": "write 7d", "2 weeks": "write 14d", "1.5h": "write 90m", "1h30m": "write 90m", "1 hour 30 minutes": "write 90m", "24H": "write 24h",
		"1 h": "write 1h", "90 sec": "write 90s", "500 millis": "write 500ms", "1mo": "write 30d", "1y": "write 365d", "3600": "write its unit: 3600s",
		"0.5s": "write 500ms", "1us": "", "0h": "", "0": "", "-1h": "", "h": "", "": "", "forever": "", "1h-": "", "1e3h": "", "200y": "", "99999999999999d": "",
		"0.0001ms": "", "${W:1h}": "write it out: ${VAR} is for the connection values of sources and outputs, never for logic",
	} {
		if got := meantDuration(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
