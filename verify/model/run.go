package model

// Outcome is what one history came to.
type Outcome struct {
	Stale   bool // at rest, a row is not that of the last committed batch that touched its entity
	Crashes int
	Late    int // writes that arrived after their sender's death
}

// Run plays one random history to its end: everything is processed and
// committed, and everything that flew has arrived.
func Run(seed uint64, rule Rule) Outcome {
	w := newWorld(seed, rule)
	var o Outcome
	crash := func() { w.crash(); o.Crashes++ }
	for range 60 {
		switch dice := w.rng.IntN(20); {
		case len(w.flying) > 0 && dice < 3:
			w.land(&o)
		case w.live == nil && dice == 3 && w.committed.any:
			w.reset()
		case w.live == nil:
			w.start()
		case dice < 6:
			crash()
		case len(w.live.open) > 0:
			w.send()
		case w.live.opened && dice < 15:
			w.commit()
		case w.live.opened:
			crash() // all rows are there, the transaction is not
		case dice == 6:
			w.forget()
		case dice < 9:
			w.refresh(rule.RefreshRaisesBatch)
		default:
			w.poll()
		}
	}
	w.rest()
	for len(w.flying) > 0 {
		w.land(&o)
	}
	for e := range entities {
		if want, got := w.truth[e], w.store[e]; want != nil && got.records != want.records {
			o.Stale = true
		}
	}
	return o
}

// land lets one write of a dead instance arrive.
func (w *world) land(o *Outcome) {
	i := w.rng.IntN(len(w.flying))
	w.deliver(w.flying[i])
	w.flying = append(w.flying[:i], w.flying[i+1:]...)
	o.Late++
}

// rest processes what is left, without a further fault.
func (w *world) rest() {
	if w.live == nil {
		w.start()
	}
	for {
		for len(w.live.open) > 0 {
			w.send()
		}
		if w.live.opened {
			w.commit()
		}
		if w.live.next == [partitions]int{depth, depth} {
			return
		}
		w.poll()
	}
}
