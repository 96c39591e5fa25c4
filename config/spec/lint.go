package spec

import "slices"

// lint warns of what is allowed and probably not meant (S36). It runs on specs
// without errors.
func (r *resolver) lint() {
	for _, s := range r.spec.Sources {
		in := r.sourceKeys[s]
		if s.Description == "" {
			r.warnf(in.key, "write description: One record per ...", "source %s has no description", s.Name)
		}
		if s.Owner == "" {
			r.warnf(in.key, "write owner: team@example.com at the top of the file", "source %s has no owner", s.Name)
		}
	}
	for _, v := range r.spec.Views {
		key := r.viewKeys[v]
		if v.Description == "" && !r.sameKeyBefore(v) {
			r.warnf(key, "write description: ...", "feature view %s has no description", key.Value)
		}
		if r.sameKeyBefore(v) {
			continue // a {entity} view is warned about once
		}
		for _, d := range v.Definitions {
			r.lintDefinition(v, d)
		}
	}
	for _, s := range r.spec.Services {
		if s.Description == "" {
			key := r.kinds[serviceKind][s.Index].key
			r.warnf(key, "write description: Inputs of the ... model", "feature service %s has no description", s.Name)
		}
	}
}

func (r *resolver) sameKeyBefore(v *View) bool {
	return slices.ContainsFunc(r.spec.Views[:v.Index], func(o *View) bool { return r.viewKeys[o].Node == r.viewKeys[v].Node })
}

func (r *resolver) lintDefinition(v *View, d *Definition) {
	key := r.defKeys[d]
	switch {
	case d.Aggregation == "ratio" && d.MinCount == 0:
		r.warnf(key, "write min_count: 10", "ratio %s has no `min_count`: one of one is 100 %%", d.Name)
	case d.Aggregation == "zscore" && !d.ExcludeCurrent:
		r.warnf(key, "write exclude_current: true", "zscore %s compares an event with a past that holds it", d.Name)
	case d.Aggregation == "time_since_last" && !d.ExcludeCurrent && d.Filter == nil && v.Filter == nil && d.Field == nil && d.Value == nil && d.Delay == 0:
		r.warnf(key, "write exclude_current: true", "time_since_last %s is always 0 in an enriched record: the event itself is the last (S2)", d.Name)
	}
	raw := []string{"first", "last", "list_last", "list_distinct", "mode", "argmax", "lag", "min", "max"}
	if d.Field != nil && d.Field.PII && !d.Hidden && slices.Contains(raw, d.Aggregation) {
		r.warnf(key, "write hidden: true, or count_distinct instead", "feature %s serves the personal field %s as it is", d.Name, d.Field.Name)
	}
	if len(r.spec.Services) > 0 && v.Online == "served" && !r.usedAnywhere(v, d) {
		r.warnf(key, "list it in a feature_service, or remove it", "feature %s is used by no service, rule, model or derived feature", d.Name)
	}
}

// usedAnywhere reports whether a window of d, in any view that shares its
// text, is served or needed by a derived feature.
func (r *resolver) usedAnywhere(v *View, d *Definition) bool {
	for _, o := range r.spec.Views {
		if r.viewKeys[o].Node != r.viewKeys[v].Node {
			continue
		}
		for _, f := range o.Features {
			if f.Def != nil && f.Def.Name == d.Name && (f.Served || f.Hidden || neededBy(o, f)) {
				return true
			}
		}
	}
	return false
}

func neededBy(v *View, f *Feature) bool {
	return slices.ContainsFunc(v.Features, func(o *Feature) bool {
		return o.Expr != nil && slices.ContainsFunc(slices.Concat(o.Expr.Names, o.Expr.Asked), func(n Name) bool { return n.Feature == f })
	})
}
