package spectest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
)

const vacuousSpec = `version: 1
namespace: x
sources:
  s:
    type: kafka
    topic: t
    timestamp_field: at
    fields: {at: {type: timestamp}, user: {type: string}, n: {type: double, optional: true}}
entities: {user: {key: user}}
feature_views:
  v:
    source: s
    entity: user
    ttl: 1d
    features:
      count: {aggregation: count, windows: [1m]}
      few:   {aggregation: count, windows: [1m], min_count: 3}
      ratio: {aggregation: ratio, numerator: 'n > 1', windows: [1m], min_count: 3, default: 0}
      last:  {aggregation: last, field: n}
      names: {aggregation: list_last, field: user, limit: 3}
    derived:
      more:   {expr: 'count_1m + 1'}
      gone:   {expr: 'last + 1', default: 7}
tests:
  - name: one
    source: s
    start: 2026-01-05T10:00:00Z
    given: [{at: 0s, user: u1, n: 5}]
    expect:
      - {at: %s, entity: {user: u1}, %s}
`

func TestVacuousExpectations(t *testing.T) {
	for _, c := range []struct {
		at, lines string
		found     string // the features that the tests show nothing of; "test": the test
	}{
		{"0s", "features: {v.count_1m: 1}", ""},
		{"1m", "features: {v.count_1m: 0}", "v.count_1m test"},
		{"1m", "features: {v.count_1m: {below: 1}, v.last: 5}", "v.count_1m"},
		{"1m", "features: {v.count_1m: {above: 0}}", ""},
		{"1m", "features: {v.few_1m: null, v.ratio_1m: 0, v.last: null}", "v.few_1m v.ratio_1m v.last test"},
		{"1m", "features: {v.ratio_1m: {approx: 0.0, abs: 0.1}}, dropped: {late: 0}", "v.ratio_1m test"},
		{"1m", "features: {v.ratio_1m: 0}, dropped: {late: 1}", "v.ratio_1m"},
		{"1m", "features: {v.more: 1}", "v.more test"},
		{"1m", "features: {v.more: 2}", ""},
		{"1m", "features: {v.gone: 7, v.names: []}", "v.gone v.names test"},
		{"1m", "features: {v.names: [u1]}", ""},
		{"1m", "statuses: {v.count_1m: NOT_FOUND}", "test"},
		{"1m", "features: {v.count_1m: 0}, statuses: {v.count_1m: PRESENT}", ""},
	} {
		specs, diags, err := spec.LoadFiles([]spec.File{{Name: "x.yaml", Data: fmt.Appendf(nil, vacuousSpec, c.at, c.lines)}})
		if err != nil || len(specs) != 1 {
			t.Fatalf("%s: %v %v", c.lines, diags, err)
		}
		var found []string
		test := false
		for _, d := range Vacuous(specs[0]) {
			if name, ok := strings.CutPrefix(d.Message, "the tests show nothing of "); ok {
				name, _, _ = strings.Cut(name, ":")
				found = append(found, name)
			} else {
				test = true
			}
		}
		if test {
			found = append(found, "test")
		}
		if got := strings.Join(found, " "); got != c.found {
			t.Errorf("at %s %s: found %q, want %q", c.at, c.lines, got, c.found)
		}
	}
}
