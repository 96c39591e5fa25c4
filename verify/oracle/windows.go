package oracle

import (
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// window cuts from what the reader has seen of a row what a feature's window
// holds: first the current event is excluded if asked, then the window is cut
// from all events of the row (S20 to S24). What was taken back is in no
// window, but in the chains that lives and sessions are (S16, S22).
func (r *reading) window(f *spec.Feature, entered []*event) []*event {
	d := f.Def
	until := r.at.time - d.Delay.Milliseconds()
	entered = r.without(d, entered)
	switch f.Window.Kind {
	case spec.Lifetime, spec.HalfLife, spec.Last:
		entered = r.chain(entered, f.View.TTL)
	case spec.Session:
		entered = r.chain(entered, f.Window.Length)
	case spec.Sliding:
		from := len(entered)
		for from > 0 && entered[from-1].time > until-f.Window.Length.Milliseconds() {
			from--
		}
		entered = entered[from:]
	}
	to := len(entered)
	for to > 0 && entered[to-1].time > until {
		to--
	}
	held := r.standing(f.View, entered[:to])
	if f.Window.Kind == spec.Last && len(held) > f.Window.N {
		held = held[len(held)-f.Window.N:]
	}
	return held
}

// without is what a definition sees of a row: not the current event, where it
// is to be excluded or is only asked about (S2).
func (r *reading) without(d *spec.Definition, entered []*event) []*event {
	if !d.ExcludeCurrent && d.Aggregation != "is_new" && d.Aggregation != "lag" {
		return entered
	}
	for i, e := range entered {
		if e == r.current {
			return append(entered[:i:i], entered[i+1:]...)
		}
	}
	return entered
}

// chain are the events up to the reader that no silence of gap or more parts
// from it: the row's present life, or its session (S22).
func (r *reading) chain(entered []*event, gap time.Duration) []*event {
	from, next := len(entered), r.at.time
	for from > 0 && next-entered[from-1].time < gap.Milliseconds() {
		from--
		next = entered[from].time
	}
	return entered[from:]
}

// OfLife reports whether a feature looks over the whole life of its row, or at
// the newest events of it: without windows, with half-lives, which weigh and
// never cut, and with last.
func OfLife(f *spec.Feature) bool {
	switch f.Window.Kind {
	case spec.Lifetime, spec.HalfLife, spec.Last:
		return true
	}
	return false
}

// warming reports whether the source was not read far enough back for a
// feature (S19). A life or a session is known to begin where it does once its
// gap before its first event was read.
func (r *reading) warming(f *spec.Feature, entered, held []*event) bool {
	c := r.oracle.coverage[f.View.Source.Index]
	if !c.partial {
		return false
	}
	needed := r.at.time - f.Def.Delay.Milliseconds() - f.Window.Length.Milliseconds()
	gap := f.View.TTL
	if f.Window.Kind == spec.Session {
		gap = f.Window.Length
	}
	if OfLife(f) || f.Window.Kind == spec.Session {
		needed = r.at.time - gap.Milliseconds()
		if chain := r.chain(entered, gap); len(chain) > 0 {
			needed = chain[0].time - gap.Milliseconds()
		}
	}
	if n := f.Window.N; f.Window.Kind == spec.Last && len(held) == n {
		needed = held[0].time // no older event can be among them (docs/decisions/0004)
	}
	return c.since > needed
}

// standing are those events that no retracting event has taken back (S16).
func (r *reading) standing(v *spec.View, events []*event) []*event {
	if v.Source.Retracts == nil {
		return events
	}
	var list []*event
	for _, e := range events {
		if !r.takenBack(v, e) {
			list = append(list, e)
		}
	}
	return list
}

// takenBack reports whether a retracting event at or before the reader's place
// names e, and carries e's key of the view's entity. It is remembered for
// allowed_lateness: an event that is later than that keeps its contribution.
func (r *reading) takenBack(v *spec.View, e *event) bool {
	retractions := r.oracle.takeBack[idKey{e.record.Source, e.id}]
	if r.extra != nil && r.extra.retracting && r.own(v) {
		if id, _ := text(r.extra.fields[v.Source.Retracts.Index]); id == e.id {
			retractions = append(retractions[:len(retractions):len(retractions)], r.extra)
		}
	}
	at := r.at
	at.end = !r.own(v)
	for _, by := range retractions {
		place := placeOf(by)
		if at.end {
			place.end = true
		}
		if !at.before(place) && means(v, by, e) {
			return true
		}
	}
	return false
}

// means reports whether a retracting event that names e's id takes e back from
// a view, at whatever time.
func means(v *spec.View, by, e *event) bool {
	key, _ := keyOf(v.Source, v.Entity, e)
	its, has := keyOf(v.Source, v.Entity, by)
	if !e.hasID || !has || its != key || e.time-by.time > v.Source.AllowedLateness.Milliseconds() {
		return false
	}
	f := v.Source.RetractsTimeField
	return f == nil || by.fields[f.Index] == nil || by.fields[f.Index] == instant(e.time)
}

// TakenBackAt is the newest time, in ms, at which a retracting event took
// something back from a row; before all times where none did. Kept is the same
// among those whose original was at most the lateness older: it cannot have been
// forgotten.
func (o *Oracle) TakenBackAt(v *spec.View, key string) (kept, any int64) {
	kept, any = NoTime, NoTime
	for _, e := range o.rows[rowKey{v, key}] {
		for _, by := range o.takeBack[idKey{e.record.Source, e.id}] {
			if !means(v, by, e) {
				continue
			}
			any = max(any, by.time)
			if by.time-e.time <= v.Source.AllowedLateness.Milliseconds() {
				kept = max(kept, by.time)
			}
		}
	}
	return kept, any
}
