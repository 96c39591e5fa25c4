package features

import (
	"math"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A Buckets part counts values by their buckets. Of the values in a bucket it
// keeps, beside how many they are, the sum of how far they are from the middle,
// and the sum of their hashes, both modulo 2^64. If all are the same value, as
// one alone is and as prices often are, the first sum says which, and the second
// that it is so: the quantile is that value, and not the bucket's middle. That
// is a function of the values in the window, wherever they are kept.

// binOf is a value as its bucket counts it.
func (c *counting) binOf(p *partPlan, word uint64) window.Bin {
	if word == 1<<63 && p.number == aggregate.Double {
		word = 0 // -0 is 0
	}
	key := c.scale.Bucket(word, p.number)
	return window.Bin{Key: uint32(key), N: 1, Sum: word - c.anchor(key, p.number), Check: c.hash.spread(word)}
}

// anchor is a word in the middle of a bucket.
func (c *counting) anchor(bucket uint64, n aggregate.Number) uint64 {
	middle := c.scale.Middle(bucket)
	if n == aggregate.Double {
		return math.Float64bits(middle)
	}
	return uint64(int64(max(-maxAnchor, min(middle, maxAnchor))))
}

// maxAnchor is an integer that no rounding takes beyond the largest one.
const maxAnchor = 1 << 62

// valueOf is the number that stands for the values in a bin.
func (c *counting) valueOf(p *partPlan, b window.Bin) float64 {
	n := int64(b.N)
	if off := int64(b.Sum); off%n == 0 {
		word := c.anchor(uint64(b.Key), p.number) + uint64(off/n)
		if c.hash.spread(word)*uint64(n) == b.Check {
			return numberOf(word, p.number)
		}
	}
	return c.scale.Middle(uint64(b.Key))
}

func numberOf(word uint64, n aggregate.Number) float64 {
	if n == aggregate.Double {
		return floatOf(word)
	}
	return float64(int64(word))
}

// rankOf is the rank of a quantile among n values, of at least one.
func rankOf(q float64, n uint64) uint64 { return uint64(math.Floor(q * float64(n-1))) }

// binned is what a scan collects for a Buckets part.
type binned struct {
	bins         []window.Bin
	upper, lower [1 << halfKey]uint64 // values by the halves of their keys
}

const halfKey = 11 // bits

// choose finds a quantile of what a scan has collected: the upper half of the
// key of the value at the rank, then the lower one, then what is in that bucket.
func (c *counting) choose(s *binned, p *partPlan) float64 {
	clear(s.upper[:])
	clear(s.lower[:])
	n := uint64(0)
	for _, b := range s.bins {
		s.upper[b.Key>>halfKey] += uint64(b.N)
		n += uint64(b.N)
	}
	if n == 0 {
		return 0
	}
	upper, rank := placeIn(&s.upper, rankOf(p.q, n))
	for _, b := range s.bins {
		if b.Key>>halfKey == upper {
			s.lower[b.Key&(1<<halfKey-1)] += uint64(b.N)
		}
	}
	lower, _ := placeIn(&s.lower, rank)
	all := window.Bin{Key: upper<<halfKey | lower}
	for _, b := range s.bins {
		if b.Key == all.Key {
			all.N, all.Sum, all.Check = all.N+b.N, all.Sum+b.Sum, all.Check+b.Check
		}
	}
	return c.valueOf(p, all)
}

// placeIn is which count a rank falls into, and its rank there.
func placeIn(counts *[1 << halfKey]uint64, rank uint64) (uint32, uint64) {
	i := 0
	for ; rank >= counts[i]; i++ {
		rank -= counts[i]
	}
	return uint32(i), rank
}
