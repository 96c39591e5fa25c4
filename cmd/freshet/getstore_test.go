package main

import (
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// The store holds the map of a feature with `by`, a service lists one category.
func TestS25ACategoryOfAStoredMap(t *testing.T) {
	of := func(aggregation string, defaults ...float64) *spec.Feature {
		f := &spec.Feature{View: &spec.View{Name: "v", Latest: true}, Short: "x_1h", Type: spec.Map, Def: &spec.Definition{Aggregation: aggregation}}
		for _, d := range defaults {
			f.Def.HasDefault, f.Def.Default = true, spec.Literal{Type: spec.Double, Num: d}
		}
		return f
	}
	null := of("sum")
	null.Def.HasDefault = true
	few := of("sum")
	few.Def.MinCount = 2
	for _, c := range []struct {
		name   string
		of     *spec.Feature
		value  string
		status features.Status
		want   string
		is     features.Status
	}{
		{"of the top", of("sum"), `{"a":5,"b":2,"other":9}`, features.Present, "5", features.Present},
		{"degraded", of("sum"), `{"a":5}`, features.Degraded, "5", features.Degraded},
		{"behind the top", of("sum"), `{"b":2,"other":9}`, features.Present, "null", features.Default},
		{"behind the top, with a default", of("sum", -1), `{"b":2,"other":9}`, features.Present, "-1", features.Default},
		{"nowhere, of a sum", of("sum"), `{"b":2}`, features.Present, "0", features.Present},
		{"nowhere, of a mean", of("mean"), `{"b":2}`, features.Present, "null", features.Default},
		{"nowhere, with a default", of("sum", 7), `{"b":2}`, features.Present, "7", features.Default},
		{"nowhere, and null by default", null, `{"b":2}`, features.Present, "null", features.Default},
		{"nowhere, of a sum of at least two", few, `{"b":2}`, features.Present, "null", features.Default},
		{"null in the map", of("stddev"), `{"a":null}`, features.Present, "null", features.Default},
		{"no map that can be read", of("sum"), `[`, features.Present, "null", features.Error},
	} {
		got := cell{name: c.of.Full(), of: c.of, value: c.value, has: true, status: c.status}.inCategory(spec.OfCategory("a"))
		if string(got.json()) != c.want || got.status != c.is || got.name != `v.x_1h["a"]` {
			t.Errorf("%s: %s %s = %s, want %s %s", c.name, got.name, got.json(), got.status, c.want, c.is)
		}
	}
	nothing := cell{of: of("mean", -1), at: time.UnixMilli(1), status: features.Default}.inCategory(spec.OfCategory("a"))
	if string(nothing.json()) != "-1" || nothing.status != features.Default {
		t.Errorf("of a row without a map: %s %s", nothing.json(), nothing.status)
	}
	bound := cell{of: of("zscore", -1), at: time.UnixMilli(1), status: features.NeedsEvent}.inCategory(spec.OfCategory("a"))
	if string(bound.json()) != "null" || bound.status != features.NeedsEvent {
		t.Errorf("of what needs an event: %s %s", bound.json(), bound.status)
	}
	empty := cell{of: of("sum"), value: `{"":3,"a":5}`, has: true, status: features.Present}.inCategory(spec.OfCategory(""))
	if string(empty.json()) != "3" {
		t.Errorf("of no name: %s %s", empty.json(), empty.status)
	}
	none := cell{of: of("sum"), status: features.NotFound}.inCategory(spec.OfCategory("a"))
	if string(none.json()) != "null" || none.status != features.NotFound {
		t.Errorf("of no row: %s %s", none.json(), none.status)
	}
}
