package spec

import (
	"slices"
	"time"
)

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
		if !r.sameKeyBefore(v) { // a {entity} view is warned about once
			r.lintView(v)
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

func (r *resolver) lintView(v *View) {
	key := r.viewKeys[v]
	if v.Description == "" {
		r.warnf(key, "write description: ...", "feature view %s has no description", key.Value)
	}
	if v.Owner == "" && v.Source.Owner != "" { // else the source was warned about
		r.warnf(key, "write owner: team@example.com at the top of the file", "feature view %s has no owner", key.Value)
	}
	for _, d := range v.Definitions {
		r.lintDefinition(v, d)
	}
	if len(r.spec.Services) == 0 || v.Online != "served" {
		return
	}
	for _, f := range v.Features {
		if f.Def == nil && !r.usedShort(v, f.Short) {
			at := node{file: key.file}
			r.at(at.file, f.Pos.Line, f.Pos.Col, "list it in a feature_service, or remove it", "derived feature %s is used by no service, rule, model or other derived feature", f.Short)
			last := &r.diags[len(r.diags)-1]
			last.Severity, last.End = WarningSeverity, wordEnd([]rune(last.Line), f.Pos.Col)
		}
	}
}

// usedShort reports whether the derived feature of that name, in any view that
// shares the text of v, is served or part of another one.
func (r *resolver) usedShort(v *View, short string) bool {
	return slices.ContainsFunc(r.spec.Views, func(o *View) bool {
		f, ok := o.Feature(short)
		return ok && r.viewKeys[o].Node == r.viewKeys[v].Node && (f.Served || neededBy(o, f))
	})
}

// personal is a personal field that d would serve as it is: its result, what
// it makes a result of, or its categories.
func personal(d *Definition) *Field {
	raw := []string{"first", "last", "list_last", "list_distinct", "mode", "argmax", "lag", "min", "max"}
	switch {
	case d.Hidden:
		return nil
	case d.By != nil && d.By.PII:
		return d.By
	case !slices.Contains(raw, d.Aggregation):
		return nil
	case d.Field != nil && d.Field.PII:
		return d.Field
	case d.Value != nil && d.Value.Type == String:
		for _, n := range d.Value.Names {
			if n.Field != nil && n.Field.PII && n.Type == String {
				return n.Field
			}
		}
	}
	return nil
}

// looksAtAll reports whether what one event costs grows with how many there are,
// whatever they are like: the table of docs/aggregations.md says which.
func looksAtAll(d *Definition) bool {
	if len(d.Windows) == 0 {
		return false
	}
	undone := []string{"count", "sum", "mean", "stddev", "variance", "zscore", "ratio", "skewness", "slope", "rate"}
	joined := []string{"min", "max", "first", "last", "time_since_first", "time_since_last", "interarrival_mean", "argmax", "decayed_count", "decayed_sum", "ewma"}
	words := []string{"count_distinct", "approx_count_distinct", "is_new", "novelty", "top_share", "entropy", "mode", "quantile"}
	byCategory := slices.Contains(undone, d.Aggregation)
	switch d.Windows[0].Kind {
	case Sliding:
		return d.By != nil && !byCategory
	case Last:
		return false
	}
	if d.By != nil {
		return d.Delay > 0 || !byCategory && !slices.Contains(joined, d.Aggregation)
	}
	return d.Delay > 0 && slices.Contains(words, d.Aggregation)
}

// keepsEachValue reports whether what a definition takes grows with the values
// that a life meets.
func keepsEachValue(d *Definition) bool {
	return len(d.Windows) > 0 && d.Windows[0].Kind == Lifetime && d.By == nil && slices.Contains([]string{"mode", "entropy", "top_share"}, d.Aggregation) &&
		(d.Field == nil || d.Field.Type != Bool && len(d.Field.Enum) == 0)
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
	if looksAtAll(d) {
		r.warnf(key, "choose windows, or write a smaller event_budget", "feature %s looks at all events that are kept of the entity, for each one that comes: up to event_budget (%d)", d.Name, v.EventBudget)
	}
	if keepsEachValue(d) {
		r.warnf(key, "choose windows: those are bounded by event_budget", "feature %s keeps a count of each value for as long as a row lives, however many there are: distinct_budget does not bound it", d.Name)
	}
	if f := personal(d); f != nil {
		r.warnf(key, "write hidden: true, or count_distinct instead", "feature %s serves the personal field %s as it is", d.Name, f.Name)
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
			if f.Def != nil && f.Def.Name == d.Name && (f.Served || neededBy(o, f)) {
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

// LintRetention warns of what looks further back than the topic of its source
// goes, where no `history` fills the rest: after a restart it has forgotten.
// retention is by source; one that is not in it is not known.
func (s *Spec) LintRetention(retention map[string]time.Duration) Diagnostics {
	var found Diagnostics
	for _, v := range s.Views {
		kept, known := retention[v.Source.Name]
		if !known || v.Source.History != nil {
			continue
		}
		for _, d := range v.Definitions {
			span, what := time.Duration(0), "window"
			for _, w := range d.Windows {
				if w.Kind == Sliding {
					span = max(span, d.Delay+w.Length)
				} else if v.TTL > span {
					span, what = v.TTL, "life (ttl)"
				}
			}
			if span > kept {
				found = append(found, s.Warning(d.Pos, "write history: {...} into source "+v.Source.Name+", or keep its topic longer",
					"feature %s: its %s of %s is longer than the %s that source %s keeps: after a restart the oldest part is missing",
					d.Name, what, FormatDuration(span), FormatDuration(kept), v.Source.Name))
			}
		}
	}
	return found.sorted()
}
