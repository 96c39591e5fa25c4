package verify

import (
	"testing"

	"pgregory.net/rapid"
)

// FuzzEngineEqualsOracle is the duel of one spec and one history, both steered
// by the fuzzer.
func FuzzEngineEqualsOracle(f *testing.F) {
	dir := f.TempDir()
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		d := drawn(t, allOfIt, 1)
		plan, err := compile(dir, d.spec, d.what)
		if err != nil {
			t.Fatalf("%v\n%s", err, d.spec.yaml())
		}
		if err := newDuel(plan, newCounts(), d.spec, d.histories[0].few).run(d.histories[0]); err != nil {
			t.Fatalf("%v\n%s\n%s%s", err, d.spec.yaml(), d.spec.tableRows(), transcript(d.histories[0]))
		}
	}))
}
