package features

import (
	"fmt"
	"math"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/expr"
)

// Compile turns a spec into a plan. Its error is an *Unavailable where this
// build cannot run the spec; any other one is a bug of ours.
func Compile(s *spec.Spec, what What) (*Plan, error) {
	if missing := CannotRun(s); len(missing) > 0 {
		return nil, &Unavailable{Items: missing}
	}
	c := &compiler{
		plan:   &Plan{spec: s, views: make([]*viewPlan, len(s.Views))},
		conds:  make([]map[string]int, len(s.Sources)),
		inputs: make([]map[inputKey]int, len(s.Sources)),
	}
	for _, src := range s.Sources {
		if err := c.source(src); err != nil {
			return nil, err
		}
	}
	for _, src := range s.Sources {
		c.layout(src, what)
	}
	for _, v := range s.Views {
		c.rowsOf(v, what)
	}
	for _, src := range c.plan.sources {
		if err := c.programs(src); err != nil {
			return nil, err
		}
		for _, l := range src.logs {
			src.entity = append(src.entity, indexOf(src.layout.Entities, l.entity))
		}
	}
	for _, row := range c.rows {
		bind := columnBinder(row.source.source, row.columns.at)
		if err := row.reading.compileDerived(bind, row.columns.at); err != nil {
			return nil, err
		}
	}
	for _, l := range c.plan.logs {
		l.finish()
	}
	for _, src := range c.plan.sources {
		c.plan.placeCells(src.readings)
	}
	for _, row := range c.rows {
		c.plan.placeCells([]*viewReading{row.reading})
	}
	for _, l := range c.plan.logs {
		l.following.is = l.following.is && !l.past && l.levels.width+len(l.branches) == 0
	}
	for _, src := range c.plan.sources {
		src.findEven()
	}
	return c.plan, nil
}

func (p *Plan) placeCells(readings []*viewReading) {
	for _, r := range readings {
		for _, g := range r.groups {
			for i := range g.before {
				g.before[i].place()
			}
			for i := range g.after {
				g.after[i].place()
			}
		}
		r.flatten()
		p.sets, p.summed = r.few.needs(p.sets, p.summed)
	}
}

// compiler holds what is needed while a plan is made.
type compiler struct {
	plan   *Plan
	conds  []map[string]int // by source: text of a condition to its place
	inputs []map[inputKey]int
	rows   []rowInProgress
	failed error
}

type inputKey struct {
	name     string
	encoding encoding
}

// source compiles what belongs to a source alone.
func (c *compiler) source(src *spec.Source) error {
	sp := &sourcePlan{source: src}
	sp.layout.Source = src
	c.plan.sources = append(c.plan.sources, sp)
	c.conds[src.Index] = map[string]int{}
	c.inputs[src.Index] = map[inputKey]int{}
	for _, entity := range c.plan.spec.Entities {
		if key, ok := keyOf(src, entity); ok {
			sp.layout.Entities = append(sp.layout.Entities, entity)
			sp.keys = append(sp.keys, key)
		}
	}
	for _, f := range src.Fields {
		if f.Table != "" {
			sp.computed = append(sp.computed, c.lookup(src, f))
		}
		if f.Expr == nil {
			continue
		}
		program, err := expr.Compile(f.Expr, fieldBinder(src))
		if err != nil {
			return fmt.Errorf("computed field %s: %w", f.Name, err)
		}
		sp.computed = append(sp.computed, computedPlan{field: f, program: program})
	}
	if src.Filter != nil {
		program, err := expr.Compile(src.Filter, fieldBinder(src))
		if err != nil {
			return fmt.Errorf("filter of source %s: %w", src.Name, err)
		}
		sp.filter = program
	}
	c.limits(sp)
	return c.failed
}

// keyOf finds an entity's key fields in a source; false where it lacks one.
func keyOf(src *spec.Source, entity *spec.Entity) (keyPlan, bool) {
	key := keyPlan{entity: entity}
	for _, name := range entity.Key {
		f := fieldNamed(src, name)
		if f == nil {
			return key, false
		}
		key.fields = append(key.fields, f.Index)
	}
	return key, true
}

func fieldNamed(src *spec.Source, name string) *spec.Field {
	for _, f := range src.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// fieldBinder binds the names of filters, numerators, values and computed
// fields: fields of one event.
func fieldBinder(src *spec.Source) expr.Binder {
	return func(n spec.Name) (expr.Slot, error) {
		switch n.Scope {
		case spec.FieldScope, spec.EventScope:
			return expr.Slot{Frame: expr.Fields, Index: n.Field.Index, Scale: n.Field.Scale}, nil
		case spec.RequestScope:
			f := fieldNamed(src, n.Request)
			if f == nil {
				return expr.Slot{Frame: expr.Absent}, nil
			}
			return expr.Slot{Frame: expr.Fields, Index: f.Index, Scale: f.Scale}, nil
		}
		return expr.Slot{}, fmt.Errorf("%s is not a field", n.Text)
	}
}

// columnBinder binds features too, to the columns where their values lie.
func columnBinder(src *spec.Source, at map[*spec.Feature]int) expr.Binder {
	fields := fieldBinder(src)
	return func(n spec.Name) (expr.Slot, error) {
		if n.Scope != spec.FeatureScope {
			return fields(n)
		}
		i, ok := at[n.Feature]
		if !ok {
			return expr.Slot{}, fmt.Errorf("%s has no column", n.Text)
		}
		return expr.Slot{Frame: expr.Features, Index: i, Scale: n.Feature.Scale}, nil
	}
}

// cond is the place of a condition among those of its source; -1 for none.
func (c *compiler) cond(sp *sourcePlan, e *spec.Expr) int {
	if e == nil {
		return -1
	}
	known := c.conds[sp.source.Index]
	if i, ok := known[e.Text]; ok {
		return i
	}
	known[e.Text] = len(sp.conds)
	sp.conds, sp.condTexts = append(sp.conds, c.compileOver(sp, e)), append(sp.condTexts, e.Text)
	return len(sp.conds) - 1
}

// input is the place of a definition's input among those of its source.
func (c *compiler) input(sp *sourcePlan, d *spec.Definition, enc encoding) int {
	in := inputOf(d, enc)
	key := inputKey{in.name, in.encoding}
	known := c.inputs[sp.source.Index]
	if i, ok := known[key]; ok {
		return i
	}
	if d.Field == nil {
		in.program = c.compileOver(sp, d.Value)
	}
	known[key] = len(sp.inputs)
	sp.inputs = append(sp.inputs, in)
	return len(sp.inputs) - 1
}

// inputOf is a definition's field or value, without its program.
func inputOf(d *spec.Definition, enc encoding) inputPlan {
	in := inputPlan{field: d.Field, encoding: enc}
	if d.Field != nil {
		in.typ, in.scale, in.name = d.Field.Type, d.Field.Scale, "field "+d.Field.Name
	} else {
		in.typ, in.name = d.Value.Type, "value "+d.Value.Text
	}
	if in.typ != spec.String && enc == text {
		in.encoding = raw
	}
	return in
}

func (c *compiler) compileOver(sp *sourcePlan, e *spec.Expr) *expr.Program {
	program, err := compileAt(e, fieldBinder(sp.source))
	if err != nil && c.failed == nil {
		c.failed = err
	}
	return program
}

// compileAt compiles an expression; an error says where it is written.
func compileAt(e *spec.Expr, bind expr.Binder) (*expr.Program, error) {
	program, err := expr.Compile(e, bind)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", e.Pos.File, e.Pos.Line, err)
	}
	return program, nil
}

// isNumber reports whether a value is a number exactly.
func isNumber(v event.Value, scale int, x float64) bool {
	got, _ := v.Number(scale)
	return got == x
}

// literal is a spec's literal as a value of a type; no value for null. A number
// that the type cannot hold stays what it is.
func literal(l spec.Literal, t spec.Type, scale int) event.Value {
	if l.Type == spec.NoType {
		return event.Value{}
	}
	switch t {
	case spec.Bool:
		return event.OfBool(l.Bool)
	case spec.String:
		return event.OfString(l.Str)
	case spec.Int:
		if l.Num == math.Trunc(l.Num) {
			return event.OfInt(int64(l.Num))
		}
	case spec.Decimal:
		if v := event.OfDecimal(roundHalfAway(l.Num * event.Pow10[scale])); isNumber(v, scale, l.Num) {
			return v
		}
	case spec.Timestamp:
		return event.OfTimestamp(int64(l.Num))
	}
	return event.OfDouble(l.Num)
}
