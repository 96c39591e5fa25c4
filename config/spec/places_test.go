package spec

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// The place of a character of a value is where the author wrote it, however
// the value is written.
func TestPlacesFollowTheWriting(t *testing.T) {
	for _, c := range []struct{ name, yaml, value string }{
		{"plain", "a: one X two", "one X two"},
		{"single quotes", "a: 'it''s X'", "it's X"},
		{"double quotes", `a: "say \"hi\" X"`, `say "hi" X`},
		{"escapes", `a: "\u00e9\x41\tX"`, "éA\tX"},
		{"folded", "a: >-\n  one\n  two X three\n", "one two X three"},
		{"folded deeper", "a:\n  b: >\n      one\n      two\n      X\n", "one two X\n"},
		{"literal with an empty line", "a: |\n  one\n\n  two X\n", "one\n\ntwo X\n"},
		{"literal", "a: |\n  one\n    two X\n", "one\n  two X\n"},
		{"plain over lines", "a: one\n  two\n  X three", "one two X three"},
		{"quoted over lines", "a: 'one\n  X'", "one X"},
		{"letters beyond ASCII", "é: 'ü X'", "ü X"},
	} {
		var root yaml.Node
		if err := yaml.Load([]byte(c.yaml), &root); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		n := node{root.Content[0], &file{lines: strings.Split(c.yaml, "\n")}}
		for n.Kind == yaml.MappingNode {
			n.Node = n.Content[1]
		}
		if n.Value != c.value {
			t.Fatalf("%s: the value is %q", c.name, n.Value)
		}
		line, col := placeOf(n, len([]rune(c.value[:strings.Index(c.value, "X")])))
		text := []rune(n.file.lines[line-1])
		if col > len(text) || text[col-1] != 'X' {
			t.Errorf("%s: X is said to be at %d:%d", c.name, line, col)
		}
	}
}
