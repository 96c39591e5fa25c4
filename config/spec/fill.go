package spec

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Fill is a value that is to be written behind a key that has none.
type Fill struct {
	Key  Position
	Text string // YAML on one line
}

// FillMark is the comment of a line that Insert wrote in: what came out is not
// yet what should.
const FillMark = "# review: written by freshet test --update"

// Insert writes values behind keys of a file that have none, marks each line,
// and leaves everything else byte for byte.
func Insert(in File, fills []Fill) ([]byte, error) {
	root, diags := formatted(in)
	if diags.HasErrors() {
		return nil, diags
	}
	source := newSourceText(root)
	keys := map[Position]*yaml.Node{}
	keysOf(root, keys)
	lines := strings.SplitAfter(string(in.Data), "\n")
	slices.SortFunc(fills, func(a, b Fill) int {
		if a.Key.Line != b.Key.Line {
			return b.Key.Line - a.Key.Line
		}
		return b.Key.Col - a.Key.Col
	})
	for i, f := range fills {
		key := keys[f.Key]
		if key == nil {
			return nil, fmt.Errorf("%s: the file has changed: no key stands there", f.Key)
		}
		at := f.Key.Line - 1
		lines[at] = behind(lines[at], source.keyEnd(key), f.Text)
		if i+1 == len(fills) || fills[i+1].Key.Line != f.Key.Line { // the line is whole now
			lines[at] = reviewed(lines[at], slices.ContainsFunc(source.comments, func(c comment) bool { return c.line == at }))
		}
	}
	out := []byte(strings.Join(lines, ""))
	if _, diags := formatted(File{Name: in.Name, Data: out}); diags.HasErrors() {
		return nil, fmt.Errorf("the result cannot be read: %w", diags)
	}
	return out, nil
}

// keysOf finds the keys of mappings by their place.
func keysOf(n node, keys map[Position]*yaml.Node) {
	for i, c := range n.Content {
		at := node{c, n.file}
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			keys[at.pos()] = c
		}
		keysOf(at, keys)
	}
}

// keyEnd is the column, from 0, behind a key.
func (s *sourceText) keyEnd(n *yaml.Node) int {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		_, col := s.quoteEnd(n)
		return col
	}
	return n.Column - 1 + len([]rune(n.Value))
}

// behind writes a value into a line, behind the key that ends at col.
func behind(line string, col int, text string) string {
	text = " " + text
	runes := []rune(line)
	colon := col
	for colon < len(runes) && runes[colon] == ' ' {
		colon++
	}
	if colon == len(runes) || runes[colon] != ':' {
		return string(runes[:col]) + ":" + text + string(runes[col:]) // {a, b}
	}
	rest := string(runes[colon+1:])
	if cut, ok := strings.CutPrefix(rest, " "); ok && (strings.HasPrefix(cut, "}") || strings.HasPrefix(cut, ",")) {
		rest = cut
	}
	return string(runes[:colon+1]) + text + rest
}

// reviewed is a line with the mark behind it; above it where a comment stands
// there already.
func reviewed(line string, commented bool) string {
	if commented {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		return indent + FillMark + "\n" + line
	}
	text := strings.TrimRight(line, " \r\n")
	end := line[len(strings.TrimRight(line, "\r\n")):]
	return text + "   " + FillMark + end
}
