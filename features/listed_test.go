package features_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// What few events bear, over windows of many.
const rarely = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 10m
    features:
      last:  {aggregation: last, field: amt, filter: 'ok', windows: [20s, 200s]}
      first: {aggregation: first, field: amt, filter: 'ok', windows: [20s, 200s]}
      then:  {aggregation: last, field: amt, filter: 'ok', windows: [20s, 200s], delay: 31s}
      began: {aggregation: first, field: amt, filter: 'ok', windows: [20s, 200s], delay: 31s}
      list:  {aggregation: list_last, field: amt, filter: 'ok', limit: 2, windows: [200s]}
      lists: {aggregation: list_last, field: amt, filter: 'ok', limit: 2, windows: [200s], delay: 31s}
`

// Rows with a bit that few have are found in a list of their times: late ones, and
// those of one time, as well as by a look at every row.
func TestS24WhatFewEventsBearIsFoundWhereverItCame(t *testing.T) {
	listed, each := newRunOf(t, specOf(rarely), 1), newRunOf(t, specOf(rarely), 1<<20)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range 3000 {
		at := 500 * (i - rng.IntN(2)*rng.IntN(100))
		fields := fmt.Sprintf(`"id":"%d","card":"a","amt":%d,"ok":%t`, i, i, rng.IntN(24) == 0)
		for _, r := range []*run{listed, each} {
			r.pay(fmt.Sprintf("%dms", max(0, at)), fields)
		}
		got, want := listed.vectors[0], each.vectors[0]
		for j := range want.Values {
			if got.Statuses[j] != want.Statuses[j] || !alike(got.Values[j], want.Values[j]) {
				t.Fatalf("event %d, value %d: %v %v, want %v %v", i, j, got.Values[j], got.Statuses[j], want.Values[j], want.Statuses[j])
			}
		}
	}
}
