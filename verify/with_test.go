package verify

import (
	"fmt"
	"slices"

	"github.com/freshet-dev/freshet/verify/oracle"
)

// withEvery is how seldom a record is asked about beside being applied.
const withEvery = 3

// ask asks both "with this event" (S7) about a record, be it new, applied
// already, late or a duplicate.
func (d *duel) ask(r oracle.Record) error {
	ev := d.events[r.Source] // a copy: the one that is applied keeps its values
	ev.Values = nil
	ev.Source, ev.Partition, ev.Offset, ev.RecordTime = r.Source, r.Partition, r.Offset, r.Time
	rejection := d.readers[r.Source].Read(slices.Clone(r.Value), &ev)
	want := d.oracle.With(r)
	if rejection != nil || want.Reason != oracle.Accepted {
		if rejection == nil || rejection.Reason.String() != want.Reason {
			return fmt.Errorf("asked about %s: engine %v, oracle %s", r.Value, rejection, want.Reason)
		}
		return nil
	}
	newest, any := d.oracle.Newest(r.Source)
	late := any && newest-want.Time() > d.spec.Sources[r.Source].AllowedLateness.Milliseconds()
	if d.budgeted[r.Source] || late && !want.Known {
		return nil // its place, or what it would push out, may be past what is kept; or it could not come any more
	}
	got := d.plan.NewVector(r.Source)
	d.engine.ReadWith(&ev, got)
	d.counts.asked++
	if err := d.vector(r.Source, got, want); err != nil {
		return fmt.Errorf("asked about %s: %w", r.Value, err)
	}
	return nil
}
