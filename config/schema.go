package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// SchemaURL names the JSON Schema of the settings file.
const SchemaURL = "https://freshet.dev/schema/v1/config.json"

// Schema is the JSON Schema (draft 2020-12) of the settings file, for editors:
// made of the table of Keys.
func Schema() ([]byte, error) {
	root := group()
	root.Version, root.ID, root.Title = jsonschema.Version, SchemaURL, "Freshet settings"
	for _, k := range Keys() {
		at, parts := root, strings.Split(k.Name, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at.Properties.Get(part)
			if !ok {
				next = group()
				at.Properties.Set(part, next)
			}
			at = next
		}
		at.Properties.Set(parts[len(parts)-1], k.schema())
	}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema: %w", err)
	}
	return append(data, '\n'), nil
}

func group() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
}

func (k Key) schema() *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string"}
	s := text
	switch k.into(&Settings{}).(type) {
	case *[]string:
		s = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text, {Type: "array", Items: text}}}
	case *bool:
		s = &jsonschema.Schema{Type: "boolean"}
	case *int:
		s = &jsonschema.Schema{Type: "integer", Minimum: "0"}
	case *Bytes:
		s = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Pattern: `^[0-9]+(KiB|MiB|GiB|TiB)?$`}, {Type: "integer", Minimum: "0"}}}
	case *time.Duration:
		s = &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case *Secret:
		s = group()
		for _, from := range []string{"env", "file"} {
			s.Properties.Set(from, text)
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{from}})
		}
	default:
		if k.OneOf != nil {
			s = &jsonschema.Schema{}
			for _, word := range k.OneOf {
				s.Enum = append(s.Enum, word)
			}
		}
	}
	s.Description = k.Help
	return s
}
