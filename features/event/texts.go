package event

import (
	"unicode/utf8"

	"github.com/freshet-dev/freshet/config/spec"
)

// DecodeTexts is Decode for the cells of a CSV line. A name is a field's path
// with dots, or else the field's name. Each text is read by the declared type of
// its field, an empty one is missing, and names that the source does not declare
// are ignored (S14). Strings in ev alias texts. Offset of a rejection is the
// place of the text.
func (d *Decoder) DecodeTexts(names, texts []string, ev *Event) *Rejection {
	d.begin(ev)
	if len(names) != len(texts) {
		return d.refuse(Decode, "", min(len(names), len(texts)), "a different number of cells than of names")
	}
	size := 0
	for i, text := range texts {
		if size += len(text); size > MaxRecordBytes {
			return d.refuse(Decode, "", i, "the record is too long")
		}
		if !utf8.ValidString(text) {
			return d.refuse(Decode, "", i, "a cell is not valid UTF-8")
		}
		for _, p := range d.byName[names[i]] {
			if p.seen == d.record {
				return d.refuse(Decode, p.Name, i, "a name occurs twice")
			}
			p.seen = d.record
			if text != "" {
				d.fromText(p, text, i)
			}
		}
	}
	if d.schema {
		return &d.rej
	}
	return d.finish()
}

// DecodeGiven is Decode for an event of a spec test: the texts of declared
// fields, each field once. An empty text is a value, as it is in JSON: what has
// none is not given.
func (d *Decoder) DecodeGiven(fields []*spec.Field, texts []string, ev *Event) *Rejection {
	d.begin(ev)
	for i, f := range fields {
		d.fromText(d.byField[f.Index], texts[i], i)
	}
	if d.schema {
		return &d.rej
	}
	return d.finish()
}

// fromText reads a text by the declared type of its field.
func (d *Decoder) fromText(p *plan, text string, at int) {
	switch p.Type {
	case spec.String:
		d.setString(p, text, at)
	case spec.Bool:
		switch text {
		case "true", "True", "TRUE":
			d.set(p, OfBool(true))
		case "false", "False", "FALSE":
			d.set(p, OfBool(false))
		default:
			d.wrongType(p, at, "another text")
		}
	case spec.Timestamp:
		if n, ok := numberOf(text); ok {
			d.fromNumber(p, n, at, "a number")
			return
		}
		d.fromString(p, bytesOf(text), at)
	default:
		n, ok := numberOf(text)
		if !ok {
			d.wrongType(p, at, "a text that is not a number")
			return
		}
		d.fromNumber(p, n, at, "a number")
	}
}
