package aggregate

import "math"

// Part is one accumulator: a fixed number of words. Parts are shared between
// aggregations over the same inputs: sum, mean and stddev keep one sum.
type Part uint8

// The parts. Zero words are the empty state of each.
const (
	Matches        Part = iota + 1 // 1 word: how many inputs are a hit
	Sum                            // 2 words: two's complement sum of integers
	SumFixed                       // 2 words: the same of doubles in fixed point
	Squares                        // 3 words: sum of squares of integers
	SquaresFixed                   // 4 words: the same of doubles in fixed point
	Cubes                          // 4 words: two's complement sum of cubes of integers
	CubesFixed                     // 6 words: the same of doubles in fixed point
	Trend                          // 9 words: see trend.go, of integers
	TrendFixed                     // 9 words: the same of doubles in fixed point
	Distinct                       // 1 word: how many inputs are the newest of their value
	Counts                         // 4 words: see share.go; how often each value occurs is kept beside it
	Mode                           // 3 words: see mode.go; how often each value occurs is kept beside it
	Smallest                       // 2 words: 1 and the order code of the smallest
	Largest                        // 2 words: 1 and the order code of the largest
	Newest                         // 3 words: time, place and word of the newest
	Oldest                         // 3 words: time, place and word of the oldest
	Buckets                        // 2 words: the bits of a quantile and whether it is known; how many are in each bucket is kept beside it
	Gaps                           // 4 words: see interarrival.go
	Tail                           // see tail.go: the newest inputs
	TailDistinct                   // see tail.go: the newest inputs of different words
	Run                            // 6 words: see streak.go
	Best                           // 5 words: see argmax.go
	DecayedOnes                    // 3 words: see decayed.go
	DecayedInts                    // 3 words: the same of integers
	DecayedDoubles                 // 3 words: the same of doubles
)

var partWords = [...]int{Matches: 1, Sum: 2, SumFixed: 2, Squares: 3, SquaresFixed: 4, Cubes: cubeWords, CubesFixed: cubeFixedWords, Trend: trendWords, TrendFixed: trendWords,
	Distinct: 1, Counts: countsWords, Smallest: 2, Largest: 2, Newest: 3, Oldest: 3, Gaps: gapsWords, Mode: modeWords, Buckets: 2,
	Tail: 1, TailDistinct: 1, Run: runWords, Best: bestWords,
	DecayedOnes: decayedWords, DecayedInts: decayedWords, DecayedDoubles: decayedWords}

// Words is how many words the part has, without those that depend on a limit.
func (p Part) Words() int { return partWords[p] }

// Size is how many words the part has with room for limit inputs.
func (p Part) Size(limit int) int {
	if p.Limited() {
		return 1 + limit*tailWords
	}
	return p.Words()
}

// Points reports whether the part is one input: its time, place and word come
// first.
func (p Part) Points() bool { return p == Newest || p == Oldest || p == Best }

// Limited reports whether the part keeps as many inputs as a limit says.
func (p Part) Limited() bool { return p == Tail || p == TailDistinct }

// Walks reports whether the part is found by walking back from the newest
// event: nothing of it is kept of what the log still holds.
func (p Part) Walks() bool { return p.Limited() || p == Run }

// Retractable reports whether Remove undoes Add.
func (p Part) Retractable() bool { return p < Smallest }

// Beside reports whether the part is more than the sum of its inputs: what an
// input does to it depends on the others.
func (p Part) Beside() bool { return p.Counted() || p == Gaps }

// Counted reports whether the part is made of how often each word occurs.
func (p Part) Counted() bool { return p == Counts || p == Mode || p == Buckets }

// Tiles reports whether the part of some events can be put together of the
// parts of any of them and of the others: what holds for tiles of folded
// events, into which a late one may still come.
func (p Part) Tiles() bool {
	switch p {
	case Matches, Sum, SumFixed, Squares, SquaresFixed, Cubes, CubesFixed, Trend, TrendFixed, Distinct, Smallest, Largest, Newest, Oldest:
		return true
	}
	return false
}

// Decays reports whether the part weighs by a half-life.
func (p Part) Decays() bool { return p >= DecayedOnes }

// SumsDoubles reports whether the part sums doubles: none of them is beyond
// 1e15 (S20).
func (p Part) SumsDoubles() bool {
	return p == SumFixed || p == SquaresFixed || p == CubesFixed || p == TrendFixed || p == DecayedDoubles
}

// Add puts an input into the words of the part. Of Distinct and Matches, the
// caller adds only those inputs that count.
func (p Part) Add(w []uint64, in Input, n Number) {
	switch p {
	case Matches, Distinct:
		w[0]++
	case Sum:
		AddInt(w, in.Word)
	case SumFixed:
		hi, lo := fixed(in.Word)
		add128(w, lo, hi)
	case Squares:
		AddSquare(w, in.Word)
	case SquaresFixed:
		addFixedSquare(w, in.Word)
	case Cubes, CubesFixed:
		t := cubeTerm(p, in.Word)
		addWide(w, t[:len(w)])
	case Trend:
		addTrend(w, trendTerms(in, signOf(in.Word), in.Word))
	case TrendFixed:
		hi, lo := fixed(in.Word)
		addTrend(w, trendTerms(in, hi, lo))
	case Smallest:
		if c := OrderCode(in.Word, n); w[0] == 0 || c < w[1] {
			w[0], w[1] = 1, c
		}
	case Largest:
		if c := OrderCode(in.Word, n); w[0] == 0 || c > w[1] {
			w[0], w[1] = 1, c
		}
	case Newest:
		if later(in.Time, in.Place, w) {
			w[0], w[1], w[2] = uint64(in.Time), in.Place, in.Word
		}
	case Oldest:
		if earlier(in.Time, in.Place, w) {
			w[0], w[1], w[2] = uint64(in.Time), in.Place, in.Word
		}
	case Gaps:
		mergeGaps(w, []uint64{uint64(in.Time), uint64(in.Time), 0, 0})
	case Tail, TailDistinct:
		p.Keep(w, in)
	case Run:
		one := runOf(in)
		mergeRun(w, one[:])
	case Best:
		addBest(w, in)
	case DecayedOnes, DecayedInts, DecayedDoubles:
		p.AddDecayed(w, in.Time, in.Word, in.Half)
	}
}

// Remove takes an input out of the words of a retractable part.
func (p Part) Remove(w []uint64, in Input, _ Number) {
	switch p {
	case Matches, Distinct:
		w[0]--
	case Sum:
		SubInt(w, in.Word)
	case SumFixed:
		hi, lo := fixed(in.Word)
		sub128(w, lo, hi)
	case Squares:
		SubSquare(w, in.Word)
	case SquaresFixed:
		subFixedSquare(w, in.Word)
	case Cubes, CubesFixed:
		t := cubeTerm(p, in.Word)
		subWide(w, t[:len(w)])
	case Trend:
		subTrend(w, trendTerms(in, signOf(in.Word), in.Word))
	case TrendFixed:
		hi, lo := fixed(in.Word)
		subTrend(w, trendTerms(in, hi, lo))
	default:
		panic("aggregate: this part cannot be taken out of")
	}
}

// RestsOn reports whether the words of a part may be others without an input that
// they hold.
func (p Part) RestsOn(w []uint64, in Input, n Number) bool {
	switch p {
	case Smallest, Largest:
		return w[1] == OrderCode(in.Word, n)
	case Newest, Oldest, Best:
		return w[0] == uint64(in.Time) && w[1] == in.Place
	}
	return true
}

// Merge puts the state in from into w. The inputs of the two are disjoint; of
// Distinct, so are their values. Of Gaps, one is wholly before the other.
func (p Part) Merge(w, from []uint64) {
	switch p {
	case Matches, Distinct:
		w[0] += from[0]
	case Sum, SumFixed, Squares, SquaresFixed, Cubes, CubesFixed:
		addWide(w, from)
	case Trend, TrendFixed:
		addTrend(w, [trendWords]uint64(from))
	case Smallest:
		if from[0] != 0 && (w[0] == 0 || from[1] < w[1]) {
			w[0], w[1] = 1, from[1]
		}
	case Largest:
		if from[0] != 0 && (w[0] == 0 || from[1] > w[1]) {
			w[0], w[1] = 1, from[1]
		}
	case Newest:
		if from[0] != 0 && later(int64(from[0]), from[1], w) {
			copy(w, from[:3])
		}
	case Oldest:
		if from[0] != 0 && earlier(int64(from[0]), from[1], w) {
			copy(w, from[:3])
		}
	case Gaps:
		mergeGaps(w, from)
	case Tail, TailDistinct:
		p.mergeTail(w, from)
	case Run:
		mergeRun(w, from)
	case Best:
		if from[bestHas] != 0 {
			addBest(w, Input{Time: int64(from[0]), Place: from[1], Word: from[2], Order: from[bestCode]})
		}
	case DecayedOnes, DecayedInts, DecayedDoubles:
		if from[decayedTime] != 0 {
			DecayedDoubles.AddDecayed(w, int64(from[decayedTime]), from[decayedSums], math.Float64frombits(from[decayedHalf]))
		}
	}
}

// Unmerge undoes Merge, of a retractable part.
func (p Part) Unmerge(w, from []uint64) {
	switch p {
	case Matches, Distinct:
		w[0] -= from[0]
	case Sum, SumFixed, Squares, SquaresFixed, Cubes, CubesFixed:
		subWide(w, from)
	case Trend, TrendFixed:
		subTrend(w, [trendWords]uint64(from))
	default:
		panic("aggregate: this part cannot be taken out of")
	}
}

// later reports whether (time, place) is behind what the Newest part w holds.
func later(time int64, place uint64, w []uint64) bool {
	return uint64(time) > w[0] || (uint64(time) == w[0] && place >= w[1])
}

// earlier reports whether (time, place) is before what the Oldest part w holds.
func earlier(time int64, place uint64, w []uint64) bool {
	return w[0] == 0 || uint64(time) < w[0] || (uint64(time) == w[0] && place <= w[1])
}

// OrderCode maps a word so that unsigned order is the order of the values.
func OrderCode(word uint64, n Number) uint64 {
	const sign = 1 << 63
	if n == Double && word&sign != 0 {
		return ^word
	}
	return word ^ sign
}

// FromOrderCode undoes OrderCode.
func FromOrderCode(code uint64, n Number) uint64 {
	const sign = 1 << 63
	if n == Double && code&sign == 0 {
		return ^code
	}
	return code ^ sign
}
