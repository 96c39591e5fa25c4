package spec

import "slices"

// served marks the features that run computes for others (1.11 `online:`):
// what a service lists, what its derived values, rules and scores need, and
// what the derived features among those need.
func (r *resolver) served() {
	for _, v := range r.spec.Views {
		if v.Online == "all" || len(r.spec.Services) == 0 && v.Online == "served" {
			for _, f := range v.Features {
				serve(f)
			}
		}
	}
	for _, s := range r.spec.Services {
		for _, f := range s.Features {
			serve(f)
		}
		for _, d := range s.Derived {
			serveNames(d.Expr)
		}
	}
	for _, m := range r.spec.Models {
		serveNames(m.Score)
		for _, rule := range m.Rules {
			serveNames(rule.When)
		}
	}
}

func serveNames(e *Expr) {
	if e == nil {
		return
	}
	for _, n := range slices.Concat(e.Names, e.Asked) {
		if n.Scope == FeatureScope {
			serve(n.Feature)
		}
	}
}

// serve marks f, unless it is a working value, and what it is derived from.
func serve(f *Feature) {
	if f.Served {
		return
	}
	f.Served = !f.Hidden
	serveNames(f.Expr)
}
