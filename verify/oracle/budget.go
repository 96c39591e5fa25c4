package oracle

import (
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// logKey names the events of one entity in one source.
type logKey struct {
	source, entity int
	key            string
}

// budget is how many of the newest events of an entity in a source are exact
// (S26, docs/decisions/0005): the largest of all views over the two, and
// enough for each `last`; 0 where nothing looks at them.
func (o *Oracle) budget(source, entity int) int {
	most := 0
	for _, v := range o.spec.Views {
		if v.Source.Index != source || v.Entity.Index != entity {
			continue
		}
		most = max(most, v.EventBudget)
		for _, d := range v.Definitions {
			for _, w := range d.Windows {
				most = max(most, w.N)
			}
		}
	}
	return most
}

// keep puts an event into the logs of its entities that it belongs to: those
// of whose views it enters one, and that of its first entity where it has an id.
func (o *Oracle) keep(src *spec.Source, e *event) {
	first := true
	for _, entity := range o.spec.Entities {
		key, has := keyOf(src, entity, e)
		if o.budget(src.Index, entity.Index) == 0 || !has {
			continue
		}
		kept := e.hasID && first
		first = false
		for _, v := range o.spec.Views {
			kept = kept || v.Source == src && v.Entity == entity && o.enters(v, e)
		}
		if kept {
			k := logKey{src.Index, entity.Index, key}
			o.logs[k] = insert(o.logs[k], e)
		}
	}
}

// folded is the newest event of an entity that is past the budget, nil where
// none is.
func (o *Oracle) folded(v *spec.View, key string) *event {
	log := o.logs[logKey{v.Source.Index, v.Entity.Index, key}]
	if past := len(log) - o.budget(v.Source.Index, v.Entity.Index); past > 0 {
		return log[past-1]
	}
	return nil
}

// Folded is the time in ms of the newest event of an entity that is past the
// budget of a view; before all times where none is.
func (o *Oracle) Folded(v *spec.View, key string) int64 {
	if e := o.folded(v, key); e != nil {
		return e.time
	}
	return NoTime
}

// behind reports whether the reader's own place is past the budget: then what
// it would see is gone.
func (r *reading) behind(v *spec.View, key string) bool {
	e := r.oracle.folded(v, key)
	return e != nil && (r.at.time < e.time || r.own(v) && !placeOf(e).before(r.at))
}

// tails are the events of a window whose tail is past the budget, and those
// that it may be told of instead.
type tails struct {
	held, or []*event
	open     bool
}

// degraded is the window of a sliding feature whose tail is past the budget:
// it begins where the tile of its tail does, and ends with a tile where its end
// is past the budget too; or, for what tiles cannot tell, it is what is left of
// it of the newest events. False where the window is exact.
func (r *reading) degraded(f *spec.Feature, key string, entered []*event) (tails, bool) {
	last := r.oracle.folded(f.View, key)
	until := r.at.time - f.Def.Delay.Milliseconds()
	from := until - f.Window.Length.Milliseconds()
	if f.Window.Kind != spec.Sliding || last == nil || last.time <= from {
		return tails{}, false
	}
	recent, whole := []*event(nil), []*event(nil)
	for _, e := range entered {
		if placeOf(last).before(placeOf(e)) && e.time > from && e.time <= until {
			recent = append(recent, e)
		}
	}
	grid := gridOf(f)
	from = floor(from+1, grid) - 1
	if until < last.time {
		until = floor(until+1, grid) - 1
	}
	for _, e := range entered {
		if e.time > from && e.time <= until {
			whole = append(whole, e)
		}
	}
	return r.told(f, key, recent, whole), true
}

// gridOf is the width of a feature's tiles in ms.
func gridOf(f *spec.Feature) int64 {
	grid := (f.Def.Delay + f.Window.Length).Milliseconds() / 60
	if f.View.Granularity > 0 {
		grid = f.View.Granularity.Milliseconds()
	}
	return max(grid, time.Millisecond.Milliseconds())
}

// Crowd is about how many values a window holds: exactly, and with the tile of
// its tail, from which a sketch counts past the distinct_budget.
type Crowd struct{ Values, Tiled int }

// crowd counts the values of a feature's window. Only what is made of how many
// there are is ever told by a sketch.
func (r *reading) crowd(f *spec.Feature, entered, held []*event) Crowd {
	switch f.Def.Aggregation {
	case "count_distinct", "approx_count_distinct", "is_new", "novelty":
	default:
		return Crowd{}
	}
	number := r.oracle.numbers[f.Def]
	values := func(events []*event) int {
		seen := map[any]bool{}
		for _, e := range events {
			if in := r.inputsOf(e)[number]; in.reaches {
				seen[in.value] = true
			}
		}
		return len(seen)
	}
	c := Crowd{values(held), values(held)}
	if f.Window.Kind != spec.Sliding {
		return c
	}
	until := r.at.time - f.Def.Delay.Milliseconds()
	from := floor(until-f.Window.Length.Milliseconds()+1, gridOf(f)) - 1
	var tiled []*event
	for _, e := range entered {
		if e.time > from && e.time <= until {
			tiled = append(tiled, e)
		}
	}
	c.Tiled = values(tiled)
	return c
}

// floor is the largest multiple of grid up to t, which is not negative.
func floor(t, grid int64) int64 { return t / grid * grid }

// told chooses between what is left of a window of the newest events, and the
// whole of it with the tiles of the past, by what tiles can tell. Which values
// occur they tell of a window that ends at the newest event; of others that is
// open.
func (r *reading) told(f *spec.Feature, key string, recent, whole []*event) tails {
	if f.Def.By != nil {
		return tails{held: recent}
	}
	switch f.Def.Aggregation {
	case "count", "sum", "mean", "stddev", "variance", "skewness", "zscore", "ratio", "rate", "slope", "min", "max", "first", "last",
		"time_since_first", "time_since_last", "interarrival_mean":
		return tails{held: whole}
	case "count_distinct", "approx_count_distinct", "novelty", "is_new":
		newest := r.oracle.logs[logKey{f.View.Source.Index, f.View.Entity.Index, key}]
		open := f.Def.Delay > 0 || r.oracle.newestOf[f.View.Source.Index] > r.at.time || r.at.before(placeOf(newest[len(newest)-1]))
		return tails{held: whole, or: recent, open: open}
	}
	return tails{held: recent}
}
