package spec

import "slices"

// block is a mapping whose keys the language knows: the reader refuses others,
// the JSON Schema is made of it, and Format writes its keys in this order.
type block struct {
	name string // in the JSON Schema
	doc  string
	keys []key
	rest *value // what other keys hold; nil: there are none
}

// key is one key of a block.
type key struct {
	name     string
	value    value
	required bool
	refused  bool // asked for, to say why it is wrong
	doc      string
}

func (b *block) key(name string) *key {
	if i := slices.IndexFunc(b.keys, func(k key) bool { return k.name == name }); i >= 0 {
		return &b.keys[i]
	}
	return nil
}

// names are the keys that an author may write.
func (b *block) names() []string {
	var names []string
	for _, k := range b.keys {
		if !k.refused {
			names = append(names, k.name)
		}
	}
	return names
}

// value is what may stand behind a key.
type value struct {
	kind        valueKind
	words       []string // of aWord
	least, most int      // of aWhole; of aNumber where most is not 0
	of          *value   // of aList and aMap
	block       *block   // of anObject
	names       string   // of aMap: the form of its keys
	except      []string // of aMap: what its keys cannot be
	or          *value   // or this
}

// valueKind is one kind of value.
type valueKind uint8

const (
	aText valueKind = iota
	aWord
	aBool
	aWhole
	aNumber
	aDuration
	anOffset
	anExpr
	aType
	anAggregation
	aScalar // a literal, or a field of a given event
	aList
	aMap
	anObject
	anything
)

func text() value                       { return value{kind: aText} }
func word(words ...string) value        { return value{kind: aWord, words: words} }
func boolean() value                    { return value{kind: aBool} }
func whole(least, most int) value       { return value{kind: aWhole, least: least, most: most} }
func number() value                     { return value{kind: aNumber} }
func share() value                      { return value{kind: aNumber, most: 1} }
func duration() value                   { return value{kind: aDuration} }
func offset() value                     { return value{kind: anOffset} }
func expression() value                 { return value{kind: anExpr} }
func fieldType() value                  { return value{kind: aType} }
func scalar() value                     { return value{kind: aScalar} }
func list(of value) value               { return value{kind: aList, of: &of} }
func named(form string, of value) value { return value{kind: aMap, names: form, of: &of} }
func object(b *block) value             { return value{kind: anObject, block: b} }

// either is a or b.
func either(a, b value) value {
	if a.or != nil {
		b = either(*a.or, b)
	}
	a.or = &b
	return a
}

// The forms of names in mappings that authors fill.
const (
	lowerNames = `^[a-z][a-z0-9_]*$`
	fieldNames = `^[A-Za-z][A-Za-z0-9_]*$`
	viewNames  = `^[a-z0-9_{}]+(@[1-9][0-9]*)?$`
	codeNames  = `^[A-Z][A-Z0-9_]*$`
	anyNames   = ``
)

// about is the keys that say something to people only.
func about(keys ...key) []key {
	return append(keys,
		key{name: "description", value: text(), doc: "What it is, for people."},
		key{name: "owner", value: text(), doc: "Who answers for it; inherited from the top of the file."},
		key{name: "tags", value: list(text()), doc: "Words to find it by; inherited from the top of the file."},
		key{name: "deprecated", value: either(boolean(), text()), doc: "That it should not be used any more, or what to use instead."},
		key{name: "meta", value: named(anyNames, value{kind: anything}), doc: "Anything; Freshet does not read it."})
}
