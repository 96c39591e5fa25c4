package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
)

var update = flag.Bool("update", false, "rewrite what is generated")

// The reference page is the table: it is made from it, and a test fails where
// somebody changes one of them only.
func TestAggregationsPage(t *testing.T) {
	const page = "../../docs/aggregations.md"
	var made bytes.Buffer
	if err := writeAggregationPage(&made, aggregationLines("")); err != nil {
		t.Fatal(err)
	}
	if *update || os.Getenv("FRESHET_UPDATE") != "" {
		if err := os.WriteFile(page, made.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stands, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(stands, made.Bytes()) {
		t.Errorf("docs/aggregations.md differs from the table (%v): go generate ./cmd/freshet", err)
	}
}

// What the language says of an aggregation and what the engine says must agree.
func TestLanguageAndEngineAgreeOnAggregations(t *testing.T) {
	for _, word := range spec.Aggregations {
		a := aggregate.Find(word.Name)
		if a == nil {
			continue
		}
		if a.EventBound != word.EventBound || a.ZeroWhenEmpty != word.ZeroEmpty || a.Past != word.PastOnly || a.Numerator != word.Numerator {
			t.Errorf("%s: the language says %+v, the engine %+v", word.Name, word, *a)
		}
	}
	for _, a := range aggregate.Table {
		if _, ok := spec.AggregationOf(a.Name); !ok {
			t.Errorf("%s is no word of the language", a.Name)
		}
	}
}
