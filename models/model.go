// Package models turns a feature vector into a score, a band and reasons. It
// is pure: no clock, no I/O, no goroutine; it imports nothing of ours, so that
// a trained model can be tested without a pipeline.
package models

// Input is what a scorer sees of one event.
type Input struct {
	// Vector is the service's features in its order, then its derived values;
	// NaN where there is no value, 1 and 0 for bools.
	Vector []float64
	// Fired says which of the model's rules hold, in the order declared.
	Fired []bool
	// Score is the value of the model's own score expression; HasScore is
	// false where it has none or no value.
	Score    float64
	HasScore bool
}

// Result is what a scorer says. The slices are owned by the scorer and valid
// until its next Score.
type Result struct {
	Score    float64
	HasScore bool   // false: no score; Band is then the model's on_error
	Band     string // "" for a model without bands
	Reasons  []int  // indexes of the rules that fired, in the order declared, at most the model's max
}

// Scorer is one model. It is used by one goroutine at a time.
type Scorer interface {
	Score(in *Input) Result
}

// Definition is what a scorer is built from: the spec's model, without the
// spec.
type Definition struct {
	Name       string
	Runtime    string
	Weights    []float64 // of the rules; 0 where none was given
	HasScore   bool      // the model has a score expression
	MaxReasons int       // 0: all
	Bands      []Band
	OnError    string
}

// Band is a named range of scores that begins at Min.
type Band struct {
	Name string
	Min  float64
}
