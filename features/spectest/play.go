package spectest

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
)

// record is one given event, in the order of arrival.
type record struct {
	given   *spec.Given
	arrives time.Duration
	offset  int64
	refused event.Reason // Accepted
	detail  string       // of a refusal
	id      string
	time    int64 // event time, ms; of the given offset where it was not decoded
	values  []event.Value
	keys    []string // by Layout.Entities, of an accepted one

	// Of accepted events that an expectation is about: what it was enriched with.
	enriched []event.Value
	statuses []features.Status
	fired    [][]bool
	results  []models.Result // by Layout.Models; of absent models zero
}

// play is a test's events and what the engine made of them.
type play struct {
	runner  *Runner
	test    *spec.Test
	records []*record // in order of arrival
	start   int64     // ms
}

// play sends every event of t through a fresh engine.
func (r *Runner) play(t *spec.Test) (*play, *Mistake) {
	p := &play{runner: r, test: t, start: t.Start.UnixMilli()}
	for i := range t.Given {
		given := &t.Given[i]
		p.records = append(p.records, &record{given: given, arrives: given.Arrives, time: p.start + given.At.Milliseconds()})
	}
	sort.SliceStable(p.records, func(i, j int) bool { return p.records[i].arrives < p.records[j].arrives })

	engine := r.engine()
	readers := make(map[int]*features.Reader)
	vectors := make(map[int]*features.Vector)
	wanted := p.wanted()
	for i, rec := range p.records {
		source := rec.given.Source
		if readers[source.Index] == nil {
			readers[source.Index] = r.plan.NewReader(source.Index)
			readers[source.Index].SetTables(r.tables)
			vectors[source.Index] = r.plan.NewVector(source.Index)
		}
		rec.offset = int64(i)
		ev, mistake := p.read(readers[source.Index], rec)
		if mistake != nil {
			return nil, mistake
		}
		if ev == nil {
			continue
		}
		if refused := engine.Admit(ev); refused != nil {
			rec.refused, rec.detail = refused.Reason, refused.Detail
			continue
		}
		out := vectors[source.Index]
		engine.Apply(ev, out)
		rec.keys = cloneStrings(out.Keys)
		if wanted(rec) {
			p.keep(rec, out)
		}
	}
	return p, nil
}

// engine is a fresh one that has read everything from the start, so that
// nothing is WARMING.
func (r *Runner) engine() *features.Engine {
	engine := features.NewEngine(r.plan, features.Options{})
	for _, source := range r.plan.Spec().Sources {
		engine.SetCoverage(source.Index, features.Coverage{FromStart: true})
	}
	return engine
}

// read decodes one given event from its texts. nil: refused.
func (p *play) read(reader *features.Reader, rec *record) (*event.Event, *Mistake) {
	given := rec.given
	fields, texts := make([]*spec.Field, 0, len(given.Values)+1), make([]string, 0, len(given.Values)+1)
	has := make(map[*spec.Field]bool)
	for _, v := range given.Values {
		if v.Null {
			continue
		}
		fields, texts = append(fields, v.Field), append(texts, v.Text)
		has[v.Field] = true
	}
	if stamp := given.Source.TimestampField; stamp != nil && !has[stamp] {
		at := time.UnixMilli(rec.time).UTC().Format("2006-01-02T15:04:05.000Z")
		fields, texts = append(fields, stamp), append(texts, at)
		has[stamp] = true
	}
	for _, f := range given.Source.Fields {
		if f.Expr == nil && f.Table == "" && !f.Optional && !has[f] {
			return nil, &Mistake{given.Pos, fmt.Sprintf("the event at %s of %s has no %s, which is required: give it a value, or mark the field optional",
				offset(given.At), given.Source.Name, f.Name)}
		}
	}
	ev := &event.Event{Source: given.Source.Index, Offset: rec.offset, RecordTime: event.NoTime}
	refused := reader.ReadGiven(fields, texts, ev)
	if refused != nil {
		rec.refused, rec.detail = refused.Reason, strings.TrimSpace(refused.Field+" "+refused.Detail)
	}
	rec.id = strings.Clone(ev.ID)
	if refused != nil && rec.id == "" && given.Source.IDField != nil {
		rec.id = textOf(given, given.Source.IDField)
	}
	if refused != nil {
		return nil, nil
	}
	rec.time = ev.Time
	rec.values = cloneValues(ev.Values)
	return ev, nil
}

// wanted tells the records that an expectation may be about, so that a test of
// a million events keeps a few vectors only.
func (p *play) wanted() func(*record) bool {
	times, ids := make(map[int64]bool), make(map[string]bool)
	for _, expect := range p.test.Expect {
		if expect.Event != "" {
			ids[expect.Event] = true
		}
		if expect.HasAt {
			times[p.at(expect.At)] = true
		}
	}
	return func(rec *record) bool { return times[rec.time] || ids[rec.id] }
}

func (p *play) at(offset time.Duration) int64 { return p.start + offset.Milliseconds() }

// keep copies what an event was enriched with, and scores it.
func (p *play) keep(rec *record, out *features.Vector) {
	rec.enriched = cloneValues(out.Values)
	rec.statuses = append([]features.Status(nil), out.Statuses...)
	layout := p.runner.plan.Layout(rec.given.Source.Index)
	for i, m := range layout.Models {
		fired := append([]bool(nil), out.Fired[i]...)
		rec.fired = append(rec.fired, fired)
		scorer := p.runner.scorers[m.Model]
		if scorer == nil {
			rec.results = append(rec.results, models.Result{Reasons: firedRules(fired, m.Model.MaxReasons)})
			continue
		}
		in := models.Input{Fired: fired}
		for _, column := range m.Vector {
			in.Vector = append(in.Vector, modelInput(out.Values[column], layout.Columns[column].Scale))
		}
		in.Score, in.HasScore = out.Scores[i].Number(0)
		result := scorer.Score(&in)
		result.Reasons = append([]int(nil), result.Reasons...)
		rec.results = append(rec.results, result)
	}
}

func firedRules(fired []bool, limit int) []int {
	var out []int
	for i, holds := range fired {
		if holds && (limit == 0 || len(out) < limit) {
			out = append(out, i)
		}
	}
	return out
}

// asOf is a fresh engine that holds what had arrived by an instant and is not
// later than it: state is a function of the set of records applied.
func (p *play) asOf(at time.Duration) *features.Engine {
	engine := p.runner.engine()
	for _, rec := range p.records {
		if rec.refused != event.Accepted || rec.arrives > at || rec.time > p.at(at) {
			continue
		}
		ev := &event.Event{Source: rec.given.Source.Index, Offset: rec.offset, RecordTime: event.NoTime,
			Time: rec.time, ID: rec.id, Values: rec.values}
		if engine.Admit(ev) == nil {
			engine.Apply(ev, nil)
		}
	}
	return engine
}

// dropped counts the records that were not applied and had arrived by an
// instant, of any entity.
func (p *play) dropped(by time.Duration) map[string]int {
	counts := make(map[string]int)
	for _, rec := range p.records {
		if rec.arrives <= by && rec.refused != event.Accepted {
			counts[rec.refused.String()]++
		}
	}
	return counts
}

// textOf is the text of a given field, "" without one.
func textOf(given *spec.Given, f *spec.Field) string {
	for _, v := range given.Values {
		if v.Field == f {
			return v.Text
		}
	}
	return ""
}
