package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// A small heap grows to the floor before it is collected, a large one by its part.
func TestTheCollectorWaitsForTheFloor(t *testing.T) {
	c := &collector{percent: 50, floor: 256 << 20}
	for live, want := range map[int64]int{0: 6300, 32 << 20: 700, 128 << 20: 100, 200 << 20: 50, 4 << 30: 50} {
		if got := c.of(live); got != want {
			t.Errorf("with %d MiB live: %d %%, want %d", live>>20, got, want)
		}
	}
}

// It is paced from the beginning and behind each round, by what is live then,
// whoever has made it so: a state that is being loaded grows before anything
// else runs. Afterwards it is as it was.
func TestTheCollectorIsPacedBehindEachRound(t *testing.T) {
	told := func() int {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return int(s[0].Value.Uint64())
	}
	becomes := func(what string, as func(percent int) bool) {
		t.Helper()
		for began := time.Now(); !as(told()); runtime.GC() {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%s: it was told %d %%", what, told())
			}
			runtime.Gosched()
		}
	}
	before := told()
	end := (&collector{percent: 50, floor: 64 << 20}).begin()
	if got := told(); got < 100 {
		t.Errorf("at the beginning it was told %d %%", got)
	}
	state := make([]byte, 200<<20)
	becomes("with a state beyond the floor", func(percent int) bool { return percent == 50 })
	runtime.KeepAlive(state)
	state = nil
	becomes("without it", func(percent int) bool { return percent > 50 })
	end()
	runtime.GC()
	if got := told(); got != before {
		t.Errorf("at the end it was told %d %%, before %d", got, before)
	}
	end = (&collector{}).begin()
	if got := told(); got != before {
		t.Errorf("one that leaves it alone told %d %%", got)
	}
	end()
}
