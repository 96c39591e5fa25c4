package features

import "strings"

// interner keeps the texts that rows give back (last of a string field): a row
// holds a number. A text is forgotten when nothing holds its number any more.
type interner struct {
	numbers map[string]uint32
	texts   []string
	holders []uint32
	free    []uint32
}

// newInterner is an empty one. Number 0 is no text.
func newInterner() *interner {
	return &interner{numbers: map[string]uint32{}, texts: []string{""}, holders: []uint32{0}}
}

// hold is the number of a text, which one more row holds.
func (t *interner) hold(s string) uint64 {
	if n, ok := t.numbers[s]; ok {
		t.holders[n]++
		return uint64(n)
	}
	s = strings.Clone(s)
	var n uint32
	if k := len(t.free); k > 0 {
		n = t.free[k-1]
		t.free = t.free[:k-1]
		t.texts[n], t.holders[n] = s, 1
	} else {
		n = uint32(len(t.texts))
		t.texts = append(t.texts, s)
		t.holders = append(t.holders, 1)
	}
	t.numbers[s] = n
	return uint64(n)
}

// again notes one more holder of a number.
func (t *interner) again(n uint64) { t.holders[n]++ }

// release notes one holder less.
func (t *interner) release(n uint64) {
	t.holders[n]--
	if t.holders[n] == 0 {
		delete(t.numbers, t.texts[n])
		t.texts[n] = ""
		t.free = append(t.free, uint32(n))
	}
}

func (t *interner) text(n uint64) string { return t.texts[n] }
