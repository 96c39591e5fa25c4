package model

import (
	"fmt"
	"testing"
)

const histories = 30_000

// TestNoRowIsStaleForEver: under the product's rule no history of 30,000 ends
// with a row that is not the last committed one.
func TestNoRowIsStaleForEver(t *testing.T) {
	crashes, late := 0, 0
	for seed := range uint64(histories) {
		o := Run(seed, Ours)
		if o.Stale {
			t.Fatalf("seed %d: a row is stale for ever", seed)
		}
		crashes += o.Crashes
		late += o.Late
	}
	if crashes < histories || late < histories {
		t.Errorf("%d crashes and %d late writes in %d histories: too few to mean anything", crashes, late, histories)
	}
	t.Attr("counted", fmt.Sprintf("%d histories, %d crashes, %d writes of the dead: 0 stale rows (below %.4f %% with 95 %%)", histories, crashes, late, 300.0/histories))
}

// TestWrongRulesFreezeRows: the model finds what is wrong with the rules that
// others use, so its silence about ours means something.
func TestWrongRulesFreezeRows(t *testing.T) {
	for _, rule := range Wrong {
		t.Run(rule.Name, func(t *testing.T) {
			stale := 0
			for seed := range uint64(histories) {
				if Run(seed, rule).Stale {
					stale++
				}
			}
			if stale == 0 {
				t.Errorf("not one of %d histories ends with a stale row", histories)
			}
			t.Attr("counted", fmt.Sprintf("%d of %d histories end with a stale row", stale, histories))
		})
	}
}
