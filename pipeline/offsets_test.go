package pipeline

import (
	"strings"
	"testing"

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
