package event

import (
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
)

// Table is the content of one table of a spec: from the text of a key to the
// values of its row. It is built row by row by one goroutine; from then on it
// does not change, and any number of goroutines may look things up.
type Table struct {
	Spec *spec.Table
	Hash string // sha256 of the file, in hex; "" where there is none

	key     int // place of the key among the decoder's fields
	columns int
	decoder *Decoder
	ev      Event
	rows    map[string]tableRow
}

type tableRow struct {
	values []Value // by Spec.Columns
	number int     // of the row, from 1: what a second row of the key is told
}

// NewTable is the empty content of a table.
func NewTable(t *spec.Table) *Table {
	// Rows are read as records are: the columns are the declared fields, all
	// optional but the key (S14).
	src := &spec.Source{Name: t.Name}
	add := func(name string, typ spec.Type, scale int, optional bool) {
		src.Fields = append(src.Fields, &spec.Field{Index: len(src.Fields), Name: name, Path: []string{name}, Type: typ, Scale: scale, Optional: optional})
	}
	table := &Table{Spec: t, key: -1, columns: len(t.Columns), rows: make(map[string]tableRow)}
	for i, c := range t.Columns {
		if c.Name == t.Key {
			table.key = i
		}
		add(c.Name, c.Type, c.Scale, c.Name != t.Key)
	}
	if table.key < 0 {
		table.key = len(t.Columns)
		add(t.Key, spec.String, 0, false)
	}
	table.decoder = NewDecoder(src)
	return table
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// AddJSON adds the row of one JSON object. What is wrong with it is a
// rejection, reused by the next call; its Offset is the byte in raw.
func (t *Table) AddJSON(raw []byte) *Rejection {
	if rej := t.decoder.Decode(raw, &t.ev); rej != nil {
		return rej
	}
	return t.add()
}

// AddTexts adds the row of a CSV line; names are its header. The Offset of a
// rejection is the cell.
func (t *Table) AddTexts(names, texts []string) *Rejection {
	if rej := t.decoder.DecodeTexts(names, texts, &t.ev); rej != nil {
		return rej
	}
	return t.add()
}

func (t *Table) add() *Rejection {
	key := KeyText(t.ev.Values[t.key])
	if key == "" {
		return t.decoder.refuse(Schema, t.Spec.Key, -1, "the key is empty")
	}
	if first, taken := t.rows[key]; taken {
		return t.decoder.refuse(Schema, t.Spec.Key, -1, "row "+strconv.Itoa(first.number)+" has the same key")
	}
	row := tableRow{values: make([]Value, t.columns), number: len(t.rows) + 1}
	for i, v := range t.ev.Values[:t.columns] {
		if v.Kind() == String {
			v = OfString(strings.Clone(v.Str())) // the rows outlive the file's bytes
		}
		row.values[i] = v
	}
	t.rows[strings.Clone(key)] = row
	return nil
}

// Find is the value of a column in the row of a key; found tells whether there
// is such a row. A cell may have no value.
func (t *Table) Find(key string, column int) (v Value, found bool) {
	row, found := t.rows[key]
	if !found {
		return Value{}, false
	}
	return row.values[column], true
}

// KeyText is a value as the text of a key: strings as they are, ints in
// decimal, bools true and false; other types, and no value, have none (S15).
func KeyText(v Value) string {
	switch v.Kind() {
	case String:
		return v.Str()
	case Int:
		return strconv.FormatInt(v.Int(), 10)
	case Bool:
		return strconv.FormatBool(v.Bool())
	}
	return ""
}
