package models

import (
	"fmt"
	"math"
)

// Expr is the scorer of `runtime: expr` (S34): a score expression, which the
// engine has evaluated, or the sum of the weights of the rules that hold, as decimals; both
// clamped to [0, 1].
type Expr struct {
	def     Definition
	reasons []int // reused from call to call
}

// NewExpr builds the scorer of a model with `runtime: expr`. The definition's
// slices are kept and must not change.
func NewExpr(def Definition) (*Expr, error) {
	if def.Runtime != "expr" {
		return nil, fmt.Errorf("model %s: runtime %q is not expr", def.Name, def.Runtime)
	}
	for i, w := range def.Weights {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("model %s: weight of rule %d is not a finite number", def.Name, i+1)
		}
	}
	for i := 1; i < len(def.Bands); i++ {
		if !(def.Bands[i-1].Min < def.Bands[i].Min) {
			return nil, fmt.Errorf("model %s: band %s begins at %v, which is not above the band before it, %s",
				def.Name, def.Bands[i].Name, def.Bands[i].Min, def.Bands[i-1].Name)
		}
	}
	return &Expr{def: def, reasons: make([]int, 0, len(def.Weights))}, nil
}

// Score says the score, its band and the reasons of one event.
func (m *Expr) Score(in *Input) Result {
	res := Result{Reasons: m.fired(in.Fired)}
	score, ok := m.score(in)
	if !ok {
		res.Band = m.def.OnError
		return res
	}
	res.Score, res.HasScore = clamp(score), true
	for _, b := range m.def.Bands {
		if b.Min > res.Score {
			break
		}
		res.Band = b.Name
	}
	return res
}

// score is the value before clamping; false: there is none. A model without a
// score expression always has one: no rule that holds is a score of 0.
func (m *Expr) score(in *Input) (float64, bool) {
	if m.def.HasScore {
		return in.Score, in.HasScore && !math.IsNaN(in.Score) && !math.IsInf(in.Score, 0)
	}
	sum := 0.0
	for i, w := range m.def.Weights {
		if in.Fired[i] {
			sum += w
		}
	}
	return math.Round(sum*decimals) / decimals, true
}

// decimals is what a sum of weights is rounded to, so that it is the number that its
// author sees: 0.2 and 0.7 are 0.9, the `min` of a band, and not a little less.
const decimals = 1e12

// fired lists the rules that hold in the order declared, at most the model's
// max. The cap shortens what is shown, never the score.
func (m *Expr) fired(fired []bool) []int {
	m.reasons = m.reasons[:0]
	for i, f := range fired {
		if !f {
			continue
		}
		if m.def.MaxReasons > 0 && len(m.reasons) == m.def.MaxReasons {
			break
		}
		m.reasons = append(m.reasons, i)
	}
	return m.reasons
}

func clamp(x float64) float64 { return min(max(x, 0), 1) }
