package record

import (
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/mask"
)

func TestListsAndMapsAsJSON(t *testing.T) {
	list := event.OfList([]event.Value{event.OfDecimal(1050), event.OfString("a\"b"), event.OfTimestamp(1767614671882), {}})
	object := event.OfMap([]event.Entry{{Key: "5411", Value: event.OfDouble(2)}, {Key: `"`, Value: list}, {Key: "other", Value: event.Value{}}})
	for _, c := range []struct {
		v    event.Value
		want string
	}{
		{event.OfList(nil), `[]`},
		{list, `[10.5,"a\"b","2026-01-05T12:04:31.882Z",null]`},
		{event.OfMap(nil), `{}`},
		{object, `{"5411":2,"\"":[10.5,"a\"b","2026-01-05T12:04:31.882Z",null],"other":null}`},
	} {
		if got := string(AppendJSON(nil, c.v, 2)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// The items of a list and the categories of a map that are copies of a PII
// field leave masked, one by one. The value of one category is no copy.
func TestListsAndMapsOfPersonalFieldsAreMasked(t *testing.T) {
	s, layout := payments()
	view, fields := s.Views[0], s.Sources[0].Fields
	add := func(short string, t spec.Type, d *spec.Definition) {
		f := &spec.Feature{View: view, Short: short, Type: t, Def: d}
		layout.Columns = append(layout.Columns, features.Column{Name: f.Full(), Feature: f, Emit: true})
	}
	layout.Columns = nil
	add("ips", spec.List, &spec.Definition{Aggregation: "list_last", Field: fields[3]})
	add("notes", spec.List, &spec.Definition{Aggregation: "list_distinct", Field: fields[8]})
	add("by_card", spec.Map, &spec.Definition{Aggregation: "count", By: fields[2]})
	add("by_note", spec.Map, &spec.Definition{Aggregation: "count", By: fields[8]})
	add("of_card", spec.Double, &spec.Definition{Aggregation: "count", By: fields[2]})
	add("ips_by_lat", spec.Map, &spec.Definition{Aggregation: "list_last", Field: fields[3], By: fields[7]})
	tokens := mask.NewTokens(secret)
	in := sample()
	ips := event.OfList([]event.Value{event.OfString("10.1.2.3"), event.OfString("10.9.8.7")})
	counts := event.OfMap([]event.Entry{{Key: "4242424242424242", Value: event.OfDouble(2)}, {Key: features.Other, Value: event.OfDouble(1)}})
	in.Vector.Values = []event.Value{ips, ips, counts, counts, event.OfDouble(2), event.OfMap([]event.Entry{{Key: "2", Value: ips}})}
	e := NewEncoder(s, layout, tokens)
	want := []string{`["10.1.2.0","10.9.8.0"]`, `[null,null]`, `{"` + tokens.Hash("4242424242424242") + `":2,"other":1}`, `null`, "2", `{"2":["10.1.2.0","10.9.8.0"]}`}
	for i := range e.columns {
		if got := string(e.appendFeature(nil, &e.columns[i], in.Vector.Values[i])); got != want[i] {
			t.Errorf("%s: got %s, want %s", layout.Columns[i].Name, got, want[i])
		}
	}
}
