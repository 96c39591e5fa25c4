package oracle

import (
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// inputOf is what an event gives to a definition (S17, S18).
func inputOf(d *spec.Definition, e *event) input {
	passes := d.Filter == nil || holds(d.Filter, e)
	if d.Aggregation == "streak" { // there the filter removes nothing (S20)
		in := input{reaches: true, match: passes}
		in.categorise(d, e)
		return in
	}
	if !passes {
		return input{}
	}
	in := input{reaches: true}
	if d.Field != nil || d.Value != nil {
		in.value = valueOf(d, e)
		in.reaches = in.value != nil
	}
	if d.Numerator != nil {
		match, has := evaluate(d.Numerator, e).(bool)
		in.match = match
		in.reaches = in.reaches && has
	}
	if d.OrderBy != nil {
		in.order = e.fields[d.OrderBy.Index]
		in.reaches = in.reaches && in.order != nil
	}
	in.categorise(d, e)
	return in
}

// categorise reads the category of an event; without one it does not reach a
// feature with `by`.
func (in *input) categorise(d *spec.Definition, e *event) {
	if d.By == nil {
		return
	}
	category, has := text(e.fields[d.By.Index])
	in.category = category
	in.reaches = in.reaches && has
}

// valueOf is the field or value of a definition in an event; nil is none.
func valueOf(d *spec.Definition, e *event) any {
	switch {
	case d.Field != nil:
		return e.fields[d.Field.Index]
	case d.Value != nil:
		return evaluate(d.Value, e)
	}
	return nil
}

// window is what an aggregation works on: the inputs that reach it in event
// order, the event of each, the time that it is read at, and the value that
// is_new and zscore ask about.
type window struct {
	inputs []input
	events []*event
	at     int64
	asked  any
}

// formula is S20, over at least min_count events.
func formula(f *spec.Feature, w window) Result {
	n := len(w.inputs)
	d := f.Def
	switch d.Aggregation {
	case "count":
		return counted(n, d, float64(n))
	case "rate":
		windows := float64(d.Per) / float64(f.Window.Length)
		return counted(n, d, float64(n)*windows)
	case "count_distinct", "approx_count_distinct":
		distinct := map[any]bool{}
		for _, in := range w.inputs {
			distinct[in.value] = true
		}
		return counted(n, d, float64(len(distinct)))
	case "sum":
		if n == 0 {
			return counted(n, d, 0.0)
		}
		return sum(w.inputs, scaleOf(d))
	case "is_new":
		for _, in := range w.inputs {
			if in.value == w.asked {
				return Result{Value: false, Status: Present}
			}
		}
		// What has never been seen is new, without any earlier event too
		// (docs/decisions/0001): here S18 does not ask for n.
		return Result{Value: true, Status: Present}
	}
	if n == 0 {
		return Result{}
	}
	return formulaOfSome(f, w)
}

// formulaOfSome is S20 for what is null over no events.
func formulaOfSome(f *spec.Feature, w window) Result {
	n := len(w.inputs)
	d := f.Def
	switch d.Aggregation {
	case "mean":
		return mean(w.inputs, scaleOf(d))
	case "min", "max":
		best := w.inputs[0].value
		for _, in := range w.inputs[1:] {
			if c := compare(in.value, best); (d.Aggregation == "min" && c < 0) || (d.Aggregation == "max" && c > 0) {
				best = in.value
			}
		}
		return Result{Value: outside(best, scaleOf(d)), Status: Present}
	case "stddev":
		return stddev(w.inputs, scaleOf(d))
	case "ratio":
		matching := 0
		for _, in := range w.inputs {
			if in.match {
				matching++
			}
		}
		return Result{Value: float64(matching) / float64(n), Status: Present}
	case "variance":
		return variance(w.inputs, scaleOf(d))
	case "zscore":
		return zscore(w.inputs, w.asked)
	case "slope":
		return slope(w.inputs, w.events, d)
	case "first":
		return Result{Value: outside(w.inputs[0].value, scaleOf(d)), Status: Present}
	case "last":
		return Result{Value: outside(w.inputs[n-1].value, scaleOf(d)), Status: Present}
	case "time_since_first":
		return since(w.events[0], w.at, d)
	case "time_since_last":
		return since(w.events[n-1], w.at, d)
	case "interarrival_mean", "interarrival_stddev", "interarrival_cv":
		return interarrival(w.events, d)
	case "entropy":
		return entropy(w.inputs)
	case "top_share":
		return topShare(w.inputs)
	case "decayed_count", "decayed_sum":
		return decayed(f, w.inputs, w.events, w.at-d.Delay.Milliseconds())
	case "ewma":
		return ewma(f, w.inputs, w.events)
	case "skewness":
		return skewness(w.inputs, scaleOf(d))
	}
	return formulaOfOne(f, w)
}

// formulaOfOne is S20 for what picks values out of at least one event, or
// counts them.
func formulaOfOne(f *spec.Feature, w window) Result {
	n := len(w.inputs)
	d := f.Def
	switch d.Aggregation {
	case "novelty":
		return Result{Value: float64(len(timesSeen(w.inputs))) / float64(n), Status: Present}
	case "mode":
		return mode(w.inputs, scaleOf(d))
	case "streak":
		return streak(w.inputs)
	case "lag":
		if n < d.N {
			return Result{}
		}
		return Result{Value: outside(w.inputs[n-d.N].value, scaleOf(d)), Status: Present}
	case "argmax":
		return argmax(w.inputs, scaleOf(d))
	case "list_last":
		return list(w.inputs, d)
	case "list_distinct":
		return list(newestOfEach(w.inputs), d)
	case "quantile":
		return quantile(w.inputs, d)
	}
	panic("oracle: no formula for " + d.Aggregation)
}

// counted is the value of an aggregation that is 0 without events: there its
// default stands instead, if it has one (S18).
func counted(n int, d *spec.Definition, value float64) Result {
	if n == 0 && d.HasDefault {
		return Result{}
	}
	return Result{Value: value, Status: Present}
}

// since is how long ago an event was.
func since(e *event, at int64, d *spec.Definition) Result {
	return Result{Value: float64(at-e.time) / float64(unitOf(d).Milliseconds()), Status: Present}
}

func scaleOf(d *spec.Definition) int {
	if d.Field == nil {
		return 0
	}
	return d.Field.Scale
}

// sum is exact: whole numbers and decimals in big integers, refused beyond
// int64 (S13); doubles by compensated addition, which errs by one rounding of
// the result and not by the order of the events.
func sum(inputs []input, scale int) Result {
	whole, doubles := split(inputs)
	if doubles != nil {
		s, mass := add(doubles)
		return Result{Value: s, Status: Present, Mass: mass}
	}
	if !whole.IsInt64() {
		return Result{Status: Error}
	}
	return Result{Value: major(whole.Int64(), scale), Status: Present}
}

// mean is the exact sum over n, rounded once.
func mean(inputs []input, scale int) Result {
	whole, doubles := split(inputs)
	if doubles != nil {
		s, mass := add(doubles)
		n := float64(len(inputs))
		return Result{Value: s / n, Status: Present, Mass: mass / n}
	}
	units := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	return Result{Value: ratio64(whole, units.Mul(units, big.NewInt(int64(len(inputs))))), Status: Present}
}

// split is the sum of the whole numbers and decimals among inputs, and the
// doubles.
func split(inputs []input) (whole *big.Int, doubles []float64) {
	whole = new(big.Int)
	part := int64(0) // of the sum, far from overflow
	for _, in := range inputs {
		x := int64(0)
		switch v := in.value.(type) {
		case int64:
			x = v
		case decimal:
			x = int64(v)
		case float64:
			doubles = append(doubles, v)
		}
		if x > math.MaxInt64/4 || x < -math.MaxInt64/4 {
			whole.Add(whole, big.NewInt(x))
			continue
		}
		if part += x; part > math.MaxInt64/2 || part < -math.MaxInt64/2 {
			whole.Add(whole, big.NewInt(part))
			part = 0
		}
	}
	return whole.Add(whole, big.NewInt(part)), doubles
}

// stddev is the sample standard deviation, null under 2 (S20). Two passes, the
// second corrected for the rounding of the mean.
func stddev(inputs []input, scale int) Result {
	if len(inputs) < 2 {
		return Result{}
	}
	xs := make([]float64, len(inputs))
	for i, in := range inputs {
		switch x := in.value.(type) {
		case int64:
			xs[i] = float64(x)
		case decimal:
			xs[i] = float64(x)
		case float64:
			xs[i] = x
		}
	}
	n := float64(len(xs))
	total, mass := add(xs)
	centre := total / n
	off, squares := make([]float64, len(xs)), make([]float64, len(xs))
	for i, x := range xs {
		off[i] = x - centre
		squares[i] = off[i] * off[i]
	}
	slip, _ := add(off)
	sumOfSquares, _ := add(squares)
	variance := max((sumOfSquares-slip*slip/n)/(n-1), 0)
	unit := math.Pow10(scale)
	return Result{Value: math.Sqrt(variance) / unit, Status: Present, Mass: mass / n / unit}
}

// add sums doubles with Neumaier's compensation; mass is the sum of their
// magnitudes.
func add(xs []float64) (sum, mass float64) {
	lost := 0.0
	for _, x := range xs {
		t := sum + x
		if math.Abs(sum) >= math.Abs(x) {
			lost += (sum - t) + x
		} else {
			lost += (x - t) + sum
		}
		sum = t
		mass += math.Abs(x)
	}
	return sum + lost, mass
}

// compare orders two values of one type.
func compare(a, b any) int {
	switch x := a.(type) {
	case float64:
		y := b.(float64)
		return sign(x < y, x > y)
	case int64:
		y := b.(int64)
		return sign(x < y, x > y)
	case decimal:
		y := b.(decimal)
		return sign(x < y, x > y)
	case instant:
		y := b.(instant)
		return sign(x < y, x > y)
	case time.Time:
		return x.Compare(b.(time.Time))
	case string:
		return strings.Compare(x, b.(string))
	case bool:
		return sign(!x && b.(bool), x && !b.(bool))
	}
	panic("oracle: values without an order")
}

func sign(less, greater bool) int {
	switch {
	case less:
		return -1
	case greater:
		return 1
	}
	return 0
}
