package main

import (
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/examples"
	"github.com/freshet-dev/freshet/sinks/record"
)

// Why an event was stopped is what a line is for: it must be seen on the 80
// columns that a terminal has where nobody has made it larger.
func TestReasonsFitEightyColumns(t *testing.T) {
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: examples.QuickstartName, Data: examples.Quickstart}})
	if err != nil || diags.HasErrors() {
		t.Fatal(err, diags)
	}
	r, err := record.Decode([]byte(`{"schema_version":1,"event_id":"e1","event_time":"2026-01-05T10:00:00.000Z","source":"payments",` +
		`"event":{"card_id":"••••4624","amount":1040.5,"channel":"ecom","status":"declined","country":"DE"},"entities":{"card":"h_abc"},` +
		`"features":{},"statuses":{},"scores":[{"model":"payment_risk@1","score":1,"band":"review","reasons":[{"code":"CARD_TESTING"},{"code":"VEL"}]}],` +
		`"provenance":{},"processed_at":"2026-01-05T10:00:01.000Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	source, _ := specs[0].Source("payments")
	line := &tailLine{source: source, record: r}
	for width, want := range map[int][]string{
		80:  {"••••4624", "€1,040.50", "CARD_TESTING"},
		130: {"••••4624", "€1,040.50", "CARD_TESTING VEL", "ecom", "declined", "DE", "+1.0s"},
	} {
		columns := &tailColumns{spec: specs[0], narrow: isNarrow(width)}
		text := clip(columns.text(line, ink{}), width)
		for _, word := range want {
			if !strings.Contains(text, word) {
				t.Errorf("%d columns: no %s in %q", width, word, text)
			}
		}
	}
	if isNarrow(0) {
		t.Error("a pipe is narrow")
	}
}

func TestNextStepsCanBeTyped(t *testing.T) {
	for arg0, want := range map[string]string{"freshet": "freshet", "./bin/freshet": "./bin/freshet"} {
		if got := calledAs(arg0); got != want {
			t.Errorf("%s: %s", arg0, got)
		}
	}
}
