// Package aggregate is the algebra of the aggregations: what each one keeps,
// how an event is put in and taken out again, how two states become one, and
// what the state means. It has one file per aggregation and one table of them.
// It knows nothing of windows, logs or events.
//
// The laws (laws_test.go runs them over the table): the state depends on the
// set of inputs and not on their order; the empty state is the identity of
// Merge; Merge is associative and commutative; adding an input is merging the
// state that holds it alone; and where a part can be taken out, taking it out
// leaves exactly the state without it.
package aggregate

// Number is what the words of an aggregation's input are.
type Number uint8

// The kinds of input.
const (
	Nothing Number = iota // the aggregation has no input: count, ratio
	Integer               // int64: ints, minor units of decimals, milliseconds
	Double                // bits of a float64 that is not NaN, not infinite, not -0
	Opaque                // only equality means something: hashes, bools, interned texts
)

// Input is one event as an aggregation sees it. Time and Place are its order:
// no two inputs of a state have both in common.
type Input struct {
	Time  int64 // event time, ms since 1970, positive
	Place uint64
	Word  uint64  // the field's or value's word
	Order uint64  // the order code of order_by, of argmax
	Hit   bool    // the numerator holds, of ratio; the filter, of streak
	Half  float64 // ms, of decayed parts: the half-life
}

// Args is what an aggregation computes its value from.
type Args struct {
	N       int64    // how many inputs reached it (S18)
	A, B, C []uint64 // the words of its parts
	Number  Number
	Divisor int64   // 10^scale of decimals, else 1
	Since   int64   // ms from the newest input to the time of the reading
	Unit    float64 // ms per unit of a time result
	Delay   int64   // ms
	Per     float64 // ms, of slope and rate
	Length  float64 // ms, of the window of a rate
	Limit   int     // how many inputs a Tail part is asked for
	Seen    bool    // is_new: one of the inputs has the value that is asked about
	Own     uint64  // zscore: the word of the event that asks
	HasOwn  bool
}

// Verdict says what a Result is.
type Verdict uint8

// The verdicts.
const (
	Null     Verdict = iota // no value
	Figure                  // Num
	Word                    // Word, in the words of the input
	Truth                   // Yes
	Overflow                // a sum beyond int64 (S13)
	Items                   // Items
)

// Result is the value of an aggregation.
type Result struct {
	Verdict Verdict
	Num     float64
	Word    uint64
	Yes     bool
	Items   []uint64 // a Tail or TailDistinct part: its words, the oldest first
}

// Aggregation is one entry of the table. How many inputs reached it (N) is
// kept for each of them, so it is not among the parts.
type Aggregation struct {
	Name    string
	Formula string
	Memory  string // per entity and window, beside the event log
	Exact   string // "exact", or the bound of its error
	Cost    string // of one event, in order, with all windows of a view
	Empty   string // the value of an empty window without a default
	Result  string // the type of the value

	ZeroWhenEmpty bool // an empty window is 0, not null
	TrueWhenEmpty bool // an empty window is true (is_new)
	Retractable   bool // an input can be taken out of the state
	EventBound    bool // has a meaning only with an event (S6)
	Past          bool // never sees the current event (S2)
	Own           bool // compares with the value of the event that asks
	Ordered       bool // inputs are put in in the order of their times
	Sketch        bool // an input cannot be taken back (S16): a sketch, or may become one
	Numerator     bool // needs numerator:
	Breaks        bool // filter: says which inputs are hits, and takes none away
	OrderBy       bool // needs order_by:
	Input         bool // needs field: or value:
	Hashed        bool // compares values for equality only
	Ranks         bool // asks a Counts part how often the most frequent value occurs, and not how evenly all do

	// Parts are what it keeps for inputs of a kind; at most three.
	Parts func(Number) []Part
	// Finish computes the value from at least one input.
	Finish func(*Args) Result
}

// What several aggregations cost. A reading at a place in the past, a late
// event's own, looks at the events of its window instead, whatever is asked.
const (
	constantCost = "O(1) for each window: one addition, one subtraction"
	stackCost    = "O(1) amortised for all windows together, and a binary search for each"
	tableCost    = "one look-up in a hash table for all windows together, and O(1) for each"
	countsCost   = "two or three look-ups in a hash table for each window"
	gapsCost     = "O(1) for each window, and the events up to the next that reaches it"
	firstCost    = "the events from the window's beginning to the first that reaches it, at most 16 and a binary search"
	newestCost   = "O(1) for all windows together"
	walkCost     = "for each window the events that are needed, and at most 16 between two of them"
	decayCost    = "O(1) for each half-life, one exponential"
)

// Table holds every aggregation of this build, in the order of the reference
// page. A new one is an entry here, a file beside this one, and passes
// laws_test.go.
var Table = [...]*Aggregation{
	&count, &sum, &mean, &minimum, &maximum, &stddev, &variance, &zscore, &countDistinct, &topShare, &entropy, &ratio,
	&first, &last, &timeSinceFirst, &timeSinceLast, &interarrivalMean, &interarrivalStddev, &interarrivalCV,
	&decayedCount, &decayedSum, &ewma, &slope, &isNew, &rate, &novelty,
	&skewness, &mode, &quantile, &approxCountDistinct, &lag, &listLast, &listDistinct, &streak, &argmax,
}

// Find is the aggregation of a name, nil where this build has none.
func Find(name string) *Aggregation {
	for _, a := range Table {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func parts(p ...Part) func(Number) []Part { return func(Number) []Part { return p } }

// byNumber picks the part for integers or for doubles.
func byNumber(n Number, integer, double Part) Part {
	if n == Double {
		return double
	}
	return integer
}
