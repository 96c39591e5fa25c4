package aggregate

import "math"

const countsMemory = "none; without windows 16 to 32 B for each value that has left the log. An evaluation reads the events of its window"

var topShare = Aggregation{
	Name:        "top_share",
	Formula:     "how often the most frequent x occurs / n; texts are compared by a keyed 64-bit hash",
	Memory:      countsMemory,
	Exact:       "exact (two texts collide with probability 2^-64), divided once",
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Hashed:      true,
	Parts:       parts(Counts),
	Finish: func(a *Args) Result {
		return Result{Verdict: Figure, Num: float64(a.Set.most()) / float64(a.N)}
	},
}

var entropy = Aggregation{
	Name:        "entropy",
	Formula:     "−Σ p·log2 p over the different x, in bits; texts are compared by a keyed 64-bit hash",
	Memory:      countsMemory,
	Exact:       "exact counts (two texts collide with probability 2^-64); each c·log2 c rounded to 2^-56, whose sum does not depend on order",
	Empty:       "null",
	Result:      "double",
	Retractable: true,
	Input:       true,
	Hashed:      true,
	Parts:       parts(Counts),
	Finish: func(a *Args) Result {
		if a.Set.Len() == 1 {
			return Result{Verdict: Figure}
		}
		n := float64(a.N)
		return Result{Verdict: Figure, Num: math.Log2(n) - a.Set.logs()/n}
	},
}

// most is how often the most frequent word is in the set.
func (s *Set) most() uint32 {
	var m uint32
	for _, n := range s.times {
		m = max(m, n)
	}
	return m
}

// logs is Σ c·log2 c over how often each word is in the set. It is summed in
// fixed point: the words lie in an order that means nothing.
func (s *Set) logs() float64 {
	var sum [2]uint64
	for _, n := range s.times {
		if n > 1 {
			c := float64(n)
			hi, lo := fixed(math.Float64bits(float64(c * math.Log2(c))))
			add128(sum[:], lo, hi)
		}
	}
	return sumOf(sum[:], Double)
}
