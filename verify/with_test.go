package verify

import (
	"fmt"
	"slices"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// withEvery is how seldom a record is asked about beside being applied.
const withEvery = 3

// applyAsked applies an event, and asks "with this event" before and behind
// (S7): before, if it is the last of its time, and behind, if it is known again,
// the answer is what it is enriched with.
func (d *duel) applyAsked(ev *event.Event) error {
	vector, src := d.vectors[ev.Source], d.spec.Sources[ev.Source]
	last := d.lastOfItsTime(ev)
	if ev.Offset%withEvery != 0 {
		d.engine.Apply(ev, vector)
		return nil
	}
	before := d.plan.NewVector(ev.Source)
	d.engine.ReadWith(ev, before)
	for i := range before.Values {
		before.Values[i] = before.Values[i].Clone()
	}
	d.engine.Apply(ev, vector)
	if last {
		if err := d.sameVector(ev.Source, before, vector); err != nil {
			return fmt.Errorf("before it is applied, with it: %w", err)
		}
	}
	hasEntity := slices.ContainsFunc(vector.Keys, func(key string) bool { return key != "" })
	if src.IDField == nil || !ev.Values[src.IDField.Index].Has() || !hasEntity {
		return nil
	}
	for i := range vector.Values {
		before.Values[i], before.Statuses[i] = vector.Values[i].Clone(), vector.Statuses[i]
	}
	again := d.plan.NewVector(ev.Source)
	d.engine.ReadWith(ev, again)
	if err := d.sameVector(ev.Source, again, before); err != nil {
		return fmt.Errorf("once it is applied, with it: %w", err)
	}
	copy(vector.Values, before.Values)
	return nil
}

// lastOfItsTime notes an event's place and reports whether it is behind all
// events of its source that were applied with its time.
func (d *duel) lastOfItsTime(ev *event.Event) bool {
	type place = [2]int64
	now, at := place{int64(ev.Partition), ev.Offset}, place{int64(ev.Source), ev.Time}
	newest, some := d.places[at]
	last := !some || slices.Compare(newest[:], now[:]) < 0
	if last {
		d.places[at] = now
	}
	return last
}

func (d *duel) sameVector(source int, got, want *features.Vector) error {
	for i, c := range d.plan.Layout(source).Columns {
		if want.Statuses[i] == features.Incomplete || want.Statuses[i] == features.Degraded {
			continue // applying it may drop what it needs, if its partition lags, and folds an older one
		}
		if got.Statuses[i] != want.Statuses[i] || !sameNumbers(got.Values[i], want.Values[i]) {
			return fmt.Errorf("%s: %v %s, applied %v %s", c.Name, outside(got.Values[i], c.Scale), got.Statuses[i],
				outside(want.Values[i], c.Scale), want.Statuses[i])
		}
	}
	return nil
}

// sameNumbers is equality, but for the last digits of numbers that were put together in
// another order.
func sameNumbers(a, b event.Value) bool {
	if a.Kind() != event.Double || b.Kind() != event.Double {
		return a.Equal(b)
	}
	x, y := a.Float(), b.Float()
	return x == y || max(x-y, y-x) <= 1e-9*max(x, -x, y, -y)
}
