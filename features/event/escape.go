package event

import (
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// arenaBytes is how much memory unescaped strings share. A chunk is never
// written again where strings lie, so they live as long as someone holds them.
const arenaBytes = 16 << 10

// arena is memory for the few strings that cannot alias their record.
type arena struct {
	chunk   []byte
	scratch [32]byte // for numbers that become text
}

// keep copies b and gives it as a string.
func (a *arena) keep(b []byte) string {
	if len(a.chunk)+len(b) > cap(a.chunk) {
		a.chunk = make([]byte, 0, max(arenaBytes, len(b)))
	}
	from := len(a.chunk)
	a.chunk = append(a.chunk, b...)
	return alias(a.chunk[from:])
}

// room gives an empty slice with place for n bytes; take makes what was
// appended to it permanent.
func (a *arena) room(n int) []byte {
	if len(a.chunk)+n > cap(a.chunk) {
		a.chunk = make([]byte, 0, max(arenaBytes, n))
	}
	return a.chunk[len(a.chunk):len(a.chunk):cap(a.chunk)]
}

func (a *arena) take(b []byte) { a.chunk = a.chunk[:len(a.chunk)+len(b)] }

// alias is b as a string without a copy: b must not be written again.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf is s as bytes without a copy: they must not be written.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// escaped reads a string that has escapes, from its opening quote.
func (d *Decoder) escaped(open int, want bool) ([]byte, bool) {
	end := d.closing(open)
	if end < 0 {
		return nil, d.fail(open, "a string without an end")
	}
	out := d.arena.room(end - open) // unescaping never makes longer
	for i := open + 1; i < end; {
		c := d.raw[i]
		switch {
		case c < ' ':
			return nil, d.fail(i, "a control character in a string")
		case c == '\\':
			r, n := unescape(d.raw[i:end])
			if n == 0 {
				return nil, d.fail(i, "a bad escape in a string")
			}
			d.halved = d.halved || r == loneSurrogate
			out = utf8.AppendRune(out, r)
			i += n
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(d.raw[i:end])
			if r == utf8.RuneError && n == 1 {
				return nil, d.fail(i, "a string is not valid UTF-8")
			}
			out = append(out, d.raw[i:i+n]...)
			i += n
		}
	}
	d.pos = end + 1
	if want {
		d.arena.take(out)
	}
	return out, true
}

// closing is the place of the quote that ends a string, -1 without one.
func (d *Decoder) closing(open int) int {
	for i := open + 1; i < len(d.raw); i++ {
		switch d.raw[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// loneSurrogate stands for the escape of half a pair, which is no character.
const loneSurrogate rune = -1

// unescape reads one escape at the start of b, and how long it was: 0 for a
// wrong one.
func unescape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b[2:])
		if !utf16.IsSurrogate(r) {
			if r < 0 {
				return 0, 0
			}
			return r, 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return loneSurrogate, 6
		}
		if r = utf16.DecodeRune(r, hex4(b[8:])); r == utf8.RuneError {
			return loneSurrogate, 6
		}
		return r, 12
	}
	return 0, 0
}

// hex4 reads four hex digits, -1 where there are none.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
