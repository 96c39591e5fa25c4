package pipeline

import (
	"math"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/fault"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
)

// sampleEvery is how often the stages of one record are timed: reading the
// clock for each would cost more than some of the stages.
const sampleEvery = 64

// apply takes what is left of the step's records in order through the engine, and
// everything that follows from all of them into what leaves.
func (r *Runner) apply() (err error) {
	if err := r.applyRead(); err != nil {
		return err
	}
	defer func() { err = r.caught(recover(), noSlot, err) }()
	began := time.Now()
	cur := r.cur
	cur.out.finish()
	if r.Store != nil {
		// Rows are as after the step's last record, whichever touched them.
		version := sinks.Version{Incarnation: r.own.incarnation, Batch: r.own.batch + 1, Owner: r.own.owner, Seq: max(r.own.seq, 1) - 1}
		r.engine.Rows(func(row *features.Row) { cur.out.addRow(&cur.in.arena, r.out.cards, row, version) })
	} else {
		r.engine.DropTouches()
	}
	cur.counts.apply += time.Since(began)
	r.own.records += len(cur.in.slots)
	r.own.bytes += cur.bytes()
	r.own.each = cur.bytes() / int64(max(1, len(cur.in.slots)))
	r.open, r.cur = append(r.open, cur), r.fresh()
	fault.At(fault.Applied)
	return nil
}

// applyEarly applies what a look has brought while the step before is on its way,
// so that nothing but its last records is left to do once that has left. A look
// that is to be followed by another at once waits for it: both have what was
// appended together, and are merged.
func (r *Runner) applyEarly() error {
	if r.flight == nil || r.own == nil || r.own.rebuilding || r.Limits.CommitInterval == 0 || r.own.waiting > 0 || r.look.again {
		return nil
	}
	return r.applyRead()
}

// applyRead takes those of the step's records that were not yet applied through
// the engine, in order. The step stays open for more.
func (r *Runner) applyRead() (err error) {
	cur := r.cur
	if len(cur.in.order) == len(cur.in.slots) {
		return nil
	}
	at := noSlot
	defer func() { err = r.caught(recover(), at, err) }()
	began := time.Now()
	r.tellCoverage()
	first := cur.in.arrange(r.Merged)
	p := record.Place{Batch: r.own.batch + 1, Owner: r.own.owner, Seq: r.own.seq}
	cur.out.begin(r)
	for n := first; n < len(cur.in.order); n++ {
		if (n-first)%features.StageSize == 0 {
			r.engine.Stage(cur.in.accepted(n, features.StageSize))
		}
		at = int(cur.in.order[n])
		s := &cur.in.slots[at]
		if s.refusal.Reason == event.Accepted && r.poisoned(&s.rec) {
			r.refusePoison(s)
			continue
		}
		if s.refusal.Reason == event.Accepted {
			if rej := r.engine.Admit(&s.ev); rej != nil {
				s.refusal = *rej
			}
		}
		if s.refusal.Reason != event.Accepted {
			r.refuse(s)
			continue
		}
		r.applyOne(at, p)
		p.Seq++
	}
	r.own.seq = p.Seq
	cur.counts.apply += time.Since(began)
	return nil
}

// applyOne takes one accepted record through the engine and the models, and
// encodes what is emitted.
func (r *Runner) applyOne(at int, p record.Place) {
	cur := r.cur
	s := &cur.in.slots[at]
	v := r.vectors[s.ev.Source]
	timed := p.Seq%sampleEvery == 0
	var t0, t1, t2 time.Time
	if timed {
		t0 = time.Now()
	}
	r.engine.Apply(&s.ev, v)
	if timed {
		t1 = time.Now()
	}
	r.out.score(&cur.counts, s.ev.Source, v, timed)
	if timed {
		t2 = time.Now()
	}
	r.out.emit(cur, at, v, p)
	if timed {
		cur.counts.sampled(t1.Sub(t0), t2.Sub(t1), time.Since(t2))
	}
}

// refuse counts a refused record, and makes its dead letter where it has one.
func (r *Runner) refuse(s *slot) {
	reason := s.refusal.Reason
	src := r.spec.Sources[s.rec.Source]
	if !reason.DeadLetter() {
		r.cur.counts.dropped[s.rec.Source][reason]++
		return
	}
	r.cur.counts.dead[s.rec.Source][reason]++
	r.cur.out.bury(r.out.dlq, s, src, reason.String())
	if n, tell := r.sample.tell(reason.String(), time.Now()); tell {
		r.Log.Warn("dead letter", place(src, s.rec.Partition, s.rec.Offset), "reason", reason.String(),
			"field", s.refusal.Field, "err", s.refusal.Detail, "err_kind", "record", "of_this_reason_since_last_line", n)
	}
}

// output is what makes records of vectors.
type output struct {
	metrics *metrics
	sources []*sourceOutput
	headers *record.Headers
	dlq     *record.DeadLetters
	late    *record.DeadLetters // beside the loop
	cards   *record.CardNumbers // of rows
}

// sourceOutput is what the records of one source need.
type sourceOutput struct {
	src     *spec.Source
	layout  *features.Layout
	encoder *record.Encoder
	privacy record.Privacy
	key     int // in layout.Entities; -1: records have no key
	models  []scored
	results []models.Result
	band    string // of the first model that is not a shadow
	columns []int  // by layout.Columns: the view's index for status counts, -1
}

// scored is one model on a source.
type scored struct {
	model  *spec.Model
	scorer models.Scorer
	layout features.ModelLayout
	in     models.Input
}

func newOutput(r *Runner) output {
	o := output{metrics: r.metrics, headers: record.NewHeaders(record.SpecRef(r.spec)), dlq: record.NewDeadLetters(r.spec, r.Privacy), late: record.NewDeadLetters(r.spec, r.Privacy),
		cards: record.NewCardNumbers(r.spec)}
	for i, src := range r.spec.Sources {
		layout := r.Plan.Layout(i)
		s := &sourceOutput{src: src, layout: layout, encoder: record.NewEncoder(r.spec, layout, r.Privacy), privacy: r.Privacy, key: -1}
		for j, e := range layout.Entities {
			if e == src.Output.Key {
				s.key = j
			}
		}
		for _, m := range layout.Models {
			s.models = append(s.models, scored{model: m.Model, scorer: r.Scorers[m.Model.Index], layout: m,
				in: models.Input{Vector: make([]float64, len(m.Vector))}})
		}
		s.results = make([]models.Result, len(s.models))
		for _, c := range layout.Columns {
			view := -1
			if c.Feature != nil && c.Emit {
				view = c.Feature.View.Index
			}
			s.columns = append(s.columns, view)
		}
		o.sources = append(o.sources, s)
	}
	return o
}

// begin makes a parcel for what comes.
func (p *parcel) begin(r *Runner) {
	p.now, p.spec, p.late = r.Clock().UnixMilli(), r.spec, r.out.late
}

// score asks the models of a source about the vector, and looks how long each takes
// where this one is timed.
func (o *output) score(counts *batchCounts, source int, v *features.Vector, timed bool) {
	s := o.sources[source]
	s.band = ""
	for i := range s.models {
		m := &s.models[i]
		if m.model.Runtime != "expr" { // which reads rules and its own expression only
			fill(m.in.Vector, m.layout.Vector, s.layout.Columns, v.Values)
		}
		m.in.Fired = v.Fired[i]
		m.in.Score, m.in.HasScore = v.Scores[i].Number(0)
		var began time.Time
		if timed {
			began = time.Now()
		}
		s.results[i] = m.scorer.Score(&m.in)
		if timed {
			o.metrics.scoreTook[m.model].Observe(time.Since(began).Seconds())
		}
		if s.band == "" && !m.model.Shadow {
			s.band = s.results[i].Band
		}
		o.metrics.scored(counts, m.model, &s.results[i])
	}
	for i, view := range s.columns {
		if view >= 0 {
			counts.statuses[view][v.Statuses[i]]++
		}
	}
}

// fill makes a model's vector of numbers: NaN where there is no value.
func fill(dst []float64, columns []int, layout []features.Column, values []event.Value) {
	for i, c := range columns {
		v := values[c]
		x, ok := v.Number(layout[c].Scale)
		switch {
		case ok:
		case v.Kind() == event.Bool && v.Bool():
			x = 1
		case v.Kind() == event.Bool:
			x = 0
		default:
			x = math.NaN()
		}
		dst[i] = x
	}
}

// emit encodes the record of an applied event.
func (o *output) emit(of *step, at int, v *features.Vector, p record.Place) {
	to, s := &of.out, &of.in.slots[at]
	src := o.sources[s.ev.Source]
	if to.buf == nil { // not by doubling: a large step is followed by one like it
		to.buf = make([]byte, 0, to.want)
	}
	r := ref{topic: src.src.Output.Topic, key: len(to.buf), slot: at, headers: o.headers.Of(src.band, s.trace)}
	if src.key >= 0 && v.Keys[src.key] != "" {
		to.buf = append(to.buf, src.privacy.Key(src.layout.Entities[src.key], v.Keys[src.key])...)
	}
	r.value = len(to.buf)
	to.buf = src.encoder.Append(to.buf, &record.Enriched{Event: &s.ev, Vector: v, Scores: src.results, Place: p,
		ProcessedAt: to.now, TraceID: record.TraceID(s.trace)})
	r.end = len(to.buf)
	to.refs = append(to.refs, r)
}
