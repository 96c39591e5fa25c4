package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// SchemaURL names the JSON Schema of spec files.
const SchemaURL = "https://freshet.dev/schema/v1/spec.json"

// The forms of values in the JSON Schema. Expressions, and names that must
// exist, are outside of it: Load checks them.
const (
	durationForm = `^[1-9][0-9]*(ms|s|m|h|d)$`
	offsetForm   = `^(0|[1-9][0-9]*)(ms|s|m|h|d)$`
	typeForm     = `^(string|int|double|bool|timestamp|decimal\([0-9]\))$`
)

// Schema is the JSON Schema (draft 2020-12) of a spec file, for editors: made
// of the same table of keys that Load reads by.
func Schema() ([]byte, error) {
	b := schemaBuilder{defs: jsonschema.Definitions{}}
	root := b.block(fileBlock)
	root.Version, root.ID, root.Title = jsonschema.Version, SchemaURL, "Freshet spec"
	root.Definitions = b.defs
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema: %w", err)
	}
	return append(data, '\n'), nil
}

// schemaBuilder gathers the blocks under $defs.
type schemaBuilder struct{ defs jsonschema.Definitions }

func (b *schemaBuilder) ref(of *block) *jsonschema.Schema {
	if b.defs[of.name] == nil {
		b.defs[of.name] = &jsonschema.Schema{} // of a block within itself
		b.defs[of.name] = b.block(of)
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + of.name}
}

func (b *schemaBuilder) block(of *block) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Description: of.doc, Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
	for _, k := range of.keys {
		if k.refused {
			continue
		}
		v := b.value(&k.value)
		v.Description = k.doc
		s.Properties.Set(k.name, v)
		if k.required {
			s.Required = append(s.Required, k.name)
		}
	}
	if of.rest != nil {
		s.AdditionalProperties = b.value(of.rest)
	}
	b.rules(of, s)
	return s
}

// rules adds what a block asks of several keys at once.
func (b *schemaBuilder) rules(of *block, s *jsonschema.Schema) {
	needs := func(key string) *jsonschema.Schema { return &jsonschema.Schema{Required: []string{key}} }
	switch of {
	case featureBlock:
		s.OneOf = aggregationRules()
		s.Not = atMostOne("windows", "last", "session", "half_lives")
		s.Not.AnyOf = append(s.Not.AnyOf, &jsonschema.Schema{Required: []string{"session", "delay"}})
		s.DependentRequired = map[string][]string{"by": {"top"}, "top": {"by"}}
	case sourceBlock:
		for _, kind := range []struct{ name, key string }{{"kafka", "topic"}, {"kinesis", "stream"}, {"file", "path"}} {
			branch := only("type", []string{kind.name}, kind.key)
			for _, other := range []string{"topic", "stream", "path"} {
				if other != kind.key {
					branch.Properties.Set(other, jsonschema.FalseSchema)
				}
			}
			s.OneOf = append(s.OneOf, branch)
		}
		s.DependentRequired = map[string][]string{"retracts": {"id_field"}, "retracts_time_field": {"retracts"}}
	case fieldBlock:
		s.DependentRequired = map[string][]string{"mask": {"pii"}, "strict": {"enum"}}
	case computedBlock:
		s.OneOf = []*jsonschema.Schema{needs("expr"), {Required: []string{"table", "key", "column"}}}
	case viewBlock:
		s.OneOf = []*jsonschema.Schema{needs("entity"), needs("entities")}
	case modelBlock:
		trained := only("runtime", runtimes[1:], "artifact")
		trained.Properties.Set("score", jsonschema.FalseSchema)
		plain := only("runtime", runtimes[:1])
		for _, key := range []string{"artifact", "sha256", "missing", "timeout"} {
			plain.Properties.Set(key, jsonschema.FalseSchema)
		}
		s.OneOf = []*jsonschema.Schema{plain, trained}
		s.DependentRequired = map[string][]string{"bands": {"on_error"}, "on_error": {"bands"}}
	case givenBlock:
		s.AnyOf = []*jsonschema.Schema{needs("at"), needs("repeat")}
		s.DependentRequired = map[string][]string{"repeat": {"every"}, "every": {"repeat"}}
	case expectBlock:
		s.OneOf = []*jsonschema.Schema{needs("at"), needs("event")}
	case wantBlock:
		s.OneOf = []*jsonschema.Schema{{Required: []string{"approx"}, OneOf: []*jsonschema.Schema{needs("abs"), needs("rel")}}, needs("above"), needs("below")}
	}
}

// atMostOne is what must not be: two of the keys at once.
func atMostOne(keys ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{}
	for i, a := range keys {
		for _, b := range keys[:i] {
			s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Required: []string{b, a}})
		}
	}
	return s
}

// only is the branch of a choice by the words of a key.
func only(key string, words []string, required ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{Properties: jsonschema.NewProperties(), Required: required}
	s.Properties.Set(key, &jsonschema.Schema{Enum: anys(words)})
	return s
}

// aggregationRules is one branch for all aggregations that take the same keys.
func aggregationRules() []*jsonschema.Schema {
	var all []*jsonschema.Schema
	var like []Aggregation
	for _, agg := range Aggregations {
		takes := agg
		takes.Name, takes.Types, takes.Result, takes.EventBound, takes.Moves = "", 0, 0, false, false
		takes.ZeroEmpty, takes.Sketch, takes.PastOnly = false, false, false
		if i := slices.Index(like, takes); i >= 0 {
			words, _ := all[i].Properties.Get("aggregation")
			words.Enum = append(words.Enum, agg.Name)
			continue
		}
		like, all = append(like, takes), append(all, aggregationRule(agg))
	}
	return all
}

// aggregationRule is what an aggregation needs and refuses.
func aggregationRule(agg Aggregation) *jsonschema.Schema {
	s := only("aggregation", []string{agg.Name})
	for _, k := range []struct {
		key          string
		takes, needs bool
	}{
		{"numerator", agg.Numerator, agg.Numerator}, {"filter", true, agg.Filter}, {"half_lives", agg.HalfLives, agg.HalfLives},
		{"windows", !agg.HalfLives, agg.Windows}, {"last", !agg.HalfLives && !agg.Windows, false}, {"session", !agg.HalfLives && !agg.Windows, false},
		{"unit", agg.Unit, false}, {"per", agg.Per != "", agg.Per == "required"}, {"q", agg.Q, agg.Q}, {"n", agg.N, false},
		{"limit", agg.Limit, agg.Limit}, {"order_by", agg.OrderBy, agg.OrderBy},
		{"field", agg.Input != InputNone, false}, {"value", agg.Input != InputNone, false},
	} {
		if !k.takes {
			s.Properties.Set(k.key, jsonschema.FalseSchema)
		}
		if k.needs {
			s.Required = append(s.Required, k.key)
		}
	}
	field, value := &jsonschema.Schema{Required: []string{"field"}}, &jsonschema.Schema{Required: []string{"value"}}
	switch agg.Input {
	case InputRequired:
		s.OneOf = []*jsonschema.Schema{field, value}
	case InputOptional:
		s.Not = &jsonschema.Schema{Required: []string{"field", "value"}}
	}
	return s
}

func (b *schemaBuilder) value(v *value) *jsonschema.Schema {
	s := b.kind(v)
	if v.or != nil {
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, b.value(v.or)}}
	}
	return s
}

func (b *schemaBuilder) kind(v *value) *jsonschema.Schema {
	switch v.kind {
	case aText:
		return &jsonschema.Schema{Type: "string", Pattern: v.names}
	case aWord:
		return &jsonschema.Schema{Enum: anys(v.words)}
	case anAggregation:
		return &jsonschema.Schema{Enum: anys(aggregationNames())}
	case aBool:
		return &jsonschema.Schema{Type: "boolean"}
	case aWhole:
		return &jsonschema.Schema{Type: "integer", Minimum: bound(v.least), Maximum: bound(v.most)}
	case aNumber:
		if v.most != 0 {
			return &jsonschema.Schema{Type: "number", Minimum: bound(v.least), Maximum: bound(v.most)}
		}
		return &jsonschema.Schema{Type: "number"}
	case aDuration:
		return &jsonschema.Schema{Type: "string", Pattern: durationForm}
	case anOffset:
		return &jsonschema.Schema{Type: "string", Pattern: offsetForm}
	case aType:
		return &jsonschema.Schema{Type: "string", Pattern: typeForm}
	case anExpr:
		return anyType("string", "number", "boolean")
	case aScalar:
		return anyType("string", "number", "boolean", "null")
	case aList:
		return &jsonschema.Schema{Type: "array", Items: b.value(v.of)}
	case aMap:
		s := &jsonschema.Schema{Type: "object", AdditionalProperties: b.value(v.of)}
		if v.names != "" {
			s.PropertyNames = &jsonschema.Schema{Pattern: v.names}
		}
		if v.except != nil {
			s.PropertyNames = &jsonschema.Schema{Not: &jsonschema.Schema{Enum: anys(v.except)}}
		}
		if v.words != nil {
			s.PropertyNames = &jsonschema.Schema{Enum: anys(v.words)}
		}
		return s
	case anObject:
		return b.ref(v.block)
	}
	return &jsonschema.Schema{}
}

func bound(n int) json.Number { return json.Number(strconv.Itoa(n)) }

func anyType(names ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{}
	for _, name := range names {
		s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Type: name})
	}
	return s
}

func anys(words []string) []any {
	all := make([]any, len(words))
	for i, w := range words {
		all[i] = strings.Clone(w)
	}
	return all
}
