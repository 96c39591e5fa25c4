package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestFormatOfEverySpec(t *testing.T) {
	for _, pattern := range []string{"testdata/*.yaml", "../../examples/*/*.yaml", "../../verify/checks/specs/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			checkFormat(t, name, data)
		}
	}
}

// checkFormat holds that formatting refuses, or keeps the hash and is done
// when it is done once.
func checkFormat(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	once, diags, err := Format(File{Name: name, Data: data})
	if err != nil {
		t.Errorf("%v", err)
		return nil
	}
	if once == nil {
		if !diags.HasErrors() {
			t.Errorf("%s: neither formatted nor refused", name)
		}
		return nil
	}
	twice, diags, err := Format(File{Name: name, Data: once})
	if err != nil || diags != nil || !bytes.Equal(once, twice) {
		t.Errorf("%s: formatted again it differs: %v %v\n%s\n---\n%s", name, diags, err, once, twice)
	}
	if was, is := hashes(t, data), hashes(t, once); was != is {
		t.Errorf("%s: the hash was %s, is %s", name, was, is)
	}
	return once
}

func hashes(t *testing.T, data []byte) (all string) {
	t.Helper()
	specs, diags, err := LoadFiles([]File{{Name: "x.yaml", Data: data}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		all += s.Hash
	}
	if specs == nil && !diags.HasErrors() {
		t.Fatal("neither a spec nor an error")
	}
	return all
}

// A tree that was written out by another program, without a thought of layout,
// becomes what its author would have got.
func TestFormatOfOtherLayouts(t *testing.T) {
	names, err := filepath.Glob("../../examples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "testdata/every-key.good.yaml") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var tree yaml.Node
		if err := yaml.Load(data, &tree); err != nil {
			t.Fatal(err)
		}
		for _, indent := range []int{2, 5, 8} {
			other, err := yaml.Dump(&tree, yaml.WithIndent(indent), yaml.WithLineWidth(40))
			if err != nil {
				t.Fatal(err)
			}
			checkFormat(t, name, other)
			out := checkFormat(t, name, bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))
			if bytes.Contains(out, []byte("\r")) {
				t.Errorf("%s: a carriage return stayed", name)
			}
		}
	}
}

func TestFormatLayout(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"keys in the order of the reference, comments with theirs", `
namespace: x   # the team
# of the format
version: 1

tests:
- source: s
  # what it shows
  name: a
  given:
      - { txn: t1,   at: 0s }   # first
entities:
    # who
    user: {description: A user,key: user}
    # an address
    ip:    {key: ip}


    # to come
# the end
`, `
# of the format
version: 1
namespace: x   # the team
entities:
  # who
  user: {key: user, description: A user}
  # an address
  ip: {key: ip}

  # to come

tests:
  # what it shows
  - name: a
    source: s
    given:
      - {at: 0s, txn: t1}       # first
# the end
`},
		{"names keep their order, neighbours share a column", `
sources:
  zebra: {type: file}
  an:   {path: p, type: file}

  other: {type: file}
`, `
sources:
  zebra: {type: file}
  an:    {type: file, path: p}

  other: {type: file}
`},
		{"what is too long for a line is written below its key", `
feature_views:
  v:
    features:
      short: {aggregation: count, windows: [1h]}
      long:  {description: A text that goes on and on and on and on and on and on and on and on and on and on, aggregation: count}   # why
      after:  {aggregation: count}
`, `
feature_views:
  v:
    features:
      short: {aggregation: count, windows: [1h]}
      long:  # why
        aggregation: count
        description: A text that goes on and on and on and on and on and on and on and on and on and on
      after: {aggregation: count}
`},
		{"comments within brackets", `
tags: [a, # first
  b
  # none
  ]
meta: {x: 1,
       y: [1,
           2]}
`, `
tags:
  - a     # first
  - b
  # none
meta: {x: 1, y: [1, 2]}
`},
		{"texts", `
description: >-   # folded
    one
      two # no comment

    three
owner: 'it''s # one'
namespace: "a
  b"
meta: {a: , b, "c": ~, d: |
  }
`, ""},
		{"texts over lines", `
description: >-   # folded
    one
      two # no comment

    three
owner: 'it''s # one'
namespace: "a
  b"
meta: {a: , "c": ~}
tags:
  - |2
      indented
  - a plain
    text
`, `
namespace: "a b"
owner: 'it''s # one'
description: >-   # folded
  one
    two # no comment

  three
tags:
  - "  indented\n"
  - a plain text
meta: {a: , "c": ~}
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, diags, err := Format(File{Name: "x.yaml", Data: []byte(c.in[1:])})
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && diags.HasErrors() {
				return
			}
			if got := "\n" + string(out); got != c.want {
				t.Errorf("%v\ngot:%s\nwant:%s", diags, strings.ReplaceAll(got, " ", "·"), strings.ReplaceAll(c.want, " ", "·"))
			}
			checkFormat(t, c.name, []byte(c.in[1:]))
		})
	}
}

func TestFormatRefuses(t *testing.T) {
	for _, in := range []string{"", "a: [", "a: &x 1", "a: 1\na: 2", "- a", "a: !!str 1", "a: 1\n---\nb: 1\n", "a:\n\t- b\n", "\xff"} {
		out, diags, err := Format(File{Name: "x.yaml", Data: []byte(in)})
		if out != nil || err != nil || !diags.HasErrors() {
			t.Errorf("%q: %q %v %v", in, out, diags, err)
		}
	}
}

// FuzzFormat holds that no file makes the formatter panic, lose a comment,
// change a meaning, or come to no end.
func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "../../examples/*/*.yaml"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, diags, err := Format(File{Name: "fuzz.yaml", Data: data})
		if err != nil {
			t.Fatal(err)
		}
		if once == nil && !diags.HasErrors() {
			t.Fatal("neither formatted nor refused")
		}
		if once == nil {
			return
		}
		twice, diags, err := Format(File{Name: "fuzz.yaml", Data: once})
		if err != nil || diags != nil || !bytes.Equal(once, twice) {
			t.Fatalf("again: %v %v\n%q\n%q", diags, err, once, twice)
		}
	})
}
