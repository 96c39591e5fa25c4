package features_test

import "testing"

// What moves without edges is a row's column that moves, and so is what is
// derived from it; a count is not (S27). A read evaluates it at its own time.
func TestS27TimeSinceMovesWithoutAnEvent(t *testing.T) {
	r := newRun(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      n:     {aggregation: count, windows: [1m]}
      since: {aggregation: time_since_last, unit: seconds}
    derived:
      idle: {expr: 'since / 60'}
`))
	moves := map[string]bool{}
	for _, c := range r.plan.Rows()[0].Columns {
		moves[c.Feature.Short] = c.Moves
	}
	if moves["n_1m"] || !moves["since"] || !moves["idle"] {
		t.Errorf("columns that move: %v, want since and idle", moves)
	}
	r.pay("0s", `"card":"a"`)
	r.want("v.since", "0", "v.idle", "0")
	r.wantRead("v.since", "a", "90s", "90")
	r.wantRead("v.idle", "a", "90s", "1.5")
	r.wantRead("v.since", "a", "91001ms", "91.001")
}

// TestS09ALateEventExactlyAWindowOldHasLeftIt: it is put in front of the tail of
// a running window, and must not be taken out of it later.
func TestS09ALateEventExactlyAWindowOldHasLeftIt(t *testing.T) {
	for _, few := range []int{0, 1} {
		r := newRunOf(t, specOf(counting), few)
		for _, at := range []string{"5s", "12s", "15s"} {
			r.pay(at, `"card":"a"`)
		}
		r.pay("5s", `"card":"a"`)
		r.want("v.n_10s", "2")
		r.wantRead("v.n_10s", "a", "15s", "2")
		r.pay("16s", `"card":"a"`)
		r.want("v.n_10s", "3")
	}
}
