package spec

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// printer writes a layout.
type printer struct {
	source *sourceText
	lines  []string
}

func indented(n int) string { return strings.Repeat(" ", n) }

func (p *printer) comment(c comment, indent int, first bool) {
	if c.blank && !first {
		p.lines = append(p.lines, "")
	}
	p.lines = append(p.lines, indented(indent)+c.text)
}

// tailed writes a line with the comments that stand behind it: in the column
// that their author chose, if the text does not reach there now. A line that
// is laid out anew has them close to it.
func (p *printer) tailed(line string, tail []comment, anew bool, indent int) {
	line = strings.TrimRight(line, " ")
	if len(tail) == 0 {
		p.lines = append(p.lines, line)
		return
	}
	width := utf8.RuneCountInString(line)
	gap := tail[0].col - width
	if gap < 1 || anew {
		gap = 2
	}
	p.lines = append(p.lines, line+indented(gap)+tail[0].text)
	for _, c := range tail[1:] {
		p.lines = append(p.lines, indented(indent)+c.text)
	}
}

// block writes the entries of b.
func (p *printer) block(b *layout, indent int) {
	ordered := b.ordered()
	columns := p.columns(b, ordered, indent)
	for i, e := range ordered {
		for j, c := range e.head {
			p.comment(c, indent, i == 0 && j == 0)
		}
		if e.blank && (i > 0 || len(e.head) > 0) {
			p.lines = append(p.lines, "")
		}
		if e.key == nil {
			p.item(e, indent)
		} else {
			p.keyed(e, indent, columns[i])
		}
	}
	for _, c := range b.foot {
		p.comment(c, indent, len(ordered) == 0)
	}
}

// ordered is the entries in the order of the reference.
func (b *layout) ordered() []*laid {
	if b.node.Kind != yaml.MappingNode {
		return b.entries
	}
	ordered := make([]*laid, 0, len(b.entries))
	for _, p := range pairsOf(b.node, b.value) {
		i := slices.IndexFunc(b.entries, func(e *laid) bool { return e.key == p.key })
		ordered = append(ordered, b.entries[i])
	}
	return ordered
}

// columns is where the one-line values of the entries begin, from their key.
// Neighbours under names of the author's share a column, but for those that
// the padding would make too long. -1 is for what does not fit a line at all.
func (p *printer) columns(b *layout, ordered []*laid, indent int) []int {
	columns := make([]int, len(ordered))
	if b.node.Kind != yaml.MappingNode {
		return columns
	}
	widths, keys := make([]int, len(ordered)), make([]int, len(ordered))
	for i, e := range ordered {
		if e.inner != nil || e.val.Kind == yaml.ScalarNode || len(e.val.Content) == 0 {
			continue
		}
		keys[i] = utf8.RuneCountInString(p.inline(e.key, nil)) + len(": ")
		if widths[i] = utf8.RuneCountInString(p.inline(e.val, e.value)); indent+keys[i]+widths[i] > formatWidth {
			columns[i], widths[i], keys[i] = -1, 0, 0
		}
	}
	names := b.value != nil && b.value.kind == aMap
	for from, to := 0, 0; from < len(ordered); from = to {
		for to = from + 1; names && widths[from] > 0 && to < len(ordered) && widths[to] > 0 && !ordered[to].apart(); {
			to++
		}
		column := slices.Max(keys[from:to])
		for i := from; i < to && column > 0; i++ {
			if columns[i] = column; indent+column+widths[i] > formatWidth {
				columns[i] = keys[i]
			}
		}
	}
	return columns
}

// apart reports whether something stands between an entry and the one above.
func (e *laid) apart() bool { return e.blank || len(e.head) > 0 }

// keyed writes one entry of a mapping.
func (p *printer) keyed(e *laid, indent, column int) {
	start := indented(indent) + p.inline(e.key, nil) + ":"
	switch {
	case e.inner != nil:
		p.tailed(start, e.tail, e.val.Style&yaml.FlowStyle != 0, indent+2)
		p.block(e.inner, indent+2)
	case column < 0:
		p.tailed(start, e.tail, true, indent+2)
		p.block(p.anew(e), indent+2)
	case p.source.keepsLines(e.val):
		p.blockText(start+" ", e, indent+2)
	default:
		gap := max(column-(utf8.RuneCountInString(start)-indent), 1)
		p.tailed(start+indented(gap)+p.inline(e.val, e.value), e.tail, false, indent)
	}
}

// item writes one element of a list.
func (p *printer) item(e *laid, indent int) {
	inner := e.inner
	line := indented(indent) + "- " + p.inline(e.val, e.value)
	switch {
	case p.source.keepsLines(e.val):
		p.blockText(indented(indent)+"- ", e, indent+2)
		return
	case inner == nil && e.val.Kind != yaml.ScalarNode && len(e.val.Content) > 0 && utf8.RuneCountInString(line) > formatWidth:
		inner = p.anew(e)
		if first := inner.ordered()[0]; first.inner == nil {
			first.tail = e.tail
		}
	case inner == nil:
		p.tailed(line, e.tail, false, indent)
		return
	}
	first := inner.ordered()[0]
	for _, c := range first.head { // it has come first: what stands above it stands above the list's mark
		p.comment(c, indent, false)
	}
	first.head, first.blank = nil, false
	at := len(p.lines)
	p.block(inner, indent+2)
	p.lines[at] = indented(indent) + "- " + strings.TrimPrefix(p.lines[at], indented(indent+2))
}

// anew lays out what stood on one line.
func (p *printer) anew(e *laid) *layout {
	b := p.source.blockOf(e.val, e.value)
	for _, inner := range b.entries {
		inner.blank = false
	}
	return b
}

// blockText writes a | or > text.
func (p *printer) blockText(start string, e *laid, indent int) {
	p.tailed(start+p.source.header(e.val), e.tail, false, indent)
	raw := p.source.blockText(e.val)
	margin := leftMargin(raw)
	for _, line := range raw {
		line = line[min(margin, len(line)):]
		if len(line) > 0 {
			line = append([]rune(indented(indent)), line...)
		}
		p.lines = append(p.lines, string(line))
	}
}

// keepsLines reports whether n is a | or > text that is written as it stands.
// One whose margin is told by a number, or that is empty, is written in quotes.
func (s *sourceText) keepsLines(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return false
	}
	return !strings.ContainsAny(s.header(n), "123456789") && leftMargin(s.blockText(n)) < toEnd
}

// leftMargin is how deep the first line with text is indented.
func leftMargin(lines [][]rune) int {
	for _, line := range lines {
		if width := indentOf(line); width < len(line) {
			return width
		}
	}
	return toEnd
}

// inline is a value on one line.
func (p *printer) inline(n *yaml.Node, v *value) string {
	switch n.Kind {
	case yaml.MappingNode:
		v = v.as(n)
		var parts []string
		for _, e := range pairsOf(n, v) {
			parts = append(parts, p.inline(e.key, nil)+": "+p.inline(e.val, v.behind(e.key.Value)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		v = v.as(n)
		var parts []string
		for _, c := range n.Content {
			parts = append(parts, p.inline(c, v.element()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return p.source.scalar(n)
}

// scalar is a single value as its author wrote it. What went over several
// lines is joined.
func (s *sourceText) scalar(n *yaml.Node) string {
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		if line, col := s.quoteEnd(n); line == n.Line-1 {
			return string(s.lines[line][n.Column-1 : col])
		}
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && !strings.Contains(n.Value, "\n"):
		return n.Value
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(n.Value); err != nil {
		panic("config/spec: " + err.Error()) // a string has a JSON form
	}
	return strings.TrimSuffix(b.String(), "\n")
}
