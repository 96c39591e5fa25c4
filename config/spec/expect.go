package spec

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

var statusNames = []string{"NO_ENTITY", "NOT_FOUND", "NEEDS_EVENT", "ERROR", "INCOMPLETE", "DEGRADED", "WARMING", "STALE", "DEFAULT", "PRESENT"}

// dropReasons is what `dropped` counts (S35).
var dropReasons = []string{"duplicate", "filtered", "late", "schema", "future", "decode"}

func (r *resolver) expectations(t *Test, n node) {
	given := indexGiven(t)
	items, ok := r.list(n, "`expect`")
	if ok && len(items) == 0 {
		r.errorf(n, "write what should be", "the test expects nothing")
	}
	for _, item := range items {
		e := Expect{Pos: item.pos()}
		m := r.object(item, expectBlock, "an expectation")
		r.expectPlace(given, &e, m)
		if n, ok := m.get("entity"); ok {
			r.expectEntity(&e, n)
		}
		if n, ok := m.get("features"); ok {
			for _, f := range r.mapping(n, "`features`").entries {
				r.wantFeature(given, &e, f)
			}
		}
		if n, ok := m.get("statuses"); ok {
			r.wantStatuses(&e, n)
		}
		r.wantOfModels(&e, m)
		if n, ok := m.get("dropped"); ok {
			r.wantDropped(&e, n)
		}
		m.finish()
		if len(e.Features)+len(e.Statuses)+len(e.Reasons)+len(e.Scores)+len(e.Bands)+len(e.Dropped) == 0 && m.finishable() {
			r.errorf(item, "write features: {view.feature: 1}", "the expectation checks nothing")
		}
		t.Expect = append(t.Expect, e)
	}
}

// givenIndex finds the events of a test.
type givenIndex struct {
	at  map[time.Duration][]*Given
	ids []string
}

func indexGiven(t *Test) givenIndex {
	index := givenIndex{at: map[time.Duration][]*Given{}}
	for i := range t.Given {
		g := &t.Given[i]
		index.at[g.At] = append(index.at[g.At], g)
		if id := g.id(); id != "" {
			index.ids = append(index.ids, id)
		}
	}
	return index
}

// finishable reports whether the mapping said nothing that was wrong already.
func (m *mapping) finishable() bool {
	for _, key := range []string{"features", "statuses", "reasons", "scores", "band", "dropped"} {
		if m.has(key) {
			return false
		}
	}
	return true
}

// expectPlace reads when an expectation looks: at an offset, or at an event.
func (r *resolver) expectPlace(given givenIndex, e *Expect, m *mapping) {
	event, hasEvent := m.get("event")
	_, e.HasAt = m.nullable("at")
	switch {
	case e.HasAt && hasEvent:
		r.errorf(event, "remove one of them", "an expectation has an `at` or an `event`, not both")
	case e.HasAt:
		e.At = r.offset(m, "at")
	case !hasEvent:
		m.need("at", "at: 1m, or event: ID")
	default:
		e.Event = event.Value
		if !slices.Contains(given.ids, e.Event) {
			r.errorf(event, didYouMean(e.Event, given.ids), "no given event has the id %s", e.Event)
		}
	}
}

// id is the event's id, or "".
func (g *Given) id() string {
	for _, v := range g.Values {
		if v.Field == g.Source.IDField {
			return v.Text
		}
	}
	return ""
}

func (r *resolver) expectEntity(e *Expect, n node) {
	m := r.mappingOr(n, "`entity`", "write entity: {card: c1}")
	if len(m.entries) != 1 {
		if e.Key = []string{}; n.Kind == yaml.MappingNode {
			r.errorf(n, "write entity: {card: c1}", "`entity` names one entity and its key")
		}
		return
	}
	in := m.entries[0]
	var ok bool
	if e.Entity, ok = r.spec.Entity(in.name); !ok {
		e.Key = []string{}
		r.unknown(in.key, "entity", in.name, namesOf(r.spec.Entities, entityName))
		return
	}
	parts := []node{in.value}
	if coreOf(in.value) == coreOther {
		parts, _ = r.list(in.value, "the key of entity "+in.name)
	}
	if len(parts) != len(e.Entity.Key) {
		r.errorf(in.value, "write ["+strings.Join(e.Entity.Key, ", ")+"]", "the key of entity %s has %d parts", in.name, len(e.Entity.Key))
		return
	}
	for i, p := range parts {
		if f := r.keyField(e.Entity.Key[i]); f != nil && !r.givenText(f, p) {
			continue
		}
		e.Key = append(e.Key, p.Value)
	}
}

// keyField is a field of that name in the first source that has one.
func (r *resolver) keyField(name string) *Field {
	for _, s := range r.spec.Sources {
		if f, ok := s.Field(name); ok {
			return f
		}
	}
	return nil
}

// featureAt finds what a full name means in an expectation: a feature, or a
// derived value of a service.
func (r *resolver) featureAt(n node) (f *Feature, d *ServiceDerived, s *Service) {
	owner, short, ok := strings.Cut(n.Value, ".")
	if !ok {
		r.errorf(n, "write "+r.fullName(n.Value), "`%s` is not the full name of a feature", n.Value)
		return nil, nil, nil
	}
	if r.broken[owner] {
		return nil, nil, nil
	}
	if v, found := r.spec.View(owner); found {
		if f, ok = v.Feature(short); ok {
			return f, nil, nil
		}
		if _, isService := r.spec.Service(owner); !isService {
			if m := categoryForm.FindStringSubmatch(short); m != nil {
				if _, ok = v.Feature(m[1]); ok {
					r.errorf(n, "write "+owner+"."+m[1]+": {"+m[2]+": ...}", "an expectation is about all categories of %s", m[1])
					return nil, nil, nil
				}
			}
			r.unknown(n, "feature of view "+owner, short, namesOf(v.Features, shortName))
			return nil, nil, nil
		}
	}
	if s, ok = r.spec.Service(owner); !ok {
		r.unknown(n, "feature view", owner, append(namesOf(r.spec.Views, viewRef), namesOf(r.spec.Services, serviceName)...))
		return nil, nil, nil
	}
	if d, ok = find(s.Derived, func(d *ServiceDerived) bool { return d.Name == short }); !ok {
		r.unknown(n, "derived value of service "+owner, short, namesOf(s.Derived, func(d *ServiceDerived) string { return d.Name }))
		return nil, nil, nil
	}
	return nil, d, s
}

// fullName is the full name that a text without a point means.
func (r *resolver) fullName(text string) string {
	for _, v := range r.spec.Views {
		if _, ok := v.Feature(text); ok {
			return v.Ref() + "." + text
		}
		if v.Ref() == text && len(v.Features) > 0 {
			return v.Features[0].Full() + ": VALUE"
		}
	}
	return "view.feature"
}

func (r *resolver) wantFeature(given givenIndex, e *Expect, in entry) {
	f, d, s := r.featureAt(in.key)
	if f == nil && d == nil {
		return
	}
	w := Want{Feature: f, Derived: d, Service: s, Key: in.key.pos(), Pos: in.value.pos()}
	result := Double
	if d != nil {
		result = d.Type
	} else {
		result = f.Type
	}
	if w.Missing = r.missing(in); w.Missing {
		e.Features = append(e.Features, w)
	} else if result == List || result == Map {
		if v, ok := r.collection(in.value, f, result, in.name); ok {
			w.Value = v
			e.Features = append(e.Features, w)
		}
	} else if r.want(&w, in.value, result, in.name) {
		e.Features = append(e.Features, w)
	}
	r.asked(given, e, in.key, f)
}

// missing reports whether nothing stands behind a name: what comes out is
// still to be written there.
func (r *resolver) missing(in entry) bool {
	if coreOf(in.value) != coreNull || in.value.Value != "" {
		return false
	}
	r.warnf(in.key, "freshet test --update writes what comes out; null is written out", "`%s` has no expected value yet", in.name)
	return true
}

// asked checks that the expectation can be answered: a read is of one entity,
// and event-bound features have no value in it (1.10, S6).
func (r *resolver) asked(given givenIndex, e *Expect, n node, f *Feature) {
	if e.Event != "" {
		return
	}
	if e.Entity == nil && e.Key != nil {
		return // its entity is unknown, which was reported
	}
	if e.Entity == nil {
		r.errorf(n, "write entity: {card: c1}, or event: ID instead of at", "the expectation does not say of which entity")
		return
	}
	if slices.ContainsFunc(given.at[e.At], func(g *Given) bool { return g.has(e.Entity, e.Key) }) {
		return
	}
	switch {
	case f == nil:
		r.errorf(n, "ask at the time of an event", "nothing of that entity happens at %s, and a service's derived value belongs to an event", FormatDuration(e.At))
	case f.View.Entity != e.Entity:
		r.errorf(n, "write entity: {"+f.View.Entity.Name+": ...}", "%s is kept for %s, and the expectation asks for %s", n.Value, f.View.Entity.Name, e.Entity.Name)
	case f.EventBound:
		r.errorf(n, "ask at the time of an event", "%s has a meaning only with an event, and nothing of that entity happens at %s", n.Value, FormatDuration(e.At))
	}
}

// has reports whether the given event is one of the entity.
func (g *Given) has(e *Entity, key []string) bool {
	for i, name := range e.Key {
		if i >= len(key) || !slices.ContainsFunc(g.Values, func(v GivenValue) bool { return v.Field.Name == name && v.Text == key[i] }) {
			return false
		}
	}
	return true
}

// collection reads the expected value of a list or map: [1, 2], {5411: 3},
// {5411: [1, 2]} where a category has a list, or null.
func (r *resolver) collection(n node, f *Feature, t Type, name string) (Literal, bool) {
	v := Literal{Type: t}
	if coreOf(n) == coreNull {
		return Literal{}, true
	}
	good := true
	item := func(n node) {
		var x Literal
		var ok bool
		if t == Map && f.listed() {
			x, ok = r.collection(n, f, List, "a category of "+name)
		} else {
			x, ok = r.literal(n, f.Item(), "an item of "+name)
		}
		v.Items = append(v.Items, x)
		good = good && ok
	}
	if t == List {
		items, ok := r.list(n, "the value of "+name)
		for _, n := range items {
			item(n)
		}
		return v, good && ok
	}
	m := r.mapping(n, "the value of "+name)
	for _, in := range m.entries {
		v.Keys = append(v.Keys, in.name)
		item(in.value)
	}
	return v, good && n.Kind == yaml.MappingNode
}

// want reads an expected value: a literal, or approx, above, below.
func (r *resolver) want(w *Want, n node, t Type, name string) bool {
	if coreOf(n) != coreOther {
		v, ok := r.literal(n, t, name)
		w.Value = v
		return ok
	}
	before := len(r.diags)
	m := r.object(n, wantBlock, "the value of "+name)
	m.finish()
	if len(r.diags) > before {
		return false // what it should say is not known
	}
	ops := 0
	for _, op := range []string{"approx", "above", "below"} {
		if v, _, ok := m.number(op); ok {
			w.Op, w.Value = op, Literal{Type: Double, Num: v}
			ops++
		}
	}
	abs, _, hasAbs := m.number("abs")
	rel, _, hasRel := m.number("rel")
	w.Abs, w.Rel = abs, rel
	number := t == Double || t == Int || t == Decimal
	switch {
	case !number:
		r.errorf(n, "write the value itself", "%s is %s, which is not compared like a number", name, t.withArticle())
	case ops != 1:
		r.errorf(n, "write {approx: 0.667, abs: 0.001}, {above: 3} or {below: 3}", "the value of %s needs one of approx, above, below", name)
	case w.Op == "approx" && hasAbs == hasRel:
		r.errorf(n, "write {approx: 0.667, abs: 0.001}", "approx needs `abs` or `rel`: how far off it may be")
	case w.Op != "approx" && (hasAbs || hasRel):
		r.errorf(n, "leave them out", "`abs` and `rel` belong to approx")
	case abs < 0 || rel < 0:
		r.errorf(n, "", "`abs` and `rel` cannot be negative")
	default:
		return true
	}
	return false
}

func (r *resolver) wantStatuses(e *Expect, n node) {
	for _, in := range r.mapping(n, "`statuses`").entries {
		f, d, service := r.featureAt(in.key)
		w := WantStatus{Feature: f, Derived: d, Service: service, Key: in.key.pos(), Pos: in.value.pos()}
		if w.Missing = r.missing(in); w.Missing && (f != nil || d != nil) {
			e.Statuses = append(e.Statuses, w)
			continue
		}
		status, ok := r.text(in.value, "a status")
		switch {
		case f == nil && d == nil || !ok:
		case !slices.Contains(statusNames, status):
			r.errorf(in.value, oneOf(status, statusNames), "there is no status `%s`", status)
		default:
			w.Status = status
			e.Statuses = append(e.Statuses, w)
		}
	}
}
