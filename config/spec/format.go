package spec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// formatWidth is how many characters a line of a formatted file has at most,
// where a mapping or list on one line can be written out below its key.
const formatWidth = 120

// Format is in with the layout that all specs share: two spaces a level, keys
// in the order of the reference, what the author wrote on one line still on
// one where it fits, one-line values of neighbouring names in one column.
// Comments, quotes and single blank lines stay. The meaning is the same: that
// is checked. A file that is no YAML, or uses what specs refuse, is not
// formatted: diags says why, and out is nil.
func Format(in File) (out []byte, diags Diagnostics, err error) {
	in.Data = bytes.TrimPrefix(in.Data, []byte("\ufeff"))
	root, diags := formatted(in)
	if diags.HasErrors() {
		return nil, diags, nil
	}
	p := printer{source: newSourceText(root)}
	tree := p.source.blockOf(root.Node, &value{kind: anObject, block: fileBlock})
	p.source.attach(tree)
	p.block(tree, 0)
	out = []byte(strings.Join(p.lines, "\n") + "\n")
	if err := sameMeaning(root, p.source, File{Name: in.Name, Data: out}); err != nil {
		return nil, nil, fmt.Errorf("format %s: %w; the file is left as it was: please report it", in.Name, err)
	}
	return out, nil, nil
}

// formatted is the tree of a file that can be formatted.
func formatted(in File) (node, Diagnostics) {
	l := &loader{keyOf: map[*yaml.Node]node{}, broken: map[string]bool{}}
	root, ok := l.parse(in)
	if ok && root.Kind != yaml.MappingNode {
		l.errorf(root, "write: key: value", "the file must be a mapping of keys, not %s", shape(root))
	}
	return root, l.diags.sorted().cut()
}

// sameMeaning compares a tree with what was printed of it.
func sameMeaning(before node, text *sourceText, printed File) error {
	after, diags := formatted(printed)
	if diags.HasErrors() {
		return fmt.Errorf("the result cannot be read: %s", diags.Error())
	}
	if err := sameTree(before, after, &value{kind: anObject, block: fileBlock}); err != nil {
		return err
	}
	was, is := text.commentTexts(), newSourceText(after).commentTexts()
	slices.Sort(was)
	slices.Sort(is)
	if !slices.Equal(was, is) {
		return fmt.Errorf("a comment would be lost")
	}
	return nil
}

func sameTree(a, b node, v *value) error {
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) || a.Value != b.Value || coreOf(a) != coreOf(b) {
		return fmt.Errorf("line %d would change its meaning", a.Line)
	}
	v = v.as(a.Node)
	if a.Kind == yaml.MappingNode {
		pairs := pairsOf(a.Node, v)
		for i, p := range pairs {
			key, val := node{b.Content[2*i], b.file}, node{b.Content[2*i+1], b.file}
			if err := sameTree(node{p.key, a.file}, key, nil); err != nil {
				return err
			}
			if err := sameTree(node{p.val, a.file}, val, v.behind(p.key.Value)); err != nil {
				return err
			}
		}
		return nil
	}
	for i, c := range a.Content {
		if err := sameTree(node{c, a.file}, node{b.Content[i], b.file}, v.element()); err != nil {
			return err
		}
	}
	return nil
}

// pair is a key of a mapping and its value.
type pair struct{ key, val *yaml.Node }

// pairsOf is the entries of a mapping: the known keys of a block in the order
// of its table, then the others; names in the order of their author, which is
// meaning.
func pairsOf(n *yaml.Node, v *value) []pair {
	pairs := make([]pair, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		pairs = append(pairs, pair{n.Content[i], n.Content[i+1]})
	}
	if v == nil || v.kind != anObject {
		return pairs
	}
	place := func(p pair) int {
		if i := slices.IndexFunc(v.block.keys, func(k key) bool { return k.name == p.key.Value }); i >= 0 {
			return i
		}
		return len(v.block.keys)
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return place(a) - place(b) })
	return pairs
}

// as is the one of v and its alternatives that n has the kind of, or nil.
func (v *value) as(n *yaml.Node) *value {
	for ; v != nil; v = v.or {
		switch {
		case n.Kind == yaml.MappingNode && (v.kind == anObject || v.kind == aMap), n.Kind == yaml.SequenceNode && v.kind == aList:
			return v
		}
	}
	return nil
}

// behind is what the language knows of the value behind a key.
func (v *value) behind(name string) *value {
	switch {
	case v == nil:
		return nil
	case v.kind == aMap:
		return v.of
	}
	if k := v.block.key(name); k != nil {
		return &k.value
	}
	return nil
}

// element is what the language knows of the elements of a list.
func (v *value) element() *value {
	if v == nil {
		return nil
	}
	return v.of
}
