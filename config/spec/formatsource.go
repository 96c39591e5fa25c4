package spec

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// sourceText is a file as its author laid it out: lines of characters, and
// where the comments are, of which the tree keeps no exact account.
type sourceText struct {
	lines    [][]rune
	quoted   map[int][]span     // by line, from 0: what no comment begins in
	margins  map[*yaml.Node]int // of | and > texts: how deep at least their lines are indented
	comments []comment          // in the order of the file
}

// span is a part of a line, [from, to).
type span struct{ from, to int }

// comment is one comment.
type comment struct {
	line, col int // from 0
	text      string
	whole     bool // nothing stands before it
	blank     bool // an empty line stands before it
}

const toEnd = 1 << 30

func newSourceText(root node) *sourceText {
	s := &sourceText{quoted: map[int][]span{}, margins: map[*yaml.Node]int{}}
	for _, line := range root.file.lines {
		s.lines = append(s.lines, []rune(strings.TrimRight(line, "\r")))
	}
	s.mask(root.Node)
	for i := range s.lines {
		s.findComment(i)
	}
	return s
}

// mask marks the quoted texts and block texts below n.
func (s *sourceText) mask(n *yaml.Node) {
	for _, c := range n.Content {
		s.margins[c] = n.Column
		s.mask(c)
	}
	if n.Kind != yaml.ScalarNode {
		return
	}
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		line, col := s.quoteEnd(n)
		for i := n.Line - 1; i <= line; i++ {
			part := span{0, toEnd}
			if i == n.Line-1 {
				part.from = n.Column - 1
			}
			if i == line {
				part.to = col
			}
			s.quoted[i] = append(s.quoted[i], part)
		}
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		for i := n.Line; i < n.Line+len(s.blockText(n)); i++ {
			s.quoted[i] = append(s.quoted[i], span{0, toEnd})
		}
	}
}

// quoteEnd is where a quoted text ends: line from 0, and the column behind the
// closing quote.
func (s *sourceText) quoteEnd(n *yaml.Node) (line, col int) {
	quote := s.lines[n.Line-1][n.Column-1]
	col = n.Column
	for line = n.Line - 1; line < len(s.lines); line, col = line+1, 0 {
		text := s.lines[line]
		for ; col < len(text); col++ {
			switch {
			case quote == '"' && text[col] == '\\':
				col++
			case text[col] == quote && quote == '\'' && col+1 < len(text) && text[col+1] == quote:
				col++
			case text[col] == quote:
				return line, col + 1
			}
		}
	}
	return len(s.lines) - 1, toEnd
}

// blockText is the lines of a | or > text, without its header.
func (s *sourceText) blockText(n *yaml.Node) [][]rune {
	indent, last := 0, n.Line
	if i := strings.IndexAny(s.header(n), "123456789"); i >= 0 {
		indent = s.margins[n] - 1 + int(s.header(n)[i]-'0')
	}
	for i := n.Line; i < len(s.lines); i++ {
		width := indentOf(s.lines[i])
		if width == len(s.lines[i]) {
			continue // an empty line belongs to it if another line follows
		}
		if indent == 0 {
			indent = max(width, s.margins[n])
		}
		if width < indent {
			break
		}
		last = i + 1
	}
	return s.lines[n.Line:last]
}

// header is what a | or > text begins with: |, >-, |2.
func (s *sourceText) header(n *yaml.Node) string {
	header, _, _ := strings.Cut(strings.TrimSpace(string(s.lines[n.Line-1][n.Column-1:])), " ")
	return header
}

func indentOf(line []rune) int {
	n := 0
	for n < len(line) && line[n] == ' ' {
		n++
	}
	return n
}

func (s *sourceText) findComment(line int) {
	text := s.lines[line]
	for col, r := range text {
		if r != '#' || col > 0 && text[col-1] != ' ' && text[col-1] != '\t' || s.isQuoted(line, col) {
			continue
		}
		s.comments = append(s.comments, comment{line: line, col: col, text: strings.TrimRight(string(text[col:]), " \t"),
			whole: strings.Trim(string(text[:col]), " \t-") == "" && !s.isQuoted(line, 0), blank: s.blankBefore(line)})
		return
	}
}

func (s *sourceText) isQuoted(line, col int) bool {
	return slices.ContainsFunc(s.quoted[line], func(p span) bool { return p.from <= col && col < p.to })
}

func (s *sourceText) blankBefore(line int) bool {
	return line > 0 && strings.TrimSpace(string(s.lines[line-1])) == "" && !s.isQuoted(line-1, 0)
}

func (s *sourceText) commentTexts() []string {
	var texts []string
	for _, c := range s.comments {
		texts = append(texts, c.text)
	}
	return texts
}

// flowEnd is the line, from 0, of the bracket that closes a [...] or {...}.
func (s *sourceText) flowEnd(n *yaml.Node) int {
	depth := 0
	for line, col := n.Line-1, n.Column-1; line < len(s.lines); line, col = line+1, 0 {
		for ; col < len(s.lines[line]); col++ {
			if s.isQuoted(line, col) {
				continue
			}
			if s.commentAt(line, col) {
				break
			}
			switch s.lines[line][col] {
			case '[', '{':
				depth++
			case ']', '}':
				if depth--; depth == 0 {
					return line
				}
			}
		}
	}
	return len(s.lines) - 1
}

func (s *sourceText) commentAt(line, col int) bool {
	_, found := slices.BinarySearchFunc(s.comments, line, func(c comment, line int) int { return cmp.Compare(c.line, line) })
	return found && slices.ContainsFunc(s.comments, func(c comment) bool { return c.line == line && c.col == col })
}

// commented reports whether comments stand inside of a [...] or {...}.
func (s *sourceText) commented(n *yaml.Node) bool {
	from, to := n.Line-1, s.flowEnd(n)
	return slices.ContainsFunc(s.comments, func(c comment) bool {
		return from <= c.line && c.line < to && (c.line > from || c.col > n.Column-1)
	})
}

// layout is a mapping or list that is printed over several lines.
type layout struct {
	node    *yaml.Node
	value   *value // what the language knows of it; nil: nothing
	entries []*laid
	foot    []comment // below its last entry
	end     int       // of brackets: the line, from 0, of the closing one
}

// laid is one entry of a layout, with the comments that go with it.
type laid struct {
	pair
	value *value
	inner *layout // of an entry that was laid out over several lines
	head  []comment
	tail  []comment
	blank bool // an empty line stands before it
}

// blockOf lays out a mapping or list and what was written over several lines
// below it.
func (s *sourceText) blockOf(n *yaml.Node, v *value) *layout {
	b := &layout{node: n, value: v.as(n)}
	if n.Style&yaml.FlowStyle != 0 {
		b.end = s.flowEnd(n)
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 { // in the order of the file, for comments
			p := pair{n.Content[i], n.Content[i+1]}
			b.entries = append(b.entries, s.laid(p, b.value.behind(p.key.Value)))
		}
		return b
	}
	for _, c := range n.Content {
		b.entries = append(b.entries, s.laid(pair{nil, c}, b.value.element()))
	}
	return b
}

func (s *sourceText) laid(p pair, v *value) *laid {
	e := &laid{pair: p, value: v}
	e.blank = s.blankBefore(e.at().Line - 1)
	collection := p.val.Kind != yaml.ScalarNode && len(p.val.Content) > 0
	if collection && (p.val.Style&yaml.FlowStyle == 0 || s.commented(p.val)) {
		e.inner = s.blockOf(p.val, v)
	}
	return e
}

// at is where an entry begins.
func (e *laid) at() *yaml.Node {
	if e.key != nil {
		return e.key
	}
	return e.val
}

// attach gives each comment to the entry that it speaks of: one behind an entry
// to that entry, one above to the next, unless it is indented as deep as
// something that ends there.
func (s *sourceText) attach(root *layout) {
	a := attacher{source: s}
	a.visit(root)
	a.rest(root)
}

type attacher struct {
	source *sourceText
	next   int // comment
	open   []*layout
	last   *laid
}

func (a *attacher) visit(b *layout) {
	a.open = append(a.open, b)
	for _, e := range b.entries {
		for i, o := range a.open {
			if o == b {
				a.until(e, a.open[i:])
				a.open = a.open[:i+1]
				break
			}
		}
		a.last = e
		if e.inner != nil {
			a.visit(e.inner)
		}
	}
}

// until gives away the comments before e; ended is what ends there, the
// innermost last, and first the block of e itself.
func (a *attacher) until(e *laid, ended []*layout) {
	at := e.at()
	heads := false
	for ; a.next < len(a.source.comments); a.next++ {
		c := a.source.comments[a.next]
		if c.line > at.Line-1 || c.line == at.Line-1 && c.col > at.Column-1 {
			return
		}
		if !c.whole && a.last != nil {
			a.last.tail = append(a.last.tail, c)
			continue
		}
		if deeper := deepest(ended, c); deeper != nil && deeper != ended[0] && !heads {
			deeper.foot = append(deeper.foot, c)
			continue
		}
		heads = true
		e.head = append(e.head, c)
	}
}

// rest gives away what stands behind the last entry.
func (a *attacher) rest(root *layout) {
	for ; a.next < len(a.source.comments); a.next++ {
		c := a.source.comments[a.next]
		if !c.whole && a.last != nil {
			a.last.tail = append(a.last.tail, c)
			continue
		}
		b := deepest(a.open, c)
		if b == nil {
			b = root
		}
		b.foot = append(b.foot, c)
	}
}

// deepest is the innermost of the blocks that a comment stands in: between
// brackets, or indented as deep as the block.
func deepest(blocks []*layout, c comment) *layout {
	for i := len(blocks) - 1; i >= 0; i-- {
		b := blocks[i]
		flow := b.node.Style&yaml.FlowStyle != 0
		if flow && c.line < b.end || !flow && b.node.Column-1 <= c.col {
			return b
		}
	}
	return nil
}
