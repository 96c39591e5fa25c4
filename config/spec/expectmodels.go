package spec

import (
	"slices"
	"strconv"
)

// wantOfModels reads the lines of an expectation that are by model.
func (r *resolver) wantOfModels(e *Expect, m *mapping) {
	r.byModel(m, "reasons", func(x *Model, in entry) {
		n := in.value
		w := WantReasons{Model: x, Key: in.key.pos(), Pos: n.pos()}
		if w.Missing = r.missing(in); w.Missing {
			e.Reasons = append(e.Reasons, w)
			return
		}
		items, ok := r.list(n, "the reasons of model "+x.Name)
		for _, item := range items {
			code, _ := r.text(item, "a reason code")
			if !slices.ContainsFunc(x.Rules, func(rule *Rule) bool { return rule.Code == code }) {
				r.unknown(item, "rule of model "+x.Name, code, namesOf(x.Rules, func(rule *Rule) string { return rule.Code }))
				ok = false
			}
			w.Codes = append(w.Codes, code)
		}
		if ok {
			e.Reasons = append(e.Reasons, w)
		}
	})
	r.byModel(m, "scores", func(x *Model, in entry) {
		n := in.value
		w := WantScore{Model: x, Want: Want{Key: in.key.pos(), Pos: n.pos()}, Pos: n.pos()}
		if w.Want.Missing = r.missing(in); w.Want.Missing || r.want(&w.Want, n, Double, "the score of model "+x.Name) {
			e.Scores = append(e.Scores, w)
		}
	})
	r.byModel(m, "band", func(x *Model, in entry) {
		n := in.value
		if r.missing(in) {
			e.Bands = append(e.Bands, WantBand{Model: x, Missing: true, Key: in.key.pos(), Pos: n.pos()})
			return
		}
		name, ok := r.text(n, "a band")
		if ok && !x.band(name) {
			r.unknown(n, "band of model "+x.Name, name, x.bandNames())
		} else if ok {
			e.Bands = append(e.Bands, WantBand{Model: x, Band: name, Pos: n.pos()})
		}
	})
}

func (r *resolver) byModel(m *mapping, key string, read func(*Model, entry)) {
	n, ok := m.get(key)
	if !ok {
		return
	}
	for _, in := range r.mapping(n, "`"+key+"`").entries {
		x, ok := r.spec.Model(in.name)
		if !ok {
			r.unknown(in.key, "model", in.name, namesOf(r.spec.Models, modelName))
			continue
		}
		read(x, in)
	}
}

func (r *resolver) wantDropped(e *Expect, n node) {
	for _, in := range r.mapping(n, "`dropped`").entries {
		count, err := strconv.Atoi(in.value.Value)
		switch {
		case !slices.Contains(dropReasons, in.name):
			r.errorf(in.key, oneOf(in.name, dropReasons), "records are not dropped as `%s`", in.name)
		case r.missing(in):
			e.Dropped = append(e.Dropped, WantDropped{Reason: in.name, Missing: true, Key: in.key.pos(), Pos: in.value.pos()})
		case coreOf(in.value) != coreInt || err != nil || count < 0:
			r.errorf(in.value, "write a whole number", "`dropped` counts records")
		default:
			e.Dropped = append(e.Dropped, WantDropped{Reason: in.name, Count: count, Pos: in.value.pos()})
		}
	}
}
