package event

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// document reads the whole record. It reports false where the record is not
// valid JSON; schema violations are noted and do not stop it.
func (d *Decoder) document() bool {
	d.space()
	if d.pos < len(d.raw) && d.raw[d.pos] == '{' {
		if !d.object(d.root, 1) {
			return false
		}
	} else {
		at := d.pos
		if !d.skip(1) {
			return false
		}
		d.violate("", at, "the record is not a JSON object")
	}
	d.space()
	if d.pos < len(d.raw) {
		return d.fail(d.pos, "bytes behind the end of the record")
	}
	return true
}

// object reads an object at the opening brace. Fields declared under n become
// values, the rest is checked and skipped; n is nil where nothing is declared.
func (d *Decoder) object(n *node, depth int) bool {
	if depth > MaxDepth {
		return d.fail(d.pos, "nested too deeply")
	}
	if n != nil {
		n.last, n.next = nil, n.first
	}
	d.pos++
	d.space()
	if d.peek() == '}' {
		d.pos++
		return true
	}
	for {
		at := d.pos
		child, ok := d.name(n)
		if !ok {
			return false
		}
		if child != nil {
			if child.seen == d.record {
				d.refuse(Decode, child.field(), at, "a name occurs twice")
				return false
			}
			child.seen = d.record
		}
		d.space()
		if child != nil {
			ok = d.plainText(child) || d.declared(child, depth)
		} else {
			ok = d.skip(depth)
		}
		if !ok {
			return false
		}
		next := d.peek()
		if next <= ' ' {
			d.spaces()
			next = d.peek()
		}
		switch next {
		case ',':
			d.pos++
			d.space()
		case '}':
			d.pos++
			return true
		default:
			return d.fail(d.pos, "want a comma or the end of the object")
		}
	}
}

// name reads a name and its colon. It gives the node of a name that is declared
// under n.
func (d *Decoder) name(n *node) (child *node, ok bool) {
	if n != nil && n.next != nil && n.next.written != "" && strings.HasPrefix(alias(d.raw[d.pos:]), n.next.written) {
		child = n.next
		d.pos += len(child.written)
		n.last, n.next = child, child.then
		return child, true
	}
	if d.peek() != '"' {
		return nil, d.fail(d.pos, "want a name in double quotes")
	}
	name, ok := d.str(n != nil)
	if !ok {
		return nil, false
	}
	if n != nil {
		child = n.find(name)
	}
	d.space()
	if d.peek() != ':' {
		return nil, d.fail(d.pos, "want a colon")
	}
	d.pos++
	return child, true
}

// field is the name of a field at or under n, for messages.
func (n *node) field() string {
	for len(n.plans) == 0 {
		n = n.children[0]
	}
	return n.plans[0].Name
}

// plainText reads the value of a name that is declared as one string without an
// enum, where nothing in it is escaped and all is ASCII. It reports false, and has
// read nothing, where it is anything else.
func (d *Decoder) plainText(n *node) bool {
	if n.text == nil || d.peek() != '"' {
		return false
	}
	s := d.raw[d.pos+1:]
	end := plainBytes(s)
	if end == len(s) || s[end] != '"' {
		return false
	}
	d.pos += end + 2
	d.set(n.text, OfString(alias(s[:end])))
	return true
}

// declared reads the value of a declared name.
func (d *Decoder) declared(n *node, depth int) bool {
	at := d.pos
	switch c := d.peek(); {
	case c == '"':
		d.halved = false
		s, ok := d.str(true)
		if !ok {
			return false
		}
		if d.halved {
			d.refuse(Decode, n.field(), at, "a string has half a surrogate pair")
			return false
		}
		if len(n.children) > 0 {
			d.violate(n.field(), at, "want an object on the path, got a string")
		}
		for _, p := range n.plans {
			d.fromString(p, s, at)
		}
		return true
	case c == '-' || '0' <= c && c <= '9':
		num, ok := d.number()
		if !ok {
			return false
		}
		if len(n.children) > 0 {
			d.violate(n.field(), at, "want an object on the path, got a number")
		}
		for _, p := range n.plans {
			d.fromNumber(p, num, at, "a number")
		}
		return true
	case c == '{' && len(n.children) > 0:
		for _, p := range n.plans {
			d.wrongType(p, at, "an object")
		}
		return d.object(n, depth+1)
	}
	return d.otherwise(n, depth)
}

// otherwise is declared for the rarer values: bools, null, and the objects and
// arrays that no field can be.
func (d *Decoder) otherwise(n *node, depth int) bool {
	at := d.pos
	c := d.peek()
	if !d.skip(depth) {
		return false
	}
	got := "an array"
	switch c {
	case 'n':
		return true // null equals missing (S14)
	case '{':
		got = "an object"
	case 't', 'f':
		got = "a bool"
	}
	if len(n.children) > 0 {
		d.violate(n.field(), at, "want an object on the path, got "+got)
	}
	for _, p := range n.plans {
		if got == "a bool" {
			d.fromBool(p, c == 't', at)
		} else {
			d.wrongType(p, at, got)
		}
	}
	return true
}

// skip checks a value and passes it by. depth is that of what holds it.
func (d *Decoder) skip(depth int) bool {
	switch c := d.peek(); c {
	case '"':
		_, ok := d.str(false)
		return ok
	case '{':
		return d.object(nil, depth+1)
	case '[':
		return d.array(depth + 1)
	case 't':
		return d.literal("true")
	case 'f':
		return d.literal("false")
	case 'n':
		return d.literal("null")
	default:
		if c == '-' || '0' <= c && c <= '9' {
			_, ok := d.number()
			return ok
		}
	}
	return d.fail(d.pos, "want a value")
}

func (d *Decoder) array(depth int) bool {
	if depth > MaxDepth {
		return d.fail(d.pos, "nested too deeply")
	}
	d.pos++
	d.space()
	if d.peek() == ']' {
		d.pos++
		return true
	}
	for {
		if !d.skip(depth) {
			return false
		}
		d.space()
		switch d.peek() {
		case ',':
			d.pos++
			d.space()
		case ']':
			d.pos++
			return true
		default:
			return d.fail(d.pos, "want a comma or the end of the array")
		}
	}
}

func (d *Decoder) literal(word string) bool {
	if !strings.HasPrefix(alias(d.raw[d.pos:]), word) {
		return d.fail(d.pos, "want a value")
	}
	d.pos += len(word)
	return true
}

// space passes white space by.
func (d *Decoder) space() {
	if d.pos < len(d.raw) && d.raw[d.pos] <= ' ' {
		d.spaces()
	}
}

func (d *Decoder) spaces() {
	for d.pos < len(d.raw) {
		switch d.raw[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end: no JSON token starts with it.
func (d *Decoder) peek() byte {
	if d.pos < len(d.raw) {
		return d.raw[d.pos]
	}
	return 0
}

// str reads a string at its opening quote. The result is unescaped, and aliases
// the record where nothing was escaped; where the caller does not want it, it
// may be nil.
func (d *Decoder) str(want bool) ([]byte, bool) {
	s := d.raw[d.pos+1:]
	n := plainBytes(s)
	if n < len(s) && s[n] == '"' {
		d.pos += n + 2
		return s[:n], true
	}
	return d.notPlain(want, n)
}

// notPlain is str for a string that has more in it than its first bytes, so many,
// that are plain.
func (d *Decoder) notPlain(want bool, n int) ([]byte, bool) {
	raw, open := d.raw, d.pos
	for i := open + 1 + n; i < len(raw); i += 1 + plainBytes(raw[i+1:]) {
		switch c := raw[i]; {
		case c == '"':
			s := raw[open+1 : i]
			if !utf8.Valid(s) {
				return nil, d.fail(open, "a string is not valid UTF-8")
			}
			d.pos = i + 1
			return s, true
		case c == '\\':
			return d.escaped(open, want)
		case c < ' ':
			return nil, d.fail(i, "a control character in a string")
		}
	}
	return nil, d.fail(open, "a string without an end")
}

// plainBytes is how many bytes at the start of b are ASCII that a string holds as
// it is, eight at a time: a quote, a backslash, what is below a space and what is
// not ASCII each leave the upper bit of their byte. A borrow may leave it in bytes
// above the first one that is meant, never below.
func plainBytes(b []byte) (n int) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for at := unsafe.Pointer(unsafe.SliceData(b)); n+8 <= len(b); n += 8 { // b[n:] would be checked twice
		w := binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(at, n))[:])
		quotes, slashes := w^ones*'"', w^ones*'\\'
		if found := ((quotes - ones) | (slashes - ones) | (w - ones*' ') | w) & highs; found != 0 {
			return n + bits.TrailingZeros64(found)>>3
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] < utf8.RuneSelf && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}
