package spectest

import (
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
)

func TestCoverageKnowsWhatIsPartOfWhat(t *testing.T) {
	specs, diags, err := spec.Load([]string{"../../examples/quickstart"})
	if err != nil || len(specs) != 1 {
		t.Fatal(diags, err)
	}
	s := specs[0]
	feature := func(name string) *spec.Feature {
		f, ok := s.Feature(name)
		if !ok {
			t.Fatalf("no feature %s", name)
		}
		return f
	}
	named := spec.Expect{Features: []spec.Want{{Feature: feature("card_geo.travel_kmh")}}}
	c := CoverageOf(s, []*spec.Test{{Expect: []spec.Expect{named}}})
	if strings.Join(c.Named, " ") != "card_geo.travel_kmh" {
		t.Errorf("named: %v", c.Named)
	}
	if strings.Join(c.Through, " ") != "card_geo.prev_lat card_geo.prev_lon card_geo.prev_secs card_geo.travel_km" {
		t.Errorf("part of it: %v", c.Through)
	}
	rules := spec.Expect{Reasons: []spec.WantReasons{{Model: s.Models[0]}}}
	if c = CoverageOf(s, []*spec.Test{{Expect: []spec.Expect{rules}}}); len(c.Named) != 0 || len(c.Through) < 5 {
		t.Errorf("of rules: %v", c)
	}
	if c = CoverageOf(s, nil); len(c.Named)+len(c.Through) != 0 || len(c.None) < 50 {
		t.Errorf("of nothing: %d, %d, %d", len(c.Named), len(c.Through), len(c.None))
	}
}
