package features

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
)

// LogID says what the state of a log is made of: one entity over one source,
// for all views of the two. Of two plans, logs with the same Hash hold the same
// state; any other is made from the records anew. Names of views, features,
// services and entities are not in it, nor what only decides how a value is made
// of the state (min_count, default, unit), nor what is served of it beyond which
// windows are kept.
type LogID struct {
	Source, Entity string // for people
	Hash           string // in hex
}

// LogIDs are the logs of a plan, in its order.
func (p *Plan) LogIDs() []LogID {
	var ids []LogID
	for _, l := range p.logs {
		ids = append(ids, LogID{l.source.source.Name, l.entity.Name, l.hash()})
	}
	return ids
}

// description gathers parts in a hash, each with its length and type, so that no
// two lists of parts are the same bytes.
type description struct{ hash.Hash }

func (d description) put(parts ...any) {
	for _, p := range parts {
		text := fmt.Sprintf("%T %v", p, p)
		fmt.Fprintf(d, "%d:%s", len(text), text)
	}
}

func (d description) sum() string { return hex.EncodeToString(d.Sum(nil)) }

// acceptance is the hash of what decides which records of a source are accepted,
// and what their fields are worth: with another one, admission is another.
func (sp *sourcePlan) acceptance() string {
	s, d := sp.source, description{sha256.New()}
	d.put("source", SnapshotFormat, s.Type, s.Topic, s.Stream, s.Path, s.Format, s.AllowedLateness, s.MaxAhead, s.DedupWindow)
	for _, f := range []*spec.Field{s.TimestampField, s.IDField, s.Retracts, s.RetractsTimeField} {
		if f == nil {
			d.put("no field")
			continue
		}
		d.put(f.Name)
	}
	d.expr(s.Filter)
	for _, f := range s.Fields {
		d.put("field", f.Name, f.Type, f.Scale, f.TimeUnit, strings.Join(f.Path, "."), f.Optional, f.Strict, f.Text, f.Table, f.TableKey, f.TableColumn)
		if f.Strict {
			d.put(strings.Join(f.Enum, ","))
		}
		d.expr(f.Expr)
	}
	return d.sum()
}

func (d description) expr(e *spec.Expr) {
	if e == nil {
		d.put("no expression")
		return
	}
	d.put(e.Text)
}

// hash is LogID.Hash: what every word of a row, a state and a block means.
func (l *logPlan) hash() string {
	d := description{sha256.New()}
	d.put("log", SnapshotFormat, l.source.acceptance(), strings.Join(l.entity.Key, ","))
	d.put(l.hasID, l.flagsAt, l.takenAt, l.lanesAt, l.width, l.retracts, l.taking, l.found, l.atTaken)
	d.put(l.atTiles, l.atFolded, l.atTurn, l.budget, l.distinct, l.words, l.span, l.lateness, l.coarsest, fmt.Sprint(l.tileWidths), fmt.Sprint(l.handles))
	if l.retracts {
		d.put("stripped", l.strippedAt)
	}
	for _, b := range l.bits {
		d.put("bit", l.source.condition(b.filter), l.source.condition(b.cond), l.source.condition(b.numerator), b.hit, l.input1(b.input+1),
			l.input1(b.order), l.input1(b.category), b.held, b.mark, b.unique)
	}
	for _, input := range l.lanes {
		d.put("lane", l.input1(input+1))
	}
	for _, v := range l.views {
		d.put("view", v.entered, v.stands, v.ttl, v.state, len(v.chains))
		for _, c := range v.chains {
			d.put("chain", c.gap, c.state, c.ordered)
		}
	}
	for _, k := range l.cursors {
		l.describeCursor(d, k)
	}
	for _, x := range l.newests {
		d.put("newest", x.bit, x.lane, x.delay, x.at)
	}
	for _, x := range l.stacks {
		d.put("stack", x.bit, x.lane, x.largest, x.ties, x.number, x.reach, x.delay, x.at)
	}
	for _, x := range l.lists {
		d.put("list", x.bit, x.at)
	}
	if l.levels.width > 0 {
		d.put("levels", l.levels.at)
	}
	for _, x := range l.branches {
		if of := x.records; of != nil {
			d.put("branch", of.bit, of.lane, of.width, x.at, x.held)
		} else {
			d.put("others", x.but.bit, x.but.lane, x.width, x.at, x.held)
		}
	}
	for _, x := range l.tables {
		d.put("table", x.bit, x.lane, x.life != nil, x.unique, x.reach, x.keep, x.delay, x.at, x.sketch, x.memories, len(x.counts))
	}
	return d.sum()
}

func (l *logPlan) describeCursor(d description, k *cursorPlan) {
	life, view := -1, -1
	if k.life != nil {
		life = k.life.state
	}
	if k.view != nil {
		view = k.view.state
	}
	d.put("cursor", k.delay, k.length, life, k.last, k.gap, k.by, view, k.scanned, k.at, k.grid, k.list)
	if k.within != nil {
		d.put("within", k.within.state)
	}
	if k.ripe != nil {
		d.put("ripe", k.ripe.words, k.ripe.at)
	}
	for _, x := range k.divided {
		d.put("divided", x.bit, x.lane, x.width, x.at, x.index)
		if x.groups != nil {
			d.put("groups", x.groups.width, x.groups.at, x.rest)
		}
	}
	for _, p := range k.parts {
		d.put("part", p.part, p.bit, p.unique, p.lane, p.number, p.half, p.limit, p.q, p.within, p.order, p.orders, p.tile, p.base, p.nth, p.spreads)
		if !k.scanned && p.runs(k) {
			d.put("runs", p.run, p.narrow, p.full, p.implied)
		}
		for _, x := range []*censusPlan{p.census, p.counts[0], p.counts[1]} {
			if x != nil {
				d.put("census", x.at)
			}
		}
		if p.newest != nil {
			d.put("newest", p.newest.at)
		}
		if p.stack != nil {
			d.put("stack", p.stack.at)
		}
		if p.table != nil {
			d.put("table", p.table.at)
		}
	}
}

// input1 is an input of the log's source by its place, from 1 on; 0: none.
func (l *logPlan) input1(place int) string {
	if place <= 0 {
		return "none"
	}
	in := &l.source.inputs[place-1]
	return fmt.Sprint(in.name, " ", in.typ, " ", in.scale, " ", in.encoding)
}

// condition is the text of a condition of the source; -1: none.
func (sp *sourcePlan) condition(i int) string {
	if i < 0 {
		return "none"
	}
	return sp.condTexts[i]
}
