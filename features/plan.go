package features

import (
	"slices"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/expr"
)

// Plan is a compiled spec: immutable, safe for concurrent use.
type Plan struct {
	spec    *spec.Spec
	sources []*sourcePlan // by spec.Source.Index
	logs    []*logPlan
	views   []*viewPlan // by spec.View.Index; nil: nothing of it is needed
	rows    []*RowLayout
	reads   []*RowLayout

	sets, summed int // what readings of few rows need: sets, and words
}

// What is the scope of Compile.
type What uint8

// Served compiles what run needs; All compiles every feature, for spec tests
// and backfill.
const (
	Served What = iota
	All
)

// Spec is what the plan was compiled from.
func (p *Plan) Spec() *spec.Spec { return p.spec }

// Layout is what events of a source are enriched with. The caller does not
// change it.
func (p *Plan) Layout(source int) *Layout { return &p.sources[source].layout }

// Rows are the rows that an online store holds, in the order of the views;
// views without a served column have none. The caller does not change them.
func (p *Plan) Rows() []*RowLayout { return p.rows }

// Reads are what Read gives, in the order of the views: every feature that the
// plan computes, the event-bound ones too. The caller does not change them.
func (p *Plan) Reads() []*RowLayout { return p.reads }

// sourcePlan is what one event of a source goes through.
type sourcePlan struct {
	source *spec.Source
	layout Layout
	keys   []keyPlan  // by layout.Entities
	logs   []*logPlan // of this source, in the order of their entities
	entity []int      // by logs: the place of its entity in layout.Entities

	conds     []*expr.Program // distinct filters and numerators of its views
	condTexts []string        // as they are written
	inputs    []inputPlan     // distinct fields and values of its views
	bits      []bitPlan       // distinct ones that rows of its logs have of its events

	computed []computedPlan // S8: run by the Reader
	filter   *expr.Program
	limits   []limitPlan // doubles that are summed (S20)

	readings []*viewReading // what to read, in the order of first need
	derived  []derivedOut   // of services
	models   []modelPlan
}

// bit is the place of a bit among those of a source.
func (sp *sourcePlan) bit(b bitPlan) int {
	at := slices.Index(sp.bits, b)
	if at < 0 {
		at = len(sp.bits)
		sp.bits = append(sp.bits, b)
	}
	return at
}

// keyPlan is where an entity's key lies in an event.
type keyPlan struct {
	entity *spec.Entity
	fields []int
}

// computedPlan is a field that is computed: by an expression, or looked up.
type computedPlan struct {
	field   *spec.Field
	program *expr.Program // nil: looked up
	table   int           // in Spec.Tables
	key     int           // the field that is looked up by
	column  int           // in the table's Columns
}

// limitPlan is a double that is summed. What a value expression is worth counts
// only where the definition's filter lets the event in.
type limitPlan struct {
	inputPlan
	filter *expr.Program // nil: none
}

// encoding is how a value becomes a word of a row.
type encoding uint8

const (
	raw    encoding = iota // the number itself
	hashed                 // a text's keyed hash: only equality matters
	text                   // a text that has to be given back
)

// inputPlan is one distinct input of aggregations: a field or an expression.
type inputPlan struct {
	field    *spec.Field
	program  *expr.Program // instead of field
	name     string        // for messages, and to tell it from others
	typ      spec.Type
	scale    int
	encoding encoding
}

// number is the kind of the input's words.
func (in *inputPlan) number() aggregate.Number {
	switch in.typ {
	case spec.Int, spec.Decimal, spec.Timestamp:
		return aggregate.Integer
	case spec.Double:
		return aggregate.Double
	}
	return aggregate.Opaque
}

// always reports whether every accepted event has the input.
func (in *inputPlan) always() bool {
	f := in.field
	return f != nil && !f.Optional && f.Expr == nil && f.Table == ""
}

// value turns a word back into the value that it was made of.
func (in *inputPlan) value(word uint64, texts *interner) event.Value {
	switch in.typ {
	case spec.String:
		return event.OfString(texts.text(word))
	case spec.Int:
		return event.OfInt(int64(word))
	case spec.Decimal:
		return event.OfDecimal(int64(word))
	case spec.Timestamp:
		return event.OfTimestamp(int64(word))
	case spec.Bool:
		return event.OfBool(word != 0)
	}
	return event.OfDouble(floatOf(word))
}

// modelPlan is a model's expressions.
type modelPlan struct {
	rules []*expr.Program
	score *expr.Program // nil: none
}

// viewReading is one view as an event or a row reads it: which cells, and
// where in the vector or row their values go.
type viewReading struct {
	view   *viewPlan
	own    bool        // the reader is an event of the view's source
	entity int         // in layout.Entities, -1: the source lacks the key
	outs   []int       // every column of the view, for NO_ENTITY
	groups []cellGroup // by window
	plain  plainReading
	rest   []cellGroup // groups without the plain cells
	direct directReading
	few    fewReading
	others []cellGroup // and without the direct ones
	reach  int64       // ms behind a reader that its windows go back; everything: all of the log
	bound  []int       // columns that need an event of the view's own source
	// derived are the view's, each behind those it reads.
	derived []derivedOut
	even    bool // nothing but flat formulas, for an event of the view's own source
}

// cellGroup is the cells of one window.
type cellGroup struct {
	cursor *cursorPlan
	before []cellOut // read without the current event
	after  []cellOut // read with it
}

// cellOut is a cell and where its value goes, with what the hot path needs of
// it close together.
type cellOut struct {
	*cell
	out      int
	category spec.Category // the one that is asked for, of a cell with several; none: all
	plain    plain
	least    int64 // the smallest n that the formula holds for
	count    int   // offsets in the words of the window
	a, b     int
	// Past the event budget:
	tiled    bool // all parts are in tiles too
	distinct bool // one of them counts values
}

// plain is one of the formulas over integers that most features are, computed
// without the table of aggregations.
type plain uint8

const (
	notPlain plain = iota
	plainCount
	plainSum
	plainMean
	plainDev
	plainRatio
)

// newCellOut finds out whether a cell is plain.
func newCellOut(x *cell, out int) cellOut {
	c := cellOut{cell: x, out: out, least: max(1, x.minCount)}
	kinds := map[string]plain{"count": plainCount, "sum": plainSum, "mean": plainMean, "stddev": plainDev, "ratio": plainRatio}
	if c.plain = kinds[x.agg.Name]; c.plain > plainCount && c.plain < plainRatio && x.number != aggregate.Integer {
		c.plain = notPlain
	}
	if c.plain == plainDev {
		c.least = max(2, c.least)
	}
	return c
}

// place notes the offsets, once they are known.
func (x *cellOut) place() {
	x.count = x.cell.count.at
	x.tiled = x.cursor.slides()
	for _, p := range x.parts {
		x.tiled = x.tiled && p.folds(x.cursor)
		x.distinct = x.distinct || p.part == aggregate.Distinct
	}
	if len(x.parts) > 0 {
		x.a = x.parts[0].at
	}
	if len(x.parts) > 1 {
		x.b = x.parts[1].at
	}
}

// derivedOut is one derived value: its program, and the columns it reads,
// whose statuses it inherits.
type derivedOut struct {
	feature *spec.Feature // nil for a service's
	program *expr.Program
	out     int
	inputs  []int
	defawlt event.Value // no value: none
}
