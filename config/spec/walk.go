package spec

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// node is a YAML node that knows its file.
type node struct {
	*yaml.Node
	file *file
}

func (n node) pos() Position {
	if n.Node == nil {
		return Position{}
	}
	return Position{File: n.file.name, Line: n.Line, Col: n.Column}
}

// end is the last column of what n is written as, if it fits one line.
func (n node) end() int {
	if n.Kind != yaml.ScalarNode || n.Value == "" || strings.Contains(n.Value, "\n") {
		return 0
	}
	length := len([]rune(n.Value))
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		length += 2
	}
	return n.Column + length - 1
}

func (l *loader) errorf(n node, suggestion, format string, args ...any) {
	l.report(ErrorSeverity, n, suggestion, format, args...)
}

func (l *loader) warnf(n node, suggestion, format string, args ...any) {
	l.report(WarningSeverity, n, suggestion, format, args...)
}

func (l *loader) report(s Severity, n node, suggestion, format string, args ...any) {
	l.at(n.file, n.Line, n.Column, suggestion, format, args...)
	last := &l.diags[len(l.diags)-1]
	last.Severity, last.End = s, n.end()
}

// at reports an error at a place of a file; line 0 is the file as a whole.
func (l *loader) at(f *file, line, col int, suggestion, format string, args ...any) {
	d := Diagnostic{Pos: Position{File: f.name, Line: line, Col: col}, Message: fmt.Sprintf(format, args...), Suggestion: suggestion}
	if line > 0 && line <= len(f.lines) {
		d.Line = f.lines[line-1]
	}
	l.diags = append(l.diags, d)
}

// entry is a key of a mapping and its value.
type entry struct {
	name  string
	key   node
	value node
}

// mapping reads a YAML mapping: the keys of a block one by one, or the entries
// of names that the author chose.
type mapping struct {
	l       *loader
	at      node // where to report what is missing
	what    string
	entries []entry
	block   *block // nil: names
}

// object is n as a mapping of the keys of b.
func (l *loader) object(n node, b *block, what string) *mapping {
	m := l.mappingOr(n, what, lone(n, b))
	m.block = b
	return m
}

// lone is how a value that stands where a mapping of the keys of b should is
// written: behind the one key that must be there.
func lone(n node, b *block) string {
	var needed []string
	for _, k := range b.keys {
		if k.required {
			needed = append(needed, k.name)
		}
	}
	if n.Kind != yaml.ScalarNode || coreOf(n) == coreNull || len(needed) != 1 || strings.Contains(n.Value, "\n") {
		return ""
	}
	text := n.Value
	switch _, _, isType := typeOf(text); {
	case b == computedBlock && !isType:
		return "write {type: double, expr: " + quotedScalar(text) + "}"
	case b.key(needed[0]).value.kind == anExpr:
		text = quotedScalar(text)
	}
	return "write {" + needed[0] + ": " + text + "}"
}

// quotedScalar is an expression as specs quote them.
func quotedScalar(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// mapping is n as a mapping, which what names in messages ("source payments").
// Where n is something else that is reported, and the mapping is empty.
func (l *loader) mapping(n node, what string) *mapping { return l.mappingOr(n, what, "") }

// mappingOr is mapping, with what to write where n is no mapping, or "".
func (l *loader) mappingOr(n node, what, hint string) *mapping {
	m := &mapping{l: l, at: n, what: what}
	if n.Kind != yaml.MappingNode {
		if hint == "" && n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
			hint = "leave the - before each name out: names are keys"
		}
		l.errorf(n, cmp.Or(hint, "write: key: value"), "%s must be a mapping of keys, not %s", what, shape(n))
		return m
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := node{n.Content[i], n.file}
		if !slices.ContainsFunc(m.entries, func(e entry) bool { return e.name == key.Value }) {
			m.entries = append(m.entries, entry{key.Value, key, node{n.Content[i+1], n.file}})
		}
	}
	return m
}

func shape(n node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if coreOf(n) == coreNull {
		return "nothing"
	}
	return "a single value"
}

// get is the value of key. A key with nothing after it counts as missing, and
// is reported.
func (m *mapping) get(key string) (node, bool) {
	n, ok := m.nullable(key)
	if ok && coreOf(n) == coreNull {
		m.l.errorf(n, "give it a value, or leave the key out", "`%s` of %s has no value", key, m.what)
		return n, false
	}
	return n, ok
}

// nullable is get for keys whose null means something.
func (m *mapping) nullable(key string) (node, bool) {
	m.key(key)
	for _, e := range m.entries {
		if e.name == key {
			return e.value, true
		}
	}
	return node{m.at.Node, m.at.file}, false
}

// key is the row of a key in the table of the language. Asking for one that
// is not in it is a fault of the reader.
func (m *mapping) key(name string) *key {
	if m.block == nil {
		return nil
	}
	k := m.block.key(name)
	if k == nil {
		panic("config/spec: the block " + m.block.name + " has no key " + name + ": add it to the key table")
	}
	return k
}

// need is get for keys that must be there.
func (m *mapping) need(key, example string) (node, bool) {
	n, ok := m.get(key)
	if !ok && !m.has(key) && m.at.Kind == yaml.MappingNode {
		at := m.at
		if k, has := m.l.keyOf[at.Node]; has && at.Line > k.Line {
			at = k // a block: its name says more than its first key
		}
		m.l.errorf(at, "write "+example, "%s has no `%s`", m.what, key)
	}
	return n, ok
}

func (m *mapping) has(key string) bool {
	return slices.ContainsFunc(m.entries, func(e entry) bool { return e.name == key })
}

// finish reports the keys that the language does not have there.
func (m *mapping) finish() {
	known := m.block.names()
	for _, e := range m.entries {
		if m.block.key(e.name) == nil && m.block.rest == nil {
			suggestion := cmp.Or(elsewhere(m.block, e.name), didYouMean(e.name, known))
			if suggestion == "" && len(known) <= 12 {
				suggestion = "known are " + strings.Join(known, ", ")
			}
			m.l.errorf(e.key, suggestion, "unknown key `%s` of %s", e.name, m.what)
		}
	}
}

func (m *mapping) text(key string) string {
	if n, ok := m.get(key); ok {
		s, _ := m.l.text(n, "`"+key+"`")
		return s
	}
	return ""
}

// word is a text out of the list that the key's row has.
func (m *mapping) word(key, otherwise string) string {
	n, ok := m.get(key)
	if !ok {
		return otherwise
	}
	words := m.key(key).value.words
	s, ok := m.l.text(n, "`"+key+"`")
	if ok && !slices.Contains(words, s) {
		m.l.errorf(n, oneOf(s, words), "`%s` of %s cannot be `%s`", key, m.what, s)
		return otherwise
	}
	return s
}

// oneOf suggests the nearest of some words, or all of them.
func oneOf(s string, words []string) string {
	if hint := didYouMean(s, words); hint != "" {
		return hint
	}
	return "write one of " + strings.Join(words, ", ")
}

func (m *mapping) boolean(key string) bool {
	n, ok := m.get(key)
	if !ok {
		return false
	}
	if coreOf(n) != coreBool {
		m.l.errorf(n, "write true or false", "`%s` of %s must be true or false", key, m.what)
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// whole is a whole number within the bounds that the key's row has.
func (m *mapping) whole(key string, otherwise int) int {
	n, ok := m.get(key)
	if !ok {
		return otherwise
	}
	least, most := m.key(key).value.least, m.key(key).value.most
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || coreOf(n) != coreInt || err != nil || v < least || v > most {
		m.l.errorf(n, wholeHint(n, least, most), "`%s` of %s must be a whole number from %d to %d", key, m.what, least, most)
		return otherwise
	}
	return v
}

// wholeHint is the whole number that 1e6, 10.0, "8", 64k or 10_000 means, if
// it is one that may stand there.
func wholeHint(n node, least, most int) string {
	text, factor := strings.ToLower(strings.ReplaceAll(n.Value, "_", "")), 1.0
	if i := strings.IndexAny(text, "km"); i > 0 && i == len(text)-1 {
		factor = map[byte]float64{'k': 1e3, 'm': 1e6}[text[i]]
		text = text[:i]
	}
	v, err := strconv.ParseFloat(text, 64)
	v *= factor
	if err != nil || n.Kind != yaml.ScalarNode || v != math.Trunc(v) || v < float64(least) || v > float64(most) {
		return ""
	}
	return "write " + strconv.FormatFloat(v, 'f', -1, 64)
}

func (m *mapping) number(key string) (v float64, at node, ok bool) {
	if at, ok = m.get(key); !ok {
		return 0, at, false
	}
	v, ok = coreNumber(at)
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
		m.l.errorf(at, "", "`%s` of %s must be a number", key, m.what)
		return 0, at, false
	}
	return v, at, true
}

func (m *mapping) duration(key string, otherwise time.Duration) time.Duration {
	if n, ok := m.get(key); ok {
		if d, ok := m.l.duration(n, "`"+key+"` of "+m.what); ok {
			return d
		}
	}
	return otherwise
}

func (l *loader) duration(n node, what string) (time.Duration, bool) {
	if n.Kind != yaml.ScalarNode {
		l.errorf(n, "write a whole number and one of ms s m h d, such as 24h", "%s must be a duration, not %s", what, shape(n))
		return 0, false
	}
	d, err := parseDuration(n.Value)
	if err != nil {
		l.errorf(n, meantDuration(n.Value), "%s: %s", what, err)
		return 0, false
	}
	return d, true
}

// text is n as a text. A number or a bool is not one: it would lose its
// spelling (S33).
func (l *loader) text(n node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		l.errorf(n, "", "%s must be a text, not %s", what, shape(n))
		return "", false
	}
	if k := coreOf(n); k != coreText {
		l.errorf(n, fmt.Sprintf("write it in quotes: %q", n.Value), "%s must be a text, and %s without quotes is %s", what, n.Value, k)
		return "", false
	}
	return n.Value, true
}

// list is the elements of a sequence.
func (l *loader) list(n node, what string) ([]node, bool) {
	if n.Kind != yaml.SequenceNode {
		suggestion := "write a list: - before each element, or [...]"
		if n.Kind == yaml.ScalarNode && n.Value != "" {
			suggestion = "write a list: [" + n.Value + "]"
		}
		l.errorf(n, suggestion, "%s must be a list, not %s", what, shape(n))
		return nil, false
	}
	all := make([]node, len(n.Content))
	for i, c := range n.Content {
		all[i] = node{c, n.file}
	}
	return all, true
}

func (m *mapping) texts(key string) []string {
	n, ok := m.get(key)
	if !ok {
		return nil
	}
	elements, _ := m.l.list(n, "`"+key+"` of "+m.what)
	var all []string
	for _, e := range elements {
		if s, ok := m.l.text(e, "an element of `"+key+"`"); ok {
			all = append(all, s)
		}
	}
	return all
}

// about takes the keys that say something to people only.
func (m *mapping) about(inherited defaults) (description, owner string, tags []string) {
	description, owner, tags = m.text("description"), m.text("owner"), m.texts("tags")
	if n, ok := m.get("deprecated"); ok && coreOf(n) != coreBool {
		m.l.text(n, "`deprecated`")
	}
	if n, ok := m.get("meta"); ok && n.Kind != yaml.MappingNode {
		m.l.errorf(n, "write: meta: {ticket: RISK-1}", "`meta` of %s must be a mapping, not %s", m.what, shape(n))
	}
	if owner == "" {
		owner = inherited.owner
	}
	return description, owner, append(slices.Clone(inherited.tags), tags...)
}
