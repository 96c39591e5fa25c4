package spec

import (
	"unicode"

	"go.yaml.in/yaml/v4"
)

// placeOf is where the character offset of a scalar's value stands in its
// file. It follows the text as it is written: quotes, escapes, folded lines.
// Where it loses the way, it is the place where the scalar begins.
func placeOf(n node, offset int) (line, col int) {
	runes := []rune(n.Value)
	s := &scan{lines: n.file.lines, line: n.Line - 1, col: n.Column - 1}
	block := n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	switch {
	case block:
		s.nextLine()
		s.indent, s.literal = s.col, n.Style&yaml.LiteralStyle != 0
	case quoted:
		s.col++
	}
	for i := 0; i < min(offset, len(runes)); i++ {
		if !s.over(runes[i], n.Style) {
			return n.Line, n.Column
		}
	}
	if offset < len(runes) && !block && s.atEnd() && !unicode.IsSpace(runes[offset]) {
		s.nextLine()
	}
	return s.line + 1, s.col + 1
}

// scan is a place in the lines of a file, from 0.
type scan struct {
	lines     []string
	line, col int
	text      []rune // of line
	loaded    int    // line + 1 that text holds
	indent    int    // of a block's lines; 0: not in a block
	literal   bool   // every line break is a character of the value
}

func (s *scan) current() []rune {
	if s.loaded != s.line+1 {
		s.text, s.loaded = nil, s.line+1
		if s.line < len(s.lines) {
			s.text = []rune(s.lines[s.line])
		}
	}
	return s.text
}

func (s *scan) atEnd() bool { return s.col >= len(s.current()) }

// nextLine goes to where the value goes on: behind the indent of the next line
// that is not empty, or of the next line at all where each break counts.
func (s *scan) nextLine() {
	for s.line++; s.line < len(s.lines); s.line++ {
		text := s.current()
		s.col = len(spaces(text))
		if s.indent > 0 {
			s.col = min(s.indent, s.col)
		}
		if s.col < len(text) || s.literal {
			return
		}
	}
	s.col = 0
}

// over steps over the way in which r is written.
func (s *scan) over(r rune, style yaml.Style) bool {
	if s.line >= len(s.lines) {
		return false
	}
	text := s.current()
	if s.col >= len(text) || (!s.literal && unicode.IsSpace(r) && len(spaces(text[s.col:])) == len(text)-s.col) {
		if r != ' ' && r != '\n' {
			return false
		}
		s.nextLine()
		return true
	}
	c := text[s.col]
	switch {
	case style&yaml.SingleQuotedStyle != 0 && c == '\'':
		s.col += 2
	case style&yaml.DoubleQuotedStyle != 0 && c == '\\' && s.col+1 < len(text):
		s.col += 2 + map[rune]int{'x': 2, 'u': 4, 'U': 8}[text[s.col+1]]
	case c == r:
		s.col++
	default:
		return false
	}
	return true
}

func spaces(text []rune) []rune {
	for i, r := range text {
		if !unicode.IsSpace(r) {
			return text[:i]
		}
	}
	return text
}
