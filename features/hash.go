package features

import (
	"encoding/binary"
	"unsafe"

	"github.com/dchest/siphash"
)

// hasher makes the keyed hashes that decide values (distinct, duplicates), so
// that no one who does not know the key can make two texts collide.
type hasher struct{ k0, k1 uint64 }

func newHasher(seed [16]byte) hasher {
	return hasher{binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])}
}

// of is the hash of a text; never 0, which means "none".
func (h hasher) of(text string) uint64 {
	if x := siphash.Hash(h.k0, h.k1, unsafe.Slice(unsafe.StringData(text), len(text))); x != 0 {
		return x
	}
	return 1
}

func aliasOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
