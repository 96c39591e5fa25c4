package features_test

import (
	"math"
	"strconv"
	"testing"
)

func TestS20ModeIsTheMostFrequentOfTiesTheSmallest(t *testing.T) {
	bothWays(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 20s
    features:
      kind:  {aggregation: mode, field: mcc, windows: [5s]}
      ever:  {aggregation: mode, field: mcc}
      was:   {aggregation: mode, field: mcc, windows: [5s], exclude_current: true}
      then:  {aggregation: mode, field: mcc, windows: [5s], delay: 2s}
      num:   {aggregation: mode, field: x, windows: [5s]}
      money: {aggregation: mode, field: amt, windows: [5s]}
      truth: {aggregation: mode, field: ok, windows: [5s]}
`), func(r *run) {
		r.pay("0s", `"card":"a","mcc":"b","x":-1,"amt":-2,"ok":true`)
		r.want("v.kind_5s", "b", "v.was_5s", "null DEFAULT", "v.num_5s", "-1", "v.money_5s", "-2", "v.truth_5s", "true")
		r.pay("1s", `"card":"a","mcc":"a","x":-3,"amt":1,"ok":false`)
		r.want("v.kind_5s", "a", "v.was_5s", "b", "v.num_5s", "-3", "v.money_5s", "-2", "v.truth_5s", "false")
		r.pay("2s", `"card":"a","mcc":"b","x":2,"amt":1`)
		r.want("v.kind_5s", "b", "v.was_5s", "a", "v.then_5s", "b", "v.num_5s", "-3", "v.money_5s", "1")
		r.pay("5s", `"card":"a","mcc":"c"`)
		r.want("v.kind_5s", "a", "v.ever", "b", "v.then_5s", "b")
		r.pay("500ms", `"card":"a","mcc":"c"`)
		r.pay("6s", `"card":"a"`)
		r.want("v.kind_5s", "b", "v.ever", "b", "v.num_5s", "2")
		r.wantRead("v.kind_5s", "a", "9s", "c")
		r.wantRead("v.then_5s", "a", "9s", "c")
	})
}

// A value that is alone in its bucket, or that all in it are, is no middle.
func TestS20QuantileOfEqualValuesIsTheValue(t *testing.T) {
	bothWays(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 20s
    features:
      half: {aggregation: quantile, field: amt, q: 0.5, windows: [5s]}
      ever: {aggregation: quantile, field: amt, q: 0.5}
      real: {aggregation: quantile, field: x, q: 1, windows: [5s]}
      then: {aggregation: quantile, field: amt, q: 0.5, windows: [5s], delay: 1s}
`), func(r *run) {
		r.pay("0s", `"card":"a","amt":100,"x":-9.99`)
		r.want("v.half_5s", "100", "v.ever", "100", "v.real_5s", "-9.99")
		r.pay("1s", `"card":"a","amt":100,"x":-9.99`)
		r.want("v.half_5s", "100", "v.ever", "100", "v.real_5s", "-9.99", "v.then_5s", "100")
		r.pay("2s", `"card":"a","amt":100.01,"x":-9.98`)
		if got := r.get("v.half_5s"); got == "100" || got == "100.01" {
			r.t.Errorf("the bucket of 100 and 100.01 shows %s, want its middle", got)
		}
		r.pay("6500ms", `"card":"a"`)
		r.want("v.half_5s", "100.01", "v.real_5s", "-9.98", "v.then_5s", r.get("v.ever"))
		r.pay("0500ms", `"card":"a","amt":-7`)
		r.want("v.half_5s", "-7")
	})
}

func TestS20QuantileIsWithinOnePercentOfTheRank(t *testing.T) {
	bothWays(t, specOf(`
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    features:
      p0:   {aggregation: quantile, field: x, q: 0, windows: [1m]}
      half: {aggregation: quantile, field: x, q: 0.5, windows: [1m]}
      p90:  {aggregation: quantile, field: x, q: 0.9, windows: [1m]}
      p100: {aggregation: quantile, field: amt, q: 1}
`), func(r *run) {
		values := []float64{-1e300, -2.5, 0, 1e-300, 0.25, 0.25, 3, 1e3, 7e14, 1e300}
		for i, x := range []int{3, 9, 1, 7, 0, 5, 2, 8, 6, 4} {
			r.pay(strconv.Itoa(i)+"s", `"card":"a","amt":`+strconv.Itoa(i)+`,"x":`+strconv.FormatFloat(values[x], 'g', -1, 64))
		}
		for name, want := range map[string]float64{"v.p0_1m": -1e300, "v.half_1m": 0.25, "v.p90_1m": 7e14, "v.p100": 9} {
			got, err := strconv.ParseFloat(r.get(name), 64)
			if err != nil || math.Abs(got-want) > 0.01*math.Abs(want) {
				r.t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	})
}
