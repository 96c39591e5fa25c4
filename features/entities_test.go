package features

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// The index finds what was made and not removed, also where hashes begin at the
// same place.
func TestIndexAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newEntities(atFirst + 2)
		want := map[hash128]slot{}
		for range rapid.IntRange(1, 500).Draw(t, "n") {
			home := rapid.Uint64Range(0, 40).Draw(t, "home")
			h := hash128{home%3<<56 | home<<32 | 7, rapid.Uint64Range(0, 9).Draw(t, "low")}
			n, known := want[h]
			switch {
			case !known:
				want[h] = s.make(fmt.Sprint(h), h)
			case rapid.Bool().Draw(t, "remove"):
				s.unindex(n)
				s.release(n)
				delete(want, h)
			case !n.isLarge():
				want[h] = s.promote(n)
			}
		}
		if int(s.live()) != len(want) {
			t.Fatalf("%d entities, want %d", s.live(), len(want))
		}
		for hi := range uint64(41) {
			for lo := range uint64(10) {
				h := hash128{hi%3<<56 | hi<<32 | 7, lo}
				k := s.find(h)
				n, ok := k.slot, k.state != nil
				wanted, known := want[h]
				if ok != known || n != wanted {
					t.Fatalf("%v is %d %v, want %d %v", h, n, ok, wanted, known)
				}
				if ok && s.key(n) != fmt.Sprint(h) {
					t.Fatalf("%v has the key %s", h, s.key(n))
				}
			}
		}
		seen := map[slot]bool{}
		for n := slot(0); !seen[n]; n = s.after(n) {
			seen[n] = true
		}
		for h, n := range want {
			if !seen[n] {
				t.Fatalf("a walk over all leaves out %v, %d", h, n)
			}
		}
	})
}
