package spectest

import (
	"slices"

	"github.com/freshet-dev/freshet/config/spec"
)

// Coverage says which values of a spec its tests look at.
type Coverage struct {
	Named   []string // by an expectation, full names in spec order
	Through []string // only part of what an expectation names: a derived value, a score, a reason
	None    []string // neither
}

// CoverageOf is the coverage of the tests that ran. Every feature and derived
// value counts, hidden ones too.
func CoverageOf(s *spec.Spec, ran []*spec.Test) Coverage {
	c := coverage{named: map[any]bool{}, through: map[any]bool{}}
	for _, t := range ran {
		for i := range t.Expect {
			c.expectation(&t.Expect[i])
		}
	}
	var out Coverage
	add := func(of any, name string) {
		switch {
		case c.named[of]:
			out.Named = append(out.Named, name)
		case c.through[of]:
			out.Through = append(out.Through, name)
		default:
			out.None = append(out.None, name)
		}
	}
	for _, v := range s.Views {
		for _, f := range v.Features {
			add(f, f.Full())
		}
	}
	for _, service := range s.Services {
		for _, d := range service.Derived {
			add(d, d.Full(service))
		}
	}
	return out
}

// coverage is by *spec.Feature and *spec.ServiceDerived.
type coverage struct{ named, through map[any]bool }

func (c *coverage) expectation(e *spec.Expect) {
	for _, w := range e.Features {
		c.name(w.Feature, w.Derived)
	}
	for _, w := range e.Statuses {
		c.name(w.Feature, w.Derived)
	}
	for _, w := range e.Reasons {
		c.rules(w.Model)
	}
	for _, w := range e.Scores {
		c.model(w.Model)
	}
	for _, w := range e.Bands {
		c.model(w.Model)
	}
}

func (c *coverage) name(f *spec.Feature, d *spec.ServiceDerived) {
	if f != nil {
		c.named[f] = true
		c.inside(f.Expr)
		return
	}
	c.named[d] = true
	c.inside(d.Expr)
}

func (c *coverage) rules(m *spec.Model) {
	for _, rule := range m.Rules {
		c.inside(rule.When)
	}
}

// model is all that a score is made of.
func (c *coverage) model(m *spec.Model) {
	c.rules(m)
	c.inside(m.Score)
	if m.Runtime == "expr" {
		return
	}
	for _, f := range m.Service.Features {
		c.through[f] = true
		c.inside(f.Expr)
	}
	for _, d := range m.Service.Derived {
		c.through[d] = true
		c.inside(d.Expr)
	}
}

func (c *coverage) inside(e *spec.Expr) {
	if e == nil {
		return
	}
	for _, n := range slices.Concat(e.Names, e.Asked) {
		if f := n.Feature; f != nil && !c.through[f] {
			c.through[f] = true
			c.inside(f.Expr)
		}
	}
}
