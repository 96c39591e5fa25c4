// Package record is the form of what leaves on a log: the enriched, scored
// record (surfaces.md 4.6) and the dead letter. It encodes, it reads back, and
// it sees to it that nothing personal leaves in clear. It sends nothing.
//
// An enriched record is one JSON object on one line. Its canonical bytes are
// all but processed_at and trace_id, which therefore come last:
//
//	{"schema_version":1,"event_id":"t_8841","event_time":"2026-01-05T12:04:31.882Z","source":"transactions",
//	 "event":{"amount":900,"status":"declined"},
//	 "entities":{"card":"h_mfzwizdf…"},
//	 "features":{"card_velocity.txn_count_1m":5,"card_geo.travel_kmh":null},
//	 "statuses":{"card_geo.travel_kmh":"NOT_FOUND"},
//	 "scores":[{"model":"payment_risk@7","score":1,"band":"block","shadow":false,"reasons":[{"code":"VEL_CARD_1M"}]}],
//	 "provenance":{"spec":"sha256:41c9a5e0b1d2","place":"transactions:3:118273","batch":88123,"owner":4,"seq":17},
//	 "processed_at":"2026-01-05T12:04:31.946Z","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}
package record

import (
	"strconv"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
)

// SchemaVersion is the version of the enriched record. Within one version
// changes are additive.
const SchemaVersion = 1

// Privacy decides what leaves of a person. It is safe for use by the goroutine
// that encodes.
type Privacy interface {
	// Key is how an entity's key leaves: a token where the entity is PII.
	Key(e *spec.Entity, key string) string
	// Mask is how the text of a PII field leaves; keep is false where nothing does.
	Mask(f *spec.Field, text string) (masked string, keep bool)
}

// Place is where in the order of application a record stands (design.md 6).
type Place struct {
	Batch uint64
	Owner uint32
	Seq   uint32
}

// Enriched is everything that one record says.
type Enriched struct {
	Event       *event.Event
	Vector      *features.Vector
	Scores      []models.Result // by Layout.Models
	Place       Place
	ProcessedAt int64  // wall clock, ms
	TraceID     string // "" without one
}

// Encoder encodes the enriched records of one source. Its names and constant
// parts are laid out once, so that a record costs no allocation. One goroutine.
type Encoder struct {
	layout   *features.Layout
	privacy  Privacy
	head     []byte // up to and with the opening of event_id
	source   []byte // ,"source":…,"event":{
	fields   []fieldPart
	idField  *spec.Field // nil unless the id itself is PII and leaves masked
	entities [][]byte
	columns  []columnPart
	models   []modelPart
	cards    *CardNumbers
	prov     []byte // ,"provenance":{"spec":…,"place":"source:
}

type fieldPart struct {
	name  []byte // "name":
	field *spec.Field
	mask  bool
	guard *cardGuard // nil: the field holds no text, or leaves masked anyway
}

type columnPart struct {
	name  []byte // "name":
	col   int
	scale int
	mask  *spec.Field // the PII field that the value is a copy of, nil: none
	keys  *spec.Field // the PII field that a map's keys are copies of, nil: none
	guard *cardGuard  // of values that are texts; nil: none
}

type modelPart struct {
	head    []byte   // {"model":"name@version","score":
	shadow  []byte   // ,"shadow":false,"reasons":[
	reasons [][]byte // {"code":"…"}
}

// SpecRef is how a spec is named in records and headers: sha256: and the first
// 12 hex digits of its hash.
func SpecRef(s *spec.Spec) string { return "sha256:" + s.Hash[:min(12, len(s.Hash))] }

// NewEncoder lays out the records of layout.Source.
func NewEncoder(s *spec.Spec, layout *features.Layout, privacy Privacy) *Encoder {
	src := layout.Source
	e := &Encoder{layout: layout, privacy: privacy, cards: NewCardNumbers(s)}
	e.head = append(strconv.AppendInt([]byte(`{"schema_version":`), SchemaVersion, 10), `,"event_id":`...)
	e.source = append(appendString([]byte(`,"source":`), src.Name), `,"event":{`...)
	for _, f := range src.Fields {
		e.fields = append(e.fields, fieldPart{name: nameOf(f.Name), field: f, mask: f.PII && !src.Output.PIIRaw, guard: e.cards.ofField(src, f)})
	}
	if src.IDField != nil && src.IDField.PII && !src.Output.PIIRaw {
		e.idField = src.IDField
	}
	for _, ent := range layout.Entities {
		e.entities = append(e.entities, nameOf(ent.Name))
	}
	for i, c := range layout.Columns {
		if !c.Emit {
			continue
		}
		part := columnPart{name: nameOf(c.Name), col: i, scale: c.Scale}
		if c.Feature != nil {
			part.guard = e.cards.ofFeature(c.Feature)
		}
		if !src.Output.PIIRaw {
			part.mask, part.keys = personal(c), personalKeys(c)
		}
		e.columns = append(e.columns, part)
	}
	for _, m := range layout.Models {
		e.models = append(e.models, newModelPart(m.Model))
	}
	e.prov = append(appendString([]byte(`,"provenance":{"spec":`), SpecRef(s)), `,"place":`...)
	place := appendString(nil, src.Name)
	e.prov = append(append(e.prov, place[:len(place)-1]...), ':')
	return e
}

func newModelPart(m *spec.Model) modelPart {
	p := modelPart{
		head:   append(appendString([]byte(`{"model":`), m.Name+"@"+strconv.Itoa(m.Version)), `,"score":`...),
		shadow: append(strconv.AppendBool([]byte(`,"shadow":`), m.Shadow), `,"reasons":[`...),
	}
	for _, r := range m.Rules {
		p.reasons = append(p.reasons, append(appendString([]byte(`{"code":`), r.Code), '}'))
	}
	return p
}

func nameOf(name string) []byte { return append(appendString(nil, name), ':') }

// Append appends the record of in to dst, without a line end.
func (e *Encoder) Append(dst []byte, in *Enriched) []byte {
	dst = append(dst, e.head...)
	dst = e.appendID(dst, in.Event.ID)
	dst = append(dst, `,"event_time":`...)
	dst = appendTime(dst, in.Event.Time)
	dst = append(dst, e.source...)
	dst = e.appendFields(dst, in.Event)
	dst = append(dst, `},"entities":{`...)
	dst = e.appendEntities(dst, in.Vector.Keys)
	dst = append(dst, `},"features":{`...)
	for i := range e.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &e.columns[i]
		dst = append(dst, c.name...)
		dst = e.appendFeature(dst, c, in.Vector.Values[c.col])
	}
	dst = append(dst, `},"statuses":{`...)
	dst = e.appendStatuses(dst, in.Vector.Statuses)
	dst = append(dst, `},"scores":[`...)
	dst = e.appendScores(dst, in.Scores)
	dst = append(dst, ']')
	dst = e.appendProvenance(dst, in)
	dst = append(dst, `,"processed_at":`...)
	dst = appendTime(dst, in.ProcessedAt)
	if in.TraceID != "" {
		dst = append(dst, `,"trace_id":`...)
		dst = appendString(dst, in.TraceID)
	}
	return append(dst, '}')
}

func (e *Encoder) appendID(dst []byte, id string) []byte {
	if id == "" {
		return append(dst, "null"...)
	}
	if e.idField == nil {
		return appendString(dst, id)
	}
	masked, keep := e.privacy.Mask(e.idField, id)
	if !keep {
		return append(dst, "null"...)
	}
	return appendString(dst, masked)
}

func (e *Encoder) appendFields(dst []byte, ev *event.Event) []byte {
	first := true
	for i := range e.fields {
		f := &e.fields[i]
		v := ev.Values[f.field.Index]
		if !v.Has() {
			continue
		}
		masked, keep := "", true
		if f.mask {
			if masked, keep = e.privacy.Mask(f.field, text(v, f.field.Scale)); !keep {
				continue
			}
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, f.name...)
		if f.mask {
			dst = appendString(dst, masked)
		} else {
			dst = appendValue(dst, f.guard.Hide(v), f.field.Scale)
		}
	}
	return dst
}

func (e *Encoder) appendEntities(dst []byte, keys []string) []byte {
	first := true
	for i, ent := range e.layout.Entities {
		if keys[i] == "" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, e.entities[i]...)
		dst = appendString(dst, e.privacy.Key(ent, keys[i]))
	}
	return dst
}

func (e *Encoder) appendFeature(dst []byte, c *columnPart, v event.Value) []byte {
	if v.Has() && v.Kind() == event.Map && (c.mask != nil || c.keys != nil) {
		return e.appendMap(dst, c, v.Entries())
	}
	return e.appendSingle(dst, c, v)
}

// appendSingle appends a value, or that of one category.
func (e *Encoder) appendSingle(dst []byte, c *columnPart, v event.Value) []byte {
	switch {
	case !v.Has() || c.mask == nil:
		return appendValue(dst, c.guard.Hide(v), c.scale)
	case v.Kind() == event.List:
		return e.appendList(dst, c, v.Items())
	}
	return e.appendMasked(dst, c, v)
}

// appendList masks the items one by one.
func (e *Encoder) appendList(dst []byte, c *columnPart, items []event.Value) []byte {
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendMasked(dst, c, item)
	}
	return append(dst, ']')
}

// appendMap masks the categories too. They are hashed whatever their mask, so
// that two of them never become one; what may not leave at all takes the whole
// map with it.
func (e *Encoder) appendMap(dst []byte, c *columnPart, entries []event.Entry) []byte {
	start := len(dst)
	dst = append(dst, '{')
	for i, entry := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		key := entry.Key
		if c.keys != nil && key != features.Other {
			if _, keep := e.privacy.Mask(c.keys, key); !keep {
				return append(dst[:start], "null"...)
			}
			key, _ = e.privacy.Mask(hashField, key)
		}
		dst = e.appendSingle(append(appendString(dst, key), ':'), c, entry.Value)
	}
	return append(dst, '}')
}

// appendMasked appends one value as its mask lets it leave.
func (e *Encoder) appendMasked(dst []byte, c *columnPart, v event.Value) []byte {
	masked, keep := e.privacy.Mask(c.mask, text(v, c.scale))
	if !keep {
		return append(dst, "null"...)
	}
	return appendString(dst, masked)
}

func (e *Encoder) appendStatuses(dst []byte, statuses []features.Status) []byte {
	first := true
	for i := range e.columns {
		c := &e.columns[i]
		if statuses[c.col] == features.Present {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, c.name...)
		dst = appendString(dst, statuses[c.col].String())
	}
	return dst
}

func (e *Encoder) appendScores(dst []byte, scores []models.Result) []byte {
	for i := range scores {
		if i > 0 {
			dst = append(dst, ',')
		}
		s, m := &scores[i], &e.models[i]
		dst = append(dst, m.head...)
		if s.HasScore {
			dst = appendNumber(dst, s.Score)
		} else {
			dst = append(dst, "null"...)
		}
		dst = append(dst, `,"band":`...)
		if s.Band == "" {
			dst = append(dst, "null"...)
		} else {
			dst = appendString(dst, s.Band)
		}
		dst = append(dst, m.shadow...)
		for j, r := range s.Reasons {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, m.reasons[r]...)
		}
		dst = append(dst, ']', '}')
	}
	return dst
}

func (e *Encoder) appendProvenance(dst []byte, in *Enriched) []byte {
	dst = append(dst, e.prov...)
	dst = strconv.AppendInt(dst, int64(in.Event.Partition), 10)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, in.Event.Offset, 10)
	dst = append(dst, `","batch":`...)
	dst = strconv.AppendUint(dst, in.Place.Batch, 10)
	dst = append(dst, `,"owner":`...)
	dst = strconv.AppendUint(dst, uint64(in.Place.Owner), 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, uint64(in.Place.Seq), 10)
	return append(dst, '}')
}
