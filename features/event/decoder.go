package event

import "github.com/freshet-dev/freshet/config/spec"

// Decoder reads the records of one source. One goroutine each: it reuses its
// buffers.
type Decoder struct {
	src *spec.Source
}

// NewDecoder compiles the decoder of a source's declared fields.
func NewDecoder(src *spec.Source) *Decoder { panic("stub") }

// Decode reads one JSON record into ev: Values of the declared fields (those
// of computed fields become None), Time and ID. It returns nil, or why the
// record is refused; the rejection is reused by the next call. Strings in ev
// alias raw or memory of their own, never a buffer that is written again.
func (d *Decoder) Decode(raw []byte, ev *Event) *Rejection { panic("stub") }

// DecodeTexts is Decode for named texts: CSV cells and the given events of spec
// tests. Each is read by the declared type of its field, an empty one is
// missing, and names that the source does not declare are ignored (S14).
func (d *Decoder) DecodeTexts(names, texts []string, ev *Event) *Rejection { panic("stub") }

// UnknownEnum counts, by spec.Field.Index, the values outside a field's enum
// that were accepted (S14). The caller may read and reset it between records.
func (d *Decoder) UnknownEnum() []int64 { panic("stub") }

// LimitSum makes values of a double field beyond MaxSummed in magnitude a
// schema rejection: the engine says which fields it sums (S20).
func (d *Decoder) LimitSum(f *spec.Field) { panic("stub") }
