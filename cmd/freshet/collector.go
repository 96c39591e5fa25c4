package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// Where memory is limited the heap may grow by half between two rounds of the
	// garbage collector, so that what is live is known; the state has hardly any
	// references, so a round has little to do. Else it may double, as is usual.
	limitedPercent   = 50
	unlimitedPercent = 100
	// Below so much of a heap nothing is collected, or below this part of the limit:
	// what a small heap saves is not worth a round every second, in which all that
	// waits for an answer waits longer.
	heapFloor     = 256 << 20
	heapFloorPart = 0.25
	// leastLive is what counts as live at least: the runtime takes the percent for a
	// part of 4 MiB until it has collected once.
	leastLive = 4 << 20
)

// collector is when the garbage collector begins a round: when the heap has grown
// by percent since the last one, but not below floor bytes. The zero value leaves
// it alone.
type collector struct {
	percent int
	floor   int64

	mu    sync.Mutex
	told  int // 0: nothing
	ended bool
}

// collectorOf is that of a process whose data may take so many bytes; 0: any
// number. GOGC has the last word.
func collectorOf(limit int64) *collector {
	switch {
	case os.Getenv("GOGC") != "":
		return &collector{}
	case limit > 0:
		return &collector{percent: limitedPercent, floor: min(heapFloor, int64(heapFloorPart*float64(limit)))}
	}
	return &collector{percent: unlimitedPercent, floor: heapFloor}
}

// begin paces the garbage collector from now until end, behind each of its rounds:
// what may come until the next one depends on what is live by then, and a
// checkpoint that is being loaded brings gigabytes in a second.
func (c *collector) begin() (end func()) {
	if c.percent == 0 {
		return func() {}
	}
	was := debug.SetGCPercent(-1)
	c.pace()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
		debug.SetGCPercent(was)
	}
}

// roundOver is nobody's: the collector finds it in its next round.
type roundOver struct{ _ *collector }

// pace tells the collector how far the heap may grow. To tell it stops the world
// for a moment, so small changes are not worth it.
func (c *collector) pace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if percent := c.of(int64(live[0].Value.Uint64())); percent*4 > c.told*5 || percent*5 < c.told*4 {
		c.told = percent
		debug.SetGCPercent(percent)
	}
	runtime.AddCleanup(&roundOver{c}, (*collector).pace, c)
}

// of is what the collector is told while so many bytes are live.
func (c *collector) of(live int64) int {
	return max(c.percent, int(100*c.floor/max(live, leastLive))-100)
}
