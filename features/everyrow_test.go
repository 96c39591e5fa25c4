package features_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/features"
)

// The walk gives the row of every entity as Rows gave it last, in slices between
// which events come.
func TestEveryRowIsTouched(t *testing.T) {
	bothWays(t, everyRow, func(r *run) {
		want := map[string]string{}
		read := func(into map[string]string) {
			r.engine.Rows(func(row *features.Row) {
				into[row.Layout.View.Name+"/"+row.Key] = fmt.Sprint(row.AsOf, row.Values, row.Statuses)
			})
		}
		feed := func(at int, user string, amount int) {
			t.Helper()
			if got := r.record("pay", 0, fmt.Sprint(at, "ms"), fmt.Sprintf(`"user":"%s","card":"k%s","amt":%d`, user, user, amount)); got != "accepted" {
				t.Fatal(got)
			}
		}
		feed(0, "gone", 9)
		read(map[string]string{})
		for i := range 900 {
			feed(100_000+i, fmt.Sprint("u", i%300), i%5)
		}
		read(want)
		got, slices := map[string]string{}, 0
		for from, more := (features.Every{}), true; more; slices++ {
			more = r.engine.TouchMore(&from, 50, start.Add(105*time.Second).UnixMilli())
			read(got)
			for i := range 12 { // some are promoted, some are new
				feed(102_000+slices*12+i, fmt.Sprint("u", slices), i)
				feed(102_000+slices*12+i, fmt.Sprint("n", slices), 0)
			}
			late := map[string]string{}
			read(late)
			maps.Copy(want, late)
			maps.Copy(got, late)
		}
		if slices < 6 {
			t.Errorf("%d slices", slices)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d rows, want %d", len(got), len(want))
		}
		if _, ok := got["v/gone"]; ok || len(want) < 600 {
			t.Errorf("a row whose life has ended: %t; of %d rows", ok, len(want))
		}
	})
}

const everyRow = `
version: 1
namespace: rules
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    allowed_lateness: 1s
    fields:
      at: {type: timestamp}
      user: {type: string}
      card: {type: string}
      amt: {type: int}
entities:
  user: {key: user}
  card: {key: card}
feature_views:
  v:
    version: 1
    source: pay
    entity: user
    ttl: 60s
    features:
      n: {aggregation: count, windows: [1m]}
  big:
    version: 1
    source: pay
    entity: user
    ttl: 60s
    filter: 'amt > 2'
    features:
      s: {aggregation: sum, field: amt, windows: [10s]}
  c:
    version: 1
    source: pay
    entity: card
    ttl: 60s
    features:
      cards: {aggregation: count_distinct, field: user, windows: [1m]}
`
