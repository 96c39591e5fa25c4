package spec

import "time"

// outputs reads where each source's events go.
func (r *resolver) outputs() {
	for _, s := range r.spec.Sources {
		s.Output = Output{Topic: r.namespace + "." + s.Name + ".enriched.v1"}
		in := r.sourceKeys[s]
		quiet := *r.loader // source() has reported what is wrong with this mapping
		quiet.diags = nil
		n, ok := quiet.mapping(in.value, "").get("output")
		if !ok {
			continue
		}
		m := r.object(n, outputBlock, "`output` of source "+s.Name)
		s.Output.Set = true
		if m.has("topic") {
			s.Output.Topic = m.connectionText("topic")
		}
		s.Output.PIIRaw = m.word("pii", "masked") == "raw"
		if k, ok := m.get("key"); ok {
			r.outputKey(s, k)
		}
		m.finish()
	}
}

func (r *resolver) outputKey(s *Source, n node) {
	name, ok := r.text(n, "`key`")
	if !ok {
		return
	}
	e, ok := r.spec.Entity(name)
	switch {
	case !ok:
		r.unknown(n, "entity", name, namesOf(r.spec.Entities, entityName))
	case !s.HasKey(e):
		r.errorf(n, "choose an entity whose key the source has", "source %s has no key of entity %s", s.Name, name)
	default:
		s.Output.Key = e
	}
}

// defaultKeys chooses the key entity where the author did not: the first of
// the first service on the source, or without one of its first view (1.11).
func (r *resolver) defaultKeys() {
	for _, s := range r.spec.Sources {
		if s.Output.Key == nil {
			s.Output.Key = r.firstEntity(s)
		}
	}
}

func (r *resolver) firstEntity(s *Source) *Entity {
	for _, service := range r.spec.Services {
		if service.On != s {
			continue
		}
		for _, f := range service.Features {
			if s.HasKey(f.View.Entity) {
				return f.View.Entity
			}
		}
	}
	for _, v := range r.spec.Views {
		if v.Source == s {
			return v.Entity
		}
	}
	return nil
}

// lateness resolves the default of allowed_lateness (S9).
func (r *resolver) lateness() {
	for _, s := range r.spec.Sources {
		if s.AllowedLateness >= 0 {
			continue
		}
		longest := time.Duration(0)
		for _, v := range r.spec.Views {
			if v.Source == s {
				longest = max(longest, v.reach())
			}
		}
		if s.AllowedLateness = defaultLateness; longest > 0 && longest < defaultLateness {
			s.AllowedLateness = longest
		}
	}
}

// reach is the longest delay + window of v; what has no length counts as the
// ttl.
func (v *View) reach() time.Duration {
	longest := time.Duration(0)
	for _, d := range v.Definitions {
		for _, w := range d.Windows {
			if w.Kind == Sliding {
				longest = max(longest, d.Delay+w.Length)
			} else {
				longest = max(longest, v.TTL)
			}
		}
	}
	return longest
}
