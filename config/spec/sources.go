package spec

import (
	"slices"
	"time"
)

// The defaults of a source (spec-language.md 1.11).
const (
	defaultMaxAhead    = 10 * time.Minute
	defaultDedupWindow = 10 * time.Minute
	defaultLateness    = 24 * time.Hour
)

func (r *resolver) sources() {
	for _, in := range r.kinds[sourceKind] {
		s := &Source{Index: len(r.spec.Sources), Name: in.name, Pos: in.key.pos()}
		r.name(in.key, in.name, "source")
		r.spec.Sources = append(r.spec.Sources, s)
		r.sourceKeys[s] = in
		r.source(s, in)
	}
}

func (r *resolver) source(s *Source, in raw) {
	m := r.object(in.value, sourceBlock, "source "+s.Name)
	s.Description, s.Owner, _ = m.about(in.inherited)
	r.connection(s, m)
	if n, ok := m.need("fields", "fields: {id: {type: string}}"); ok {
		r.fields(s, n)
	}
	r.roles(s, m)
	s.AllowedLateness = m.duration("allowed_lateness", -1)
	s.MaxAhead = m.duration("max_ahead", defaultMaxAhead)
	s.DedupWindow = m.duration("dedup_window", defaultDedupWindow)
	if n, ok := m.get("computed_fields"); ok {
		r.computedFields(s, n)
	}
	if n, ok := m.get("filter"); ok {
		s.Filter = r.expression(r.fieldEnv(s), n, "`filter` of source "+s.Name, Bool)
	}
	m.finish()
}

// connection reads where a source's records come from.
func (r *resolver) connection(s *Source, m *mapping) {
	s.Type = m.word("type", "")
	if !m.has("type") {
		m.need("type", "type: kafka")
	}
	s.Topic, s.Stream, s.Path = m.connectionText("topic"), m.connectionText("stream"), m.connectionText("path")
	s.Format = m.word("format", "json")
	keys := map[string]string{"kafka": "topic", "kinesis": "stream", "file": "path"}
	for _, kind := range []string{"kafka", "kinesis", "file"} {
		key := keys[kind]
		switch {
		case s.Type == kind:
			m.need(key, key+": "+s.Name)
		case s.Type != "" && m.has(key):
			n, _ := m.nullable(key)
			r.errorf(n, "write `"+keys[s.Type]+"`", "a source of type %s has no `%s`", s.Type, key)
		}
	}
	if n, ok := m.get("connection"); ok {
		s.Connection = map[string]string{}
		c := r.mapping(n, "`connection` of source "+s.Name)
		for _, e := range c.entries {
			s.Connection[e.name] = c.connectionText(e.name)
		}
	}
	if n, ok := m.get("history"); ok {
		h := r.object(n, historyBlock, "`history` of source "+s.Name)
		s.History = &History{Type: h.word("type", "parquet"), Path: h.connectionText("path")}
		h.need("path", "path: s3://lake/events/")
		h.finish()
	}
}

// roles reads which fields have a meaning of their own.
func (r *resolver) roles(s *Source, m *mapping) {
	if n, ok := m.need("timestamp_field", "timestamp_field: event_time"); ok {
		if s.TimestampField = r.roleField(s, n, "timestamp_field"); s.TimestampField != nil && s.TimestampField.Type != Timestamp {
			r.errorf(n, "declare it as {type: timestamp}", "`timestamp_field` %s is %s", s.TimestampField.Name, s.TimestampField.Type.withArticle())
		}
	}
	if n, ok := m.get("id_field"); ok {
		if s.IDField = r.roleField(s, n, "id_field"); s.IDField != nil {
			r.keyType(n, s.IDField, "an id")
		}
	}
	if n, ok := m.get("retracts"); ok {
		r.retracts(s, n)
	}
	if n, ok := m.get("retracts_time_field"); ok {
		if f := r.field(s, n); f != nil && f.Type != Timestamp {
			r.errorf(n, "declare it as {type: timestamp, optional: true}", "`retracts_time_field` %s is %s", f.Name, f.Type.withArticle())
		} else if s.RetractsTimeField = f; s.Retracts == nil {
			r.errorf(n, "write retracts: FIELD", "`retracts_time_field` means something only with `retracts`")
		}
	}
}

func (r *resolver) retracts(s *Source, n node) {
	s.Retracts = r.field(s, n)
	if s.Retracts == nil || !r.keyType(n, s.Retracts, "an id") {
		return
	}
	switch {
	case s.IDField == nil:
		r.errorf(n, "write id_field: FIELD", "`retracts` names an event by its id, and source %s has no `id_field`", s.Name)
	case s.IDField.Type != s.Retracts.Type && s.IDField.Type.isKey():
		r.errorf(n, "give both one type", "`retracts` %s is %s, and an id is %s", s.Retracts.Name, s.Retracts.Type.withArticle(), s.IDField.Type.withArticle())
	case !s.Retracts.Optional:
		r.errorf(n, "mark it optional: true", "`retracts` %s is required, so every event would take another one back", s.Retracts.Name)
	}
}

// roleField is a declared field that every event must have.
func (r *resolver) roleField(s *Source, n node, role string) *Field {
	f := r.field(s, n)
	if f == nil {
		return nil
	}
	if f.Optional {
		r.errorf(n, "remove optional: true from it", "`%s` %s must be in every event, and it is optional", role, f.Name)
	}
	return f
}

// field is the field of s that n names.
func (r *resolver) field(s *Source, n node) *Field {
	name, ok := r.text(n, "a field's name")
	if !ok {
		return nil
	}
	f, ok := s.Field(name)
	if !ok {
		r.unknown(n, "field of "+s.Name, name, namesOf(s.Fields, fieldName))
	}
	return f
}

// keyType refuses types that cannot be keys (S15); role is "an id".
func (r *resolver) keyType(n node, f *Field, role string) bool {
	if f.Type.isKey() {
		return true
	}
	r.errorf(n, "use a string, int or bool", "field %s is %s, which cannot be %s", f.Name, f.Type.withArticle(), role)
	return false
}

func (t Type) isKey() bool { return t == String || t == Int || t == Bool }

// entities reads the things that features are kept for.
func (r *resolver) entities() {
	for _, in := range r.kinds[entityKind] {
		e := &Entity{Index: len(r.spec.Entities), Name: in.name, Pos: in.key.pos()}
		r.name(in.key, in.name, "entity")
		m := r.object(in.value, entityBlock, "entity "+e.Name)
		e.Description, _, _ = m.about(in.inherited)
		if n, ok := m.need("key", "key: card_id"); ok {
			keys := []node{n}
			if coreOf(n) == coreOther {
				keys, _ = r.list(n, "`key` of entity "+e.Name)
			}
			for _, k := range keys {
				if name, ok := r.text(k, "a field's name"); ok {
					r.entityKey(e, k, name)
				}
			}
		}
		m.finish()
		r.spec.Entities = append(r.spec.Entities, e)
	}
}

func (r *resolver) entityKey(e *Entity, n node, name string) {
	if slices.Contains(e.Key, name) {
		r.errorf(n, "remove one of them", "entity %s names the field %s twice", e.Name, name)
		return
	}
	e.Key = append(e.Key, name)
	var known []string
	found := false
	for _, s := range r.spec.Sources {
		known = append(known, namesOf(s.Fields, fieldName)...)
		if f, ok := s.Field(name); ok {
			found = true
			e.PII = e.PII || f.PII
			r.keyType(n, f, "the key of entity "+e.Name)
		}
	}
	if !found {
		r.errorf(n, didYouMean(name, known), "no source has the field %s, the key of entity %s", name, e.Name)
	}
}
