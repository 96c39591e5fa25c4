package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// Reliability 25: without a checkpoint nothing says how far a run had come but its
// offsets. Where someone has set or deleted some of them it refuses to guess.
func TestOffsetsThatSomeoneHasSetAreRefusedWithoutCheckpoints(t *testing.T) {
	first := sources.PartitionID{Source: transactions}
	for name, c := range map[string]struct {
		touch func(*world)
		says  string // "": it goes on
	}{
		"moved on":   {func(w *world) { w.broker.set(first, 3) }, "has set the offset"},
		"moved back": {func(w *world) { p := w.broker.partitions[first]; p.committed, p.meta = 2, "" }, "has set the offset"},
		"deleted":    {func(w *world) { p := w.broker.partitions[first]; p.committed, p.meta = -1, "" }, "has deleted the offset"},
		"topic made anew": {func(w *world) { // its offsets went with it
			p := w.broker.partitions[sources.PartitionID{Source: logins}]
			p.committed, p.meta, w.broker.topic = -1, "", "another"
		}, "made anew"},
		"topic grown": {func(w *world) { w.broker.grow(sources.PartitionID{Source: transactions, Partition: 2}) }, ""},
		"source is new": {func(w *world) {
			p := w.broker.partitions[sources.PartitionID{Source: logins}]
			p.committed, p.meta = -1, ""
		}, ""},
		"all are another's": {func(w *world) {
			for _, p := range w.broker.partitions {
				p.meta = ""
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.broker.topic = "the first"
			w.fill(100, 3)
			w.mustRunFrom(nil)
			before, owner := len(w.output.all()), w.store.owner
			c.touch(w)
			if c.says == "" {
				w.mustRunFrom(nil)
				return
			}
			got := w.refusal(nil)
			says := []string{c.says, "--accept-gap", "partition 0", "--to-offset", "provenance.place"}
			if c.says == "made anew" {
				says = says[:2]
			}
			for _, s := range says {
				if !strings.Contains(got, s) {
					t.Errorf("it does not say %q: %s", s, got)
				}
			}
			if len(w.output.all()) != before || w.store.owner != owner {
				t.Error("it has written something, or drawn a number in the online store")
			}
			w.broker.append(transactions, 0, clock0, txn("later", "card-0001", 500, "1.00"))
			w.mustRunFrom(func(c *Config) { c.Checkpoints.AcceptGap = true })
			w.mustRunFrom(nil) // what it has committed is ours again
		})
	}
}

// The same with a checkpoint that is not the last that was done: what was
// committed behind it would be emitted again, so it must not be guessed.
func TestOffsetsSetBackBehindAKillAreRefused(t *testing.T) {
	first := sources.PartitionID{Source: transactions}
	for name, c := range map[string]struct {
		store, wiped bool // there is one; it has lost everything
		touched      func(sources.PartitionID) bool
		says         string
	}{
		"all, the store knows":         {true, false, func(sources.PartitionID) bool { return true }, "was begun since"},
		"one, the others' words know":  {false, false, func(id sources.PartitionID) bool { return id == first }, "was begun since"},
		"all, and nothing knows":       {false, false, func(sources.PartitionID) bool { return true }, "nothing tells what was emitted since"},
		"all, and the store was wiped": {true, true, func(sources.PartitionID) bool { return true }, "nothing tells what was emitted since"},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), newFolder()
			set := func(accept bool) func(*Config) {
				return func(cfg *Config) {
					f.kept(time.Hour)(cfg)
					cfg.Limits.BatchRecords, cfg.Checkpoints.AcceptGap = 10, accept
					if !c.store {
						cfg.Store = nil
					}
				}
			}
			w.fill(100, 3)
			w.mustRunFrom(set(false))
			w.fill(100, 4)
			left := 4
			w.output.fault = func([]sinks.Record) error {
				if left--; left < 0 {
					return errCrash
				}
				return nil
			}
			if _, err := w.runFrom(set(false)); err == nil {
				t.Fatal("it has not crashed")
			}
			w.output.fault = nil
			before, done := len(w.output.all()), map[sources.PartitionID]int64{}
			for id, p := range w.broker.partitions {
				if done[id] = p.committed; c.touched(id) {
					p.committed, p.meta = 1, ""
				}
			}
			if c.wiped {
				clear(w.store.rows)
			}
			got := w.refusal(set(false))
			for _, s := range []string{c.says, "set the offset of group", "back to 1", "second output", "--to-offset", "provenance.place", "--accept-gap"} {
				if !strings.Contains(got, s) {
					t.Errorf("it does not say %q: %s", s, got)
				}
			}
			if n := len(w.output.all()); n != before {
				t.Errorf("%d records were written", n-before)
			}
			for id, n := range done { // the way out
				if p := w.broker.partitions[id]; p.meta == "" {
					p.committed = n
				}
			}
			w.mustRunFrom(set(true))
			places := map[string]int{}
			for _, r := range w.decoded() {
				places[r.Provenance.Place]++
			}
			for place, n := range places {
				if n != 1 {
					t.Errorf("%s has %d outputs", place, n)
				}
			}
			calm := newWorld(t)
			calm.fill(100, 3)
			calm.fill(100, 4)
			calm.runToEnd(nil)
			if want := len(calm.output.all()); len(places) != want {
				t.Errorf("%d records have an output, want %d", len(places), want)
			}
		})
	}
}
