package config

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFileBytes bounds a settings file.
const maxFileBytes = 1 << 20

// checkFile reads the settings file as YAML and refuses what viper would take
// in silence: unknown keys, keys in capitals (viper lower-cases them), null
// values (viper drops them), secrets written out. It returns the settings that
// the file has.
func checkFile(path string) (map[string]bool, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if len(raw) > maxFileBytes {
		return nil, fmt.Errorf("read settings %s: larger than %d bytes", path, maxFileBytes)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read settings %s: %w", path, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	c := fileCheck{path: path, keys: make(map[string]Key), has: make(map[string]bool)}
	for _, k := range Keys() {
		c.keys[k.Name] = k
	}
	c.mapping(doc.Content[0], "")
	if len(c.errs) > 0 {
		return nil, errors.New(strings.Join(c.errs, "\n"))
	}
	return c.has, nil
}

type fileCheck struct {
	path string
	keys map[string]Key
	has  map[string]bool
	errs []string
}

func (c *fileCheck) errorf(n *yaml.Node, format string, args ...any) {
	c.errs = append(c.errs, fmt.Sprintf("%s:%d:%d: ", c.path, n.Line, n.Column)+fmt.Sprintf(format, args...))
}

func (c *fileCheck) mapping(n *yaml.Node, prefix string) {
	if n.Kind != yaml.MappingNode {
		c.errorf(n, "settings are a mapping of keys; see config/reference.yaml")
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		full := prefix + name.Value
		if seen[strings.ToLower(name.Value)] {
			c.errorf(name, "%s is written twice", full)
		}
		seen[strings.ToLower(name.Value)] = true
		c.entry(name, value, full)
	}
}

func (c *fileCheck) entry(name, value *yaml.Node, full string) {
	if key, ok := c.keys[full]; ok {
		c.has[full] = true
		c.value(key, value)
		return
	}
	for known := range c.keys {
		if strings.HasPrefix(known, full+".") {
			c.mapping(value, full+".")
			return
		}
	}
	c.errorf(name, "unknown setting %s%s", full, c.suggestion(full))
}

func (c *fileCheck) value(key Key, value *yaml.Node) {
	switch {
	case value.Tag == "!!null":
		c.errorf(value, "%s has no value: remove the line, or give one", key.Name)
	case key.IsSecret():
		c.secret(key, value)
	case value.Kind == yaml.MappingNode:
		c.errorf(value, "%s is one value, not a mapping", key.Name)
	case value.Kind == yaml.SequenceNode && !key.isList():
		c.errorf(value, "%s is one value, not a list", key.Name)
	}
}

func (c *fileCheck) secret(key Key, value *yaml.Node) {
	const how = "write %s: {env: NAME} or {file: PATH}"
	if value.Kind != yaml.MappingNode {
		c.errorf(value, "%s is a secret and does not stand in a file: "+how, key.Name, key.Name)
		return
	}
	if len(value.Content) != 2 || (value.Content[0].Value != "env" && value.Content[0].Value != "file") ||
		value.Content[1].Kind != yaml.ScalarNode || value.Content[1].Value == "" {
		c.errorf(value, "a secret has one reference: "+how, key.Name)
	}
}

// suggestion is " (did you mean X?)" for the nearest known key, or nothing.
func (c *fileCheck) suggestion(full string) string {
	names := make([]string, 0, len(c.keys))
	for name := range c.keys {
		names = append(names, name)
	}
	if near := Nearest(full, names); near != "" {
		return " (did you mean " + near + "?)"
	}
	return "; see config/reference.yaml"
}

// Nearest is the name that is closest to word by edit distance, where one is
// close enough to be what was meant; else "".
func Nearest(word string, names []string) string {
	sort.Strings(names)
	best, bestDistance := "", max(2, len(word)/3)+1
	for _, name := range names {
		if d := editDistance(strings.ToLower(word), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
		if i := strings.LastIndexByte(name, '.'); i >= 0 && strings.EqualFold(name[i+1:], word) {
			return name
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// quote puts a value into an error; long ones are cut.
func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "..."
	}
	return strconv.Quote(s)
}
