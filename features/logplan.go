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
// A flag of a row is one bit: "this event reaches that aggregation". A lane is
// the word of one input. An entity's state is a fixed number of words, in the
// order of the offsets below.
type logPlan struct {
	index  int // in Plan.logs
	order  int // in the source's logs
	source *sourcePlan
	entity *spec.Entity

	rowLayout
	past          bool // some column does not see the current event
	bits          []bitPlan
	lanes         []int        // by lane: the source's input
	texts         []int        // the lanes that hold numbers of texts
	retracts      bool         // the source has events that take others back
	taking, found int          // the bits of those
	atTaken       int          // of such a log: see takenStateWords
	atPending     int          // the handle of those of its rows that have left, for what they take back and is still to come
	ids           *earlierPlan // and the links of its rows by id
	views         []*viewPlan
	always        uint64      // the touch bits of those that every event enters
	choosy        []*viewPlan // the others

	cursors    []*cursorPlan
	lasts      []*cursorPlan // those of the last n events
	chains     []*chainPlan
	sliding    []*cursorPlan // those with a running state over a sliding window
	spans      []span        // those of them without delay, ascending
	ints       int           // how many of them keep no more than counts and sums of integers, before the first that keeps more
	delayed    []*cursorPlan // and those with one
	beside     []*cursorPlan // spans with parts that are more than the sum of their rows
	ripening   []*cursorPlan // lives with a delay that count values
	summing    bool          // nothing but spans runs, and parts that are the sum of their rows
	light      bool          // a row holds nothing that is kept or let go when it leaves the log
	columns    []spanColumn
	following  following
	narrows    []*partPlan // sums of spans that are one word each
	fulls      int         // words of them in full
	atWide     int         // the handle of those
	largest    uint64      // an integer beyond it may not fit into a narrow sum
	small      uint64      // one up to it does, and its square into a sum of squares of up to 63 bits
	newests    []*newestPlan
	stacks     []*stackPlan
	lists      []*listedPlan
	levels     levelsPlan
	branches   []*levelsPlan
	tables     []*tablePlan
	censuses   []*censusPlan
	histograms []*censusPlan
	contests   []*contestPlan
	earliers   []*earlierPlan
	handles    []handlePlan  // every block of an entity's state
	mentions   mentions      // of texts
	tiling     []*cursorPlan // those with tiles
	tileWidths []int         // by their lists: words of a tile
	coarsest   int64         // ms, the longest tile
	atTiles    int           // the handle of the tiles
	atFolded   int           // the event time of the newest event that was folded; 0: none
	atTurn     int           // how many have left the log: whose turn it is that tables forget
	budget     int           // rows
	distinct   int           // values of a table
	words      int           // of an entity's state
	scratch    int           // of what a scan fills

	span     int64 // ms behind an entity's newest event that something reads
	lateness int64 // ms
	ttl      int64 // ms, the longest of the views
}

// handlePlan is where in an entity's state the handle of a block is:
// window.HandleWords words, the first of them the block's Ref. No block holds
// the Ref of another one, so that the state's words and the blocks of its
// handles are all there is of an entity, but for the texts that rows, newests
// and bases hold numbers of.
type handlePlan struct {
	at   int
	kind handleKind
}

// handleKind says what a block holds.
type handleKind uint8

const (
	rowsHandle handleKind = iota
	stackHandle
	tableHandle
	wordsHandle // words of a part, and how many they are
	tilesHandle
	histogramHandle
	cacheHandle // what can be made of the rows again: no snapshot has it
)

// The first words of an entity's state.
const (
	atRows    = 0 // the log's handle
	atNow     = 2 // the event time that the running state stands at
	atDropped = 3 // the newest event time that has left the log; 0: none
	atTouched = 4 // one bit for each view: its row is to be written
	atBorn    = 5 // when the entity was made: up to where others had been forgotten, or evicted (ofMark)
	atKey     = 6 // the hash of its key
	atFirst   = 8 // how many words a small state has
	atDue     = 8 // of a large one: up to when no sliding window changes without an event
	atLarge   = 9 // where windows, views and structures begin
)

// bitPlan says when the bit of a row is set: every condition holds and the
// input has a value. An index of -1 asks nothing.
type bitPlan struct {
	filter    int // the view's filter
	cond      int // the definition's filter
	numerator int // has a value
	hit       bool
	input     int
	order     int  // 1 + an input that has a value too; 0: none
	category  int  // the same
	held      bool // what is taken back keeps it
	mark      mark // not of the event, but of what the log says of it
	unique    int  // 1 + the table whose newest occurrence of a value this marks
}

// mark is a bit that is set for another reason than a bitPlan's.
type mark uint8

const (
	noMark     mark = iota
	takingMark      // the row takes another one back
	foundMark       // and that one is or was in the log
)

// cursorPlan is one window that is cut from the log, with all parts that are
// kept for it.
//
// A sliding window without delay has a tail: how many rows have left it. With
// a delay it has a head too: how many rows have entered it. A life begins at
// its chain's chainLife. Where a part cannot be kept up to date (a delayed
// life) the window is scanned, and a window of the last n events always is.
type cursorPlan struct {
	delay    int64 // ms
	length   int64 // ms, of a sliding window
	life     *chainPlan
	last     int        // events, of a window that is cut by number
	gap      int64      // ms, of such a window: a silence that ends the life that it is within
	within   *chainPlan // the chain of such a window that would look for that silence far back; nil: it looks
	by       bool       // its cells are divided by category
	stripped bool       // its rows may be taken back, and leave the log without their flags
	view     *viewPlan  // whose events they are
	scanned  bool
	parts    []*partPlan
	running  []*partPlan  // those that are words of the state
	ops      []op         // what a row does to them
	beside   []*partPlan  // those that are more than the sum of their rows
	longest  []*tablePlan // the tables that forget what leaves this window
	divided  []*dividedPlan
	// Of a window with a delay: what it is the first to need of the events whose
	// delay is over, or of tables the first to move on, and whether any of its parts
	// is one of its events, or values.
	newests []*newestPlan
	stacks  []*stackPlan
	tables  []*tablePlan
	points  bool
	// at is the offset of a sliding window's words. With a delay: tail (low half)
	// and head (high half), and the time at which it changes next without an event;
	// of a span see spans.go.
	at      int
	lifted  bool        // some of its parts are kept in another way than formulas want them
	walks   bool        // a part of it walks
	summed  bool        // nodes hold all of its parts, but for those that walk, and
	words   []*partPlan // those that are made of different words
	ripe    *ripePlan   // what is kept of those, of a life with a delay; nil: nothing
	sets    int         // how many parts with a set it has
	buckets int         // how many Buckets parts
	// Past the event budget, a sliding window has tiles:
	grid  int64       // ms
	list  int         // which of the entity's lists they are
	tiled []*partPlan // what a tile holds
}

// partPlan is one accumulator of one cursor.
type partPlan struct {
	part    aggregate.Part // 0: the count of a bit
	bit     int            // of the rows that a scan adds
	unique  int            // of the rows that the running state adds
	lane    int            // -1: none
	number  aggregate.Number
	half    float64 // ms, of a decayed part
	limit   int     // of a part that keeps so many inputs
	q       float64 // of Buckets: the quantile
	shares  bool    // of Buckets: another part of the window counts its values
	within  int     // of Run: the bit of the rows that break it
	order   int     // of Best: 1 + the lane of order_by
	orders  aggregate.Number
	at      int            // offset in the words that a formula gets: the state's, or what lift or a scan fills
	run     int            // offset in the state, of a part that runs
	narrow  bool           // it is one word of the state, or in full in a block
	full    int            // its offset there
	implied bool           // it has no word: it counts every row
	tile    int            // of what folds: offset in a tile
	base    int            // of a life: offset in the state of the same over the events that have left the log
	set     int            // of Distinct and Counts: which of the scan's sets
	census  *censusPlan    // of Counts of a life
	counts  [2]*censusPlan // of Counts of a window, and of what is ripe: how often each value occurs, and how many values so often where one ranks them
	contest *contestPlan   // of Mode
	ranks   bool           // of Counts: the most frequent value is asked for
	spreads bool           // of Counts: how evenly the values are spread is
	newest  *newestPlan
	stack   *stackPlan
	listed  *listedPlan
	node    int // 1 + its place in a node; 0: nodes do not hold it
	table   *tablePlan
	nth     int // which of the table's counts it is
}

// keeps reports whether the state has what the window's parts are made of, but by
// category.
func (k *cursorPlan) keeps() bool { return !k.scanned && !k.by }

func (p *partPlan) size() int {
	if p.part == 0 {
		return 1
	}
	return p.part.Size(p.limit)
}

// runs reports whether the part is kept in the state's words by adding and
// removing. The others are asked of the log's structures.
func (p *partPlan) runs(k *cursorPlan) bool {
	if k.by {
		return false // by category
	}
	switch p.part {
	case aggregate.Newest, aggregate.Tail, aggregate.TailDistinct, aggregate.Run:
		return false
	case aggregate.Smallest, aggregate.Largest, aggregate.Oldest, aggregate.Best:
		return k.life != nil // nothing leaves a life
	}
	return true
}

// op is what one row does to one running part, as flat as the hot path wants it.
type op struct {
	part   aggregate.Part
	number aggregate.Number
	shift  uint8  // of the bit in its word
	flags  uint16 // the word of the row with the bit
	lane   uint16 // the word of the row with the value; 0: none
	order  uint16 // the word of the row with order_by; 0: none
	orders aggregate.Number
	at     int32 // offset in the words
	half   float64
	of     *partPlan
}

// newestPlan is the newest event with a bit: its time, place and lane.
type newestPlan struct {
	bit, lane int
	of        *partPlan // the first part that asks
	delay     int64     // ms: of those whose delay is over
	text      bool
	at        int
}

// stackPlan is the extremes of a lane over the events with a bit.
type stackPlan struct {
	bit, lane int
	largest   bool
	ties      bool // equal ones are kept: the earliest is asked for
	number    aggregate.Number
	reach     int64 // ms: the longest window that asks
	delay     int64 // ms: of those whose delay is over
	at        int
}

// tablePlan is the values of a lane over the events with a bit. Of sliding
// windows, the row of a value's newest occurrence is marked with the unique
// bit, so that counting the marked rows of any window counts its values.
type tablePlan struct {
	bit, lane int
	life      *chainPlan // nil: of sliding windows
	unique    int
	reach     int64 // ms: the longest window that asks
	keep      int64 // ms: the same, and a tile of it
	delay     int64 // ms: of those whose delay is over
	counts    []tableCount
	at        int
	sketch    int // the handle of its sketch, if it has become too large
	memories  int // the handle of the memories of its windows
	earlier   *earlierPlan
}

// censusPlan is how often words occur: the values of a life's Counts part among
// the events that have left the log, or what a window's Counts part needs.
//
// It is a table, or of Buckets parts a histogram.
type censusPlan struct{ at int }

// tableCount is a Distinct part that counts a table's values.
type tableCount struct {
	cursor *cursorPlan
	part   *partPlan
}

// viewPlan is one view.
type viewPlan struct {
	view    *spec.View
	log     *logPlan
	touch   uint64 // its bit in atTouched
	entered int    // the bit of events that pass the view's filter
	stands  int    // the same without those that were taken back
	ttl     int64  // ms
	state   int    // offset of its words
	chains  []*chainPlan
	row     *rowPlan // of the online store; nil: none
	read    *rowPlan // of Read
	cells   map[*spec.Feature]*cell
}

// chainPlan is the lives of a view's events with silences shorter than a gap:
// the lives of its row (S22), or its sessions.
type chainPlan struct {
	view    *viewPlan
	gap     int64 // ms
	state   int   // offset of its words
	cursors []*cursorPlan
	tables  []*tablePlan
	divided []*dividedPlan // records of the life, by category
	ordered bool           // a part is put together in the order of time
}

// The words of a view in an entity's state.
const (
	viewNewest = iota      // time of the newest event that entered; 0: none
	viewFolded             // the same among the events that have left the log
	viewWords              // how many
	viewTaken  = viewWords // of a log with retracts one more: the newest time at which one of its events was taken back; 0: none was
)

// The words of a chain in an entity's state.
const (
	chainLife  = iota // time of the first event of the life at atNow; 0: none
	chainBase         // time of the first event of the life that the base holds
	chainGone         // time of the newest event of the lives that the base has held before; 0: none
	chainLost         // 1: the base may lack events that came too late for it
	chainWords        // how many
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
	cursor  *cursorPlan
	inputAt int // in the source's inputs, -1: none
	input   inputPlan
	divisor int64 // 10^scale of the input
	lane    int   // of the row, -1: none
	number  aggregate.Number
	count   *partPlan
	parts   []*partPlan

	limit    int
	unit     float64 // ms
	per      float64 // ms
	length   float64 // ms, of the window
	minCount int64
	defawlt  event.Value
	hasDef   bool
	past     bool    // exclude_current, or is_new
	by       *byPlan // nil: one value
	divided  *dividedPlan
}

func floatOf(word uint64) float64 { return math.Float64frombits(word) }
