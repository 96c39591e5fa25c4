package features

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/dchest/siphash"
)

// hasher makes the keyed hashes that decide values (distinct, duplicates), so
// that no one who does not know the key can make two texts collide.
type hasher struct {
	k0, k1 uint64
	i0, i1 uint64 // the inverses of k0|1 and k1|1
	rounds [4]round
}

func newHasher(seed [16]byte) hasher {
	h := hasher{k0: binary.LittleEndian.Uint64(seed[:8]), k1: binary.LittleEndian.Uint64(seed[8:])}
	h.i0, h.i1 = inverse(h.k0|1), inverse(h.k1|1)
	for i := range h.rounds {
		mask, factor := siphash.Hash128(h.k0, h.k1, []byte{'r', 'o', 'u', 'n', 'd', byte(i)})
		h.rounds[i] = round{mask, factor | 1}
	}
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
func (h *hasher) of(text string) uint64 {
	if x := siphash.Hash(h.k0, h.k1, unsafe.Slice(unsafe.StringData(text), len(text))); x != 0 {
		return x
	}
	return 1
}

// hash128 is a key as the index knows it. Two keys of up to shortKey bytes never
// have the same one; two others with probability 2^-128.
type hash128 struct{ hi, lo uint64 }

// shortKey is how many bytes fit into 128 bits beside their number.
const shortKey = 15

// key is the hash of an entity's key. A short key is not hashed: its bytes and
// their number are spread, each key to its own place (docs/decisions/0031).
func (h *hasher) key(text string) hash128 {
	if len(text) > shortKey {
		hi, lo := siphash.Hash128(h.k0, h.k1, unsafe.Slice(unsafe.StringData(text), len(text)))
		return hash128{hi, lo}
	}
	return h.spreadKey(packKey(text))
}

// packKey is the bytes of a short key, and in the last one how many they are.
func packKey(text string) hash128 {
	b, n := unsafe.Slice(unsafe.StringData(text), len(text)), uint(len(text))
	var k hash128
	switch { // bytes that are read twice fall on themselves
	case n >= 8:
		k.lo = binary.LittleEndian.Uint64(b)
		k.hi = binary.LittleEndian.Uint64(b[n-8:]) >> (128 - 8*n)
	case n >= 4:
		k.lo = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*n-32)
	case n > 0:
		k.lo = uint64(b[0]) | uint64(b[n/2])<<(n/2*8) | uint64(b[n-1])<<(8*n-8)
	}
	k.hi |= uint64(n) << 56
	return k
}

// spreadKey maps 128 bits to others, each to its own: a Feistel network of four
// rounds, whose function is a product with a secret number, both halves of it
// folded together.
func (h *hasher) spreadKey(k hash128) hash128 {
	k.hi ^= fold(k.lo^h.rounds[0].mask, h.rounds[0].factor)
	k.lo ^= fold(k.hi^h.rounds[1].mask, h.rounds[1].factor)
	k.hi ^= fold(k.lo^h.rounds[2].mask, h.rounds[2].factor)
	k.lo ^= fold(k.hi^h.rounds[3].mask, h.rounds[3].factor)
	return k
}

// round is the secret of one round of spreadKey.
type round struct{ mask, factor uint64 }

func fold(x, factor uint64) uint64 {
	hi, lo := bits.Mul64(x, factor)
	return hi ^ lo
}

// spread maps a number's word to another one, each to its own: equal words are
// equal numbers, and where they fall in a table cannot be chosen by who does
// not know the key.
func (h *hasher) spread(word uint64) uint64 {
	x := (word ^ h.k0) * (h.k1 | 1)
	x = (x ^ x>>32) * mixer
	x = (x ^ x>>29 ^ h.k1) * (h.k0 | 1)
	return x ^ x>>32
}

// spreadPair is a word for two: other pairs have the same one as seldom as hashes are
// equal.
func (h *hasher) spreadPair(a, b uint64) uint64 {
	return h.spread(h.spread(a) ^ bits.RotateLeft64(h.spread(b), 31))
}

// mixer and unmixer are each other's inverse.
const (
	mixer   = 0xd6e8feb86659fd93
	unmixer = 0xcfee444d8b59a89b
)

// unspread undoes spread.
func (h *hasher) unspread(x uint64) uint64 {
	x = (x ^ x>>32) * h.i0
	x ^= h.k1
	x = (x ^ x>>29 ^ x>>58) * unmixer
	return (x^x>>32)*h.i1 ^ h.k0
}

func aliasOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
