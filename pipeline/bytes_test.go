package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Bounded queues: a batch of large records closes by what it holds, long before
// it is full by their number or its time has come, and nothing of it stays behind.
func TestLargeRecordsCloseABatchByTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size, most = 300, 8 << 10, 256 << 10
		w := newWorld(t)
		m := w.join(func(c *Config) { c.Limits.BatchBytes, c.Limits.CommitInterval = most, time.Hour })
		for i := range n {
			large := strings.TrimSuffix(txn(fmt.Sprint("t", i), "c1", i/100, "1.00"), "}") + `,"note":"` + strings.Repeat("x", size) + `"}`
			w.broker.append(transactions, 0, clock0, large)
		}
		m.consumer.bring(16) // a fetch has bounds of its own
		w.broker.assign(m.consumer.fakeConsumer)
		pass(10 * time.Second)
		inBatch := map[uint64]int{}
		records := w.decoded()
		for _, r := range records {
			inBatch[r.Provenance.Batch]++
		}
		if len(records) < n-most/size {
			t.Fatalf("%d of %d records have left, in %d batches", len(records), n, len(inBatch))
		}
		for batch, records := range inBatch {
			// What it was read from counts, what leaves of it, and one poll's on top.
			if records*size > 2*most {
				t.Errorf("batch %d holds %d records of %d bytes", batch, records, size)
			}
		}
		for _, s := range m.runner.spare {
			if cap(s.in.arena.buf)+cap(s.out.buf) > 2*spareBytes {
				t.Errorf("an idle step keeps %d bytes", cap(s.in.arena.buf)+cap(s.out.buf))
			}
		}
		m.drain(t)
		if got := len(w.decoded()); got != n {
			t.Errorf("%d records of %d", got, n)
		}
	})
}

// What a large step has grown to does not stay when it is done.
func TestAnIdleStepKeepsLittle(t *testing.T) {
	s := &step{}
	s.in.arena.clone(make([]byte, 2*spareBytes))
	s.out.buf = make([]byte, 0, 2*spareBytes)
	s.in.reset()
	s.reset()
	if n := cap(s.in.arena.buf) + cap(s.out.buf); n > 2*spareBytes {
		t.Errorf("%d bytes are kept", n)
	}
}
