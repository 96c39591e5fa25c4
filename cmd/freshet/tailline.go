package main

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/record"
)

// tailLine is one enriched record on its way to the screen.
type tailLine struct {
	source    *spec.Source
	topic     string
	partition int
	offset    int64
	raw       []byte
	record    *record.Record
}

// delay is from event time to the scored record.
func (l *tailLine) delay() time.Duration { return l.record.ProcessedAt.Sub(l.record.EventTime) }

// scoreOf is the score of a model, or the first one; nil without.
func (l *tailLine) scoreOf(model string) *record.ModelScore {
	for i := range l.record.Scores {
		score := &l.record.Scores[i]
		if bare, _, _ := strings.Cut(score.Model, "@"); model == "" || model == bare || model == score.Model {
			return score
		}
	}
	return nil
}

// tailColumns says what a line shows.
type tailColumns struct {
	spec   *spec.Spec
	model  string
	fields []string        // of --fields; nil: chosen for each source
	hide   map[string]bool // time, score, entity, fields, reasons, delay, place, or a field
	wide   bool
	narrow bool // of the fields that are chosen only the first, so that the reasons fit
}

// narrowBelow is the terminal's width, in columns, below which lines are narrow.
const narrowBelow = 100

func isNarrow(width int) bool { return width > 0 && width < narrowBelow }

// The columns that --hide knows beside fields.
var tailColumnNames = []string{"time", "score", "entity", "fields", "reasons", "delay", "place"}

// text is one line: time, glyph with score and band, entity, fields, reasons,
// delay, place.
func (c *tailColumns) text(l *tailLine, ink ink) string {
	var cells []string
	add := func(column, cell string) {
		if !c.hide[column] && cell != "" {
			cells = append(cells, cell)
		}
	}
	score := l.scoreOf(c.model)
	add("time", ink.dim(l.record.EventTime.UTC().Format("15:04:05.000")))
	add("score", c.score(score, ink))
	if c.narrow {
		add("entity", pad(c.entity(l), 15))
	} else {
		add("entity", pad(c.entity(l), 20))
	}
	if !c.hide["fields"] {
		cells = append(cells, c.fieldCells(l)...)
	}
	if score != nil {
		add("reasons", ink.bold(strings.Join(reasonCodes(score), " ")))
	}
	add("delay", ink.dim(signed(l.delay())))
	add("place", ink.dim(fmt.Sprintf("%d:%d", l.partition, l.offset)))
	return strings.Join(cells, "  ")
}

// score shows glyph, number and word, so that colour says nothing alone.
func (c *tailColumns) score(score *record.ModelScore, ink ink) string {
	if score == nil {
		return ""
	}
	number := "  - "
	if score.Score != nil {
		number = strconv.FormatFloat(*score.Score, 'f', 2, 64)
	}
	word := strings.ToUpper(score.Band)
	if score.Shadow {
		word = strings.ToLower(word) + "?"
	}
	text := number + " " + pad(word, c.widestBand())
	switch c.level(score) {
	case top:
		return ink.bad("■ " + text)
	case middle:
		return ink.paint("1;33", "▲ "+text)
	}
	return ink.dim("· " + text)
}

// level is where a band stands among those of its model.
type level int

const (
	bottom level = iota
	middle
	top
)

func (c *tailColumns) level(score *record.ModelScore) level {
	bare, _, _ := strings.Cut(score.Model, "@")
	for _, m := range c.spec.Models {
		if m.Name != bare {
			continue
		}
		for i, band := range m.Bands {
			switch {
			case band.Name != score.Band:
			case i == len(m.Bands)-1 && i > 0:
				return top
			case i > 0:
				return middle
			}
		}
	}
	return bottom
}

func (c *tailColumns) widestBand() int {
	wide := 0
	for _, m := range c.spec.Models {
		for _, band := range m.Bands {
			wide = max(wide, len(band.Name))
		}
	}
	return wide
}

// entity is the one that the record is keyed by: its masked key where the mask
// leaves something to recognise, else the beginning of its token.
func (c *tailColumns) entity(l *tailLine) string {
	e := l.source.Output.Key
	if e == nil {
		return ""
	}
	for _, name := range e.Key {
		for _, f := range l.source.Fields {
			if f.Name != name || f.PII && f.Mask != "last4" && f.Mask != "ip24" {
				continue
			}
			if shown, ok := l.record.Event[name].(string); ok {
				return e.Name + " " + shown
			}
		}
	}
	token, ok := l.record.Entities[e.Name]
	if !ok {
		return e.Name + " -"
	}
	return e.Name + " " + clip(token, 10)
}

func (c *tailColumns) fieldCells(l *tailLine) []string {
	var cells []string
	for _, name := range c.fieldsOf(l) {
		if c.hide[name] {
			continue
		}
		value, known := l.field(name)
		if !known {
			continue
		}
		text := valueText(value)
		switch {
		case c.fields != nil || c.wide:
			text = name[strings.LastIndexByte(name, '.')+1:] + "=" + text
		case isMoney(l.source, name):
			text = padLeft(money(l.source, name, value), 11)
		default:
			text = pad(text, fieldWidth(l.source, name))
		}
		cells = append(cells, text)
	}
	return cells
}

// field is event.x, a bare field, or features.view.feature.
func (l *tailLine) field(name string) (any, bool) {
	if rest, ok := strings.CutPrefix(name, "features."); ok {
		value, known := l.record.Features[rest]
		return value, known
	}
	value, known := l.record.Event[strings.TrimPrefix(name, "event.")]
	return value, known || declares(l.source, name)
}

// declares reports whether a source declares a field: absent then shows as "-".
func declares(source *spec.Source, name string) bool {
	for _, f := range source.Fields {
		if f.Name == strings.TrimPrefix(name, "event.") {
			return true
		}
	}
	return false
}

// fieldsOf chooses what to show of a source: the amount, what it says in few
// words (enums), and the country.
func (c *tailColumns) fieldsOf(l *tailLine) []string {
	if c.fields != nil {
		return c.fields
	}
	var first, rest []string
	for _, f := range l.source.Fields {
		switch {
		case f == l.source.TimestampField, f == l.source.IDField:
		case c.wide:
			rest = append(rest, f.Name)
		case f.PII, f.Expr != nil:
		case f.Type == spec.Decimal || f.Type == spec.Double && f.Unit != "":
			first = append(first, f.Name)
		case len(f.Enum) > 0 || f.Name == "country":
			rest = append(rest, f.Name)
		}
	}
	if c.wide {
		var names []string
		for name := range l.record.Features {
			names = append(names, "features."+name)
		}
		sort.Strings(names)
		rest = append(rest, names...)
	}
	names := append(first, rest...)
	if c.narrow && !c.wide {
		names = names[:min(1, len(names))]
	}
	return names
}

func isMoney(source *spec.Source, name string) bool {
	for _, f := range source.Fields {
		if f.Name == name {
			return f.Type == spec.Decimal
		}
	}
	return false
}

// currencies are the signs of units that have one.
var currencies = map[string]string{"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}

func money(source *spec.Source, name string, value any) string {
	amount, ok := value.(float64)
	if !ok {
		return valueText(value)
	}
	for _, f := range source.Fields {
		if f.Name == name {
			text := thousands(strconv.FormatFloat(amount, 'f', f.Scale, 64))
			if sign := currencies[f.Unit]; sign != "" {
				return sign + text
			}
			return text + " " + f.Unit
		}
	}
	return valueText(value)
}

// thousands groups the digits before the point.
func thousands(text string) string {
	whole, fraction, point := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + fraction
	}
	return sign + whole
}

// fieldWidth keeps columns under each other: an enum is as wide as its widest
// value.
func fieldWidth(source *spec.Source, name string) int {
	wide := 2
	for _, f := range source.Fields {
		if f.Name == name {
			for _, value := range f.Enum {
				wide = max(wide, len(value))
			}
		}
	}
	return wide
}

func valueText(value any) string {
	switch x := value.(type) {
	case nil:
		return "-"
	case float64:
		return strconv.FormatFloat(x, 'g', 6, 64)
	case string:
		return clean(x)
	case []any:
		texts := make([]string, len(x))
		for i, item := range x {
			texts[i] = valueText(item)
		}
		return "[" + strings.Join(texts, " ") + "]"
	case map[string]any:
		texts := make([]string, 0, len(x))
		for _, key := range slices.Sorted(maps.Keys(x)) {
			texts = append(texts, clean(key)+":"+valueText(x[key]))
		}
		return "{" + strings.Join(texts, " ") + "}"
	}
	return fmt.Sprint(value)
}

// clean takes control characters out of what a producer wrote, so that a
// record cannot move the cursor of whoever watches.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, text)
}

func signed(d time.Duration) string {
	if d < 0 {
		return shortAge(d)
	}
	return "+" + shortAge(d)
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-visible(text)))
}

func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-visible(text))) + text
}
