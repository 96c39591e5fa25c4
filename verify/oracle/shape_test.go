package oracle

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// What S20 says of shape, rhythm and decay, worked out by hand.
const shapes = `version: 1
namespace: shapes
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    fields:
      at:   {type: timestamp}
      card: {type: string}
      id:   {type: string}
      amt:  {type: decimal(2), optional: true}
      mcc:  {type: string, optional: true}
entities:
  card: {key: card}
feature_views:
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1m
    features:
      dev2:   {aggregation: variance, field: amt, windows: [10s]}
      z:      {aggregation: zscore, field: amt, windows: [10s], exclude_current: true, default: -7}
      own:    {aggregation: zscore, field: amt, windows: [10s]}
      rise:   {aggregation: slope, field: amt, per: 1m, windows: [10s]}
      bits:   {aggregation: entropy, field: mcc, windows: [10s]}
      top:    {aggregation: top_share, field: mcc, windows: [10s]}
      first:  {aggregation: first, field: mcc, windows: [10s]}
      age:    {aggregation: time_since_first, unit: ms}
      gap:    {aggregation: interarrival_mean, windows: [10s]}
      gapdev: {aggregation: interarrival_stddev, unit: ms, windows: [10s]}
      gapcv:  {aggregation: interarrival_cv, windows: [10s]}
      heat:   {aggregation: decayed_count, half_lives: [2s]}
      others: {aggregation: decayed_count, exclude_current: true, half_lives: [2s]}
      was:    {aggregation: decayed_count, delay: 2s, half_lives: [2s]}
      money:  {aggregation: decayed_sum, field: amt, half_lives: [2s]}
`

func newShapes(t *testing.T) *hand {
	t.Helper()
	return handOf(t, shapes)
}

func handOf(t *testing.T, text string) *hand {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hand.freshet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, diagnostics, err := spec.Load([]string{path})
	if err != nil || diagnostics.HasErrors() {
		t.Fatal(err, diagnostics)
	}
	return &hand{t: t, o: New(specs[0]), s: specs[0]}
}

// near checks a value that is rounded on its way.
func (h *hand) near(c *Outcome, name string, value float64) {
	h.t.Helper()
	got := c.Feature(h.feature(name))
	if x, ok := got.Value.(float64); !ok || math.Abs(x-value) > 1e-12*math.Abs(value) || got.Status != Present {
		h.t.Errorf("%s is %v %s, want %v", name, got.Value, got.Status, value)
	}
}

func TestS20SpreadAndScore(t *testing.T) {
	h := newShapes(t)
	a := h.send("a", 0, `,"amt":1`)
	h.want(a, "dev2_10s", nil, Default)
	h.want(a, "own_10s", nil, Default)
	h.want(a, "z_10s", -7.0, Default)
	h.want(h.send("b", 1*time.Second, `,"amt":1`), "own_10s", nil, Default) // no spread
	c := h.send("c", 2*time.Second, `,"amt":"2.5"`)
	h.want(c, "z_10s", -7.0, Default) // of the others: none either
	h.near(c, "dev2_10s", 0.75)       // mean 1.5: (0.25 + 0.25 + 1) / 2
	h.near(c, "own_10s", 1/math.Sqrt(0.75))
	d := h.send("d", 3*time.Second, `,"amt":3`)
	h.near(d, "z_10s", 1.5/math.Sqrt(0.75))
	h.want(h.send("e", 3*time.Second, ""), "z_10s", -7.0, Default) // no amount to ask about
	if got := h.read(3*time.Second, "z_10s"); got.Value != nil || got.Status != NeedsEvent {
		t.Error("read of zscore:", got)
	}
	if got := h.read(14*time.Second, "dev2_10s"); got.Value != nil || got.Status != Default {
		t.Error("variance of nothing:", got)
	}
}

func TestS20Slope(t *testing.T) {
	h := newShapes(t)
	h.want(h.send("a", 0, `,"amt":1`), "rise_10s", nil, Default)
	h.want(h.send("b", 0, `,"amt":5`), "rise_10s", nil, Default) // all times are equal
	h = newShapes(t)
	h.send("a", 0, `,"amt":1`)
	h.near(h.send("b", 2*time.Second, `,"amt":2`), "rise_10s", 30) // 0.5 a second
	// Times 0, 2, 4 around 2, values 1, 2, 0 around 1: -2*0 + 0*1 + 2*-1 over 8.
	h.near(h.send("c", 4*time.Second, `,"amt":0`), "rise_10s", -15)
}

func TestS20EntropyTopShareAndFirst(t *testing.T) {
	h := newShapes(t)
	h.want(h.send("a", 0, ""), "bits_10s", nil, Default)
	b := h.send("b", 0, `,"mcc":"x"`)
	h.want(b, "bits_10s", 0.0, Present)
	h.want(b, "top_10s", 1.0, Present)
	h.want(h.send("c", time.Second, `,"mcc":"y"`), "bits_10s", 1.0, Present)
	h.send("d", time.Second, `,"mcc":"z"`)
	e := h.send("e", time.Second, `,"mcc":"z"`)
	h.want(e, "bits_10s", 1.5, Present) // 1/4, 1/4, 1/2
	h.want(e, "top_10s", 0.5, Present)
	h.want(e, "first_10s", "x", Present)
	if got := h.read(10*time.Second, "first_10s"); got.Value != "y" {
		t.Error("the first of those that are left is", got)
	}
}

func TestS20GapsBetweenNeighbours(t *testing.T) {
	h := newShapes(t)
	a := h.send("a", 0, "")
	h.want(a, "gap_10s", nil, Default)
	h.want(a, "age", 0.0, Present)
	b := h.send("b", 2*time.Second, "")
	h.near(b, "gap_10s", 2)
	h.want(b, "gapdev_10s", nil, Default)
	h.want(b, "gapcv_10s", nil, Default)
	c := h.send("c", 6*time.Second, "")
	h.near(c, "gap_10s", 3)
	h.near(c, "gapdev_10s", 1000*math.Sqrt2) // gaps 2 and 4 around 3
	h.near(c, "gapcv_10s", math.Sqrt2/3)
	h.want(c, "age", 6000.0, Present)
	// a leaves its window, with the gap behind it, and not its life.
	d := h.send("d", 10*time.Second, "")
	h.near(d, "gap_10s", 4)
	h.want(d, "gapcv_10s", 0.0, Present)
	h.want(d, "age", 10_000.0, Present)
	if got := h.read(69_999*time.Millisecond, "age"); got.Value != 69_999.0 {
		t.Error("the life is", got)
	}
	h.want(h.send("e", 70*time.Second, ""), "age", 0.0, Present) // a new one
	h.send("f", 70*time.Second, "")
	h.want(h.send("g", 70*time.Second, ""), "gapcv_10s", nil, Default) // mean 0
}

func TestS20S27Decay(t *testing.T) {
	h := newShapes(t)
	a := h.send("a", 0, `,"amt":8`)
	h.want(a, "heat_hl2s", 1.0, Present)
	h.want(a, "others_hl2s", nil, Default)
	h.want(a, "was_hl2s", nil, Default)
	b := h.send("b", 4*time.Second, `,"amt":1`)
	h.want(b, "heat_hl2s", 1.25, Present)
	h.want(b, "others_hl2s", 0.25, Present)
	h.want(b, "was_hl2s", 0.5, Present) // a, weighed from 2s
	h.want(b, "money_hl2s", 3.0, Present)
	if got := h.read(8*time.Second, "money_hl2s"); got.Value != 0.75 {
		t.Error("decayed without an event to", got)
	}
	// Half-lives count within the life.
	h.want(h.send("c", 64*time.Second, ""), "heat_hl2s", 1.0, Present)
	if got := h.read(2*time.Minute+4*time.Second, "heat_hl2s"); got.Value != nil || got.Status != NotFound {
		t.Error("of a life that is over:", got)
	}
}

// What is gone has an empty window, not what its tail's tile holds from before that.
func TestS19WhatIsGoneIsInNoTile(t *testing.T) {
	text := strings.Replace(small, "    ttl: 1m\n", "    ttl: 1m\n    event_budget: 1\n    filter: 'amt > 2'\n", 1)
	h := handOf(t, strings.Replace(text, "      n: ", "      minute: {aggregation: count, windows: [1m]}\n      n: ", 1))
	h.send("a", 5*time.Second, `,"amt":3`)
	h.send("b", 10*time.Second, `,"amt":1`)
	h.send("c", 10*time.Second, `,"amt":1`)
	if got := h.read(65*time.Second-time.Millisecond, "minute_1m"); got.Value != 1.0 || got.Status != Degraded {
		t.Error("before:", got)
	}
	if got := h.read(65*time.Second, "minute_1m"); got.Value != 0.0 || got.Status != NotFound {
		t.Error("gone:", got)
	}
}
