package models

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

// risk is the worked example of the spec language, without its conditions.
func risk() Definition {
	return Definition{
		Name: "payment_risk", Runtime: "expr", OnError: "review", MaxReasons: 2,
		Weights: []float64{0.45, 0.5, 0.75, 0.3},
		Bands:   []Band{{"allow", 0}, {"review", 0.70}, {"block", 0.92}},
	}
}

func TestS34(t *testing.T) {
	weights, expression := risk(), risk()
	expression.HasScore = true
	unbanded := risk()
	unbanded.Bands, unbanded.OnError = nil, ""
	decimals := risk()
	decimals.Weights = []float64{0.2, 0.7, 0.02, 1e-9}
	none := []bool{false, false, false, false}
	tests := []struct {
		name string
		def  Definition
		in   Input
		want Result
	}{
		{"no rule holds", weights, Input{Fired: none}, Result{Score: 0, HasScore: true, Band: "allow"}},
		{"one rule", weights, Input{Fired: []bool{true, false, false, false}}, Result{Score: 0.45, HasScore: true, Band: "allow", Reasons: []int{0}}},
		{"sum of two", weights, Input{Fired: []bool{true, false, false, true}}, Result{Score: 0.75, HasScore: true, Band: "review", Reasons: []int{0, 3}}},
		{"weights are summed as decimals", decimals, Input{Fired: []bool{true, true, true, false}}, Result{Score: 0.92, HasScore: true, Band: "block", Reasons: []int{0, 1}}},
		{"a small weight counts", decimals, Input{Fired: []bool{true, false, false, true}}, Result{Score: 0.200000001, HasScore: true, Band: "allow", Reasons: []int{0, 3}}},
		{"a sum above one is one", weights, Input{Fired: []bool{true, true, true, false}}, Result{Score: 1, HasScore: true, Band: "block", Reasons: []int{0, 1}}},
		{"the cap on reasons leaves the score alone", weights, Input{Fired: []bool{true, true, false, false}}, Result{Score: 0.95, HasScore: true, Band: "block", Reasons: []int{0, 1}}},
		{"an expression wins over weights", expression, Input{Fired: []bool{false, true, false, false}, Score: 0.25, HasScore: true}, Result{Score: 0.25, HasScore: true, Band: "allow", Reasons: []int{1}}},
		{"exactly the band's min", expression, Input{Fired: none, Score: 0.70, HasScore: true}, Result{Score: 0.70, HasScore: true, Band: "review"}},
		{"just under the band's min", expression, Input{Fired: none, Score: math.Nextafter(0.70, 0), HasScore: true}, Result{Score: math.Nextafter(0.70, 0), HasScore: true, Band: "allow"}},
		{"below zero is zero", expression, Input{Fired: none, Score: -3, HasScore: true}, Result{Score: 0, HasScore: true, Band: "allow"}},
		{"above one is one", expression, Input{Fired: none, Score: 42, HasScore: true}, Result{Score: 1, HasScore: true, Band: "block"}},
		{"no value is on_error, reasons stay", expression, Input{Fired: []bool{false, false, true, false}}, Result{Band: "review", Reasons: []int{2}}},
		{"NaN is no value", expression, Input{Fired: none, Score: math.NaN(), HasScore: true}, Result{Band: "review"}},
		{"infinity is no value", expression, Input{Fired: none, Score: math.Inf(1), HasScore: true}, Result{Band: "review"}},
		{"without bands", unbanded, Input{Fired: none}, Result{Score: 0, HasScore: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := NewExpr(tt.def)
			if err != nil {
				t.Fatal(err)
			}
			got := m.Score(&tt.in)
			if len(got.Reasons) == 0 {
				got.Reasons = nil
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNewExprRefuses(t *testing.T) {
	tests := []struct {
		change func(*Definition)
		want   string
	}{
		{func(d *Definition) { d.Runtime = "onnx" }, `runtime "onnx" is not expr`},
		{func(d *Definition) { d.Weights[1] = math.NaN() }, "weight of rule 2"},
		{func(d *Definition) { d.Bands[2].Min = 0.7 }, "not above the band before it, review"},
	}
	for _, tt := range tests {
		d := risk()
		tt.change(&d)
		_, err := NewExpr(d)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want an error with %q", err, tt.want)
		}
	}
}

func TestScoreAllocatesNothing(t *testing.T) {
	m, err := NewExpr(risk())
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Fired: []bool{true, true, true, true}}
	if n := testing.AllocsPerRun(100, func() { m.Score(&in) }); n != 0 {
		t.Errorf("%v allocations per score", n)
	}
}
