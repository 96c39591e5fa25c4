package features

import (
	"fmt"
	"slices"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/window"
)

// Restore puts the pieces of a snapshot into an engine that has seen nothing. A
// log of the plan whose hash is not among those of the snapshot stays empty, and
// is filled by the records: of its source, all are read again, from the
// earliest on.
type Restore struct {
	engine  *Engine
	written int
	logs    []*entityLog // by the snapshot's logs; nil: none of the plan
	fresh   []*entityLog
}

// NewRestore begins to restore a snapshot of the logs that LogIDs said when it
// was written. The engine has the seed that the other one had.
func NewRestore(e *Engine, written []LogID) *Restore {
	r := &Restore{engine: e, written: len(written), logs: make([]*entityLog, len(written))}
	for i, id := range e.plan.LogIDs() {
		at := slices.IndexFunc(written, func(w LogID) bool { return w.Hash == id.Hash })
		for at >= 0 && r.logs[at] != nil { // of two that are the same, each has its own
			next := slices.IndexFunc(written[at+1:], func(w LogID) bool { return w.Hash == id.Hash })
			if next < 0 {
				at = -1
				break
			}
			at += 1 + next
		}
		if at < 0 {
			r.fresh = append(r.fresh, e.logs[i])
			continue
		}
		r.logs[at] = e.logs[i]
	}
	return r
}

// Rebuilt are the logs of the plan that the snapshot does not have.
func (r *Restore) Rebuilt() []LogID {
	var ids []LogID
	for _, l := range r.fresh {
		ids = append(ids, LogID{l.plan.source.source.Name, l.plan.entity.Name, l.plan.hash()})
	}
	return ids
}

// FromStart reports whether the records of a source are to be read from the
// earliest on, not from the first cut: a log of it is rebuilt.
func (r *Restore) FromStart(source int) bool {
	return slices.ContainsFunc(r.fresh, func(l *entityLog) bool { return l.plan.source.source.Index == source })
}

// Admission restores what admits records, once. First and last are the cuts of
// BeginSnapshot and EndSnapshot. From now on, until EndReplay, records below
// last are admitted as they were before, and no entity is given a record that
// its group has: Apply is called without a vector. No record at or above last
// is admitted before all that are below it were. After an error the engine is of
// no use.
func (r *Restore) Admission(admission Piece, refused []byte, first, last Cuts) error {
	e := r.engine
	p := &replay{first: first, last: last, refused: make([]map[uint64]struct{}, len(e.sources))}
	for i := range e.sources {
		p.fromStart = append(p.fromStart, r.FromStart(i))
	}
	acceptances, of, covered, err := e.readAdmission(admission, r.written, p.fromStart)
	if err != nil {
		return err
	}
	places, err := readRefused(refused, acceptances)
	if err != nil {
		return err
	}
	for i, source := range of {
		if source >= 0 {
			p.refuse(source, places[i])
		}
	}
	e.replay = p
	for i, l := range r.logs {
		if l != nil {
			l.covered, l.restored = covered[i], true
		}
	}
	return nil
}

// Attach puts the entities of a group into the engine, which has none of that
// group. Cuts say how far records were applied when it was written. The group is
// used up.
func (r *Restore) Attach(g *Group, cuts Cuts) {
	for i := range g.sections {
		if s := &g.sections[i]; s.log != nil {
			s.attach(r.engine, g.number)
			if s.log.held == nil {
				s.log.held = new([numGroups][]int64)
			}
			s.log.held[g.number] = cuts.of(s.log.plan.source.source.Index)
		}
	}
	g.sections = nil
}

// replay is how records are read again behind a snapshot.
type replay struct {
	first, last Cuts
	fromStart   []bool                // by source
	refused     []map[uint64]struct{} // by source: the places of records
}

func (p *replay) refuse(source int, places window.Words) {
	p.refused[source] = make(map[uint64]struct{}, places.Len())
	for i := range places.Len() {
		p.refused[source][places.At(i)] = struct{}{}
	}
}

// decided says of a record whether it was refused because another partition had
// brought it before, where that is known: between the first and the last cuts
// as the snapshot says, and before the first ones, from where only a source with
// an empty log is read, by what the logs hold.
func (e *Engine) decided(s *sourceState, ev *event.Event) (refused, known bool) {
	p, source, c := e.replay, s.plan.source.Index, &e.current
	switch {
	case !below(p.last.of(source), ev.Partition, ev.Offset):
		return false, false
	case p.fromStart[source] && below(p.first.of(source), ev.Partition, ev.Offset):
		return e.wasRefused(s, ev), true
	}
	_, refused = p.refused[source][c.place]
	return refused, true
}

// wasRefused says of a record before the first cuts whether another one with its
// id and time was accepted. A log that was restored knows which of the two it
// was, one that is filled only that there was one.
func (e *Engine) wasRefused(s *sourceState, ev *event.Event) bool {
	c := &e.current
	refused := s.orphans.has(c.idHash ^ uint64(ev.Time))
	for _, l := range s.logs {
		if c.keys[l.entityAt] == "" {
			continue
		}
		row := l.rowOfID(c.identity)
		if row != nil && l.restored {
			return l.plan.place(row) != c.place
		}
		refused = refused || row != nil
	}
	return refused
}

// EndReplay forgets the snapshot that the engine was restored from: all records
// below its last cuts were applied again.
func (e *Engine) EndReplay() {
	e.replay = nil
	for _, l := range e.logs {
		l.held = nil
		l.sortWaits()
	}
}

// has reports whether an entity's group has a record already.
func (l *entityLog) has(key hash128, partition int32, offset int64) bool {
	return l.held != nil && below(l.held[key.hi>>56], partition, offset)
}

// coverageOf is from when on the source was read for a log: since it was
// restored, or before that.
func (e *Engine) coverageOf(l *entityLog) Coverage {
	told := e.sources[l.plan.source.source.Index].coverage
	if !l.restored {
		return told
	}
	best := told
	if !told.FromStart && (l.covered.FromStart || l.covered.Since < told.Since) {
		best = l.covered
	}
	best.Hole = max(told.Hole, l.covered.Hole)
	return best
}

// wrong is the error of a piece that is not what was written.
func wrong(group int, format string, args ...any) error {
	return fmt.Errorf("key group %d of a snapshot (format %d): %s: take the checkpoint before it", group, SnapshotFormat, fmt.Sprintf(format, args...))
}
