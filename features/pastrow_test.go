package features_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

const pastRow = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 2h
    filter: 'qty > 0'
    features:
      n: {aggregation: count, windows: [10s]}
      most: {aggregation: max, field: qty, windows: [10s]}
  all:
    version: 1
    source: pay
    entity: card
    ttl: 10s
    features:
      n: {aggregation: count, windows: [10s]}
`

// pastRowOf feeds two events that the filter lets pass and then others an hour
// later, and calls between after the two.
func pastRowOf(r *run, between func()) {
	r.pay("0s", `"card":"a","qty":5`)
	r.pay("3s", `"card":"a","qty":7`)
	between()
	for i := range 40 {
		r.pay(fmt.Sprint(3600+60*i, "s"), `"card":"a","qty":-1`)
	}
}

func rowsOfView(r *run, view string) (rows []string) {
	r.engine.Rows(func(row *features.Row) {
		if row.Layout.View.Name != view {
			return
		}
		text := fmt.Sprint((row.AsOf-start.UnixMilli())/1000, "s")
		for i, c := range row.Layout.Columns {
			text += " " + show(row.Values[i], c.Scale, row.Statuses[i])
		}
		rows = append(rows, text)
	})
	return rows
}

// A batch may be any stretch of time: a row that is to be written at its end is
// that of its event still, whatever a filter has refused since.
func TestS6ARowIsOfItsEventHoweverLongTheBatch(t *testing.T) {
	bothWays(t, specOf(pastRow), func(r *run) {
		pastRowOf(r, func() {})
		if got, want := rowsOfView(r, "v"), []string{"3s 2 7"}; !slices.Equal(got, want) {
			t.Errorf("rows %q, want %q", got, want)
		}
	})
}

// What a row that is written again was made of may have left the log. It is one
// of a later moment then, and not one that knows nothing.
func TestS6ARowThatIsWrittenAgainIsOfALaterMoment(t *testing.T) {
	bothWays(t, specOf(pastRow), func(r *run) {
		pastRowOf(r, r.engine.DropTouches)
		r.engine.DropTouches()
		r.engine.TouchMore(&features.Every{}, 1000, start.UnixMilli()+5_000_000)
		got := rowsOfView(r, "v")
		if want := []string{"5940s 0 null DEFAULT"}; !slices.Equal(got, want) {
			t.Errorf("rows %q, want %q", got, want)
		}
	})
}
