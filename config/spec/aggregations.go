package spec

import (
	"regexp"
	"strconv"
)

// Aggregation is what the language knows of one aggregation: what it takes and
// what comes out. The engine has its own table of those it can compute.
type Aggregation struct {
	Name       string
	Input      InputRule
	Types      TypeRule
	Result     ResultRule
	Numerator  bool   // requires `numerator`
	Filter     bool   // requires `filter`
	HalfLives  bool   // requires `half_lives` instead of windows
	Windows    bool   // requires `windows`: it has no lifetime value
	Unit       bool   // a time: `unit` and fractions of it
	Per        string // "", optional or required
	Q, N       bool   // takes them; q is required
	Limit      bool   // requires `limit`
	OrderBy    bool   // requires `order_by`
	EventBound bool   // means something only with an event (S6)
	Moves      bool   // changes without an edge: <name>_at stands beside it (S27)
	ZeroEmpty  bool   // 0 on an empty window (S18)
	Sketch     bool   // cannot take a retracted event back (S16)
	PastOnly   bool   // never counts the current event (S2)
}

// InputRule says whether an aggregation takes a field or a value.
type InputRule uint8

// The rules for inputs.
const (
	InputNone InputRule = iota
	InputOptional
	InputRequired
)

// TypeRule says what the input may be.
type TypeRule uint8

// The rules for types.
const (
	AnyType TypeRule = iota
	NumberType
	OrderedType // numbers and timestamps
)

// ResultRule says what type comes out.
type ResultRule uint8

// The rules for results.
const (
	DoubleResult ResultRule = iota
	BoolResult
	InputResult // the input's own type
	ListResult
)

// Aggregations is the vocabulary of spec-language.md 1.2 and 1.11 with the
// parameters of S20, in the order of those pages.
var Aggregations = []Aggregation{
	{Name: "count", Input: InputOptional, ZeroEmpty: true},
	{Name: "sum", Input: InputRequired, Types: NumberType, ZeroEmpty: true},
	{Name: "mean", Input: InputRequired, Types: NumberType},
	{Name: "min", Input: InputRequired, Types: OrderedType, Result: InputResult},
	{Name: "max", Input: InputRequired, Types: OrderedType, Result: InputResult},
	{Name: "stddev", Input: InputRequired, Types: NumberType},
	{Name: "zscore", Input: InputRequired, Types: NumberType, EventBound: true},
	{Name: "ratio", Numerator: true},
	{Name: "count_distinct", Input: InputRequired, ZeroEmpty: true},
	{Name: "top_share", Input: InputRequired},
	{Name: "entropy", Input: InputRequired},
	{Name: "first", Input: InputRequired, Result: InputResult},
	{Name: "last", Input: InputRequired, Result: InputResult},
	{Name: "list_last", Input: InputRequired, Result: ListResult, Limit: true},
	{Name: "is_new", Input: InputRequired, Result: BoolResult, EventBound: true, PastOnly: true},
	{Name: "time_since_last", Input: InputOptional, Unit: true, Moves: true},
	{Name: "time_since_first", Input: InputOptional, Unit: true, Moves: true},
	{Name: "interarrival_mean", Input: InputOptional, Unit: true},
	{Name: "interarrival_stddev", Input: InputOptional, Unit: true},
	{Name: "interarrival_cv", Input: InputOptional},
	{Name: "decayed_count", Input: InputOptional, HalfLives: true, Moves: true},
	{Name: "decayed_sum", Input: InputRequired, Types: NumberType, HalfLives: true, Moves: true},
	{Name: "slope", Input: InputRequired, Types: NumberType, Per: "required"},
	{Name: "quantile", Input: InputRequired, Types: NumberType, Q: true, Sketch: true},
	{Name: "variance", Input: InputRequired, Types: NumberType},
	{Name: "skewness", Input: InputRequired, Types: NumberType},
	{Name: "mode", Input: InputRequired, Result: InputResult},
	{Name: "list_distinct", Input: InputRequired, Result: ListResult, Limit: true},
	{Name: "streak", Filter: true},
	{Name: "rate", Input: InputOptional, Windows: true, Per: "optional", ZeroEmpty: true},
	{Name: "novelty", Input: InputRequired},
	{Name: "ewma", Input: InputRequired, Types: NumberType, HalfLives: true},
	{Name: "lag", Input: InputRequired, Result: InputResult, N: true, PastOnly: true},
	{Name: "argmax", Input: InputRequired, Result: InputResult, OrderBy: true},
	{Name: "approx_count_distinct", Input: InputRequired, ZeroEmpty: true, Sketch: true},
}

// AggregationOf is the aggregation of that name.
func AggregationOf(name string) (Aggregation, bool) {
	for _, a := range Aggregations {
		if a.Name == name {
			return a, true
		}
	}
	return Aggregation{}, false
}

func aggregationNames() []string {
	names := make([]string, len(Aggregations))
	for i, a := range Aggregations {
		names[i] = a.Name
	}
	return names
}

// usualNames are words of other systems for what has another name here.
var usualNames = map[string]string{
	"avg": "mean", "average": "mean", "std": "stddev", "stdev": "stddev", "unique_count": "count_distinct",
	"distinct_count": "count_distinct", "distinct": "count_distinct", "nunique": "count_distinct",
	"percentile": "quantile", "approx_percentile": "quantile", "median": quantileOf("0.5"), "total": "sum", "latest": "last", "var": "variance",
	"ema": "ewma", "hll": "approx_count_distinct",
}

// percentName is a percentile in the name of an aggregation: p95, p99_9, p999.
var percentName = regexp.MustCompile(`^(?:p|q|pct|percentile|quantile)_?(\d{1,2})[._]?(\d{0,2})$`)

func quantileOf(q string) string { return "quantile, q: " + q }

// usualName is what an aggregation of other systems is written as here, or "".
func usualName(name string) string {
	if ours, ok := usualNames[name]; ok {
		return ours
	}
	percent := percentName.FindStringSubmatch(name)
	if percent == nil {
		return ""
	}
	q, err := strconv.ParseFloat(percent[1]+"."+percent[2]+"0", 64)
	if err != nil || percent[1]+percent[2] == "100" {
		return ""
	}
	return quantileOf(strconv.FormatFloat(q/100, 'g', 10, 64))
}
