package spec

import "slices"

// derivedText is a derived feature as written.
type derivedText struct {
	entry
	m           *mapping
	expr        node
	description string
}

func (r *resolver) derivedTexts(n node, t *viewText) []derivedText {
	var all []*derivedText
	for _, e := range r.bounded(r.mapping(n, "`derived` of "+t.m.what).entries, MaxDerived, n, "derived features of "+t.m.what) {
		r.name(e.key, e.name, "derived feature")
		d := &derivedText{entry: e, m: r.object(e.value, derivedBlock, "derived feature "+e.name)}
		d.description, _, _ = d.m.about(defaults{})
		d.m.text("unit")
		var ok bool
		if d.expr, ok = d.m.need("expr", "expr: 'a / max(b, 1)'"); ok {
			all = append(all, d)
		}
		d.m.finish()
	}
	ordered, circle := stableOrder(all, func(d *derivedText) string { return d.name },
		func(d *derivedText) []string { return r.mentions(d.expr.Value) })
	if circle != nil {
		r.errorf(n, "break it: one of them must stand on generated features", "derived features go round in a circle: %s", arrows(circle))
		return nil
	}
	texts := make([]derivedText, len(ordered))
	for i, d := range ordered {
		texts[i] = *d
	}
	return texts
}

// derive compiles the derived features of one view; each sees those before it.
func (r *resolver) derive(v *View, t *viewText) {
	if len(t.derived) == 0 || t.broken {
		return // their names would be reported as unknown
	}
	names := make([]Name, 0, len(v.Features)+len(v.Source.Fields))
	for _, f := range v.Source.Fields {
		names = append(names, Name{Text: "event." + f.Name, Scope: EventScope, Field: f, Type: f.Type})
	}
	for _, f := range v.Features {
		if f.inExpressions() {
			names = append(names, Name{Text: f.Short, Scope: FeatureScope, Feature: f, Type: f.Type})
		}
	}
	var env *Env // of names; built anew when a derived feature mentions a newer one
	for _, d := range t.derived {
		if env == nil || slices.ContainsFunc(r.mentions(d.expr.Value), func(n string) bool { return !env.has(n) && hasName(names, n) }) {
			env = r.environment("the features of view "+v.Name+", and event.FIELD", names)
			env.several = severalOf(v.Features)
		}
		f := r.derivedFeature(v, d, env)
		r.addFeature(v, f, d.key)
		names = append(names, Name{Text: f.Short, Scope: FeatureScope, Feature: f, Type: f.Type})
	}
}

// severalOf are a view's features that its expressions cannot read.
func severalOf(features []*Feature) map[string]Type {
	several := map[string]Type{}
	for _, f := range features {
		if !f.inExpressions() {
			several[f.Short] = f.Type
		}
	}
	return several
}

func (env *Env) has(name string) bool {
	_, ok := env.names[name]
	return ok
}

func hasName(names []Name, text string) bool {
	return slices.ContainsFunc(names, func(n Name) bool { return n.Text == text })
}

func (r *resolver) derivedFeature(v *View, d derivedText, env *Env) *Feature {
	what := "derived feature " + d.name
	f := &Feature{View: v, Short: d.name, Type: Double, Description: d.description, Hidden: d.m.boolean("hidden"), Pos: d.key.pos()}
	if f.Expr = r.expression(env, d.expr, what, Double, Bool, String, Timestamp); f.Expr == nil {
		return f
	}
	f.Type = f.Expr.Type
	f.EventBound = slices.ContainsFunc(slices.Concat(f.Expr.Names, f.Expr.Asked), func(n Name) bool {
		return n.Scope == EventScope || n.Scope == FeatureScope && n.Feature.EventBound
	})
	r.defaultOf(d.m, f.Type, what, &f.HasDefault, &f.Default)
	return f
}

// inExpressions reports whether f is one value: lists and values per category
// are not.
func (f *Feature) inExpressions() bool {
	return f.Type != List && f.Type != Map
}
