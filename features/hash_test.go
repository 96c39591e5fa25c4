package features

import (
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestUnspreadUndoesSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, word := hasherOf(t), rapid.Uint64().Draw(t, "word")
		if got := h.unspread(h.spread(word)); got != word {
			t.Fatalf("%x became %x", word, got)
		}
	})
}

func hasherOf(t *rapid.T) hasher {
	var seed [16]byte
	copy(seed[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "seed"))
	return newHasher(seed)
}

// keyText is the short key that has a hash.
func (h *hasher) keyText(k hash128) string {
	for i := 3; i > 0; i -= 2 {
		k.lo ^= fold(k.hi^h.rounds[i].mask, h.rounds[i].factor)
		k.hi ^= fold(k.lo^h.rounds[i-1].mask, h.rounds[i-1].factor)
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], k.lo)
	binary.LittleEndian.PutUint64(b[8:], k.hi)
	return string(b[:b[15]])
}

// Short keys never collide: each can be made of its hash again.
func TestAShortKeyIsMadeOfItsHashAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hasherOf(t)
		key := string(rapid.SliceOfN(rapid.Byte(), 0, shortKey).Draw(t, "key"))
		if got := h.keyText(h.key(key)); got != key {
			t.Fatalf("%q became %q", key, got)
		}
	})
}

// Families of keys as they are, or as someone who wants to fill one place of the
// index would choose them, fall into all places alike, whatever the seed.
func TestKeysOfAFamilyFallIntoAllPlaces(t *testing.T) {
	const n, places = 1 << 16, 1 << 14
	families := map[string]func(i int) string{
		"counted":       func(i int) string { return fmt.Sprint("c", i) },
		"of one length": func(i int) string { return fmt.Sprintf("card-%07d", i) },
		"long":          func(i int) string { return fmt.Sprintf("a-key-of-more-bytes-%d", i) },
		"high bits": func(i int) string {
			var b [shortKey]byte
			binary.BigEndian.PutUint16(b[13:], uint16(i))
			return string(b[:])
		},
		"low bits": func(i int) string {
			var b [shortKey]byte
			binary.LittleEndian.PutUint16(b[:], uint16(i))
			return string(b[:])
		},
		"both ends": func(i int) string {
			var b [shortKey]byte
			b[0], b[8] = byte(i), byte(i>>8)
			return string(b[:])
		},
	}
	for seed := range byte(8) {
		h := newHasher([16]byte{seed, 15: seed})
		for name, key := range families {
			var groups [numGroups]int
			filled := make([]int, places)
			for i := range n {
				k := h.key(key(i))
				groups[k.hi>>56]++
				filled[k.hi>>32&(places-1)]++
			}
			// 256 and 4 on average: Poisson exceeds these once in 10^7 or less.
			for g, count := range groups {
				if count < 170 || count > 350 {
					t.Errorf("seed %d, %s: %d of %d keys in group %d", seed, name, count, n, g)
				}
			}
			for _, count := range filled {
				if count > 22 {
					t.Errorf("seed %d, %s: %d keys at one place", seed, name, count)
				}
			}
		}
	}
}
