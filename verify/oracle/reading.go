package oracle

import (
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// The statuses of S19, in their order: of several the first is shown.
const (
	NoEntity   = "NO_ENTITY"
	NotFound   = "NOT_FOUND"
	NeedsEvent = "NEEDS_EVENT"
	Error      = "ERROR"
	Incomplete = "INCOMPLETE"
	Degraded   = "DEGRADED"
	Warming    = "WARMING"
	Stale      = "STALE"
	Default    = "DEFAULT"
	Present    = "PRESENT"
)

var precedence = []string{NoEntity, NotFound, NeedsEvent, Error, Incomplete, Degraded, Warming, Stale, Default, Present}

// Result is one value and how far it can be trusted. Value is nil (no value),
// float64, bool, string, time.Time, a []any of those (lists), or a []Category
// (features with `by`). Mass is the sum of the magnitudes that a
// sum, a mean or a derived value was made of, which bounds its rounding.
type Result struct {
	Value  any
	Status string
	Mass   float64
	Or     []any // past the event budget: values that are as good
	Open   bool  // of an expression: it reads a value past a budget that has others as good
	Crowd  Crowd // of sources whose views have distinct budgets below the default
}

// Outcome is what became of a record: refused for a reason, or accepted and
// enriched. An accepted one answers until the next Apply.
type Outcome struct {
	Reason string
	Field  string // whose fault a schema refusal is
	Detail string
	Known  bool // of an event that is only asked about: it was applied (S7)
	reading
}

// reading is one reader's place: an event that is enriched, or a read of now
// of one row.
type reading struct {
	oracle  *Oracle
	at      place
	current *event                   // nil in a read
	extra   *event                   // the current one, where it is only asked about (S7)
	view    *spec.View               // of a read: the one row that it reads
	key     string                   // of that row
	memo    map[*spec.Feature]Result // of this reading
}

// Reading is a read of now of one entity's row of one view (S6).
type Reading struct{ reading }

// Read reads one row at event time t, in ms: all events with time <= t.
func (o *Oracle) Read(v *spec.View, key string, t int64) *Reading {
	return &Reading{reading{oracle: o, at: place{time: t, end: true}, view: v, key: key, memo: map[*spec.Feature]Result{}}}
}

// Value is that of a feature, or of the category of it that a service asks for.
func (r *Reading) Value(column Column) Result {
	if column.Category.Listed {
		return inCategory(column.Feature, r.whole(column.Feature), column.Category.Name)
	}
	return r.Feature(column.Feature)
}

// Row names one row that events have entered.
type Row struct {
	View *spec.View
	Key  string
}

// Rows are the rows that any event has entered, dead or alive.
func (o *Oracle) Rows() []Row {
	rows := make([]Row, 0, len(o.rows))
	for k := range o.rows {
		rows = append(rows, Row{k.view, k.key})
	}
	return rows
}

// NewestOf is the time in ms of the newest event of a row; false where none
// has entered it.
func (o *Oracle) NewestOf(v *spec.View, key string) (int64, bool) {
	list := o.rows[rowKey{v, key}]
	if len(list) == 0 {
		return 0, false
	}
	return list[len(list)-1].time, true
}

// Time is the event time in ms of the accepted record.
func (c *Outcome) Time() int64 { return c.current.time }

// ID is the id of the accepted record, "" without one.
func (c *Outcome) ID() string { return c.current.id }

// Key is the key of an entity that the accepted record carries.
func (c *Outcome) Key(e *spec.Entity) (string, bool) {
	return keyOf(c.source(), e, c.current)
}

// Entered reports whether the accepted record entered a view of its source,
// and under which key.
func (c *Outcome) Entered(v *spec.View) (string, bool) {
	if v.Source != c.source() || !c.oracle.enters(v, c.current) {
		return "", false
	}
	return keyOf(v.Source, v.Entity, c.current)
}

// Retracts reports whether the accepted record takes another one back (S16).
func (c *Outcome) Retracts() bool { return c.current.retracting }

func (r *reading) source() *spec.Source { return r.oracle.spec.Sources[r.current.record.Source] }

// keyFor is the key under which this reader looks into a view.
func (r *reading) keyFor(v *spec.View) (string, bool) {
	if r.current == nil {
		return r.key, v == r.view
	}
	return keyOf(r.source(), v.Entity, r.current)
}

// own reports whether the current event is one of the view's source.
func (r *reading) own(v *spec.View) bool {
	return r.current != nil && v.Source == r.source()
}

// Feature is the value of one feature for this reader.
func (r *reading) Feature(f *spec.Feature) Result {
	result := r.whole(f)
	if list, ok := result.Value.([]Category); ok {
		for _, c := range list {
			if c.Status == Error { // a sum beyond int64 in one of them (docs/decisions/0007)
				result.Status = first(result.Status, Error)
			}
		}
	}
	return result
}

// whole is a feature whose status, where it has `by`, is that of its window
// alone: what one category's value has come to says nothing of another.
func (r *reading) whole(f *spec.Feature) Result {
	if known, ok := r.memo[f]; ok {
		return known
	}
	result := r.feature(f)
	r.memo[f] = result
	return result
}

func (r *reading) feature(f *spec.Feature) Result {
	key, has := r.keyFor(f.View)
	if !has {
		return Result{Status: NoEntity}
	}
	entered := r.seen(f.View, key)
	status := Present
	if r.gone(f.View, entered) {
		status = NotFound
	}
	if f.EventBound && !r.own(f.View) {
		return Result{Status: first(status, NeedsEvent)}
	}
	var result Result
	if f.Def == nil {
		result = r.derived(f)
	} else {
		result = r.aggregate(f, entered)
	}
	result.Status = first(status, result.Status)
	if r.behind(f.View, key) {
		result.Status = first(result.Status, Incomplete)
	}
	return result
}

// gone reports whether a row with these events does not exist (S22).
func (r *reading) gone(v *spec.View, entered []*event) bool {
	return len(entered) == 0 || r.at.time-entered[len(entered)-1].time >= v.TTL.Milliseconds()
}

// first is the one of several statuses that is shown.
func first(statuses ...string) string {
	for _, p := range precedence {
		for _, s := range statuses {
			if s == p {
				return p
			}
		}
	}
	return Present
}

// seen are the events of a row at or before the reader's place (S1, S3, S4).
func (r *reading) seen(v *spec.View, key string) []*event {
	at := r.at
	if !r.own(v) {
		at.end = true // all events with time <= t
	}
	all := r.oracle.rows[rowKey{v, key}]
	n := len(all)
	for n > 0 && at.before(placeOf(all[n-1])) {
		n--
	}
	seen := all[:n:n]
	if r.extra != nil && r.own(v) && r.oracle.enters(v, r.extra) {
		seen = append(seen, r.extra) // after all events of its time (S7)
	}
	return seen
}

// inputsOf is what an event gives to each definition.
func (r *reading) inputsOf(e *event) []input {
	if e.inputs == nil { // of an event that is only asked about
		e.inputs = r.oracle.inputsOf(e)
	}
	return e.inputs
}

// aggregate is S18: how many events reach the aggregation, the default, the
// formula; with `by` in each category (S25).
func (r *reading) aggregate(f *spec.Feature, entered []*event) Result {
	key, _ := r.keyFor(f.View)
	past, isPast := r.degraded(f, key, r.without(f.Def, entered))
	if !isPast || r.gone(f.View, entered) { // what is gone has an empty window, not the rest of a tile (S19)
		held := r.window(f, entered)
		result := r.over(f, held)
		if r.oracle.distinct[f.View.Source.Index] {
			result.Crowd = r.crowd(f, r.without(f.Def, entered), held)
		}
		if r.warming(f, entered, held) {
			result.Status = first(result.Status, Warming)
		}
		return result
	}
	result := r.over(f, past.held)
	if past.open {
		result.Or = []any{r.over(f, past.or).Value}
	}
	result.Status = first(result.Status, Degraded)
	return result
}

// over is what a feature makes of the events of its window.
func (r *reading) over(f *spec.Feature, held []*event) Result {
	d := f.Def
	w := window{at: r.at.time}
	number := r.oracle.numbers[d]
	for _, e := range held {
		if in := r.inputsOf(e)[number]; in.reaches {
			w.inputs = append(w.inputs, in)
			w.events = append(w.events, e)
		}
	}
	var answerable bool
	w.asked, answerable = r.asked(d)
	switch {
	case d.By != nil:
		return categories(f, w)
	case answerable:
		return defaulted(f, w)
	}
	return Result{Status: Default, Value: literal(d.HasDefault, d.Default, f.Type)}
}

// defaulted is the formula over what reaches an aggregation, or the default
// (S18).
func defaulted(f *spec.Feature, w window) Result {
	d := f.Def
	var result Result
	if len(w.inputs) >= d.MinCount {
		result = formula(f, w)
	}
	if result.Value == nil && result.Status != Error {
		result.Status = Default
		result.Value = literal(d.HasDefault, d.Default, f.Type)
	}
	return result
}

// asked is the value of the current event that is_new and zscore ask about,
// whatever their filter says of it; false where it has none.
func (r *reading) asked(d *spec.Definition) (any, bool) {
	if d.Aggregation != "is_new" && d.Aggregation != "zscore" {
		return nil, true
	}
	v := valueOf(d, r.current)
	return v, v != nil
}

// literal is a default; null is no value.
func literal(has bool, l spec.Literal, t spec.Type) any {
	if !has {
		return nil
	}
	switch l.Type {
	case spec.NoType:
		return nil
	case spec.Bool:
		return l.Bool
	case spec.String:
		return l.Str
	case spec.Timestamp:
		if at, err := time.Parse(time.RFC3339Nano, l.Str); err == nil {
			return at
		}
		return l.Str
	}
	return l.Num
}
