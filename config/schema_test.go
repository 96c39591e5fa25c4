package config

import (
	"bytes"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func TestSchemaTakesTheReferenceAndNoOtherKey(t *testing.T) {
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		var settings map[string]any
		if err := yaml.Unmarshal([]byte(text), &settings); err != nil {
			t.Fatal(err)
		}
		return s.Validate(settings)
	}
	if err := check(string(reference)); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"nonsense: 1", "delivery: often", "kafka: {nonsense: a}", "commit_interval: soon",
		"entity_key_secret: written-out", "kafka: {tls: {enabled: often}}"} {
		if check(wrong) == nil {
			t.Errorf("the schema takes %s", wrong)
		}
	}
}
