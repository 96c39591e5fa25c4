package record

import (
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

func TestCardNumbersOfFieldsThatNobodyMarked(t *testing.T) {
	const pan, hidden = "4111 1111 1111 1111", "**** **** **** ****"
	id := &spec.Field{Name: "id", Type: spec.String}
	note := &spec.Field{Name: "note", Type: spec.String}
	ours := &spec.Field{Name: "ours", Type: spec.String, KeepCardNumbers: true}
	device := &spec.Field{Name: "device", Type: spec.String}
	marked := &spec.Field{Name: "marked", Type: spec.String, PII: true}
	src := &spec.Source{Name: "pay", IDField: id, Fields: []*spec.Field{id, note, ours, device, marked}}
	s := &spec.Spec{Sources: []*spec.Source{src}, Entities: []*spec.Entity{{Name: "device", Key: []string{"device"}}}}
	view := &spec.View{Name: "v", Source: src, Latest: true}
	c := NewCardNumbers(s)
	for field, want := range map[*spec.Field]string{note: hidden, ours: pan, id: pan, device: pan, marked: pan} {
		if got := c.ofField(src, field).Hide(event.OfString(pan)).Str(); got != want { // marked: its mask comes instead
			t.Errorf("%s leaves as %s, want %s", field.Name, got, want)
		}
	}
	last := &spec.Feature{View: view, Short: "last_note", Type: spec.String, Def: &spec.Definition{Aggregation: "last", Field: note}}
	derived := &spec.Feature{View: view, Short: "text", Type: spec.String}
	if got := c.Feature(last, event.OfString(pan)).Str(); got != hidden {
		t.Errorf("a copy of the field leaves as %s", got)
	}
	list := event.OfList([]event.Value{event.OfString("a"), event.OfString(pan)})
	if got := c.Feature(last, list).Items(); got[0].Str() != "a" || got[1].Str() != hidden || list.Items()[1].Str() != pan {
		t.Errorf("a list leaves as %v, and was %v", got, list.Items())
	}
	if got := c.Feature(derived, event.OfString("of "+pan)).Str(); got != "of "+hidden {
		t.Errorf("a derived text leaves as %s", got)
	}
	seen := map[string][2]int64{}
	c.Drain(func(of, name string, hidden, kept int64) { seen[of+"."+name] = [2]int64{hidden, kept} })
	for name, want := range map[string][2]int64{"pay.note": {3, 0}, "pay.ours": {0, 1}, "pay.id": {0, 1}, "pay.device": {0, 1}, "v.text": {1, 0}} {
		if seen[name] != want {
			t.Errorf("%s counted %v, want %v", name, seen[name], want)
		}
	}
}
