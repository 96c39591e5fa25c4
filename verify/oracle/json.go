package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxBytes and maxDepth bound one record (reliability rows 39 and 40).
const (
	maxBytes = 1 << 20
	maxDepth = 64
)

// object is a JSON object; its values are nil, bool, string, json.Number,
// object, []any, or twice.
type object map[string]any

// twice is the value of a name that an object has more than once. That is an
// error only where the name is looked at.
type twice struct{}

// errNoObject is valid JSON of the wrong type: that is the schema's matter.
var errNoObject = errors.New("not an object")

// parse reads one JSON object strictly: valid UTF-8, no trailing bytes, bounded;
// names that occur twice are marked.
func parse(raw []byte) (object, error) {
	if len(raw) > maxBytes {
		return nil, fmt.Errorf("%d bytes, more than %d", len(raw), maxBytes)
	}
	if !utf8.Valid(raw) {
		return nil, errors.New("not valid UTF-8")
	}
	if !json.Valid(raw) {
		return nil, errors.New("not valid JSON")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := parseValue(d, 1)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("bytes after the object")
	}
	o, ok := v.(object)
	if !ok {
		return nil, errNoObject
	}
	return o, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, nested := t.(json.Delim)
	if !nested {
		return t, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	o := object{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := k.(string)
		_, known := o[name]
		if o[name], err = parseValue(d, depth+1); err != nil {
			return nil, err
		}
		if known {
			o[name] = twice{}
		}
	}
	_, err = d.Token()
	return o, err
}
