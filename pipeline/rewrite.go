package pipeline

import (
	"sync/atomic"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
)

// rewriting is a walk over all entities whose rows are written anew: the store
// has lost some, or an owner before has committed batches whose rows it may
// lack, and nobody knows which. A slice goes out beside each step of the
// stream. Meanwhile rows count as missing: no sign of life, the header on the
// records, the mark in the metadata. The loop has it; owed is for all.
type rewriting struct {
	owed     atomic.Bool
	detector sinks.LossDetector // nil: a store that cannot tell
	loss     uint64             // the loss that the walk repairs
	at, next features.Every     // what is written, and what is on its way behind it
	last     bool               // what is on its way is the rest
	rows     int
	since    time.Time
}

// lost reports whether the store has lost rows.
func (w *rewriting) lost() bool {
	if w.detector == nil {
		return false
	}
	_, lost := w.detector.Lost()
	return lost
}

// proof is what the metadata of a commit says of the rows that are stored.
func (w *rewriting) proof() string {
	if w.detector == nil {
		return ""
	}
	if text := w.detector.Proof(); text != "" {
		return proofMark + text
	}
	return ""
}

// owe begins the walk, or begins it again, if the store has lost rows since.
func (r *Runner) owe() {
	w := &r.behind.rewriting
	if w.detector == nil {
		return
	}
	if loss, lost := w.detector.Lost(); lost && (!w.owed.Load() || loss != w.loss) {
		r.beginRewrite(loss, "the online store has lost rows, or cannot prove that it has all of them: all are written anew")
	}
}

func (r *Runner) beginRewrite(loss uint64, why string) {
	w := &r.behind.rewriting
	if r.behind.count.Load() == 0 && !w.owed.Load() {
		r.behind.since = time.Now()
	}
	w.loss, w.at, w.next, w.last, w.rows, w.since = loss, features.Every{}, features.Every{}, false, 0, time.Now()
	w.owed.Store(true)
	r.metrics.losses.WithLabelValues(r.Backend).Inc()
	r.Log.Warn(why+"; until it is done readers see no sign of life, and records say freshet-online: behind", "err_kind", "store")
	r.Config.Health.block(onlineStore, "the rows of the online store are written anew")
}

// slice puts the rows of the next entities into a step, most or a few more.
// Without any that is the end of the walk.
func (r *Runner) slice(s *step, most int, at int64, version sinks.Version) {
	w := &r.behind.rewriting
	for w.next, w.last = w.at, false; len(s.out.rows) == 0 && !w.last; {
		w.last = !r.engine.TouchMore(&w.next, most, at)
		r.engine.Rows(func(row *features.Row) { s.out.addRow(&s.in.arena, r.out.cards, row, version) })
	}
	if len(s.out.rows) == 0 {
		r.rewritten()
	}
}

// healed is after a flight that had rows that were missing.
func (r *Runner) healed(f *flight) {
	b := &r.behind
	w := &b.rewriting
	if f.healed && f.slice {
		w.at, w.rows = w.next, w.rows+len(f.heal.out.rows)
		r.metrics.rewritten.WithLabelValues(r.Backend).Add(float64(len(f.heal.out.rows)))
		if w.last {
			r.rewritten()
		}
	}
	if f.healed && !b.any() {
		b.missing = nil // a map does not shrink
		r.Config.Health.unblock(onlineStore)
		r.Log.Info("the online store has every row again", "after", time.Since(b.since).Round(time.Millisecond).String())
	}
}

// rewritten ends the walk.
func (r *Runner) rewritten() {
	w := &r.behind.rewriting
	w.owed.Store(false)
	if w.detector != nil {
		w.detector.Whole(w.loss)
	}
	r.Log.Info("all rows are written", "rows", w.rows, "after", time.Since(w.since).Round(time.Millisecond).String())
	if !r.behind.any() {
		r.Config.Health.unblock(onlineStore)
	}
}
