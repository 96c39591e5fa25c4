package verify

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/freshet-dev/freshet/config/spec"
)

// Random specs keep their hash when they are formatted, whatever layout they
// had, and the JSON Schema takes them.
func TestRandomSpecsAreFormattedAndFitTheSchema(t *testing.T) {
	schema := specSchema(t)
	for seed := range setting(t, "FRESHET_VERIFY_FORMATS", 60) {
		text := []byte(draw(allOfIt, seed, 0).spec.yaml())
		var tree yaml.Node
		if err := yaml.Load(text, &tree); err != nil {
			t.Fatal(err)
		}
		other, err := yaml.Dump(&tree, yaml.WithIndent(2+seed%7), yaml.WithLineWidth(30+seed%90))
		if err != nil {
			t.Fatal(err)
		}
		hash := hashOf(t, text)
		for _, in := range [][]byte{text, other} {
			once, diags, err := spec.Format(spec.File{Name: "random.yaml", Data: in})
			if err != nil || diags != nil {
				t.Fatalf("seed %d: %v %v\n%s", seed, diags, err, in)
			}
			twice, _, err := spec.Format(spec.File{Name: "random.yaml", Data: once})
			if err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("seed %d: formatted again it differs: %v\n%s\n---\n%s", seed, err, once, twice)
			}
			if hashOf(t, once) != hash {
				t.Fatalf("seed %d: another hash\n%s\n---\n%s", seed, in, once)
			}
		}
		var instance any
		if err := yaml.Load(text, &instance); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
	}
}

func hashOf(t *testing.T, text []byte) string {
	t.Helper()
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: "random.yaml", Data: text}})
	if err != nil || len(specs) != 1 {
		t.Fatalf("%v %v\n%s", diags, err, text)
	}
	return specs[0].Hash
}

func specSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := spec.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(spec.SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(spec.SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
