package features

import (
	"math"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/event"
)

// logPlan is the shape of the event log that all views of one entity over one
// source share, and of the running state beside it.
//
// A row of the log is: event time, place, the id's hash (where hasID), flags,
// lanes. A flag is one bit: "this event reaches that aggregation's input". A
// lane is the word of one input. An entity's state is stateWords words, in the
// order of the offsets below.
type logPlan struct {
	index  int // in Plan.logs
	order  int // in the source's logs
	source *sourcePlan
	entity *spec.Entity

	hasID     bool
	flagsAt   int // first word of the flags
	flagWords int
	lanesAt   int
	width     int

	bits  []bitPlan
	lanes []int // by lane: the source's input
	views []*viewPlan

	cursors []cursorPlan
	words   int // of an entity's state
	scratch int // of what a scan fills: the running words and those that only scans have

	span     int64 // ms behind an entity's newest event that something reads
	lateness int64
	ttl      int64 // the longest of the views
}

// The first words of an entity's state.
const (
	atRows    = 0 // the log's handle
	atNow     = 2 // the event time that the running state stands at
	atDropped = 3 // the newest event time that has left the log
	atTouched = 4 // one bit for each view: its row is to be written
	atViews   = 5
)

// bitPlan says when the bit of a row is set: every condition holds and the
// input has a value. An index of -1 asks nothing.
type bitPlan struct {
	filter    int // the view's filter
	cond      int // the definition's filter
	numerator int // has a value
	hit       bool
	input     int
}

// cursorPlan is one window that is cut from the log, with all parts that are
// kept for it.
type cursorPlan struct {
	delay  int64 // ms
	length int64 // ms, of a sliding window
	life   *viewPlan
	parts  []*partPlan
	sets   int // how many Distinct parts it has
}

// partPlan is one accumulator of one cursor.
type partPlan struct {
	part   aggregate.Part // 0: the count of a bit
	bit    int
	lane   int // -1: none
	number aggregate.Number
	at     int // offset in the state, and in what a scan fills
	set    int // of Distinct: which of the scan's sets
}

// retractable reports whether the part is kept as running state; the others
// are found in the log's structures, or by a scan.
func (p *partPlan) retractable() bool { return p.part == 0 || p.part.Retractable() }

func (p *partPlan) size() int {
	if p.part == 0 {
		return 1
	}
	return p.part.Words()
}

// viewPlan is one view.
type viewPlan struct {
	view    *spec.View
	log     *logPlan
	touch   uint64 // its bit in atTouched
	entered int    // the bit of events that pass the view's filter
	ttl     int64  // ms
	state   int    // offset of its words
	row     *rowPlan
	cells   map[*spec.Feature]*cell
}

// The words of a view in an entity's state.
const (
	viewNewest = iota // time of the newest event that entered; 0: none
	viewWords
)

// rowPlan is how a view's row is read.
type rowPlan struct {
	layout  *RowLayout
	reading *viewReading
	width   int // the layout's columns and the working values behind them
}

// cell is one feature that is an aggregation over one window.
type cell struct {
	feature *spec.Feature
	agg     *aggregate.Aggregation
	cursor  int
	inputAt int // in the source's inputs, -1: none
	input   inputPlan
	divisor int64 // 10^scale of the input
	lane    int   // of the row, -1: none
	number  aggregate.Number
	bit     int
	count   *partPlan
	parts   []*partPlan

	unit     float64 // ms
	minCount int64
	defawlt  event.Value
	hasDef   bool
	past     bool // exclude_current, or is_new
}

func floatOf(word uint64) float64 { return math.Float64frombits(word) }
