package window

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type point struct {
	t    int64
	code uint64
}

// Whatever the order of arrival, a stack knows the extreme of every window
// that ends at the newest value.
func TestStackAgreesWithAScan(t *testing.T) { rapid.Check(t, stackAgrees) }

func stackAgrees(t *rapid.T) {
	stacks := NewStacks(NewSlab())
	largest := rapid.Bool().Draw(t, "largest")
	h := make([]uint64, HandleWords)
	var all []point
	expired := int64(0)
	for range rapid.IntRange(1, 60).Draw(t, "n") {
		p := point{rapid.Int64Range(1, 30).Draw(t, "t"), rapid.Uint64Range(0, 9).Draw(t, "code")}
		if p.t > expired {
			stacks.Put(h, p.t, p.code, largest, false)
			all = append(all, p)
		}
		if rapid.IntRange(0, 9).Draw(t, "expire") == 0 {
			expired = max(expired, rapid.Int64Range(0, 20).Draw(t, "until"))
			stacks.Expire(h, expired)
		}
		for from := expired; from <= 31; from++ {
			want, has := uint64(0), false
			for _, q := range all {
				if q.t > from && (!has || better(q.code, want, largest)) {
					want, has = q.code, true
				}
			}
			if got, ok := stacks.Best(h, from); ok != has || got != want {
				t.Fatalf("best after %d of %v is %d %v, want %d %v", from, all, got, ok, want, has)
			}
		}
	}
}

func TestTableAgreesWithAMap(t *testing.T) { rapid.Check(t, tableAgrees) }

func tableAgrees(t *rapid.T) {
	slab := NewSlab()
	tables := NewTables(slab)
	h := make([]uint64, HandleWords)
	want := map[uint64]Note{}
	for range rapid.IntRange(1, 300).Draw(t, "n") {
		word := rapid.Uint64Range(0, 40).Draw(t, "word") * 8 // that is, colliding
		if rapid.IntRange(0, 2).Draw(t, "do") == 0 {
			tables.Delete(h, word)
			delete(want, word)
		} else {
			n := NewNote(rapid.Int64Range(1, 1e12).Draw(t, "time"), rapid.Bool().Draw(t, "base"))
			tables.Put(h, word, n)
			want[word] = n
		}
	}
	check := func() {
		if tables.Len(h) != len(want) {
			t.Fatalf("%d words, want %d", tables.Len(h), len(want))
		}
		for word := range uint64(330) {
			if got := tables.Get(h, word); got != want[word] {
				t.Fatalf("word %d: %v, want %v", word, got, want[word])
			}
		}
	}
	check()
	tables.Revise(h, func(_ uint64, n Note) Note {
		if n.Base() {
			return 0
		}
		return NewNote(n.Time(), true)
	})
	old := want
	want = map[uint64]Note{}
	for word, n := range old {
		if !n.Base() {
			want[word] = NewNote(n.Time(), true)
		}
	}
	check()
	slab.FreeHandle(h)
	if slab.Used() != 0 {
		t.Fatalf("%d bytes are still in use", slab.Used())
	}
}

// Rows stay in order, whole and apart from those of other logs.
func TestRowsAgreeWithASlice(t *testing.T) { rapid.Check(t, rowsAgree) }

func rowsAgree(t *rapid.T) {
	slab := NewSlab()
	rows := NewRows(slab, rapid.IntRange(2, 9).Draw(t, "width"))
	logs := [2][]uint64{make([]uint64, HandleWords), make([]uint64, HandleWords)}
	var want [2][]point
	for i := range rapid.IntRange(1, 200).Draw(t, "n") {
		k := rapid.IntRange(0, 1).Draw(t, "log")
		h, list := logs[k], &want[k]
		if n := len(*list); n > 0 && rapid.IntRange(0, 3).Draw(t, "drop") == 0 {
			n = rapid.IntRange(0, n).Draw(t, "rows")
			rows.DropFront(h, n)
			*list = (*list)[n:]
		}
		p := point{rapid.Int64Range(1, 20).Draw(t, "t"), uint64(i)}
		at := rows.FirstBehind(rows.All(h), p.t, p.code)
		row := rows.Insert(h, at)
		Stamp(row, p.t, p.code)
		row[len(row)-1] = p.code
		*list = slices.Insert(*list, at, p)
		if !slices.IsSortedFunc(*list, func(a, b point) int {
			if a.t != b.t {
				return int(a.t - b.t)
			}
			return int(a.code) - int(b.code)
		}) {
			t.Fatalf("inserted at %d: %v", at, *list)
		}
	}
	for k, h := range logs {
		all := rows.All(h)
		if rows.Len(h) != len(want[k]) || len(all) != len(want[k])*rows.Width {
			t.Fatalf("%d rows, want %d", rows.Len(h), len(want[k]))
		}
		for i, p := range want[k] {
			row := all[i*rows.Width : (i+1)*rows.Width]
			if Time(row) != p.t || row[len(row)-1] != p.code {
				t.Fatalf("row %d is %v, want %v", i, row, p)
			}
		}
		for at := range int64(22) {
			n := 0
			for _, p := range want[k] {
				if p.t <= at {
					n++
				}
			}
			if got := rows.FirstAfter(all, at); got != n {
				t.Fatalf("first after %d is %d, want %d", at, got, n)
			}
		}
		slab.FreeHandle(h)
	}
	if slab.Used() != 0 {
		t.Fatalf("%d bytes are still in use", slab.Used())
	}
}

func TestSizesOfBlocks(t *testing.T) {
	for n := 1; n < 5000; n++ {
		size := sizeOf(classOf(n))
		if size < n || (n <= 32 && size != n) || size*8 >= n*9+8 {
			t.Fatalf("%d words get %d", n, size)
		}
	}
	if class := classOf(1 << 31); class >= numClasses {
		t.Fatalf("16 GiB have class %d", class)
	}
}

// Blocks that are handed out are apart from each other, whatever was freed
// before, and a slab whose blocks come and go does not grow.
func TestBlocksAreApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slab := NewSlab()
		held := map[Ref]int{}
		var refs []Ref
		check := func(r Ref, mark int) {
			for _, w := range slab.Words(r) {
				if w != uint64(mark) {
					t.Fatalf("block %x holds %d, want %d", r, w, mark)
				}
			}
		}
		for mark := range rapid.IntRange(1, 300).Draw(t, "n") {
			if len(refs) > 0 && rapid.IntRange(0, 2).Draw(t, "free") == 0 {
				i := rapid.IntRange(0, len(refs)-1).Draw(t, "which")
				r := refs[i]
				check(r, held[r])
				slab.Free(r)
				delete(held, r)
				refs = slices.Delete(refs, i, i+1)
				continue
			}
			n := rapid.SampledFrom([]int{1, 2, 3, 5, 33, 40, 300, 500, 600, 5000}).Draw(t, "words")
			r := slab.Alloc(n)
			if _, twice := held[r]; twice || r == 0 || len(slab.Words(r)) < n {
				t.Fatalf("%d words: block %x", n, r)
			}
			for i := range slab.Words(r) {
				slab.Words(r)[i] = uint64(mark)
			}
			held[r] = mark
			refs = append(refs, r)
		}
		for r, mark := range held {
			check(r, mark)
			slab.Free(r)
		}
		if slab.Used() != 0 || len(slab.empty)+len(slab.gone) != len(slab.pages) {
			t.Fatalf("%d bytes in use; %d pages, %d of them empty, %d gone", slab.Used(), len(slab.pages), len(slab.empty), len(slab.gone))
		}
	})
}

// The same against models, steered by the fuzzer.
func FuzzStack(f *testing.F) { f.Fuzz(rapid.MakeFuzz(stackAgrees)) }
func FuzzTable(f *testing.F) { f.Fuzz(rapid.MakeFuzz(tableAgrees)) }
func FuzzRows(f *testing.F)  { f.Fuzz(rapid.MakeFuzz(rowsAgree)) }

// Whatever the size of a table, which is no power of two, each of its slots has
// its turn: a few at a time, all that is old is forgotten, and nothing else.
func TestTablesForgetByTurns(t *testing.T) {
	for n := 1; n < 400; n += 7 {
		tables := NewTables(NewSlab())
		h := make([]uint64, HandleWords)
		for i := range n {
			tables.Put(h, uint64(i)*0x9e3779b97f4a7c15, NewNote(int64(1+i%2), false))
		}
		for turn := range 2 * n { // one that fills a hole may be passed over once
			tables.Expire(h, turn, 4, 1)
		}
		if left := tables.Len(h); left != n/2 {
			t.Errorf("%d of %d words are left, want %d", left, n, n/2)
		}
	}
}
