package spec

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// readTests reads the tests, which mention everything else.
func (r *resolver) readTests() {
	for _, in := range r.testTexts {
		t := &Test{Pos: in.value.pos()}
		m := r.object(in.value, testBlock, "a test")
		if n, ok := m.need("name", "name: three quick attempts"); ok {
			t.Name, _ = r.text(n, "`name`")
			m.what = "test " + strconv.Quote(t.Name)
			t.Pos = n.pos()
			if slices.ContainsFunc(r.spec.Tests, func(o *Test) bool { return o.Name == t.Name }) {
				r.errorf(n, "rename one of them", "two tests are called %q", t.Name)
			}
		}
		m.text("description")
		if n, ok := m.need("source", "source: "+strings.Join(namesOf(r.spec.Sources, sourceName), " or ")); ok {
			t.Source = r.sourceOf(n)
		}
		if n, ok := m.need("start", "start: 2026-01-05T10:00:00Z"); ok {
			r.start(t, n)
		}
		if t.Source != nil {
			r.given(t, m)
			if n, ok := m.need("expect", "expect: [{at: 1m, entity: {card: c1}, features: {view.feature: 1}}]"); ok {
				r.expectations(t, n)
			}
		}
		m.finish()
		r.spec.Tests = append(r.spec.Tests, t)
	}
}

func (r *resolver) start(t *Test, n node) {
	text, ok := r.text(n, "`start`")
	if !ok {
		return
	}
	at, err := parseTimestamp(text)
	if err != nil {
		r.errorf(n, "", "`start`: %s", err)
	}
	t.Start = at
}

// fieldText is a field of a given event as written.
type fieldText struct {
	name string
	key  node
	n    node
}

// given reads the events of a test.
func (r *resolver) given(t *Test, m *mapping) {
	var shared []fieldText
	if n, ok := m.get("event_defaults"); ok {
		for _, e := range r.mapping(n, "`event_defaults`").entries {
			shared = append(shared, fieldText{e.name, e.key, e.value})
		}
	}
	n, ok := m.need("given", "given: [{at: 0s, id: e1}]")
	if !ok {
		return
	}
	items, _ := r.list(n, "`given` of "+m.what)
	shared = r.sharedFields(t, items, shared)
	for _, item := range items {
		r.givenItem(t, item, shared)
	}
}

// sharedFields is the event defaults, each under the name it should have had:
// one that no source of the test has is reported, and stands for the field it
// was taken for, lest every event be reported as well.
func (r *resolver) sharedFields(t *Test, items []node, shared []fieldText) []fieldText {
	sources := []*Source{t.Source}
	for _, item := range items {
		for i := 0; i+1 < len(item.Content); i += 2 {
			if item.Content[i].Value != "source" {
				continue
			}
			if s, ok := r.spec.Source(item.Content[i+1].Value); ok && !slices.Contains(sources, s) {
				sources = append(sources, s)
			}
		}
	}
	var known []string
	for _, s := range sources {
		known = append(known, namesOf(s.Fields, fieldName)...)
	}
	for i, d := range shared {
		if !slices.Contains(known, d.name) {
			r.errorf(d.key, didYouMean(d.name, known), "no source of this test has the field `%s`", d.name)
			shared[i].name = nearest(d.name, known)
		}
	}
	return shared
}

// givenItem reads one element of `given`, which may repeat.
func (r *resolver) givenItem(t *Test, item node, shared []fieldText) {
	m := r.object(item, givenBlock, "a given event")
	g := Given{Source: t.Source, Pos: item.pos()}
	if n, ok := m.get("source"); ok {
		if g.Source = r.sourceOf(n); g.Source == nil {
			return
		}
	}
	repeat := m.whole("repeat", 1)
	every := m.duration("every", 0)
	if n, ok := m.nullable("repeat"); ok && !m.has("every") {
		r.errorf(n, "write every: 1m beside it", "`repeat` needs `every`")
	} else if n, ok := m.nullable("every"); ok && !m.has("repeat") {
		r.errorf(n, "write repeat: 10 beside it", "`every` needs `repeat`")
	}
	if _, ok := m.nullable("at"); ok {
		g.At = r.offset(m, "at")
	} else if !m.has("repeat") {
		m.need("at", "at: 0s")
	}
	arrives, hasArrives := time.Duration(0), m.has("arrives")
	if hasArrives {
		arrives = r.offset(m, "arrives")
	}
	texts := r.itemFields(m, g.Source, shared)
	if r.testEvents += repeat; r.testEvents > MaxTestEvents {
		r.errorf(item, "split the namespace", "the tests of a namespace hold at most %d events", MaxTestEvents)
		return
	}
	for i := range repeat {
		e := g
		e.At = g.At + time.Duration(i)*every
		if e.Arrives = e.At; hasArrives {
			e.Arrives = arrives + time.Duration(i)*every
		}
		e.Values = r.givenValues(texts, g.Source, i, repeat > 1)
		t.Given = append(t.Given, e)
	}
}

func (r *resolver) offset(m *mapping, key string) time.Duration {
	n, ok := m.get(key)
	if !ok {
		return 0
	}
	d, err := parseOffset(n.Value)
	if err != nil || coreOf(n) == coreOther {
		r.errorf(n, cmp.Or(meantDuration(n.Value), "write "+key+": 20s, counted from `start`"), "`%s` is not an offset: a whole number and one of ms s m h d", key)
	}
	return d
}

// itemFields merges the fields of an item with the defaults of its source and
// checks them against what the source declares.
func (r *resolver) itemFields(m *mapping, s *Source, shared []fieldText) []fieldText {
	var texts []fieldText
	for _, e := range m.entries {
		switch e.name {
		case "at", "arrives", "repeat", "every", "source":
			continue
		}
		texts = append(texts, fieldText{e.name, e.key, e.value})
	}
	for _, d := range shared {
		_, has := s.Field(d.name)
		if has && !slices.ContainsFunc(texts, func(x fieldText) bool { return x.name == d.name }) {
			texts = append(texts, d)
		}
	}
	named := slices.Clone(texts)
	texts = slices.DeleteFunc(texts, func(x fieldText) bool { return !r.givenField(x, s) })
	for _, f := range s.Fields {
		given := slices.ContainsFunc(named, func(x fieldText) bool { return x.name == f.Name })
		if !given && !f.Optional && f != s.TimestampField && s.TimestampField != nil {
			r.errorf(m.at, "write it here or under event_defaults", "the event has no %s, which source %s requires", f.Name, s.Name)
		}
	}
	return texts
}

// givenField checks one field of a given event.
func (r *resolver) givenField(x fieldText, s *Source) bool {
	f, ok := s.Field(x.name)
	switch {
	case !ok:
		r.errorf(x.key, didYouMean(x.name, append(namesOf(s.Fields, fieldName), "at", "arrives", "repeat", "every", "source")),
			"source %s has no field `%s`", s.Name, x.name)
	case f.Expr != nil || f.Table != "":
		r.errorf(x.key, "leave it out", "field %s is computed", f.Name)
	case f == s.TimestampField:
		r.errorf(x.key, "leave it out; `at` sets it", "field %s is the event's time", f.Name)
	case coreOf(x.n) == coreNull && !f.Optional:
		r.errorf(x.n, "give it a value", "field %s is required", f.Name)
	case coreOf(x.n) != coreNull:
		return r.givenText(f, x.n)
	default:
		return true
	}
	return false
}

// givenText checks that a scalar can be the text of a field (S33): what is not
// written as the declared type is never converted.
func (r *resolver) givenText(f *Field, n node) bool {
	kind := coreOf(n)
	text := strings.ReplaceAll(n.Value, "{i}", "0") // as the first of a repeat
	fits := false
	suggestion := ""
	switch f.Type {
	case String:
		fits, suggestion = kind == coreText, `write it in quotes: "`+n.Value+`"`
	case Int:
		fits, suggestion = kind == coreInt, "write a whole number without quotes"
		if f.Text {
			_, err := strconv.ParseInt(text, 10, 64)
			fits, suggestion = kind == coreInt || kind == coreText && err == nil, "write a whole number, in quotes or without"
		}
	case Double:
		fits, suggestion = kind == coreInt || kind == coreFloat, "write a number without quotes"
	case Bool:
		fits, suggestion = kind == coreBool, "write true or false"
	case Timestamp:
		_, err := time.Parse(time.RFC3339Nano, n.Value)
		fits = kind == coreInt || kind == coreText && err == nil
		suggestion = "write RFC 3339 with a zone, such as 2026-01-05T10:00:00Z"
	case Decimal:
		_, err := strconv.ParseFloat(text, 64)
		fits, suggestion = kind == coreInt || kind == coreFloat || kind == coreText && err == nil, "write a number"
	}
	if !fits || n.Kind != yaml.ScalarNode {
		r.errorf(n, suggestion, "field %s is %s, and this is %s", f.Name, f.Type.withArticle(), described(n))
	} else if number := asJSON(n); number != "" && f.Type != Timestamp {
		r.errorf(n, "write "+number, "no record has the number %s: it is not written as JSON has it", n.Value)
		return false
	} else if len(f.Enum) > 0 && !slices.Contains(f.Enum, text) && nearest(text, f.Enum) != "" {
		r.warnf(n, didYouMean(text, f.Enum), "`%s` is none of the values that field %s is declared to have", text, f.Name)
	}
	return fits
}

func described(n node) string {
	if k := coreOf(n); k != coreOther {
		return k.String() + ", " + n.Value
	}
	return shape(n)
}

// givenValues is the values of one event, in the order of the source's fields;
// {i} is its place in a repeat.
func (r *resolver) givenValues(texts []fieldText, s *Source, i int, repeats bool) []GivenValue {
	values := make([]GivenValue, 0, len(texts))
	for _, x := range texts {
		f, _ := s.Field(x.name)
		v := GivenValue{Field: f, Text: x.n.Value, Null: coreOf(x.n) == coreNull, Pos: x.n.pos()}
		if repeats && coreOf(x.n) == coreText {
			v.Text = strings.ReplaceAll(v.Text, "{i}", strconv.Itoa(i))
		}
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b GivenValue) int { return a.Field.Index - b.Field.Index })
	return values
}
