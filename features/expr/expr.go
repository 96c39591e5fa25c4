// Package expr turns the checked expressions of a spec into Go closures. It
// knows CEL's syntax tree and nothing of sources, views or windows: what a name
// means is told by a Binder when an expression is compiled.
//
// The meaning is that of config/spec's Interpret, which runs the same tree in
// cel-go's interpreter, under one rule of ours (S17): a name without a value,
// an error or a result that is not finite makes the whole expression have no
// value. There is no short-circuit that rescues; present(x) asks.
//
// A Program allocates nothing and is safe for concurrent use.
package expr

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// Frame says which slice of an Env holds a name's value.
type Frame uint8

// The frames of an Env. A name bound to Absent never has a value (S30: a
// request field that the stream's source lacks).
const (
	Absent Frame = iota
	Fields
	Features
	Request
	numFrames
)

// Env is what an expression is evaluated against: values by frame and index.
// The slices are only read, and must be long enough for every bound index.
type Env struct {
	Fields   []event.Value // an event's, by spec.Field.Index
	Features []event.Value // a view's or a vector's, as the Binder counts them
	Request  []event.Value // a caller's
}

// Slot is where a name's value lies. Scale is the number of digits behind the
// point of Decimal values: expressions see major units (S13).
type Slot struct {
	Frame Frame
	Index int
	Scale int
}

// Binder says where the value of a name lies. It is asked once for each name
// of an expression, when it is compiled.
type Binder func(spec.Name) (Slot, error)
