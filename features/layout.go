package features

import (
	"slices"
	"strconv"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/expr"
)

// columns are the values of one vector or row while it is laid out.
type columns struct {
	features   []*spec.Feature // by column; nil for a service's derived value
	at         map[*spec.Feature]int
	categories map[inCategory]int
	ofCategory map[int]spec.Category // by column
}

// inCategory is one category of a feature with `by`.
type inCategory struct {
	feature  *spec.Feature
	category spec.Category
}

func newColumns() *columns {
	return &columns{at: map[*spec.Feature]int{}, categories: map[inCategory]int{}, ofCategory: map[int]spec.Category{}}
}

// add gives a feature its column, once.
func (c *columns) add(f *spec.Feature) {
	if _, ok := c.at[f]; !ok {
		c.at[f] = len(c.features)
		c.features = append(c.features, f)
	}
}

// list gives a feature of a service, or one of its categories, its column.
func (c *columns) list(f *spec.Feature, category spec.Category) {
	if !category.Listed {
		c.add(f)
		return
	}
	if _, ok := c.categories[inCategory{f, category}]; !ok {
		c.categories[inCategory{f, category}] = len(c.features)
		c.ofCategory[len(c.features)] = category
		c.features = append(c.features, f)
	}
}

// listed is where list has put a feature of a service.
func (c *columns) listed(f *spec.Feature, category spec.Category) int {
	if !category.Listed {
		return c.at[f]
	}
	return c.categories[inCategory{f, category}]
}

// names adds the features that an expression mentions.
func (c *columns) names(e *spec.Expr) {
	if e == nil {
		return
	}
	for _, names := range [...][]spec.Name{e.Names, e.Asked} {
		for _, n := range names {
			if n.Scope == spec.FeatureScope {
				c.add(n.Feature)
			}
		}
	}
}

// close adds what the derived features among the columns read.
func (c *columns) close() {
	for i := 0; i < len(c.features); i++ {
		if f := c.features[i]; f != nil && f.Expr != nil {
			c.names(f.Expr)
		}
	}
}

// layout decides what events of a source are enriched with, and what is read
// for it.
func (c *compiler) layout(src *spec.Source, what What) {
	sp := c.plan.sources[src.Index]
	cols := newColumns()
	var services []*spec.Service
	for _, s := range c.plan.spec.Services {
		if s.On == src {
			services = append(services, s)
		}
	}
	for _, s := range services {
		for i, f := range s.Features {
			cols.list(f, s.Categories[i])
		}
	}
	if len(services) == 0 {
		c.everyFeature(sp, cols, func(f *spec.Feature) bool { return f.Served && !f.Hidden })
	}
	l := &sp.layout
	for i, f := range cols.features {
		l.Columns = append(l.Columns, featureColumn(f, cols.ofCategory[i], true))
	}
	for _, s := range services {
		for _, d := range s.Derived {
			cols.features = append(cols.features, nil)
			l.Columns = append(l.Columns, Column{Name: s.Name + "." + d.Name, Derived: d, Service: s, Emit: true})
		}
	}
	for _, s := range services {
		for _, d := range s.Derived {
			cols.names(d.Expr)
		}
	}
	for _, m := range c.plan.spec.Models {
		if m.Service != nil && m.Service.On == src {
			l.Models = append(l.Models, modelLayout(m, cols, l))
			for _, rule := range m.Rules {
				cols.names(rule.When)
			}
			cols.names(m.Score)
		}
	}
	if what == All {
		c.everyFeature(sp, cols, func(*spec.Feature) bool { return true })
	}
	cols.close()
	for _, f := range cols.features[len(l.Columns):] {
		l.Columns = append(l.Columns, featureColumn(f, spec.Category{}, false))
	}
	sp.readings = c.readings(cols, func(v *spec.View) (own bool, entity int) {
		return v.Source == src, indexOf(l.Entities, v.Entity)
	})
}

// everyFeature adds the features of all views whose entity a source has.
func (c *compiler) everyFeature(sp *sourcePlan, cols *columns, want func(*spec.Feature) bool) {
	for _, v := range c.plan.spec.Views {
		if indexOf(sp.layout.Entities, v.Entity) < 0 {
			continue
		}
		for _, f := range v.Features {
			if want(f) {
				cols.add(f)
			}
		}
	}
}

func featureColumn(f *spec.Feature, category spec.Category, emit bool) Column {
	return Column{Name: ColumnName(f, category), Feature: f, Category: category, Emit: emit, Scale: f.Scale}
}

// ColumnName is a feature's full name, with the category that a service asks for.
func ColumnName(f *spec.Feature, category spec.Category) string {
	if !category.Listed {
		return f.Full()
	}
	return f.Full() + "[" + strconv.Quote(category.Name) + "]"
}

// modelLayout finds a model's input vector: its service's features, then the
// service's derived values.
func modelLayout(m *spec.Model, cols *columns, l *Layout) ModelLayout {
	ml := ModelLayout{Model: m}
	for i, f := range m.Service.Features {
		ml.Vector = append(ml.Vector, cols.listed(f, m.Service.Categories[i]))
	}
	for i, column := range l.Columns {
		if column.Service == m.Service {
			ml.Vector = append(ml.Vector, i)
		}
	}
	return ml
}

func indexOf(entities []*spec.Entity, e *spec.Entity) int {
	for i, x := range entities {
		if x == e {
			return i
		}
	}
	return -1
}

// readings groups the columns by view and decides how each is read.
func (c *compiler) readings(cols *columns, place func(*spec.View) (own bool, entity int)) []*viewReading {
	var list []*viewReading
	byView := map[*spec.View]*viewReading{}
	for out, f := range cols.features {
		if f == nil {
			continue
		}
		r := byView[f.View]
		if r == nil {
			r = &viewReading{}
			r.own, r.entity = place(f.View)
			byView[f.View] = r
			list = append(list, r)
		}
		r.outs = append(r.outs, out)
		if r.entity < 0 {
			continue
		}
		r.view = c.view(f.View)
		switch {
		case f.EventBound && !r.own:
			r.bound = append(r.bound, out)
		case f.Expr != nil:
			r.derived = append(r.derived, derivedOut{feature: f, out: out})
		default:
			x := newCellOut(c.cell(f), out)
			x.category = cols.ofCategory[out]
			r.add(x)
		}
	}
	return list
}

// add puts a cell before or behind the moment at which the current event is
// counted.
func (r *viewReading) add(x cellOut) {
	at := 0
	for at < len(r.groups) && r.groups[at].cursor != x.cursor {
		at++
	}
	if at == len(r.groups) {
		r.groups = append(r.groups, cellGroup{cursor: x.cursor})
	}
	g := &r.groups[at]
	if x.past && r.own {
		g.before = append(g.before, x)
	} else {
		g.after = append(g.after, x)
	}
}

// rowInProgress is a row whose derived values are not compiled yet.
type rowInProgress struct {
	reading *viewReading
	columns *columns
	source  *sourcePlan
}

// rowsOf lays out what the online store holds of a view, and what Read gives.
func (c *compiler) rowsOf(v *spec.View, what What) {
	var stored, read []*spec.Feature
	for _, f := range v.Features {
		if what == Served && (f.Hidden || !f.Served) {
			continue
		}
		read = append(read, f)
		if !f.EventBound {
			stored = append(stored, f)
		}
	}
	if len(read) == 0 {
		return
	}
	vp := c.view(v)
	listed := c.listedCategories(v, what)
	if vp.read = c.row(v, read, listed); len(stored) == len(read) && len(listed) == 0 {
		vp.row = vp.read
	} else if len(stored) > 0 {
		vp.row = c.row(v, stored, nil)
	}
	c.plan.reads = append(c.plan.reads, vp.read.layout)
	if vp.row != nil {
		c.plan.rows = append(c.plan.rows, vp.row.layout)
	}
}

// listedCategories are those that services ask for of a view's features: a read
// gives them beside the maps, and the store holds the maps alone.
func (c *compiler) listedCategories(v *spec.View, what What) []inCategory {
	var list []inCategory
	for _, s := range c.plan.spec.Services {
		for i, f := range s.Features {
			x := inCategory{f, s.Categories[i]}
			if f.View == v && x.category.Listed && (what == All || f.Served) && !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
	}
	return list
}

// row lays out a row of a view: its features, then categories of them.
func (c *compiler) row(v *spec.View, features []*spec.Feature, listed []inCategory) *rowPlan {
	cols, layout := newColumns(), &RowLayout{View: v}
	for _, f := range features {
		cols.add(f)
		layout.Columns = append(layout.Columns, RowColumn{Feature: f, Scale: f.Scale, Moves: moves(f, nil)})
	}
	for _, x := range listed {
		cols.list(x.feature, x.category)
		layout.Columns = append(layout.Columns, RowColumn{Feature: x.feature, Category: x.category, Scale: x.feature.Scale, Moves: moves(x.feature, nil)})
	}
	cols.close()
	list := c.readings(cols, func(*spec.View) (own bool, entity int) { return false, 0 })
	c.rows = append(c.rows, rowInProgress{list[0], cols, c.plan.sources[v.Source.Index]})
	return &rowPlan{layout: layout, reading: list[0], width: len(cols.features)}
}

// moves reports whether a feature changes with time alone, between the events
// that enter and leave its windows (S27).
func moves(f *spec.Feature, seen map[*spec.Feature]bool) bool {
	if f.Def != nil {
		agg, _ := spec.AggregationOf(f.Def.Aggregation)
		return agg.Moves
	}
	if seen[f] {
		return false
	}
	if seen == nil {
		seen = map[*spec.Feature]bool{}
	}
	seen[f] = true
	for _, names := range [...][]spec.Name{f.Expr.Names, f.Expr.Asked} {
		for _, n := range names {
			if n.Scope == spec.FeatureScope && moves(n.Feature, seen) {
				return true
			}
		}
	}
	return false
}

// programs compiles the derived values and the model expressions of a source.
func (c *compiler) programs(sp *sourcePlan) error {
	at := map[*spec.Feature]int{}
	for i, column := range sp.layout.Columns {
		if column.Feature != nil && !column.Category.Listed {
			at[column.Feature] = i
		}
	}
	bind := columnBinder(sp.source, at)
	for _, r := range sp.readings {
		if err := r.compileDerived(bind, at); err != nil {
			return err
		}
	}
	for i, column := range sp.layout.Columns {
		if column.Derived == nil {
			continue
		}
		d, err := compileDerived(column.Derived.Expr, bind, at)
		if err != nil {
			return err
		}
		d.out = i
		if column.Derived.HasDefault {
			d.defawlt = literal(column.Derived.Default, column.Derived.Type, 0)
		}
		sp.derived = append(sp.derived, d)
	}
	for _, ml := range sp.layout.Models {
		var m modelPlan
		for _, rule := range ml.Model.Rules {
			program, err := compileAt(rule.When, bind)
			if err != nil {
				return err
			}
			m.rules = append(m.rules, program)
		}
		if ml.Model.Score != nil {
			program, err := compileAt(ml.Model.Score, bind)
			if err != nil {
				return err
			}
			m.score = program
		}
		sp.models = append(sp.models, m)
	}
	return c.failed
}

// compileDerived compiles a view's derived features and orders them so that
// each comes behind those that it reads.
func (r *viewReading) compileDerived(bind expr.Binder, at map[*spec.Feature]int) error {
	var ordered []derivedOut
	done := map[int]bool{}
	for len(ordered) < len(r.derived) {
		before := len(ordered)
		for _, d := range r.derived {
			if done[d.out] || r.waits(d.feature, at, done) {
				continue
			}
			compiled, err := compileDerived(d.feature.Expr, bind, at)
			if err != nil {
				return err
			}
			compiled.out, compiled.feature = d.out, d.feature
			if d.feature.HasDefault {
				compiled.defawlt = literal(d.feature.Default, d.feature.Type, d.feature.Scale)
			}
			done[d.out] = true
			ordered = append(ordered, compiled)
		}
		if len(ordered) == before {
			panic("features: derived features in a circle passed the spec's checks")
		}
	}
	r.derived = ordered
	return nil
}

// waits reports whether a derived feature reads another one that is not done.
func (r *viewReading) waits(f *spec.Feature, at map[*spec.Feature]int, done map[int]bool) bool {
	for _, out := range inputsOf(f.Expr, at) {
		for _, d := range r.derived {
			if d.out == out && !done[out] {
				return true
			}
		}
	}
	return false
}

func compileDerived(e *spec.Expr, bind expr.Binder, at map[*spec.Feature]int) (derivedOut, error) {
	program, err := compileAt(e, bind)
	return derivedOut{program: program, inputs: inputsOf(e, at)}, err
}

// inputsOf are the columns of the features that an expression mentions.
func inputsOf(e *spec.Expr, at map[*spec.Feature]int) []int {
	var outs []int
	for _, names := range [...][]spec.Name{e.Names, e.Asked} {
		for _, n := range names {
			if n.Scope == spec.FeatureScope {
				outs = append(outs, at[n.Feature])
			}
		}
	}
	return outs
}

// NewVector makes a vector of the right shape for the events of a source.
func (p *Plan) NewVector(source int) *Vector {
	sp := p.sources[source]
	v := &Vector{
		Values:   make([]event.Value, len(sp.layout.Columns)),
		Statuses: make([]Status, len(sp.layout.Columns)),
		Keys:     make([]string, len(sp.layout.Entities)),
		Fired:    make([][]bool, len(sp.models)),
		Scores:   make([]event.Value, len(sp.models)),
	}
	for i, m := range sp.models {
		v.Fired[i] = make([]bool, len(m.rules))
	}
	return v
}
