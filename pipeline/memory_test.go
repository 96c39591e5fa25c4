package pipeline

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Design 2: memory that runs out becomes entities that are forgotten, counted and
// told of, and nothing else: every event has its record.
func TestMemoryThatRunsOutForgetsTheLongestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var used atomic.Int64
		used.Store(50)
		m := w.join(func(c *Config) { c.Metrics, c.Limits.Memory = w.metrics, 100 })
		m.runner.memory.needed = used.Load
		w.broker.assign(m.consumer.fakeConsumer)
		send := func(from, to int) {
			for i := from; i < to; i++ {
				w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), fmt.Sprint("card-", i), i/1000, "1.00"))
			}
			pass(30 * time.Second)
		}
		send(0, 30_000)
		if n := w.counter("freshet_memory_limited"); n != 0 || w.evicted() != 0 {
			t.Fatalf("limited %v, %v evicted", n, w.evicted())
		}
		used.Store(80)
		pass(2 * time.Second)
		send(30_000, 60_000)
		if n := w.counter("freshet_memory_limited"); n != 1 || strings.Count(w.logs.String(), "memory_limit is near") != 1 {
			t.Errorf("limited %v", n)
		}
		if n := w.evicted(); n < 29_000 || n > 35_000 {
			t.Errorf("%v of 60,000 entities were forgotten", n)
		}
		used.Store(90)
		pass(5 * time.Second)
		send(60_000, 61_000)
		if n := w.evicted(); n < 33_000 {
			t.Errorf("%v of 61,000 entities were forgotten, after there were to be fewer", n)
		}
		before := w.evicted()
		for range 20 { // the heap of those who went is not given back, only used again; each collection finds a little more or less
			used.Store(84)
			pass(2 * time.Second)
			used.Store(90)
			pass(2 * time.Second)
		}
		send(61_000, 61_500)
		if n := w.evicted() - before; n > 1200 { // those, and who had not yet been asked to go
			t.Errorf("%v entities were forgotten for 500 new ones, although no more memory was used", n)
		}
		used.Store(93)
		pass(2 * time.Second)
		send(61_500, 62_000)
		if n := w.evicted() - before; n < 2000 {
			t.Errorf("%v entities were forgotten since more memory was used", n)
		}
		m.drain(t)
		if n := len(w.output.all()); n != 62_000 {
			t.Errorf("%d records of 62,000", n)
		}
	})
}

func (w *world) evicted() float64 {
	return w.counter("freshet_state_evictions_total", "card", "transactions")
}
