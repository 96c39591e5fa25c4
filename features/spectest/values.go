package spectest

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// relative is how near numbers are that are equal (1.10 item 4).
const relative = 1e-9

// holds reports whether a value is what is wanted.
func holds(want *spec.Want, got event.Value, scale int) bool {
	if want.Op != "" {
		number, ok := got.Number(scale)
		return ok && holdsNumber(want, number)
	}
	switch want.Value.Type {
	case spec.NoType:
		return !got.Has()
	case spec.List:
		return got.Kind() == event.List && slices.EqualFunc(want.Value.Items, got.Items(), func(l spec.Literal, v event.Value) bool {
			return holds(&spec.Want{Value: l}, v, scale)
		})
	case spec.Map:
		return got.Kind() == event.Map && holdsMap(want.Value, got.Entries(), scale)
	case spec.Bool:
		return got.Kind() == event.Bool && got.Bool() == want.Value.Bool
	case spec.String, spec.Timestamp:
		if got.Kind() == event.Timestamp {
			at, err := time.Parse(time.RFC3339Nano, want.Value.Str)
			return err == nil && at.UnixMilli() == got.Int()
		}
		return got.Kind() == event.String && got.Str() == want.Value.Str
	}
	number, ok := got.Number(scale)
	return ok && holdsNumber(want, number)
}

// holdsMap compares categories by name: in a spec their order means nothing.
func holdsMap(want spec.Literal, got []event.Entry, scale int) bool {
	if len(want.Keys) != len(got) {
		return false
	}
	for _, entry := range got {
		i := slices.Index(want.Keys, entry.Key)
		if i < 0 || !holds(&spec.Want{Value: want.Items[i]}, entry.Value, scale) {
			return false
		}
	}
	return true
}

func holdsNumber(want *spec.Want, got float64) bool {
	w := want.Value.Num
	switch want.Op {
	case "above":
		return got > w
	case "below":
		return got < w
	case "approx":
		if want.Abs > 0 || want.Rel > 0 {
			return math.Abs(got-w) <= math.Max(want.Abs, want.Rel*math.Abs(w))
		}
	}
	return got == w || math.Abs(got-w) <= relative*math.Max(math.Abs(got), math.Abs(w))
}

// wantText is an expected value as its author would write it.
func wantText(want *spec.Want) string {
	text := literalText(want.Value)
	switch want.Op {
	case "approx":
		if want.Rel > 0 {
			return "about " + text + " ± " + number(want.Rel*100) + " %"
		}
		return "about " + text + " ± " + number(want.Abs)
	case "above", "below":
		return want.Op + " " + text
	}
	return text
}

func literalText(l spec.Literal) string {
	switch l.Type {
	case spec.NoType:
		return "null"
	case spec.Bool:
		return strconv.FormatBool(l.Bool)
	case spec.String:
		return strconv.Quote(l.Str)
	case spec.Timestamp:
		return l.Str
	case spec.List, spec.Map:
		texts := make([]string, len(l.Items))
		for i, item := range l.Items {
			texts[i] = literalText(item)
			if l.Type == spec.Map {
				texts[i] = strconv.Quote(l.Keys[i]) + ": " + texts[i]
			}
		}
		return enclosed(l.Type == spec.Map, texts)
	}
	return number(l.Num)
}

// valueText is a value as an author would write it.
func valueText(v event.Value, scale int) string {
	switch v.Kind() {
	case event.None:
		return "null"
	case event.String:
		return strconv.Quote(v.Str())
	case event.Bool:
		return strconv.FormatBool(v.Bool())
	case event.Timestamp:
		return time.UnixMilli(v.Int()).UTC().Format("2006-01-02T15:04:05.000Z")
	case event.List:
		var texts []string
		for _, item := range v.Items() {
			texts = append(texts, valueText(item, scale))
		}
		return enclosed(false, texts)
	case event.Map:
		var texts []string
		for _, e := range v.Entries() {
			texts = append(texts, strconv.Quote(e.Key)+": "+valueText(e.Value, scale))
		}
		return enclosed(true, texts)
	}
	n, _ := v.Number(scale)
	return number(n)
}

// enclosed is a list or a map as YAML has them on one line.
func enclosed(isMap bool, texts []string) string {
	if isMap {
		return "{" + strings.Join(texts, ", ") + "}"
	}
	return list(texts)
}

// number writes a number as people do, without an exponent as far as they can
// read it.
func number(f float64) string {
	if size := math.Abs(f); size == 0 || size >= 1e-6 && size < 1e15 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// modelInput is a value as a model sees it: NaN is no value.
func modelInput(v event.Value, scale int) float64 {
	if v.Kind() == event.Bool {
		if v.Bool() {
			return 1
		}
		return 0
	}
	if n, ok := v.Number(scale); ok {
		return n
	}
	return math.NaN()
}

// native is a value as expressions see it: float64, bool, string, time.Time.
func native(v event.Value, scale int) (any, bool) {
	switch v.Kind() {
	case event.None:
		return nil, false
	case event.String:
		return v.Str(), true
	case event.Bool:
		return v.Bool(), true
	case event.Timestamp:
		return time.UnixMilli(v.Int()).UTC(), true
	}
	return v.Number(scale)
}

func cloneValues(values []event.Value) []event.Value {
	out := append([]event.Value(nil), values...)
	for i, v := range out {
		out[i] = v.Clone()
	}
	return out
}

func cloneStrings(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = strings.Clone(text)
	}
	return out
}

// offset writes a duration as specs do: 40s, 1h, 90m.
func offset(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d != 0 && d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + unit.name
		}
	}
	if d == 0 {
		return "0s"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}
