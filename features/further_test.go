package features_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features/event"
)

// further is every aggregation that this file is about, over a window and over
// the row's life.
const further = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    features:
      vari:   {aggregation: variance, field: amt}
      vari_w: {aggregation: variance, field: x, windows: [10s]}
      z:      {aggregation: zscore, field: amt}
      zz:     {aggregation: zscore, field: qty, windows: [10s], exclude_current: true}
      ent:    {aggregation: entropy, field: mcc}
      ent_w:  {aggregation: entropy, field: mcc, windows: [10s]}
      top:    {aggregation: top_share, field: mcc}
      top_w:  {aggregation: top_share, field: mcc, windows: [10s], exclude_current: true}
      one:    {aggregation: first, field: mcc}
      one_w:  {aggregation: first, field: mcc, windows: [10s], filter: 'amt > 1'}
      age:    {aggregation: time_since_first}
      age_w:  {aggregation: time_since_first, windows: [10s], unit: ms}
      gm:     {aggregation: interarrival_mean}
      gm_w:   {aggregation: interarrival_mean, windows: [10s], exclude_current: true}
      gs:     {aggregation: interarrival_stddev}
      gs_w:   {aggregation: interarrival_stddev, windows: [10s]}
      gc:     {aggregation: interarrival_cv}
      gc_w:   {aggregation: interarrival_cv, windows: [10s], delay: 2s}
      dc:     {aggregation: decayed_count, half_lives: [5s]}
      dcf:    {aggregation: decayed_count, field: amt, half_lives: [5s]}
      ds:     {aggregation: decayed_sum, field: amt, half_lives: [5s], delay: 3s}
      sl:     {aggregation: slope, field: qty, per: 1s}
      sl_w:   {aggregation: slope, field: x, per: 1s, windows: [10s]}
`

func pays(r *run) {
	r.pay("0s", `"card":"a","amt":1.5,"qty":4,"x":1.5,"mcc":"p"`)
	r.pay("2s", `"card":"a","amt":4,"qty":6,"x":2.5,"mcc":"q"`)
	r.pay("6s", `"card":"a","amt":6.5,"qty":8,"x":3.5,"mcc":"q"`)
}

func TestS20FurtherFormulasByHand(t *testing.T) {
	r := newRun(t, specOf(further))
	pays(r)
	r.want("v.vari", "6.25", "v.vari_w_10s", "1", "v.z", "1", "v.top_w_10s", "0.5", "v.one", "p", "v.one_w_10s", "p")
	r.want("v.age", "6", "v.age_w_10s", "6000", "v.gm", "3", "v.gm_w_10s", "2", "v.gc_w_10s", "null DEFAULT")
	r.near("v.zz_10s", 3/math.Sqrt2)
	r.near("v.top", 2.0/3)
	r.near("v.ent", math.Log2(3)-2.0/3)
	r.near("v.gs", math.Sqrt2)
	r.near("v.gc", math.Sqrt2/3)
	r.near("v.dc_hl5s", 1+math.Exp2(-0.8)+math.Exp2(-1.2))
	r.near("v.dcf_hl5s", 1+math.Exp2(-0.8)+math.Exp2(-1.2))
	r.near("v.ds_hl5s", 4*math.Exp2(-0.2)+1.5*math.Exp2(-0.6)) // as of 3 s: what was at 0 s and 2 s
	r.near("v.sl", 12/(168.0/9))
	r.pay("4s", `"card":"a","mcc":"p"`) // late, without numbers
	r.want("v.z", "null DEFAULT", "v.zz_10s", "null DEFAULT", "v.vari", "3.125", "v.gm", "2", "v.gs", "0")
	r.near("v.ent", r.entropyOf(2, 1))
	r.near("v.dc_hl5s", 1+math.Exp2(-0.4)+math.Exp2(-0.8))
	r.wantRead("v.age", "a", "61s", "61")
	r.wantRead("v.age_w_10s", "a", "12500ms", "8500")
	r.wantRead("v.one_w_10s", "a", "12s", "q")
	r.wantRead("v.one_w_10s", "a", "16s", "null DEFAULT")
	r.wantRead("v.gm", "a", "65999ms", "2")
	r.wantRead("v.gm", "a", "66s", "null NOT_FOUND")
}

// What has left the log is still in the values of a long life, and one that was
// late is too.
func TestS22FurtherLifetimesOutliveTheLog(t *testing.T) {
	r := newRun(t, specOf(further))
	var times, qty []float64
	counts := map[string]float64{}
	add := func(at, n int) {
		mcc := string(rune('a' + n%5*n%3))
		if n == 0 && at == 0 {
			mcc = "once" // no other row holds the text
		}
		r.pay(fmt.Sprintf("%ds", at), fmt.Sprintf(`"card":"a","amt":%d,"qty":%d,"mcc":"%s"`, n%7, n%11, mcc))
		times, qty = append(times, float64(at)), append(qty, float64(n%11))
		counts[mcc]++
	}
	for n := range 1000 {
		add(10*n+n%4, n)
	}
	add(9950, 3) // late, as of its own time
	add(10_000, 0)
	n := float64(len(times))
	var most float64
	share := make([]float64, 0, len(counts))
	for _, c := range counts {
		most = max(most, c)
		share = append(share, c)
	}
	r.near("v.top", most/n)
	r.near("v.ent", r.entropyOf(share...))
	r.near("v.age", 10_000)
	r.near("v.gm", 10_000/(n-1))
	r.want("v.one", "once")
	fading, tq, tt, mt, mq := 0.0, 0.0, 0.0, sumOf(times)/n, sumOf(qty)/n
	for i, at := range times {
		fading += math.Exp2((at - 10_000) / 5)
		tq += (at - mt) * (qty[i] - mq)
		tt += (at - mt) * (at - mt)
	}
	r.near("v.dc_hl5s", fading)
	r.near("v.sl", tq/tt)
	slices.Sort(times)
	gaps := make([]float64, 0, len(times))
	for i := range times[1:] {
		gaps = append(gaps, times[i+1]-times[i])
	}
	mean, squares := sumOf(gaps)/float64(len(gaps)), 0.0
	for _, g := range gaps {
		squares += (g - mean) * (g - mean)
	}
	r.near("v.gs", math.Sqrt(squares/float64(len(gaps)-1)))
	r.near("v.gc", math.Sqrt(squares/float64(len(gaps)-1))/mean)
}

// A new life, as long as to fold a base of its own, holds nothing of the old one.
func TestS22FurtherLifetimesBeginEmpty(t *testing.T) {
	r := newRun(t, specOf(further))
	for life := range 3 {
		for n := range 100 {
			r.pay(fmt.Sprintf("%ds", 10_000*life+10*n), fmt.Sprintf(`"card":"a","amt":1,"qty":%d,"mcc":"life %d"`, n*life, life))
		}
		r.want("v.top", "1", "v.ent", "0", "v.one", fmt.Sprintf("life %d", life), "v.age", "990", "v.gm", "10", "v.gs", "0", "v.gc", "0", "v.vari", "0")
		r.near("v.sl", float64(life)/10)
	}
}

func sumOf(xs []float64) float64 {
	s := 0.0
	for _, x := range xs {
		s += x
	}
	return s
}

// entropyOf is the entropy of values that occur so often.
func (r *run) entropyOf(counts ...float64) float64 {
	n, h := sumOf(counts), 0.0
	for _, c := range counts {
		h -= c / n * math.Log2(c/n)
	}
	return h
}

// near checks a number of the last record.
func (r *run) near(name string, want float64) {
	r.t.Helper()
	got, err := strconv.ParseFloat(r.get(name), 64)
	if err != nil || math.Abs(got-want) > 1e-9*math.Abs(want) {
		r.t.Errorf("%s is %s, want %v", name, r.get(name), want)
	}
}

// A base that is put together in the order of time says so where an event came
// too late for that.
func TestS09LaggingGapsAreIncomplete(t *testing.T) {
	r := newRun(t, strings.Replace(specOf(further), "ttl: 1m", "ttl: 12s", 1))
	for n := range 100 {
		r.pay(fmt.Sprintf("%ds", 10*n), `"card":"a"`)
	}
	if got := r.record("pay", 1, "15s", `"card":"a"`); got != "accepted" {
		t.Fatal(got)
	}
	r.pay("1000s", `"card":"a"`)
	if got := r.get("v.gs"); got == "0" || !strings.HasSuffix(got, "INCOMPLETE") {
		t.Errorf("gs is %s, want INCOMPLETE", got)
	}
}

func TestS06S27FurtherRowColumns(t *testing.T) {
	r := newRun(t, specOf(further))
	moving := map[string]bool{"age": true, "age_w_10s": true, "dc_hl5s": true, "dcf_hl5s": true, "ds_hl5s": true}
	for _, c := range r.plan.Rows()[0].Columns {
		if c.Feature.Def.Aggregation == "zscore" {
			t.Errorf("%s needs an event and is in the row", c.Feature.Short)
		}
		if c.Moves != moving[c.Feature.Short] {
			t.Errorf("%s moves: %v", c.Feature.Short, c.Moves)
		}
	}
	pays(r)
	r.wantRead("v.dc_hl5s", "a", "6s", r.get("v.dc_hl5s"))
	if r.read("v.dc_hl5s", "a", "11s") == r.get("v.dc_hl5s") {
		t.Error("a decayed count does not fade")
	}
}

func TestFurtherAggregationsAllocateNothingWarm(t *testing.T) {
	r := newRun(t, strings.Replace(specOf(further), "    id_field: id\n", "", 1))
	ev := &event.Event{RecordTime: event.NoTime}
	text := []byte(`{"at":0000000000000,"id":"x","card":"a","amt":1.5,"qty":4,"x":1.5,"mcc":"p"}`)
	at := start.UnixMilli()
	apply := func() {
		at += 700
		strconv.AppendInt(text[:6], at, 10)
		text[6+13] = ','
		ev.Offset++
		if rej := r.readers[0].Read(text, ev); rej != nil {
			t.Fatal(rej.Reason)
		}
		r.engine.Apply(ev, r.vectors[0])
		r.engine.DropTouches()
	}
	for range 2000 {
		apply()
	}
	if n := testing.AllocsPerRun(500, apply); n != 0 {
		t.Errorf("a warm Apply allocates %v times, want 0", n)
	}
}

func TestS20DoublesBeyondTheLimitAreRefusedBySums(t *testing.T) {
	for _, feature := range []string{
		"{aggregation: variance, field: x}",
		"{aggregation: zscore, field: x}",
		"{aggregation: slope, field: x, per: 1s}",
		"{aggregation: decayed_sum, field: x, half_lives: [1s]}",
		"{aggregation: first, field: x}", // no sum
	} {
		r := newRun(t, specOf("  v: {version: 1, source: pay, entity: card, ttl: 1h, features: {f: "+feature+"}}\n"))
		want := "schema"
		if strings.Contains(feature, "first") {
			want = "accepted"
		}
		if got := r.record("pay", 0, "0s", `"card":"a","x":1.1e15`); got != want {
			t.Errorf("%s of 1.1e15: %s, want %s", feature, got, want)
		}
		if got := r.record("pay", 0, "0s", `"card":"a","x":-1e15`); got != "accepted" {
			t.Errorf("%s of -1e15: %s", feature, got)
		}
	}
}
