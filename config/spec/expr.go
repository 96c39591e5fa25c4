package spec

import "strconv"

// Expr is a CEL expression, parsed and type-checked at load, all numbers
// promoted to doubles (spec-language.md 1.6). The engine compiles the checked
// syntax tree to closures; Interpret evaluates the same tree with cel-go's own
// interpreter and is the reference for it.
type Expr struct {
	Text string
	Type Type // Double, Bool, String, Timestamp or Duration
	Pos  Position

	// Names are the names that the expression mentions outside present(),
	// each once, in order of first appearance. If one of them has no value,
	// the expression has none (S17).
	Names []Name
	// Asked are the names that appear inside present().
	Asked []Name

	program // the checked tree and its reference evaluator

	doubts []*ExprError // what is allowed and probably not meant
}

// Scope says what a name in an expression means.
type Scope uint8

// The scopes of spec-language.md 1.6.
const (
	FieldScope   Scope = iota // a bare field of the source
	FeatureScope              // a bare feature of the view, or view.feature
	EventScope                // event.x
	RequestScope              // request.x
)

// Name is one name in an expression, bound to what it means.
type Name struct {
	Text    string // amount, event.lat, card_velocity.txn_count_1m, request.amount; view@1.x is view__v1.x
	Scope   Scope
	Field   *Field   // FieldScope and EventScope
	Feature *Feature // FeatureScope
	Request string   // RequestScope: the request field's name
	Type    Type     // its type in CEL: decimals and ints are Double
}

func itoa(n int) string { return strconv.Itoa(n) }
