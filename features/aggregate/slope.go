package aggregate

import "math"

var slope = Aggregation{
	Name:        "slope",
	Formula:     "(n·Σt·x − Σt·Σx) / (n·Σt² − (Σt)²) × per, the least squares line over (time, x); null if all times are equal",
	Memory:      "80 B",
	Exact:       "the sums are exact and subtracted exactly; then one division",
	Cost:        constantCost,
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Parts:       func(n Number) []Part { return []Part{byNumber(n, Trend, TrendFixed)} },
	Finish: func(a *Args) Result {
		rise, run := trendOf(uint64(a.N), a.A)
		if run == 0 {
			return Result{}
		}
		v := rise / run
		if a.Number == Double {
			v = math.Ldexp(v, -fixedPoint)
		}
		return Result{Verdict: Figure, Num: v * a.Per / float64(a.Divisor)}
	},
}
