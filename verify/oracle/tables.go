package oracle

import (
	"errors"
	"fmt"

	"github.com/freshet-dev/freshet/config/spec"
)

// table is the content of a table: by the text of its key, the values of its
// columns by name.
type table map[string]map[string]any

// AddRow adds a row, one JSON object, to the content of a table.
func (o *Oracle) AddRow(t *spec.Table, raw []byte) error {
	row, err := parse(raw)
	if err != nil {
		return err
	}
	columns := map[string]any{}
	key := spec.Field{Name: t.Key, Type: spec.String} // unless it is declared too
	for _, c := range t.Columns {
		f := spec.Field{Name: c.Name, Type: c.Type, Scale: c.Scale}
		if c.Name == t.Key {
			key = f
		}
		if columns[c.Name], err = declared(&f, row); err != nil {
			return err
		}
	}
	v, err := declared(&key, row)
	if err != nil {
		return err
	}
	k, has := text(v)
	if !has || k == "" {
		return errors.New("the key is empty")
	}
	if o.tables[t.Name] == nil {
		o.tables[t.Name] = table{}
	}
	if o.tables[t.Name][k] != nil {
		return fmt.Errorf("two rows of %s", k)
	}
	o.tables[t.Name][k] = columns
	return nil
}

// lookedUp is the value of a computed field that is looked up: none where the
// event has no key, the table no such row, or the row no such cell.
func (o *Oracle) lookedUp(src *spec.Source, f *spec.Field, e *event) any {
	key, has := text(e.fields[field(src, f.TableKey).Index])
	if !has {
		return nil
	}
	return o.tables[f.Table][key][f.TableColumn]
}
