package oracle

import (
	"math"
	"math/big"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
)

// bits is the precision in which moments are made: sums, squares and products
// of doubles up to 1e15 and of any int64 are exact in it.
const bits = 640

// moments are the sums that a spread follows from, in the units of the inputs:
// minor ones of decimals.
type moments struct {
	n            int
	sum, squares *big.Float
	mass         float64 // mean magnitude
}

func newFloat() *big.Float { return new(big.Float).SetPrec(bits) }

// exactly is a number without rounding, decimals in minor units.
func exactly(v any) *big.Float {
	switch x := v.(type) {
	case int64:
		return newFloat().SetInt64(x)
	case decimal:
		return newFloat().SetInt64(int64(x))
	case float64:
		return newFloat().SetFloat64(x)
	}
	panic("oracle: not a number")
}

func momentsOf(values []any) moments {
	m := moments{n: len(values), sum: newFloat(), squares: newFloat()}
	for _, v := range values {
		x := exactly(v)
		m.sum.Add(m.sum, x)
		m.squares.Add(m.squares, newFloat().Mul(x, x))
		m.mass += math.Abs(double64(x)) / float64(m.n)
	}
	return m
}

// mean is sum / n.
func (m moments) mean() *big.Float { return newFloat().Quo(m.sum, whole64(m.n)) }

// variance is the sample variance (S20), nil under 2: (n sum(x^2) - sum(x)^2)
// / n(n-1), of which the numerator is exact, so that no spread is exactly 0.
func (m moments) variance() *big.Float {
	if m.n < 2 {
		return nil
	}
	spread := newFloat().Mul(whole64(m.n), m.squares)
	spread.Sub(spread, newFloat().Mul(m.sum, m.sum))
	return spread.Quo(spread, whole64(m.n*(m.n-1)))
}

func whole64(n int) *big.Float { return newFloat().SetInt64(int64(n)) }

func double64(x *big.Float) float64 {
	d, _ := x.Float64()
	return d
}

// units is 10^scale: minor units in a major one.
func units(scale int) *big.Float {
	return newFloat().SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
}

func valuesOf(inputs []input) []any {
	values := make([]any, len(inputs))
	for i, in := range inputs {
		values[i] = in.value
	}
	return values
}

// variance is the sample variance, null under 2.
func variance(inputs []input, scale int) Result {
	m := momentsOf(valuesOf(inputs))
	v := m.variance()
	if v == nil {
		return Result{}
	}
	unit := double64(units(scale))
	v.Quo(v, units(2*scale))
	value := double64(v)
	return Result{Value: value, Status: Present, Mass: math.Sqrt(value) * m.mass / unit}
}

// zscore is (asked - mean) / sample standard deviation, null under 2 and where
// the window has no spread.
func zscore(inputs []input, asked any) Result {
	m := momentsOf(valuesOf(inputs))
	v := m.variance()
	if v == nil || v.Sign() == 0 {
		return Result{}
	}
	deviation := math.Sqrt(double64(v))
	x := exactly(asked)
	z := double64(newFloat().Sub(x, m.mean())) / deviation
	return Result{Value: z, Status: Present, Mass: (math.Abs(double64(x)) + m.mass) / deviation * (1 + math.Abs(z))}
}

// skewness is the adjusted Fisher-Pearson coefficient, null under 3 and
// without spread: n / ((n-1)(n-2)) times the sum of ((x - mean) / s)^3.
func skewness(inputs []input, scale int) Result {
	values := valuesOf(inputs)
	m := momentsOf(values)
	v := m.variance()
	if m.n < 3 || v == nil || v.Sign() == 0 {
		return Result{}
	}
	cubes := newFloat() // of n x - sum, which is exact
	for _, value := range values {
		off := newFloat().Sub(newFloat().Mul(whole64(m.n), exactly(value)), m.sum)
		cubes.Add(cubes, newFloat().Mul(off, newFloat().Mul(off, off)))
	}
	deviation := newFloat().Sqrt(v)
	cubes.Quo(cubes, newFloat().Mul(deviation, newFloat().Mul(deviation, deviation)))
	cubes.Quo(cubes, newFloat().Mul(whole64(m.n*m.n), whole64((m.n-1)*(m.n-2))))
	skew := double64(cubes)
	return Result{Value: skew, Status: Present, Mass: m.mass / double64(deviation) * (1 + math.Abs(skew))}
}

// slope is the least squares line through (time, value), as its rise per so
// much time; null where all times are equal.
func slope(inputs []input, events []*event, d *spec.Definition) Result {
	n := whole64(len(inputs))
	sumT, sumV, sumTT, sumTV := newFloat(), newFloat(), newFloat(), newFloat()
	for i, in := range inputs {
		t, v := newFloat().SetInt64(events[i].time), exactly(in.value)
		sumT.Add(sumT, t)
		sumV.Add(sumV, v)
		sumTT.Add(sumTT, newFloat().Mul(t, t))
		sumTV.Add(sumTV, newFloat().Mul(t, v))
	}
	across := newFloat().Sub(newFloat().Mul(n, sumTT), newFloat().Mul(sumT, sumT))
	if across.Sign() == 0 {
		return Result{}
	}
	up := newFloat().Sub(newFloat().Mul(n, sumTV), newFloat().Mul(sumT, sumV))
	per := newFloat().SetInt64(d.Per.Milliseconds())
	per.Quo(per, units(scaleOf(d)))
	centre, leverage := double64(newFloat().Quo(sumT, n)), 0.0
	for i, in := range inputs {
		leverage += math.Abs(float64(events[i].time)-centre) * math.Abs(double64(exactly(in.value)))
	}
	rise := newFloat().Mul(up.Quo(up, across), per)
	return Result{Value: double64(rise), Status: Present, Mass: leverage * float64(len(inputs)) / double64(across) * double64(per)}
}

// interarrival is about the gaps between neighbours that are both in the
// window: their mean needs 2 events, their deviation and its share of the mean
// 3; the share is null where the mean is 0.
func interarrival(events []*event, d *spec.Definition) Result {
	var gaps []any
	for i := 1; i < len(events); i++ {
		gaps = append(gaps, events[i].time-events[i-1].time)
	}
	if len(gaps) == 0 {
		return Result{}
	}
	m := momentsOf(gaps)
	unit := float64(unitOf(d).Milliseconds())
	mean := double64(m.mean())
	if d.Aggregation == "interarrival_mean" {
		return Result{Value: mean / unit, Status: Present}
	}
	v := m.variance()
	if v == nil {
		return Result{}
	}
	deviation := math.Sqrt(double64(v))
	if d.Aggregation == "interarrival_stddev" {
		return Result{Value: deviation / unit, Status: Present}
	}
	if mean == 0 {
		return Result{}
	}
	return Result{Value: deviation / mean, Status: Present}
}

// unitOf is the unit of a time, seconds where none is written (S32).
func unitOf(d *spec.Definition) time.Duration {
	if d.Unit == 0 {
		return time.Second
	}
	return d.Unit
}
