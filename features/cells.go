package features

import (
	"math"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
)

// log is the log of an entity over a source, made when first asked for.
func (c *compiler) log(sp *sourcePlan, entity *spec.Entity) *logPlan {
	for _, l := range sp.logs {
		if l.entity == entity {
			return l
		}
	}
	l := &logPlan{
		index:    len(c.plan.logs),
		source:   sp,
		entity:   entity,
		hasID:    sp.source.IDField != nil,
		lateness: sp.source.AllowedLateness.Milliseconds(),
	}
	c.plan.logs = append(c.plan.logs, l)
	at := 0
	for at < len(sp.logs) && sp.logs[at].entity.Index < entity.Index {
		at++
	}
	sp.logs = append(sp.logs[:at], append([]*logPlan{l}, sp.logs[at:]...)...)
	return l
}

// view is a view's plan, made when first asked for.
func (c *compiler) view(v *spec.View) *viewPlan {
	if vp := c.plan.views[v.Index]; vp != nil {
		return vp
	}
	sp := c.plan.sources[v.Source.Index]
	l := c.log(sp, v.Entity)
	if len(l.views) == 64 {
		panic("features: more than 64 views of one entity over one source")
	}
	vp := &viewPlan{
		view:  v,
		log:   l,
		touch: 1 << len(l.views),
		ttl:   v.TTL.Milliseconds(),
		cells: map[*spec.Feature]*cell{},
	}
	vp.entered = l.bit(bitPlan{filter: c.cond(sp, v.Filter), cond: -1, numerator: -1, input: -1})
	l.views = append(l.views, vp)
	l.ttl = max(l.ttl, vp.ttl)
	c.plan.views[v.Index] = vp
	return vp
}

// bit is the place of a bit among a log's flags.
func (l *logPlan) bit(b bitPlan) int {
	for i, x := range l.bits {
		if x == b {
			return i
		}
	}
	l.bits = append(l.bits, b)
	return len(l.bits) - 1
}

// lane is the place of an input among a log's lanes.
func (l *logPlan) lane(input int) int {
	for i, x := range l.lanes {
		if x == input {
			return i
		}
	}
	l.lanes = append(l.lanes, input)
	return len(l.lanes) - 1
}

// cursor is the place of a window among a log's cursors.
func (l *logPlan) cursor(v *viewPlan, f *spec.Feature) int {
	want := cursorPlan{delay: f.Def.Delay.Milliseconds(), length: f.Window.Length.Milliseconds()}
	reach := want.length
	if f.Window.Kind == spec.Lifetime {
		want.length, want.life = 0, v
		reach = v.ttl
	}
	l.span = max(l.span, want.delay+reach)
	for i, x := range l.cursors {
		if x.delay == want.delay && x.length == want.length && x.life == want.life {
			return i
		}
	}
	l.cursors = append(l.cursors, want)
	return len(l.cursors) - 1
}

// part is the accumulator of a cursor, shared by all cells that need the same.
func (l *logPlan) part(cursor int, p partPlan) *partPlan {
	parts := &l.cursors[cursor].parts
	for _, x := range *parts {
		if x.part == p.part && x.bit == p.bit && x.lane == p.lane {
			return x
		}
	}
	if p.part == aggregate.Distinct {
		p.set = l.cursors[cursor].sets
		l.cursors[cursor].sets++
	}
	*parts = append(*parts, &p)
	return &p
}

// cell is a feature's plan, made when first asked for.
func (c *compiler) cell(f *spec.Feature) *cell {
	vp := c.view(f.View)
	if x := vp.cells[f]; x != nil {
		return x
	}
	d, l := f.Def, vp.log
	sp := l.source
	agg := aggregate.Find(d.Aggregation)
	x := &cell{
		feature:  f,
		agg:      agg,
		lane:     -1,
		inputAt:  -1,
		divisor:  1,
		cursor:   l.cursor(vp, f),
		minCount: int64(d.MinCount),
		past:     d.ExcludeCurrent || agg.Past,
		hasDef:   f.HasDefault,
		unit:     unitOf(d),
	}
	b := bitPlan{filter: c.cond(sp, vp.view.Filter), cond: c.cond(sp, d.Filter), numerator: -1, input: -1}
	if d.Field != nil || d.Value != nil {
		enc := text
		if agg.Hashed {
			enc = hashed
		}
		x.inputAt = c.input(sp, d, enc)
		x.input = sp.inputs[x.inputAt]
		x.number = x.input.number()
		x.divisor = int64(event.Pow10[x.input.scale])
		b.input = x.inputAt
	}
	if agg.Numerator {
		b.numerator = c.cond(sp, d.Numerator)
	}
	if agg.Input {
		x.lane = l.lane(x.inputAt)
	}
	x.bit = l.bit(b)
	x.count = l.part(x.cursor, partPlan{bit: x.bit, lane: -1})
	for _, p := range agg.Parts(x.number) {
		bit := x.bit
		if p == aggregate.Matches {
			hit := b
			hit.hit = true
			bit = l.bit(hit)
		}
		x.parts = append(x.parts, l.part(x.cursor, partPlan{part: p, bit: bit, lane: x.lane, number: x.number}))
	}
	if f.HasDefault {
		x.defawlt = literal(f.Default, f.Type, f.Scale)
	}
	c.limit(sp, x)
	vp.cells[f] = x
	return x
}

// limit notes which doubles are summed: beyond 1e15 they are refused (S20).
func (c *compiler) limit(sp *sourcePlan, x *cell) {
	if x.number != aggregate.Double {
		return
	}
	for _, p := range x.parts {
		if p.part == aggregate.SumFixed {
			sp.summed[x.inputAt] = true
		}
	}
}

// unitOf is a definition's unit of time results in milliseconds.
func unitOf(d *spec.Definition) float64 {
	if d.Unit == 0 {
		return float64(time.Second / time.Millisecond)
	}
	return float64(d.Unit) / float64(time.Millisecond)
}

// finish lays out rows and state once all cells are known.
func (l *logPlan) finish() {
	for i, x := range l.source.logs {
		if x == l {
			l.order = i
		}
	}
	l.flagsAt = 2
	if l.hasID {
		l.flagsAt = 3
	}
	l.flagWords = (len(l.bits) + 63) / 64
	l.lanesAt = l.flagsAt + l.flagWords
	l.width = l.lanesAt + len(l.lanes)
	at := atViews
	for _, v := range l.views {
		v.state = at
		at += viewWords
	}
	for _, running := range [...]bool{true, false} {
		for i := range l.cursors {
			for _, p := range l.cursors[i].parts {
				if p.retractable() == running {
					p.at = at
					at += p.size()
				}
			}
		}
		if running {
			l.words = at
		}
	}
	l.scratch = at
}

func roundHalfAway(x float64) int64 { return int64(math.Round(x)) }
