package features

import (
	"testing"

	"pgregory.net/rapid"
)

func TestUnspreadUndoesSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var seed [16]byte
		copy(seed[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "seed"))
		h, word := newHasher(seed), rapid.Uint64().Draw(t, "word")
		if got := h.unspread(h.spread(word)); got != word {
			t.Fatalf("%x became %x", word, got)
		}
	})
}
