package oracle

import (
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/freshet-dev/freshet/config/spec"
)

// derived is a derived feature of a view: its names are features of that view
// and event.x (S17).
func (r *reading) derived(f *spec.Feature) Result {
	result := r.expression(f.Expr)
	if result.Value == nil {
		return Result{Value: literal(f.HasDefault, f.Default, f.Type), Status: first(result.Status, Default), Open: result.Open}
	}
	return result
}

// ServiceDerived is a derived value of a service: its names are view.feature
// and request.x.
func (c *Outcome) ServiceDerived(d *spec.ServiceDerived) Result {
	result := c.expression(d.Expr)
	if result.Value == nil {
		return Result{Value: literal(d.HasDefault, d.Default, d.Type), Status: first(result.Status, Default), Open: result.Open}
	}
	return result
}

// expression is the value of an expression over features and event fields, and
// the first status of the features that it mentions, defaults aside. Its mass
// is theirs: what they were rounded by, a difference of them may be off by.
func (r *reading) expression(x *spec.Expr) Result {
	result := Result{Status: Present}
	for _, n := range slices.Concat(x.Names, x.Asked) {
		if n.Scope != spec.FeatureScope {
			continue
		}
		in := r.Feature(n.Feature)
		if in.Status != Default {
			result.Status = first(result.Status, in.Status)
		}
		result.Open = result.Open || in.Open || len(in.Or) > 0 || in.Crowd.Values > 0
		number, _ := in.Value.(float64)
		result.Mass += in.Mass + math.Abs(number)
	}
	if value, ok := x.Interpret(r.lookUp); ok {
		result.Value = value
	}
	return result
}

func (r *reading) lookUp(n spec.Name) (any, bool) {
	var v any
	switch n.Scope {
	case spec.FeatureScope:
		v = r.Feature(n.Feature).Value
	case spec.FieldScope, spec.EventScope:
		if r.current != nil && n.Field != nil {
			v = outside(r.current.fields[n.Field.Index], n.Field.Scale)
		}
	case spec.RequestScope:
		if r.current == nil {
			break
		}
		if f := field(r.source(), n.Request); f != nil {
			v = outside(r.current.fields[f.Index], f.Scale)
		}
	}
	return v, v != nil
}

// Holds reports whether a rule fires for the accepted record.
func (c *Outcome) Holds(rule *spec.Rule) bool {
	b, ok := c.expression(rule.When).Value.(bool)
	return ok && b
}

// Teeters reports whether a rule stands at a threshold: it answers otherwise
// where one of the features that it asks for is off by its leeway.
func (c *Outcome) Teeters(rule *spec.Rule, leeway func(*spec.Feature, Result) float64) bool {
	holds := c.Holds(rule)
	for _, n := range rule.When.Names {
		if n.Scope != spec.FeatureScope {
			continue
		}
		in := c.Feature(n.Feature)
		x, isNumber := in.Value.(float64)
		by := leeway(n.Feature, in)
		if !isNumber || by == 0 {
			continue
		}
		for _, moved := range []float64{x - by, x + by} {
			answer, _ := rule.When.Interpret(func(other spec.Name) (any, bool) {
				if other.Feature == n.Feature {
					return moved, true
				}
				return c.lookUp(other)
			})
			if fires, _ := answer.(bool); fires != holds {
				return true
			}
		}
	}
	return false
}

// Scored is what a model of kind expr says (S34).
type Scored struct {
	Value   float64
	Has     bool
	Band    string
	Reasons []string
}

// Score is the score, band and reasons of a model for the accepted record.
func (c *Outcome) Score(m *spec.Model) Scored {
	var s Scored
	weights := new(big.Rat) // of the decimals that the spec has
	for _, rule := range m.Rules {
		if !c.Holds(rule) {
			continue
		}
		weight, _ := new(big.Rat).SetString(strconv.FormatFloat(rule.Weight, 'g', -1, 64))
		weights.Add(weights, weight)
		if m.MaxReasons == 0 || len(s.Reasons) < m.MaxReasons {
			s.Reasons = append(s.Reasons, rule.Code)
		}
	}
	s.Value, _ = weights.Float64()
	s.Has = true
	if m.Score != nil {
		s.Value, s.Has = c.expression(m.Score).Value.(float64)
	}
	if !s.Has {
		s.Band = m.OnError
		return s
	}
	s.Value = math.Min(math.Max(s.Value, 0), 1)
	for _, b := range m.Bands {
		if b.Min <= s.Value {
			s.Band = b.Name
		}
	}
	return s
}

// Column is one value that an enriched record of a source carries.
type Column struct {
	Name    string
	Feature *spec.Feature        // nil for a service's derived value
	Derived *spec.ServiceDerived // then
	// Category is the one that a service asks for of a feature with `by`.
	Category spec.Category
}

// Columns are what the enriched records of a source carry: the features of the
// services on it and their derived values, or without a service the served
// features of every entity that the source has (spec-language.md 1.11).
func Columns(s *spec.Spec, src *spec.Source) []Column {
	var columns []Column
	listed := map[string]bool{}
	add := func(c Column) {
		if !listed[c.Name] {
			listed[c.Name] = true
			columns = append(columns, c)
		}
	}
	served := false
	for _, service := range s.Services {
		if service.On != src {
			continue
		}
		served = true
		for i, f := range service.Features {
			c := Column{Name: f.Full(), Feature: f, Category: service.Categories[i]}
			if c.Category.Listed {
				c.Name += "[" + strconv.Quote(c.Category.Name) + "]"
			}
			add(c)
		}
		for _, d := range service.Derived {
			add(Column{Name: service.Name + "." + d.Name, Derived: d})
		}
	}
	if served {
		return columns
	}
	for _, v := range s.Views {
		if !carries(src, v.Entity) {
			continue
		}
		for _, f := range v.Features {
			if f.Served && !f.Hidden {
				add(Column{Name: f.Full(), Feature: f})
			}
		}
	}
	return columns
}

// carries reports whether a source has all key fields of an entity.
func carries(src *spec.Source, e *spec.Entity) bool {
	for _, name := range e.Key {
		if field(src, name) == nil {
			return false
		}
	}
	return true
}

// Value is one column of the accepted record.
func (c *Outcome) Value(column Column) Result {
	if column.Derived != nil {
		return c.ServiceDerived(column.Derived)
	}
	if column.Category.Listed {
		return inCategory(column.Feature, c.whole(column.Feature), column.Category.Name)
	}
	return c.Feature(column.Feature)
}
