package spec

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

func (r *resolver) services() {
	for _, in := range r.kinds[serviceKind] {
		s := &Service{Index: len(r.spec.Services), Name: in.name, Pos: in.key.pos()}
		r.name(in.key, in.name, "feature service")
		r.spec.Services = append(r.spec.Services, s)
		r.service(s, in)
	}
}

func (r *resolver) service(s *Service, in raw) {
	m := r.object(in.value, serviceBlock, "feature service "+s.Name)
	s.Description, _, _ = m.about(in.inherited)
	s.Version = m.whole("version", 1)
	if n, ok := m.need("on", "on: "+strings.Join(namesOf(r.spec.Sources, sourceName), " or ")); ok {
		s.On = r.sourceOf(n)
	}
	if n, ok := m.get("request_fields"); ok {
		r.requestFields(s, n)
	}
	s.MaxStaleness = m.duration("max_staleness", 0)
	if n, ok := m.need("features", "features: [{card_velocity: [txn_count_1h]}]"); ok {
		items, _ := r.list(n, "`features` of feature service "+s.Name)
		for _, item := range items {
			r.serviceItem(s, item)
		}
	}
	if n, ok := m.get("derived"); ok {
		r.serviceDerived(s, n)
	}
	m.finish()
}

func (r *resolver) requestFields(s *Service, n node) {
	for _, e := range r.mapping(n, "`request_fields` of feature service "+s.Name).entries {
		r.name(e.key, e.name, "request field")
		text, ok := r.text(e.value, "the type of a request field")
		if !ok {
			continue
		}
		t, _, ok := typeOf(text)
		if !ok {
			r.errorf(e.value, oneOf(text, fieldTypes), "`%s` is not a type", text)
			continue
		}
		s.RequestFields = append(s.RequestFields, RequestField{Name: e.name, Type: t, Pos: e.key.pos()})
		if s.On == nil {
			continue
		}
		f, ok := s.On.Field(e.name)
		if !ok {
			r.warnf(e.key, "", "source %s has no field %s: on the stream, what mentions request.%s takes its default", s.On.Name, e.name, e.name)
		} else if celType(f.Type) != celType(t) {
			r.errorf(e.value, "write "+f.Type.String(), "request field %s is %s, and the field of that name in %s is %s", e.name, t.withArticle(), s.On.Name, f.Type.withArticle())
		}
	}
}

// serviceItem is `view: [features]`, or a view's name for all of it.
func (r *resolver) serviceItem(s *Service, item node) {
	if item.Kind == yaml.ScalarNode {
		if v := r.viewAt(s, item); v != nil {
			for _, f := range v.Features {
				if !f.Hidden && f.inExpressions() {
					r.list1(s, item, f, Category{})
				}
			}
		}
		return
	}
	for _, e := range r.mapping(item, "an element of `features`").entries {
		v := r.viewAt(s, e.key)
		if v != nil && e.value.Kind == yaml.ScalarNode && (e.value.Value == "*" || e.value.Value == "all") {
			r.errorf(e.value, "write `- "+e.name+"` for all of its features", "the features of %s must be a list", e.name)
			continue
		}
		names, _ := r.list(e.value, "the features of "+e.name)
		if v == nil {
			continue
		}
		for _, n := range names {
			if text, ok := r.text(n, "a feature's name"); ok {
				r.serviceFeature(s, v, n, text)
			}
		}
	}
}

// viewAt is the view that n names, if the service's events can read it.
func (r *resolver) viewAt(s *Service, n node) *View {
	v, ok := r.spec.View(n.Value)
	switch {
	case !ok && r.broken[n.Value]:
		return nil
	case !ok:
		if f, isFeature := r.spec.Feature(n.Value); isFeature {
			r.errorf(n, "write "+f.View.Ref()+": ["+f.Short+"]", "`%s` is a feature, and this names a view", n.Value)
			return nil
		}
		r.unknown(n, "feature view", n.Value, namesOf(r.spec.Views, viewRef))
		return nil
	case s.On != nil && !s.On.HasKey(v.Entity):
		r.errorf(n, "choose a view of an entity whose key the source has", "events of %s have no %s, the key of view %s",
			s.On.Name, strings.Join(v.Entity.Key, ", "), v.Name)
	case v.Online == "none":
		r.errorf(n, "remove online: none from it", "view %s is not served: online: none", v.Name)
	}
	return v
}

var categoryForm = regexp.MustCompile(`^([^\[]+)\["(.*)"\]$`)

func (r *resolver) serviceFeature(s *Service, v *View, n node, text string) {
	short, category := text, Category{}
	if m := categoryForm.FindStringSubmatch(text); m != nil {
		short, category = m[1], OfCategory(m[2])
	}
	f, ok := v.Feature(short)
	switch {
	case !ok && r.broken[v.Name]:
	case !ok:
		r.unknown(n, "feature of view "+v.Name, short, namesOf(v.Features, shortName))
	case f.Hidden:
		r.errorf(n, "remove hidden: true from it", "feature %s is hidden: a working value that is not served", f.Full())
	case f.Def != nil && f.Def.By != nil && !category.Listed:
		r.errorf(n, `write '`+short+`["CATEGORY"]'`, "feature %s has a value per category; a vector takes one of them", f.Full())
	case category.Listed && (f.Def == nil || f.Def.By == nil):
		r.errorf(n, "write "+short, "feature %s has no categories", f.Full())
	default:
		r.list1(s, n, f, category)
	}
}

// list1 puts one feature into the vector, once.
func (r *resolver) list1(s *Service, n node, f *Feature, category Category) {
	for i, other := range s.Features {
		if other == f && s.Categories[i] == category {
			r.errorf(n, "remove one of them", "feature %s stands twice in service %s", f.Full(), s.Name)
			return
		}
	}
	if f.EventBound && s.On != nil && f.View.Source != s.On {
		r.warnf(n, "leave it out, or serve it on "+f.View.Source.Name, "feature %s has a meaning only with an event of %s: in records of %s it is always null (S4)",
			f.Full(), f.View.Source.Name, s.On.Name)
	}
	s.Features = append(s.Features, f)
	s.Categories = append(s.Categories, category)
}

// riskEnv is the scope of rules, scores and a service's derived values: the
// features of any view, and request.FIELD of the service.
func (r *resolver) riskEnv(s *Service) *Env {
	if env := r.riskEnvs[s]; env != nil {
		return env
	}
	const what = "view.feature and request.FIELD"
	if r.featureEnv == nil {
		var names []Name
		several := map[string]Type{}
		for _, v := range r.spec.Views {
			for _, f := range v.Features {
				for _, name := range f.exprNames() {
					if !f.inExpressions() {
						several[name] = f.Type
						continue
					}
					names = append(names, Name{Text: name, Scope: FeatureScope, Feature: f, Type: f.Type})
				}
			}
		}
		r.featureEnv = r.environment(what, names)
		r.featureEnv.several = several
	}
	env := r.featureEnv
	if s != nil && len(s.RequestFields) > 0 {
		names := make([]Name, len(s.RequestFields))
		for i, q := range s.RequestFields {
			names[i] = Name{Text: "request." + q.Name, Scope: RequestScope, Request: q.Name, Type: q.Type}
		}
		var err error
		if env, err = env.extend(names); err != nil {
			panic("config/spec: " + err.Error())
		}
	}
	r.riskEnvs[s] = env
	return env
}

func (r *resolver) serviceDerived(s *Service, n node) {
	env := r.riskEnv(s)
	for _, e := range r.bounded(r.mapping(n, "`derived` of feature service "+s.Name).entries, MaxDerived, n, "derived values of service "+s.Name) {
		r.name(e.key, e.name, "derived value")
		what := "derived value " + e.name
		d := &ServiceDerived{Name: e.name, Type: Double, Pos: e.key.pos()}
		m := r.object(e.value, serviceDerivedBlock, what)
		m.about(defaults{})
		m.text("unit")
		if n, ok := m.need("expr", "expr: 'request.amount / max(view.feature, 1)'"); ok {
			if d.Expr = r.expression(env, n, what, Double, Bool, String, Timestamp); d.Expr != nil {
				d.Type = d.Expr.Type
				r.readable(n, d.Expr, s)
				r.defaultOf(m, d.Type, what, &d.HasDefault, &d.Default)
			}
		}
		m.finish()
		if v, ok := r.spec.View(s.Name); ok {
			if f, taken := v.Feature(d.Name); taken {
				r.errorf(e.key, "rename one of them", "%s is the full name of a feature too: see line %d", d.Full(s), f.Pos.Line)
			}
		}
		s.Derived = append(s.Derived, d)
	}
}

// readable refuses features of entities that the service's events do not have.
func (r *resolver) readable(n node, e *Expr, s *Service) {
	if s == nil || s.On == nil {
		return
	}
	for _, name := range slices.Concat(e.Names, e.Asked) {
		if f := name.Feature; f != nil && name.Scope == FeatureScope {
			if !s.On.HasKey(f.View.Entity) {
				r.errorf(n, "choose a view of an entity whose key the source has", "events of %s have no %s, the key of %s",
					s.On.Name, strings.Join(f.View.Entity.Key, ", "), name.Text)
			} else if f.View.Online == "none" {
				r.errorf(n, "remove online: none from it", "%s is not served: its view has online: none", name.Text)
			}
		}
	}
}
