package features_test

import "testing"

func TestS20RateNoveltyEwma(t *testing.T) {
	bothWays(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      rate:  {aggregation: rate, windows: [10s, 1m], per: 1m}
      plain: {aggregation: rate, field: x, windows: [10s]}
      new:   {aggregation: novelty, field: mcc, windows: [5s, 10s]}
      ever:  {aggregation: novelty, field: mcc}
      was:   {aggregation: novelty, field: mcc, windows: [10s], exclude_current: true}
      mean:  {aggregation: ewma, field: amt, half_lives: [2s]}
      then:  {aggregation: ewma, field: amt, half_lives: [2s], delay: 2s}
`), func(r *run) {
		r.pay("0s", `"card":"a","mcc":"one","amt":3,"x":1`)
		r.want("v.rate_10s", "6", "v.rate_1m", "1", "v.plain_10s", "0.1", "v.new_5s", "1", "v.was_10s", "null DEFAULT", "v.mean_hl2s", "3", "v.then_hl2s", "null DEFAULT")
		r.pay("2s", `"card":"a","mcc":"one","amt":6`)
		r.want("v.rate_10s", "12", "v.plain_10s", "0.1", "v.new_5s", "0.5", "v.ever", "0.5", "v.was_10s", "1", "v.mean_hl2s", "5", "v.then_hl2s", "3")
		r.pay("6s", `"card":"a","mcc":"two"`)
		r.want("v.new_5s", "1", "v.new_10s", "0.6666666666666666", "v.was_10s", "0.5", "v.mean_hl2s", "5", "v.then_hl2s", "5")
		r.wantRead("v.rate_10s", "a", "16s", "0")
		r.wantRead("v.new_10s", "a", "11s", "1")
		r.wantRead("v.mean_hl2s", "a", "30m", "5")
	})
}
