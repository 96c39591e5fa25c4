package event

import (
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
)

func bins() *spec.Table {
	return &spec.Table{Name: "bins", Key: "bin", Columns: []spec.TableColumn{
		{Name: "issuer", Type: spec.String}, {Name: "tier", Type: spec.Int}, {Name: "fee", Type: spec.Decimal, Scale: 2},
		{Name: "prepaid", Type: spec.Bool}}}
}

func TestTableRowsAreReadByDeclaredType(t *testing.T) {
	table := NewTable(bins())
	names := []string{"tier", "bin", "ignored", "issuer", "fee", "prepaid"}
	for _, texts := range [][]string{{"2", "0424242", "x", "First", "1.50", "true"}, {"", "500", "", "", "", ""}} {
		if rej := table.AddTexts(names, texts); rej != nil {
			t.Fatal(rej)
		}
	}
	if rej := table.AddJSON([]byte(`{"bin":"7","issuer":"Other","fee":"2.25","note":[1]}`)); rej != nil {
		t.Fatal(rej)
	}
	for _, c := range []struct {
		key    string
		column int
		want   Value
		found  bool
	}{
		{"0424242", 0, OfString("First"), true}, {"0424242", 1, OfInt(2), true}, {"0424242", 2, OfDecimal(150), true}, {"0424242", 3, OfBool(true), true},
		{"424242", 0, Value{}, false}, // keys are texts
		{"500", 0, Value{}, true}, {"500", 1, Value{}, true},
		{"7", 0, OfString("Other"), true}, {"7", 2, OfDecimal(225), true}, {"7", 3, Value{}, true},
	} {
		if v, found := table.Find(c.key, c.column); found != c.found || !v.Equal(c.want) {
			t.Errorf("%s, column %d: %v, %v; want %v, %v", c.key, c.column, v, found, c.want, c.found)
		}
	}
	if table.Len() != 3 {
		t.Errorf("%d rows", table.Len())
	}
}

func TestTableRefusesRowsThatCannotBeTrusted(t *testing.T) {
	ofInts := bins()
	ofInts.Columns = append(ofInts.Columns, spec.TableColumn{Name: "bin", Type: spec.Int})
	for _, c := range []struct {
		table *spec.Table
		row   string
		want  string
	}{
		{bins(), `{"bin":"1"}`, "bin: row 1 has the same key"},
		{bins(), `{"bin":""}`, "bin: the key is empty"},
		{bins(), `{"issuer":"a"}`, "bin: a required field is missing or null"},
		{bins(), `{"bin":7}`, "bin: want a string, got a number"},
		{bins(), `{"bin":"2","tier":"high"}`, "tier: want an int, got a string"},
		{bins(), `{"bin":"2","fee":1.005}`, "fee: a decimal with more digits behind the point than its type"},
		{bins(), `{"bin":"2"`, ": the record ends too soon"},
		{ofInts, `{"bin":1}`, "bin: row 1 has the same key"},
	} {
		table := NewTable(c.table)
		first := `{"bin":"1"}`
		if c.table == ofInts {
			first = `{"bin":1}`
		}
		if rej := table.AddJSON([]byte(first)); rej != nil {
			t.Fatal(rej)
		}
		rej := table.AddJSON([]byte(c.row))
		if rej == nil || c.want[0] != ':' && rej.Field+": "+rej.Detail != c.want {
			t.Errorf("%s: %+v, want %s", c.row, rej, c.want)
		}
	}
}
