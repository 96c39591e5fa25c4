package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a YAML file as a validator of JSON sees it, by YAML 1.2 core.
func instance(data []byte) (any, error) {
	var document yaml.Node
	if err := yaml.Load(data, &document); err != nil {
		return nil, err
	}
	return instanceOf(&document)
}

func instanceOf(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return instanceOf(n.Content[0])
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := instanceOf(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = v
		}
		return m, nil
	case yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			v, err := instanceOf(c)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		return l, nil
	case yaml.ScalarNode:
		at := node{Node: n}
		switch coreOf(at) {
		case coreNull:
			return nil, nil
		case coreBool:
			return strings.EqualFold(n.Value, "true"), nil
		case coreInt, coreFloat:
			v, _ := coreNumber(at)
			return json.Number(fmt.Sprint(v)), nil
		}
		return n.Value, nil
	}
	return nil, fmt.Errorf("line %d: no JSON has this", n.Line)
}

func schemaTakes(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	in, err := instance(data)
	if err != nil {
		return err
	}
	return s.Validate(in)
}

func TestSchemaTakesEveryGoodSpec(t *testing.T) {
	s := compiledSchema(t)
	count := 0
	for _, pattern := range []string{"testdata/*.good.yaml", "../../examples/*/*.yaml", "../../verify/checks/specs/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := schemaTakes(t, s, data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			count++
		}
	}
	if count < 6 {
		t.Fatalf("only %d specs", count)
	}
}

// Which broken specs an editor shows as broken without asking Load.
// FRESHET_UPDATE=1 rewrites the list.
func TestSchemaRefusesStructuralMistakes(t *testing.T) {
	s := compiledSchema(t)
	names, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		verdict := "refused"
		if _, err := instance(data); err != nil {
			verdict = "no YAML for a schema"
		} else if schemaTakes(t, s, data) == nil {
			verdict = "accepted: it takes Load to see"
		}
		fmt.Fprintf(&b, "%s: %s\n", filepath.Base(name), verdict)
	}
	compareGolden(t, "testdata/schema.golden", b.Bytes())
}

// Any key of any block that the language does not have is refused.
func TestSchemaAndReaderRefuseUnknownKeys(t *testing.T) {
	s := compiledSchema(t)
	var all []string
	eachMapping(t, func(path string, n *yaml.Node, document *yaml.Node) {
		if !closed(path) {
			return
		}
		name := fmt.Sprintf("no_such_key_%d_", len(all))
		all = append(all, path)
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name},
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "x"})
		in, err := instanceOf(document)
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(in) == nil {
			t.Errorf("%s: the schema takes an unknown key", path)
		}
		n.Content = n.Content[:len(n.Content)-2]
	})
	for _, ofTests := range []bool{false, true} { // a broken view hides what tests say of it
		var changed *yaml.Node
		eachMapping(t, func(path string, n *yaml.Node, document *yaml.Node) {
			changed = document
			if i := slices.Index(all, path); i >= 0 && strings.HasPrefix(path, "/tests") == ofTests {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: fmt.Sprintf("no_such_key_%d_", i)},
					&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "x"})
			}
		})
		_, diags := reload(t, changed)
		for i, path := range all {
			if strings.HasPrefix(path, "/tests") == ofTests && !strings.Contains(messages(diags), fmt.Sprintf("no_such_key_%d_", i)) {
				t.Errorf("%s: the reader takes an unknown key", path)
			}
		}
	}
}

// What the table calls required, the reader misses, and nothing else. One
// mapping of each set of keys will do.
func TestRequiredKeysAreWhatTheReaderNeeds(t *testing.T) {
	s := compiledSchema(t)
	seen := map[string]bool{}
	eachMapping(t, func(path string, n *yaml.Node, document *yaml.Node) {
		if !closed(path) || seen[keySet(n)] {
			return
		}
		seen[keySet(n)] = true
		whole := slices.Clone(n.Content)
		defer func() { n.Content = whole }()
		for i := 0; i < len(whole); i += 2 {
			n.Content = slices.Concat(whole[:i:i], whole[i+2:])
			in, err := instanceOf(document)
			if err != nil {
				t.Fatal(err)
			}
			_, diags := reload(t, document)
			diags = slices.DeleteFunc(diags, func(d Diagnostic) bool { return d.Severity != ErrorSeverity })
			missed := strings.Contains(messages(diags), "has no `"+whole[i].Value+"`") || strings.Contains(messages(diags), "needs `"+whole[i].Value+"`")
			if refused := s.Validate(in) != nil; missed && !refused {
				t.Errorf("%s: the reader needs %s, the schema does not", path, whole[i].Value)
			} else if refused && !diags.HasErrors() {
				t.Errorf("%s: the schema needs %s, the reader does not", path, whole[i].Value)
			}
		}
	})
}

func keySet(n *yaml.Node) string {
	var b strings.Builder
	for i := 0; i < len(n.Content); i += 2 {
		b.WriteString(n.Content[i].Value + " ")
	}
	return b.String()
}

// Each key of the table stands in every-key.good.yaml, so that the tests above
// see all of them.
func TestEveryKeyIsInTheExample(t *testing.T) {
	data, err := os.ReadFile("testdata/every-key.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range allBlocks() {
		for _, k := range b.keys {
			if !k.refused && !bytes.Contains(data, []byte(k.name+":")) {
				t.Errorf("key %s of %s is not in every-key.good.yaml", k.name, b.name)
			}
		}
	}
}

// docs/spec.schema.json is what editors read offline.
func TestPublishedSchema(t *testing.T) {
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "../../docs/spec.schema.json", data)
}

func allBlocks() []*block {
	var all []*block
	var visit func(b *block)
	var inside func(v *value)
	inside = func(v *value) {
		if v == nil {
			return
		}
		if v.block != nil {
			visit(v.block)
		}
		inside(v.of)
		inside(v.or)
	}
	visit = func(b *block) {
		if slices.Contains(all, b) {
			return
		}
		all = append(all, b)
		for i := range b.keys {
			inside(&b.keys[i].value)
		}
	}
	visit(fileBlock)
	return all
}

// eachMapping visits the mappings of every-key.good.yaml with their paths.
func eachMapping(t *testing.T, visit func(path string, n, document *yaml.Node)) {
	t.Helper()
	data, err := os.ReadFile("testdata/every-key.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Load(data, &document); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		switch n.Kind {
		case yaml.MappingNode:
			visit(path, n, &document)
			for i := 0; i+1 < len(n.Content); i += 2 {
				walk(path+"/"+n.Content[i].Value, n.Content[i+1])
			}
		case yaml.SequenceNode:
			for i, c := range n.Content {
				walk(fmt.Sprintf("%s/%d", path, i), c)
			}
		}
	}
	walk("", document.Content[0])
}

// closed reports whether a mapping's keys are the language's and not the
// author's; of given events and expectations both are in one.
func closed(path string) bool {
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	for _, names := range []string{"meta", "connection", "event_defaults", "given", "entity", "statuses", "reasons", "scores", "band", "dropped"} {
		if slices.Contains(parts, names) && !(names == "band" && last != "band") {
			return false
		}
	}
	open := []string{"sources", "tables", "entities", "feature_views", "feature_services", "models", "fields", "computed_fields",
		"features", "derived", "rules", "request_fields"}
	if slices.Contains(open, last) {
		return false
	}
	return !(len(parts) > 3 && parts[1] == "feature_services" && parts[3] == "features")
}

// reload writes a tree out and loads it.
func reload(t *testing.T, document *yaml.Node) ([]*Spec, Diagnostics) {
	t.Helper()
	data, err := yaml.Dump(document)
	if err != nil {
		t.Fatal(err)
	}
	specs, diags, err := LoadFiles([]File{{Name: "changed.yaml", Data: data}})
	if err != nil {
		t.Fatal(err)
	}
	return specs, diags
}

func messages(diags Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		b.WriteString(d.Message + "\n")
	}
	return b.String()
}
