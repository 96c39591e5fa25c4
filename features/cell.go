package features

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
)

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
		limit:    max(d.Limit, d.N),
		divisor:  1,
		minCount: int64(d.MinCount),
		past:     d.ExcludeCurrent || agg.Past,
		hasDef:   f.HasDefault,
		unit:     unitOf(d),
		per:      float64(d.Per.Milliseconds()),
		length:   float64(f.Window.Length.Milliseconds()),
	}
	if d.Field != nil || d.Value != nil {
		enc := text
		if agg.Hashed {
			enc = hashed
		}
		x.inputAt = c.input(sp, d, enc)
		x.input = sp.inputs[x.inputAt]
		x.number = x.input.number()
		x.divisor = int64(event.Pow10[x.input.scale])
	}
	if agg.Input {
		x.lane = l.lane(x.inputAt)
	}
	x.cursor = l.cursor(vp, f)
	if d.By != nil {
		c.divide(x, l)
	}
	c.parts(vp, x)
	if x.by != nil {
		x.divided = l.divided(x.cursor, x)
	}
	if f.HasDefault {
		x.defawlt = literal(f.Default, f.Item(), f.Scale)
	}
	vp.cells[f] = x
	return x
}

// parts finds the bits and parts of a cell.
func (c *compiler) parts(vp *viewPlan, x *cell) {
	d, l, sp := x.feature.Def, vp.log, vp.log.source
	b := bitPlan{filter: c.cond(sp, vp.view.Filter), cond: c.cond(sp, d.Filter), numerator: -1, input: x.inputAt}
	if x.input.always() {
		b.input = -1
	}
	if d.By != nil {
		b.category = 1 + c.input(sp, &spec.Definition{Field: d.By}, text)
	}
	hit := b
	if x.agg.Breaks {
		b.cond = -1
	}
	if x.agg.Numerator {
		b.numerator = c.cond(sp, d.Numerator)
		hit.numerator, hit.hit = b.numerator, true
	}
	plain := partPlan{lane: x.lane, number: x.number}
	if x.agg.OrderBy {
		in := c.input(sp, &spec.Definition{Field: d.OrderBy}, raw)
		b.order, plain.order, plain.orders = 1+in, 1+l.lane(in), sp.inputs[in].number()
	}
	plain.bit = l.bit(b)
	plain.within = plain.bit
	x.count = l.part(x.cursor, partPlan{bit: plain.bit, lane: -1})
	for _, part := range x.agg.Parts(x.number) {
		p := plain
		p.part = part
		if part == aggregate.Matches || part == aggregate.Run {
			p.bit = l.bit(hit)
		}
		if part.Limited() {
			p.limit = x.limit
		}
		if part == aggregate.Buckets {
			p.q = d.Q
		}
		if part == aggregate.Counts {
			p.ranks, p.spreads = x.agg.Ranks, !x.agg.Ranks
		}
		if part.Decays() {
			p.half = float64(x.feature.Window.Length.Milliseconds())
		}
		x.parts = append(x.parts, l.part(x.cursor, p))
	}
}
