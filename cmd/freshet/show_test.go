package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/record"
)

func TestShortAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 412 * time.Millisecond: "412ms", 3100 * time.Millisecond: "3.1s", 90 * time.Second: "1m30s",
		90 * time.Minute: "1h30m", 72 * time.Hour: "3d", -time.Second: "-1.0s", math.MinInt64: "-106751d", math.MaxInt64: "106751d",
	} {
		if got := shortAge(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 30, 15, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                     {},
		"15m":                  now.Add(-15 * time.Minute),
		"7d":                   now.Add(-7 * 24 * time.Hour),
		"today":                time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC),
		"yesterday":            time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC),
		"12:04":                time.Date(2026, 3, 4, 12, 4, 0, 0, time.UTC),
		"12:04:31":             time.Date(2026, 3, 4, 12, 4, 31, 0, time.UTC),
		"2026-01-05T12:00:00Z": time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC),
	} {
		if got, err := parseWhen("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"soon", "-5m", "25:00", "5", "2026-01-05"} {
		if _, err := parseWhen("since", text, now); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestClipCountsWhatIsSeen(t *testing.T) {
	red := ink{on: true}
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"abcdef", 0, "abcdef"}, {"abcdef", 6, "abcdef"}, {"abcdef", 4, "abc…"}, {"ärger", 3, "är…"},
		{red.bad("abcdef"), 6, red.bad("abcdef")}, {red.bad("abcdef"), 3, "\x1b[1;31mab…\x1b[0m"},
	} {
		if got := clip(c.text, c.width); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestNumbersForReading(t *testing.T) {
	for in, want := range map[string]string{"1": "1", "999": "999", "1000": "1,000", "1234567.50": "1,234,567.50", "-1000": "-1,000", "-100": "-100"} {
		if got := thousands(in); got != want {
			t.Errorf("thousands(%s) = %s, want %s", in, got, want)
		}
	}
	if got := plural(1, "entity") + plural(2, "entity") + plural(0, "line"); got != "1 entity2 entities0 lines" {
		t.Error(got)
	}
}

// A record cannot move the cursor of whoever watches.
func TestControlCharactersAreNotPrinted(t *testing.T) {
	if got := valueText("a\x1b[2Jb\r\n\u009b"); strings.ContainsAny(got, "\x1b\r\n\u009b") {
		t.Errorf("%q", got)
	}
}

const rawSpec = `
version: 1
namespace: shop
sources:
  orders:
    type: kafka
    topic: shop.orders
    format: json
    timestamp_field: at
    output: {topic: shop.scored, key: user, pii: raw}
    fields:
      at:    {type: timestamp}
      user:  {type: string, pii: true, mask: hash}
      card:  {type: string, pii: true, mask: last4}
      phone: {type: string, pii: true, mask: drop}
      kind:  {type: string}
entities:
  user: {key: user}
feature_views:
  by_user:
    version: 1
    source: orders
    entity: user
    ttl: 1d
    features:
      n: {aggregation: count, windows: [1m]}
`

// Where the stream carries personal fields raw, whoever watches sees masks, on
// the screen and as ndjson, with and without the secret.
func TestTailMasksRawStreams(t *testing.T) {
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: "shop.yaml", Data: []byte(rawSpec)}})
	if err != nil || diags.HasErrors() {
		t.Fatal(err, diags)
	}
	const raw = `{"schema_version":1,"event_id":"e1","event_time":"2026-01-05T10:00:00.000Z","source":"orders",` +
		`"event":{"at":"2026-01-05T10:00:00.000Z","user":"canary-user","card":"4242424242421881","phone":"canary-phone","kind":"sale"},` +
		`"entities":{"user":"h_abc"},"features":{"by_user.n_1m":1},"statuses":{},"scores":[],"provenance":{},"processed_at":"2026-01-05T10:00:01.000Z"}`
	for _, secret := range []config.Secret{{}, config.FixedSecret("s")} {
		settings := config.Defaults()
		settings.EntityKeySecret = secret
		v, err := newVeil(specs[0], settings)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		line := &tailLine{source: specs[0].Sources[0], topic: "shop.scored", raw: []byte(raw), record: r}
		if err := v.draw(line); err != nil {
			t.Fatal(err)
		}
		columns := &tailColumns{spec: specs[0], wide: true}
		shown := ndjson(line) + columns.text(line, ink{})
		for _, canary := range []string{"canary", "42424242"} {
			if strings.Contains(shown, canary) {
				t.Errorf("%q is shown in\n%s", canary, shown)
			}
		}
		for _, want := range []string{"1881", "sale", `"by_user.n_1m":1`} {
			if !strings.Contains(shown, want) {
				t.Errorf("%q is not shown in\n%s", want, shown)
			}
		}
	}
}

func TestPercentileOfBuckets(t *testing.T) {
	var nothing *quantile
	if nothing.String() != "-" || (&quantile{Seconds: 0.5}).String() != "≤ 500ms" || (&quantile{Seconds: 10, Over: true}).String() != "> 10.0s" {
		t.Error(nothing, &quantile{Seconds: 0.5})
	}
}
