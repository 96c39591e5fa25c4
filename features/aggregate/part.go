package aggregate

// Part is one accumulator: a fixed number of words. Parts are shared between
// aggregations over the same inputs: sum, mean and stddev keep one sum.
type Part uint8

// The parts. Zero words are the empty state of each.
const (
	Matches      Part = iota + 1 // 1 word: how many inputs are a hit
	Sum                          // 2 words: two's complement sum of integers
	SumFixed                     // 2 words: the same of doubles in fixed point
	Squares                      // 3 words: sum of squares of integers
	SquaresFixed                 // 4 words: the same of doubles in fixed point
	Distinct                     // 1 word: how many inputs are the newest of their value
	Smallest                     // 2 words: 1 and the order code of the smallest
	Largest                      // 2 words: 1 and the order code of the largest
	Newest                       // 3 words: time, place and word of the newest
)

// MaxPartWords is the size of the largest part.
const MaxPartWords = 4

var partWords = [...]int{Matches: 1, Sum: 2, SumFixed: 2, Squares: 3, SquaresFixed: 4, Distinct: 1,
	Smallest: 2, Largest: 2, Newest: 3}

// Words is how many words the part has.
func (p Part) Words() int { return partWords[p] }

// Retractable reports whether Remove undoes Add.
func (p Part) Retractable() bool { return p < Smallest }

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
	default:
		panic("aggregate: this part cannot be taken out of")
	}
}

// Merge puts the state in from into w. The inputs of the two are disjoint; of
// Distinct, so are their values.
func (p Part) Merge(w, from []uint64) {
	switch p {
	case Matches, Distinct:
		w[0] += from[0]
	case Sum, SumFixed, Squares, SquaresFixed:
		addWide(w, from)
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
	}
}

// later reports whether (time, place) is behind what the Newest part w holds.
func later(time int64, place uint64, w []uint64) bool {
	return uint64(time) > w[0] || (uint64(time) == w[0] && place >= w[1])
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
