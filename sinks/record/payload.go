package record

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/freshet-dev/freshet/config/spec"
)

// Bounds of what a dead letter shows of a payload.
const (
	// maxPayload is how many bytes of payload are shown field by field; a
	// larger one is summed up. It keeps a burst of large refused records from
	// doubling the traffic.
	maxPayload = 64 << 10
	// maxDepth is the nesting that is shown; what lies deeper is left out.
	maxDepth = 64
	// maxHead is how much of the beginning of an unreadable payload is shown,
	// every letter and digit of it replaced.
	maxHead = 256
	// maxName is the longest undeclared name that is shown as it is.
	maxName = 40
)

// payloadMasker makes the value of a dead letter. It shows what is known to be
// harmless and nothing else: declared fields that are not PII in clear where
// the value could be one of theirs (card numbers excepted), declared PII as their mask says, undeclared values
// by their shape alone. What cannot be read as one JSON object is summed up.
type payloadMasker struct {
	privacy Privacy
	dst     []byte
}

func (m *payloadMasker) hash(text string) string {
	h, _ := m.privacy.Mask(hashField, text)
	return h
}

func (m *payloadMasker) mask(r *Refused) []byte {
	m.dst = m.dst[:0]
	switch {
	case r.Oversized > 0:
		m.dst = strconv.AppendInt(append(m.dst, `{"bytes":`...), int64(r.Oversized), 10)
		m.dst = append(m.dst, '}')
	case r.Names != nil:
		m.cells(r)
	case len(r.Value) > maxPayload || !m.object(r):
		m.summary(r.Value)
	}
	return bytes.Clone(m.dst)
}

// summary says of a payload how long it is, a keyed hash to recognise it by
// (an unkeyed one of a short payload could be guessed back), and the shape of
// its beginning.
func (m *payloadMasker) summary(value []byte) {
	m.dst = strconv.AppendInt(append(m.dst[:0], `{"bytes":`...), int64(len(value)), 10)
	m.dst = appendString(append(m.dst, `,"hash":`...), m.hash(string(value)))
	m.dst = appendString(append(m.dst, `,"head":`...), shape(string(value[:min(maxHead, len(value))])))
	m.dst = append(m.dst, '}')
}

// object shows a payload that is one JSON object; false: it is not one, and dst
// holds rubbish.
func (m *payloadMasker) object(r *Refused) bool {
	dec := json.NewDecoder(bytes.NewReader(r.Value))
	dec.UseNumber()
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return false
	}
	if !m.members(dec, newPaths(r.Source), 1) {
		return false
	}
	_, err = dec.Token()
	return err == io.EOF
}

// members shows the members of an object whose brace has been read. known is
// nil below a value that is not declared.
func (m *payloadMasker) members(dec *json.Decoder, known *paths, depth int) bool {
	m.dst = append(m.dst, '{')
	for n := 0; dec.More(); n++ {
		name, err := dec.Token()
		if err != nil {
			return false
		}
		if n > 0 {
			m.dst = append(m.dst, ',')
		}
		below := known.child(name.(string))
		shown := name.(string)
		if below == nil {
			shown = harmlessName(shown)
		}
		m.dst = append(appendString(m.dst, shown), ':')
		if !m.value(dec, below, depth) {
			return false
		}
	}
	m.dst = append(m.dst, '}')
	_, err := dec.Token()
	return err == nil
}

func (m *payloadMasker) value(dec *json.Decoder, known *paths, depth int) bool {
	t, err := dec.Token()
	if err != nil || depth > maxDepth {
		return false
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return m.members(dec, known, depth+1)
		}
		return m.elements(dec, depth+1)
	case string:
		m.scalar(known, t, true)
	case json.Number:
		m.scalar(known, t.String(), false)
	case bool:
		m.scalar(known, strconv.FormatBool(t), false)
	case nil:
		m.dst = append(m.dst, "null"...)
	}
	return true
}

// elements shows an array. Arrays are not addressable in specs, so nothing in
// them is declared.
func (m *payloadMasker) elements(dec *json.Decoder, depth int) bool {
	m.dst = append(m.dst, '[')
	for n := 0; dec.More(); n++ {
		if n > 0 {
			m.dst = append(m.dst, ',')
		}
		if !m.value(dec, nil, depth) {
			return false
		}
	}
	m.dst = append(m.dst, ']')
	_, err := dec.Token()
	return err == nil
}

// scalar shows one value. raw is false for numbers and bools, which stay what
// they are where they may be shown.
func (m *payloadMasker) scalar(known *paths, text string, isString bool) {
	if known == nil || known.field == nil {
		m.dst = appendString(m.dst, shape(text))
		return
	}
	if known.field.PII {
		masked, keep := m.privacy.Mask(known.field, text)
		if !keep {
			m.dst = append(m.dst, "null"...)
			return
		}
		m.dst = appendString(m.dst, masked)
		return
	}
	if known.field.Type != spec.String && !numeric(text) {
		m.dst = appendString(m.dst, shape(text)) // not what was declared: it may be anything
		return
	}
	clean := hideCardNumbers(text)
	if isString || clean != text {
		m.dst = appendString(m.dst, clean)
		return
	}
	m.dst = append(m.dst, text...)
}

// numeric reports whether a text looks like the value of a field that is no
// string: a number, a time, true or false.
func numeric(text string) bool {
	if text == "true" || text == "false" {
		return true
	}
	return len(text) <= maxName && strings.Trim(text, "0123456789+-.:eETZ_, ") == ""
}

// cells shows a CSV row as an object.
func (m *payloadMasker) cells(r *Refused) {
	known := newPaths(r.Source)
	m.dst = append(m.dst, '{')
	for i, name := range r.Names {
		if i >= len(r.Texts) {
			break
		}
		if i > 0 {
			m.dst = append(m.dst, ',')
		}
		below := known.column(name)
		if below == nil {
			name = harmlessName(name)
		}
		m.dst = append(appendString(m.dst, name), ':')
		m.scalar(below, r.Texts[i], true)
	}
	m.dst = append(m.dst, '}')
}

// paths is the tree of a source's declared names; field is set at a leaf.
type paths struct {
	children map[string]*paths
	field    *spec.Field
	columns  map[string]*paths // the root's: by field name, for CSV
}

func newPaths(src *spec.Source) *paths {
	root := &paths{columns: map[string]*paths{}}
	for _, f := range src.Fields {
		if f.Expr != nil || f.Table != "" {
			continue // computed: not in the payload
		}
		path := f.Path
		if len(path) == 0 {
			path = []string{f.Name}
		}
		at := root
		for _, name := range path {
			if at.children == nil {
				at.children = map[string]*paths{}
			}
			next := at.children[name]
			if next == nil {
				next = &paths{}
				at.children[name] = next
			}
			at = next
		}
		// Two fields may read one path: the more careful one decides.
		if at.field == nil || f.PII {
			at.field = f
		}
		root.columns[f.Name] = at
	}
	return root
}

func (p *paths) child(name string) *paths {
	if p == nil {
		return nil
	}
	if below, ok := p.children[name]; ok {
		return below
	}
	if p.field != nil && p.field.PII {
		return p // an object where a PII text was declared: all of it is PII
	}
	return nil
}

// column finds a CSV column: by the field's name, or by its path joined with
// dots.
func (p *paths) column(name string) *paths {
	if c, ok := p.columns[name]; ok {
		return c
	}
	at := p
	for _, part := range strings.Split(name, ".") {
		if at = at.children[part]; at == nil {
			return nil
		}
	}
	return at
}

// harmlessName shows an undeclared name only if it looks like one, so that a
// misspelt field can be recognised and a map keyed by e-mail addresses not.
func harmlessName(name string) string {
	digits := 0
	for i, c := range name {
		switch {
		case c >= '0' && c <= '9' && i > 0 && digits < 3:
			digits++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_':
		default:
			return shape(name)
		}
	}
	if len(name) > maxName {
		return shape(name)
	}
	return name
}

// shape replaces every letter by x and every digit by 0 and keeps ASCII
// punctuation: what remains shows where a payload is broken.
func shape(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '0'
		case r < ' ', r > '~':
			return '?'
		case unicode.IsLetter(r):
			return 'x'
		}
		return r
	}, s)
}
