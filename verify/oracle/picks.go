package oracle

import (
	"math"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
)

// mode is the value that occurs most often, of several the smallest.
func mode(inputs []input, scale int) Result {
	var best any
	most := 0
	for value, count := range timesSeen(inputs) {
		if count > most || count == most && compare(value, best) < 0 {
			best, most = value, count
		}
	}
	return Result{Value: outside(best, scale), Status: Present}
}

// streak is how many of the newest events match without one between that does
// not.
func streak(inputs []input) Result {
	run := 0
	for i := len(inputs) - 1; i >= 0 && inputs[i].match; i-- {
		run++
	}
	return Result{Value: float64(run), Status: Present}
}

// argmax is the value of the event whose order is largest, of several the
// earliest.
func argmax(inputs []input, scale int) Result {
	best := inputs[0]
	for _, in := range inputs[1:] {
		if compare(in.order, best.order) > 0 {
			best = in
		}
	}
	return Result{Value: outside(best.value, scale), Status: Present}
}

// newestOfEach are the inputs whose value does not occur again behind them.
func newestOfEach(inputs []input) []input {
	var list []input
	for i, in := range inputs {
		again := slices.ContainsFunc(inputs[i+1:], func(later input) bool { return later.value == in.value })
		if !again {
			list = append(list, in)
		}
	}
	return list
}

// list are the newest values, at most limit of them, oldest first.
func list(inputs []input, d *spec.Definition) Result {
	if len(inputs) > d.Limit {
		inputs = inputs[len(inputs)-d.Limit:]
	}
	values := make([]any, len(inputs))
	for i, in := range inputs {
		values[i] = outside(in.value, scaleOf(d))
	}
	return Result{Value: values, Status: Present}
}

// quantile is the value at rank floor(q(n-1)); an answer may be 1 % off.
func quantile(inputs []input, d *spec.Definition) Result {
	values := valuesOf(inputs)
	slices.SortFunc(values, compare)
	rank := int(math.Floor(d.Q * float64(len(values)-1)))
	return Result{Value: outside(values[rank], scaleOf(d)), Status: Present}
}

// Category is one entry of a feature with `by`: the value of an aggregation
// over the events of one category, or of all the rest (S25).
type Category struct {
	Name string
	Result
}

// categories are the top k categories by how many events reach the aggregation
// in them, ties to the smaller name, and the rest of them as "other".
func categories(f *spec.Feature, w window) Result {
	d := f.Def
	parts := map[string]*window{}
	for i, in := range w.inputs {
		part := parts[in.category]
		if part == nil {
			part = &window{at: w.at, asked: w.asked}
			parts[in.category] = part
		}
		part.inputs = append(part.inputs, in)
		part.events = append(part.events, w.events[i])
	}
	var names []string
	for name := range parts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if c := len(parts[b].inputs) - len(parts[a].inputs); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	top := names[:min(d.Top, len(names))]
	list := []Category{}
	for _, name := range top {
		shown := name
		if strings.TrimLeft(name, "_") == "other" {
			shown = "_" + name // so that no two are shown alike
		}
		list = append(list, Category{shown, defaulted(f, *parts[name])})
	}
	if len(names) > len(top) {
		rest := window{at: w.at, asked: w.asked}
		for i, in := range w.inputs {
			if !slices.Contains(top, in.category) {
				rest.inputs = append(rest.inputs, in)
				rest.events = append(rest.events, w.events[i])
			}
		}
		list = append(list, Category{"other", defaulted(f, rest)})
	}
	if known, _ := spec.AggregationOf(d.Aggregation); len(list) == 0 && !known.ZeroEmpty {
		return Result{Status: Default}
	}
	return Result{Value: list, Status: Present}
}

// inCategory is one category of a feature with `by`, as a service lists it. The
// status of all is that of their window: it holds for each, there or not (S19).
func inCategory(f *spec.Feature, all Result, name string) Result {
	list, _ := all.Value.([]Category)
	for _, c := range list {
		if c.Name == name {
			return Result{Value: c.Value, Status: first(all.Status, c.Status), Mass: c.Mass}
		}
	}
	if all.Status == NoEntity || all.Status == NeedsEvent {
		return Result{Status: all.Status}
	}
	result := defaulted(f, window{}) // no events (docs/decisions/0007)
	if slices.ContainsFunc(list, func(c Category) bool { return c.Name == "other" }) {
		result = Result{Status: Default, Value: literal(f.Def.HasDefault, f.Def.Default, f.Item())}
	}
	result.Status = first(all.Status, result.Status)
	return result
}
