package aggregate

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// result computes an aggregation's value over values, in the unit of their
// words.
func result(a *Aggregation, n Number, divisor int64, words ...uint64) Result {
	s := empty(a, n)
	for i, w := range words {
		s.add(Input{Time: int64(i + 1), Place: uint64(i), Word: w, Hit: w != 0})
	}
	args := Args{N: s.n, Number: n, Divisor: divisor, Unit: 1}
	if len(s.words) > 0 {
		args.A = s.words[0]
	}
	if len(s.words) > 1 {
		args.B = s.words[1]
	}
	if len(s.words) > 2 {
		args.C = s.words[2]
	}
	args.Per, args.Length = 1, 4
	args.Since = int64(len(words)) - int64(1)
	if len(words) > 0 {
		args.Own, args.HasOwn = words[len(words)-1], true
	}
	if len(args.A) > 0 && slices.ContainsFunc(a.Parts(n), Part.Decays) {
		args.Since = 2 // one half-life behind the newest
	}
	return a.Finish(&args)
}

func doubles(xs ...float64) []uint64 {
	words := make([]uint64, len(xs))
	for i, x := range xs {
		words[i] = math.Float64bits(x)
	}
	return words
}

func ints(xs ...int64) []uint64 {
	words := make([]uint64, len(xs))
	for i, x := range xs {
		words[i] = uint64(x)
	}
	return words
}

func TestS20Formulas(t *testing.T) {
	for _, c := range []struct {
		name    string
		number  Number
		divisor int64
		words   []uint64
		want    float64
	}{
		{"count", Nothing, 1, ints(1, 2, 3), 3},
		{"sum", Integer, 100, ints(1050, -25), 10.25},
		{"sum", Double, 1, doubles(0.1, 0.2), 0.3},
		{"mean", Integer, 100, ints(100, 200), 1.5},
		{"mean", Double, 1, doubles(-1, 2), 0.5},
		{"stddev", Integer, 1, ints(2, 4, 4, 4, 5, 5, 7, 9), math.Sqrt(32.0 / 7)},
		{"stddev", Integer, 100, ints(1_000_000_000_000_00, 1_000_000_000_000_02), 0.01 * math.Sqrt2},
		{"stddev", Double, 1, doubles(1e15, 1e15-1), math.Sqrt2 / 2},
		{"variance", Integer, 10, ints(20, 40, 40, 40, 50, 50, 70, 90), 32.0 / 7},
		{"variance", Double, 1, doubles(1e15, 1e15-1), 0.5},
		{"zscore", Integer, 100, ints(2, 4, 4, 4, 5, 5, 7, 9), 4 / math.Sqrt(32.0/7)},
		{"zscore", Double, 1, doubles(1e15, 1e15-1), -math.Sqrt2 / 2},
		{"skewness", Integer, 100, ints(200, 400, 400, 400, 500, 500, 700, 900), 0.8184875533567997},
		{"skewness", Integer, 1, ints(math.MaxInt64, 0, 0), math.Sqrt(3)},
		{"skewness", Integer, 1, ints(-math.MaxInt64, 0, 0), -math.Sqrt(3)},
		{"skewness", Double, 1, doubles(-1e15, 1e15-1, 1e15-1), -math.Sqrt(3)},
		{"skewness", Double, 1, doubles(1e-6, 2e-6, 4e-6), 0.9352195295828244},
		{"slope", Integer, 10, ints(10, 30, 50, 70), 2},
		{"slope", Integer, 1, ints(math.MaxInt64-2, math.MaxInt64-1, math.MaxInt64), 1},
		{"slope", Integer, 1, ints(-1, -4, -4), -1.5},
		{"slope", Double, 1, doubles(1e15, 1e15-0.5, 1e15-1), -0.5},
		{"first", Integer, 1, ints(3, 4), 3},
		{"time_since_first", Nothing, 1, ints(0, 0, 0), 2},
		{"interarrival_mean", Nothing, 1, ints(0, 0, 0), 1},
		{"interarrival_stddev", Nothing, 1, ints(0, 0, 0), 0},
		{"top_share", Opaque, 1, ints(5, 6, 5, 7), 0.5},
		{"entropy", Opaque, 1, ints(5, 6, 5, 7), 1.5},
		{"entropy", Opaque, 1, ints(5, 5, 5), 0},
		{"decayed_count", Nothing, 10, ints(0, 0, 0), 0.5 * (0.5 + math.Sqrt2/2 + 1)},
		{"decayed_sum", Integer, 10, ints(40, 0, 20), 0.5 * 4},
		{"decayed_sum", Double, 1, doubles(4, 0, -1), 0.5},
		{"count_distinct", Opaque, 1, ints(5, 6, 5), 2},
		{"novelty", Opaque, 1, ints(5, 6, 5, 5), 0.5},
		{"rate", Nothing, 1, ints(0, 0, 0), 0.75},
		{"ewma", Integer, 10, ints(40, 0, 20), 4 / (1 + math.Sqrt2/2 + 0.5)},
		{"ewma", Double, 1, doubles(4, 0, -1), 1 / (1 + math.Sqrt2/2 + 0.5)},
		{"ratio", Nothing, 1, ints(1, 0, 1, 1), 0.75},
	} {
		got := result(Find(c.name), c.number, c.divisor, c.words...)
		if got.Verdict == Word {
			got = Result{Verdict: Figure, Num: float64(got.Word)}
		}
		if got.Verdict != Figure || math.Abs(got.Num-c.want) > 1e-12*math.Abs(c.want) {
			t.Errorf("%s of %v is %v, want %v", c.name, c.words, got, c.want)
		}
	}
}

func TestS20StddevIsNullUnderTwo(t *testing.T) {
	if got := result(Find("stddev"), Integer, 1, ints(4)...); got.Verdict != Null {
		t.Errorf("stddev of one value is %v", got)
	}
}

func TestS13SumBeyondInt64IsAnOverflow(t *testing.T) {
	sum := Find("sum")
	if got := result(sum, Integer, 100, ints(math.MaxInt64, 1)...); got.Verdict != Overflow {
		t.Errorf("max + 1 is %v", got)
	}
	if got := result(sum, Integer, 100, ints(math.MaxInt64, 1, -1)...); got.Verdict != Figure || got.Num != math.MaxInt64/100.0 {
		t.Errorf("max + 1 - 1 is %v", got)
	}
}

// The sum of what remains is exact after 100,000 values with spikes of 1e15
// came and went (S20, and reliability 4.3, where doubles left 1391.3).
func TestS20SpikesLeaveNothingBehind(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := empty(Find("stddev"), Double)
	var inputs []Input
	for i := range 100_000 {
		x := r.NormFloat64() * 100
		if i%1000 == 0 {
			x = 1e15
		}
		in := Input{Time: 1, Place: uint64(i), Word: math.Float64bits(x)}
		inputs = append(inputs, in)
		s.add(in)
	}
	r.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
	for _, in := range inputs {
		s.remove(in)
	}
	if got, want := s.print(), empty(s.agg, Double).print(); got != want {
		t.Errorf("left behind: %s", got)
	}
}

// Sum and standard deviation of doubles against rational arithmetic.
func TestS20DoublesAreWithinTheirBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e6, 1e6), rapid.Float64Range(1e14, 1e15), rapid.Float64Range(1e-6, 1e-3)), 2, 30).Draw(t, "xs")
		sum, squares, mass := new(big.Rat), new(big.Rat), 0.0
		for _, x := range xs {
			r := new(big.Rat).SetFloat64(x)
			sum.Add(sum, r)
			squares.Add(squares, new(big.Rat).Mul(r, r))
			mass += math.Abs(x)
		}
		want, _ := sum.Float64()
		got := result(Find("sum"), Double, 1, doubles(xs...)...)
		if math.Abs(got.Num-want) > 1e-15*mass+1e-15 {
			t.Fatalf("sum %v, want %v", got.Num, want)
		}
		n := int64(len(xs))
		variance := new(big.Rat).Mul(squares, big.NewRat(n, 1))
		variance.Sub(variance, new(big.Rat).Mul(sum, sum))
		variance.Quo(variance, big.NewRat(n*(n-1), 1))
		v, _ := variance.Float64()
		dev := result(Find("stddev"), Double, 1, doubles(xs...)...)
		if math.Abs(dev.Num-math.Sqrt(v)) > 1e-9*math.Sqrt(v)+1e-14 {
			t.Fatalf("stddev %v, want %v", dev.Num, math.Sqrt(v))
		}
	})
}

func TestOrderCodeKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64().Draw(t, "a")+0, rapid.Float64().Draw(t, "b")+0
		x, y := math.Float64bits(a), math.Float64bits(b)
		if (a < b) != (OrderCode(x, Double) < OrderCode(y, Double)) {
			t.Fatalf("%v and %v", a, b)
		}
		if FromOrderCode(OrderCode(x, Double), Double) != x || FromOrderCode(OrderCode(x, Integer), Integer) != x {
			t.Fatal("not undone")
		}
		i, j := int64(x), int64(y)
		if (i < j) != (OrderCode(x, Integer) < OrderCode(y, Integer)) {
			t.Fatalf("%v and %v", i, j)
		}
	})
}

func TestS20NullWhereTheFormulaHasNoValue(t *testing.T) {
	for _, c := range []struct {
		name   string
		number Number
		words  []uint64
	}{
		{"variance", Integer, ints(4)},
		{"zscore", Integer, ints(4)},
		{"zscore", Integer, ints(4, 4, 4)},
		{"slope", Double, doubles(1)},
		{"skewness", Integer, ints(4, 5)},
		{"skewness", Double, doubles(4, 4, 4)},
		{"interarrival_mean", Nothing, ints(0)},
		{"interarrival_stddev", Nothing, ints(0, 0)},
		{"interarrival_cv", Nothing, ints(0, 0)},
	} {
		if got := result(Find(c.name), c.number, 1, c.words...); got.Verdict != Null {
			t.Errorf("%s of %d inputs is %v", c.name, len(c.words), got)
		}
	}
}

func TestS20ZscoreOfAnEventWithoutTheField(t *testing.T) {
	args := Args{N: 2, Number: Integer, Divisor: 1, A: []uint64{3, 0}, B: []uint64{5, 0, 0}}
	if got := finishZscore(&args); got.Verdict != Null {
		t.Errorf("without the field: %v", got)
	}
}

// A value that the feature's filter kept out of the sums may be beyond 1e15.
func TestS20ZscoreOfWhatNoSumHolds(t *testing.T) {
	s := empty(Find("zscore"), Double)
	for i, x := range doubles(1, 3) {
		s.add(Input{Time: 1, Place: uint64(i), Word: x})
	}
	args := Args{N: 2, Number: Double, Divisor: 1, A: s.words[0], B: s.words[1], Own: math.Float64bits(1e20), HasOwn: true}
	if got, want := finishZscore(&args), 1e20/math.Sqrt2; math.Abs(got.Num-want) > 1e-12*want {
		t.Errorf("zscore of 1e20 is %v, want %v", got.Num, want)
	}
}

// Gaps and their coefficient of variation, by hand: 1, 2 and 6 s.
func TestS20Gaps(t *testing.T) {
	s := empty(Find("interarrival_cv"), Nothing)
	for _, at := range []int64{10_000, 11_000, 13_000, 19_000} {
		s.add(Input{Time: at})
	}
	args := Args{N: s.n, A: s.words[0], Unit: 1000}
	if got := interarrivalStddev.Finish(&args).Num; math.Abs(got-math.Sqrt(7)) > 1e-12 {
		t.Errorf("stddev %v, want √7", got)
	}
	if got := interarrivalCV.Finish(&args).Num; math.Abs(got-math.Sqrt(7)/3) > 1e-12 {
		t.Errorf("cv %v, want √7/3", got)
	}
}

// The line of sums of any size against rational arithmetic.
func TestS20TrendIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1<<20, 1<<40).Draw(t, "n")
		word := func(name string) *big.Int {
			x := new(big.Int).SetUint64(rapid.Uint64().Draw(t, name))
			return x.Or(x.Lsh(x, 64), new(big.Int).SetUint64(rapid.Uint64().Draw(t, name+" low")))
		}
		count := new(big.Int).SetUint64(n)
		times := new(big.Int).Rsh(word("times"), 58) // 70 bits
		values := new(big.Int).Sub(word("values"), new(big.Int).Lsh(big.NewInt(1), 127))
		products := new(big.Int).Mul(values, big.NewInt(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "product")))
		squares := new(big.Int).Mul(times, times) // Σt² is at least (Σt)²/n
		squares.Add(squares.Quo(squares, count), new(big.Int).SetUint64(rapid.Uint64Range(1, 1<<60).Draw(t, "spread")))
		w := make([]uint64, trendWords)
		put := func(w []uint64, x *big.Int) {
			mask := new(big.Int).SetUint64(math.MaxUint64)
			for i := range w {
				w[i] = new(big.Int).And(new(big.Int).Rsh(x, uint(64*i)), mask).Uint64()
			}
		}
		put(w[trendTimes:], times)
		put(w[trendSquares:trendValues], squares)
		put(w[trendValues:trendProducts], values)
		put(w[trendProducts:], products)
		wantRise := new(big.Int).Sub(new(big.Int).Mul(count, products), new(big.Int).Mul(times, values))
		wantRun := new(big.Int).Sub(new(big.Int).Mul(count, squares), new(big.Int).Mul(times, times))
		rise, run := trendOf(n, w)
		for _, c := range []struct {
			got  float64
			want *big.Int
		}{{rise, wantRise}, {run, wantRun}} {
			want, _ := new(big.Float).SetInt(c.want).Float64()
			if math.Abs(c.got-want) > 1e-14*math.Abs(want) {
				t.Fatalf("got %v, want %v", c.got, want)
			}
		}
	})
}
