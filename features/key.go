package features

import (
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/features/event"
)

// JoinKey makes the text of an entity's key from its parts: a single part as it
// is; several percent-encoded ("%" and ",") and joined with "," (S15).
func JoinKey(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	var b []byte
	for i, part := range parts {
		b = appendPart(b, part, i)
	}
	return string(b)
}

// appendPart adds one part of a composite key.
func appendPart(b []byte, part string, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	if !strings.ContainsAny(part, "%,") {
		return append(b, part...)
	}
	for j := range len(part) {
		switch c := part[j]; c {
		case '%':
			b = append(b, "%25"...)
		case ',':
			b = append(b, "%2C"...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// keyText is the text of an entity's key in an event, "" where it has none. It
// lives until buf is used again, or as long as the event's strings.
func (k *keyPlan) keyText(ev *event.Event, buf *keyBuffer) string {
	if len(k.fields) == 1 {
		v := &ev.Values[k.fields[0]]
		if v.Kind() == event.String {
			return v.Str()
		}
		return buf.text(*v)
	}
	buf.joined = buf.joined[:0]
	for i, f := range k.fields {
		part := buf.text(ev.Values[f])
		if part == "" {
			return ""
		}
		buf.joined = appendPart(buf.joined, part, i)
	}
	return buf.take(buf.joined)
}

// keyBuffer holds the key texts of one event that are not fields as they are.
type keyBuffer struct {
	bytes  []byte
	joined []byte
}

func (b *keyBuffer) reset() { b.bytes = b.bytes[:0] }

// text is a field as key text: strings as they are, ints in decimal, bools true
// and false; other types are no key.
func (b *keyBuffer) text(v event.Value) string {
	switch v.Kind() {
	case event.String:
		return v.Str()
	case event.Int:
		var digits [20]byte
		return b.take(strconv.AppendInt(digits[:0], v.Int(), 10))
	case event.Bool:
		return strconv.FormatBool(v.Bool())
	}
	return ""
}

// take keeps bytes until the next reset. Growing leaves earlier texts where
// they are: they alias the smaller array, which stays.
func (b *keyBuffer) take(text []byte) string {
	mark := len(b.bytes)
	b.bytes = append(b.bytes, text...)
	return aliasOf(b.bytes[mark:])
}
