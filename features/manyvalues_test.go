package features_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// manyValues is what counts different values, over windows that hold many of them.
const manyValues = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 40s
    features:
      mode: {aggregation: mode, field: mcc, windows: [8s, 30s]}
      num:  {aggregation: mode, field: qty, windows: [30s]}
      was:  {aggregation: mode, field: mcc, windows: [30s], exclude_current: true}
      then: {aggregation: mode, field: mcc, windows: [20s], delay: 5s}
      vals: {aggregation: count_distinct, field: mcc, windows: [8s, 30s]}
      nums: {aggregation: count_distinct, field: qty, windows: [30s]}
      past: {aggregation: count_distinct, field: mcc, windows: [30s], exclude_current: true}
      rare: {aggregation: count_distinct, field: mcc, windows: [30s], filter: 'ok'}
      old:  {aggregation: count_distinct, field: mcc, windows: [20s], delay: 5s}
      new:  {aggregation: is_new, field: mcc, windows: [8s, 30s]}
      newr: {aggregation: is_new, field: mcc, windows: [30s], filter: 'ok'}
      newd: {aggregation: is_new, field: mcc, windows: [20s], delay: 5s}
      nov:  {aggregation: novelty, field: mcc, windows: [30s]}
  w:
    version: 1
    source: pay
    entity: card
    ttl: 6s
    features:
      life: {aggregation: mode, field: mcc}
      ever: {aggregation: count_distinct, field: mcc}
      sess: {aggregation: count_distinct, field: mcc, session: 2s}
      newl: {aggregation: is_new, field: mcc}
`

type seenValue struct {
	at, qty int
	mcc     string
	ok      bool
}

// seenValues are the events of an entity in their order.
type seenValues []seenValue

// within are those behind a time.
func (s seenValues) within(from int) seenValues {
	i, _ := slices.BinarySearchFunc(s, from, func(x seenValue, t int) int {
		if x.at <= t {
			return -1
		}
		return 1
	})
	return s[i:]
}

// since are those of the run that ends with the last, whose silences are shorter than a
// gap.
func (s seenValues) since(gap int) seenValues {
	i := len(s) - 1
	for i > 0 && s[i].at-s[i-1].at < gap {
		i--
	}
	return s[i:]
}

// oks are those that pass the filter.
func (s seenValues) oks() (list seenValues) {
	for _, x := range s {
		if x.ok {
			list = append(list, x)
		}
	}
	return list
}

func (s seenValues) texts() map[string]int {
	times := map[string]int{}
	for _, x := range s {
		times[x.mcc]++
	}
	return times
}

func (s seenValues) numbers() map[int]int {
	times := map[int]int{}
	for _, x := range s {
		times[x.qty]++
	}
	return times
}

// isNew says whether no event has a text.
func (s seenValues) isNew(text string) string { return strconv.FormatBool(s.texts()[text] == 0) }

// modeOf is the most frequent value, of several the smallest.
func modeOf[T int | string](times map[T]int) string {
	var best T
	for x, n := range times {
		if b := times[best]; n > b || n == b && x < best {
			best = x
		}
	}
	if len(times) == 0 {
		return "null DEFAULT"
	}
	return fmt.Sprint(best)
}

// countOf is how many there are, as a value that may be 0.
func countOf[T comparable](times map[T]int) string { return strconv.Itoa(len(times)) }

// What is said of many different values is what is said of them one by one: those that
// come again and those that do not, late ones, of equal times, and when most of them
// have left the log.
func TestS20ManyValuesAreCountedOneByOne(t *testing.T) {
	bothWays(t, specOf(manyValues), func(r *run) {
		random := rand.New(rand.NewPCG(11, 12))
		var all seenValues
		for n, now := 0, 0; n < 2500; n++ {
			if now += random.IntN(3) * 100; random.IntN(200) == 0 {
				now += 1000 * random.IntN(12)
			}
			some := []int{5, 40, 1 << 30}[n/40%3]
			x := seenValue{now, random.IntN(some) - some/2, strconv.Itoa(random.IntN(some)), random.IntN(30) == 0}
			switch random.IntN(12) {
			case 0:
				x.at = max(0, now-100*random.IntN(30))
			case 1:
				x.at = max(0, now-100*random.IntN(300))
			}
			r.pay(fmt.Sprintf("%dms", x.at), fmt.Sprintf(`"card":"a","qty":%d,"mcc":%q,"ok":%t`, x.qty, x.mcc, x.ok))
			i := len(all)
			for i > 0 && all[i-1].at > x.at {
				i--
			}
			all = slices.Insert(all, i, x)
			r.wantValues(all[:i+1], all)
			if t := r.t; t.Failed() {
				t.Fatalf("event %d at %d ms", n, x.at)
			}
		}
	})
}

// wantValues checks what is said of the last of some events, which are those of the known
// ones up to its place.
func (r *run) wantValues(seen, known seenValues) {
	r.t.Helper()
	x := seen[len(seen)-1]
	before := seen[:len(seen)-1]
	old := known.within(x.at - 25_000)
	old = old[:len(old)-len(old.within(x.at-5_000))]
	w8, w30 := seen.within(x.at-8000), seen.within(x.at-30_000)
	past := before.within(x.at - 30_000)
	life, sess := seen.since(6000), seen.since(2000)
	r.want("v.mode_8s", modeOf(w8.texts()), "v.mode_30s", modeOf(w30.texts()), "v.num_30s", modeOf(w30.numbers()), "v.was_30s", modeOf(past.texts()))
	r.want("v.then_20s", modeOf(old.texts()), "w.life", modeOf(life.texts()))
	r.want("v.vals_8s", countOf(w8.texts()), "v.vals_30s", countOf(w30.texts()), "v.nums_30s", countOf(w30.numbers()), "v.past_30s", countOf(past.texts()))
	r.want("v.rare_30s", countOf(w30.oks().texts()), "v.old_20s", countOf(old.texts()), "w.ever", countOf(life.texts()), "w.sess", countOf(sess.texts()))
	r.want("v.new_8s", before.within(x.at-8000).isNew(x.mcc), "v.new_30s", past.isNew(x.mcc), "v.newr_30s", past.oks().isNew(x.mcc))
	r.want("w.newl", life[:len(life)-1].isNew(x.mcc), "v.newd_20s", old.isNew(x.mcc))
	r.want("v.nov_30s", fmt.Sprint(float64(len(w30.texts()))/float64(len(w30))))
}
