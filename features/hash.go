package features

import (
	"encoding/binary"
	"unsafe"

	"github.com/dchest/siphash"
)

// hasher makes the keyed hashes that decide values (distinct, duplicates), so
// that no one who does not know the key can make two texts collide.
type hasher struct {
	k0, k1 uint64
	i0, i1 uint64 // the inverses of k0|1 and k1|1
}

func newHasher(seed [16]byte) hasher {
	h := hasher{k0: binary.LittleEndian.Uint64(seed[:8]), k1: binary.LittleEndian.Uint64(seed[8:])}
	h.i0, h.i1 = inverse(h.k0|1), inverse(h.k1|1)
	return h
}

// inverse is the odd number that odd x times is 1, modulo 2^64.
func inverse(x uint64) uint64 {
	y := x // right in the three lowest bits; each step doubles them
	for range 5 {
		y *= 2 - x*y
	}
	return y
}

// of is the hash of a text; never 0, which means "none".
func (h hasher) of(text string) uint64 {
	if x := siphash.Hash(h.k0, h.k1, unsafe.Slice(unsafe.StringData(text), len(text))); x != 0 {
		return x
	}
	return 1
}

// hash128 is a key as the index knows it: two texts have the same one with
// probability 2^-128.
type hash128 struct{ hi, lo uint64 }

// key is the hash of an entity's key.
func (h hasher) key(text string) hash128 {
	hi, lo := siphash.Hash128(h.k0, h.k1, unsafe.Slice(unsafe.StringData(text), len(text)))
	return hash128{hi, lo}
}

// spread maps a number's word to another one, each to its own: equal words are
// equal numbers, and where they fall in a table cannot be chosen by who does
// not know the key.
func (h hasher) spread(word uint64) uint64 {
	x := (word ^ h.k0) * (h.k1 | 1)
	x = (x ^ x>>32) * mixer
	x = (x ^ x>>29 ^ h.k1) * (h.k0 | 1)
	return x ^ x>>32
}

// mixer and unmixer are each other's inverse.
const (
	mixer   = 0xd6e8feb86659fd93
	unmixer = 0xcfee444d8b59a89b
)

// unspread undoes spread.
func (h hasher) unspread(x uint64) uint64 {
	x = (x ^ x>>32) * h.i0
	x ^= h.k1
	x = (x ^ x>>29 ^ x>>58) * unmixer
	return (x^x>>32)*h.i1 ^ h.k0
}

func aliasOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
