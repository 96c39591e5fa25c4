package record

import (
	"slices"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/mask"
)

// CardNumbers keeps card numbers in: texts that are not marked personal leave
// without the digits of what looks like one, unless their field says
// card_numbers: keep. Identifiers (the id, what retracts names, entity keys)
// leave as they are, since of random ones some look so too and a hidden id is
// no id; they are counted. One goroutine.
type CardNumbers struct{ guards map[cardPlace]*cardGuard }

type cardPlace struct{ of, name string } // the source or view, the field or feature

type cardGuard struct {
	keep         bool
	hidden, kept int64
}

// NewCardNumbers guards the texts of a spec.
func NewCardNumbers(s *spec.Spec) *CardNumbers {
	c := &CardNumbers{guards: map[cardPlace]*cardGuard{}}
	for _, src := range s.Sources {
		for _, f := range src.Fields {
			if f.Type == spec.String && !f.PII {
				c.guards[cardPlace{src.Name, f.Name}] = &cardGuard{keep: f.KeepCardNumbers || identifies(s, src, f)}
			}
		}
	}
	return c
}

// identifies reports whether a field's value names something.
func identifies(s *spec.Spec, src *spec.Source, f *spec.Field) bool {
	return f == src.IDField || f == src.Retracts ||
		slices.ContainsFunc(s.Entities, func(e *spec.Entity) bool { return slices.Contains(e.Key, f.Name) })
}

func (c *CardNumbers) ofField(src *spec.Source, f *spec.Field) *cardGuard {
	return c.guards[cardPlace{src.Name, f.Name}]
}

// ofFeature is the guard of a feature whose values are texts: of the field that
// they are copies of, else one of its own.
func (c *CardNumbers) ofFeature(f *spec.Feature) *cardGuard {
	if f.Def != nil && f.Def.Field != nil {
		return c.ofField(f.View.Source, f.Def.Field)
	}
	if f.Type != spec.String && f.Type != spec.List {
		return nil
	}
	at := cardPlace{f.View.Ref(), f.Short}
	if c.guards[at] == nil {
		c.guards[at] = &cardGuard{}
	}
	return c.guards[at]
}

// Feature is a feature's value as it leaves.
func (c *CardNumbers) Feature(f *spec.Feature, v event.Value) event.Value {
	if v.Kind() != event.String && v.Kind() != event.List {
		return v
	}
	return c.ofFeature(f).Hide(v)
}

// Drain calls f for every place where something that looks like a card number
// was seen since the last time: how often it was hidden, and how often kept.
func (c *CardNumbers) Drain(f func(of, name string, hidden, kept int64)) {
	for at, guard := range c.guards {
		if guard.hidden+guard.kept > 0 {
			f(at.of, at.name, guard.hidden, guard.kept)
			guard.hidden, guard.kept = 0, 0
		}
	}
}

// Cards are what the encoder has seen of card numbers.
func (e *Encoder) Cards() *CardNumbers { return e.cards }

// Hide is a value as it leaves; what holds no text is returned as it is.
func (g *cardGuard) Hide(v event.Value) event.Value {
	if g == nil {
		return v
	}
	switch v.Kind() {
	case event.String:
		if g.keep {
			if mask.HasCardNumber(v.Str()) {
				g.kept++
			}
			return v
		}
		if hidden, found := mask.HideCardNumbers(v.Str()); found {
			g.hidden++
			return event.OfString(hidden)
		}
	case event.List:
		return g.hideItems(v)
	}
	return v
}

func (g *cardGuard) hideItems(v event.Value) event.Value {
	var copied []event.Value
	for i, item := range v.Items() {
		before := g.hidden
		hidden := g.Hide(item)
		if g.hidden == before {
			continue
		}
		if copied == nil {
			copied = slices.Clone(v.Items())
		}
		copied[i] = hidden
	}
	if copied == nil {
		return v
	}
	return event.OfList(copied)
}
