package aggregate

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// state is what an aggregation keeps of a set of inputs: n, the words of its
// parts, and where it counts different values, the values. It is put together
// from the operations that the engine uses, so that the laws are about them.
type state struct {
	agg    *Aggregation
	number Number
	n      int64
	words  [][]uint64
	set    *Set
}

func empty(a *Aggregation, n Number) *state {
	s := &state{agg: a, number: n, set: NewSet()}
	for _, p := range a.Parts(n) {
		s.words = append(s.words, make([]uint64, p.Size(limit)))
	}
	return s
}

const (
	halfLife = 2 // ms
	limit    = 3
)

func (s *state) add(in Input) *state {
	s.n++
	in.Half = halfLife
	for i, p := range s.agg.Parts(s.number) {
		switch p {
		case Counts, Mode, Buckets:
			s.set.Add(counted(p, in, s.number))
			s.tally(i, p)
		case Distinct:
			s.set.Add(in.Word)
			s.words[i][0] = uint64(s.set.Len())
		case Matches:
			if in.Hit {
				p.Add(s.words[i], in, s.number)
			}
		default:
			p.Add(s.words[i], in, s.number)
		}
	}
	return s
}

// counted is the word that an input is counted as.
func counted(p Part, in Input, n Number) uint64 {
	if p == Buckets {
		return NewScale().Bucket(in.Word, n)
	}
	return in.Word
}

// tally makes a counted part's words; those of Mode and Buckets are the
// engine's to make.
func (s *state) tally(i int, p Part) {
	if p == Counts {
		s.set.Tally(s.words[i])
	}
}

func (s *state) remove(in Input) *state {
	s.n--
	for i, p := range s.agg.Parts(s.number) {
		switch p {
		case Counts, Mode, Buckets:
			s.set.Remove(counted(p, in, s.number))
			s.tally(i, p)
		case Distinct:
			s.set.Remove(in.Word)
			s.words[i][0] = uint64(s.set.Len())
		case Matches:
			if in.Hit {
				p.Remove(s.words[i], in, s.number)
			}
		default:
			p.Remove(s.words[i], in, s.number)
		}
	}
	return s
}

func (s *state) merge(from *state) *state {
	s.n += from.n
	s.set.Merge(from.set)
	for i, p := range s.agg.Parts(s.number) {
		switch p {
		case Counts, Mode, Buckets:
			s.tally(i, p)
		case Distinct:
			s.words[i][0] = uint64(s.set.Len())
		default:
			p.Merge(s.words[i], from.words[i])
		}
	}
	return s
}

func of(a *Aggregation, n Number, inputs []Input) *state {
	s := empty(a, n)
	for _, in := range inputs {
		s.add(in)
	}
	return s
}

// print is the whole state as text: two states are equal when theirs are.
func (s *state) print() string {
	var values []uint64
	for i, n := range s.set.times {
		for range n {
			values = append(values, s.set.words[i])
		}
	}
	slices.Sort(values)
	words := slices.Clone(s.words)
	for i, p := range s.agg.Parts(s.number) {
		if p.Decays() {
			words[i] = slices.Concat(words[i][:decayedSums], words[i][decayedSums+1:])
		}
	}
	return fmt.Sprint(s.n, words, values)
}

// fading is the sums of the decayed parts, which are no exact ones, and the
// magnitude that their error is measured by.
func (s *state) fading(inputs []Input) (sums []float64, mass float64) {
	for i, p := range s.agg.Parts(s.number) {
		if !p.Decays() {
			continue
		}
		w := s.words[i]
		sums = append(sums, math.Float64frombits(w[decayedSums]))
		for _, in := range inputs {
			mass += math.Abs(decayedValue(p, in.Word)) * fade(int64(w[decayedTime])-in.Time, halfLife)
		}
	}
	return sums, mass
}

// numbers are the kinds of input that an aggregation is tried with.
func numbers(a *Aggregation) []Number {
	switch {
	case a.Hashed:
		return []Number{Opaque}
	case a.Input:
		return []Number{Integer, Double}
	}
	return []Number{Nothing}
}

func drawInputs(t *rapid.T, n Number) []Input {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Input {
		in := Input{
			Time:  rapid.Int64Range(1, 6).Draw(t, "time"),
			Place: rapid.Uint64Range(0, 1000).Draw(t, "place"),
			Hit:   rapid.Bool().Draw(t, "hit"),
			Order: rapid.Uint64Range(0, 3).Draw(t, "order"),
		}
		switch n {
		case Integer:
			in.Word = uint64(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64()).Draw(t, "int"))
		case Double:
			f := rapid.OneOf(rapid.Float64Range(-2, 2), rapid.Float64Range(-1e15, 1e15),
				rapid.SampledFrom([]float64{1e15, -1e15, 1e-6, 0, 5e-324})).Draw(t, "double")
			in.Word = math.Float64bits(f + 0)
		default:
			in.Word = rapid.Uint64Range(0, 4).Draw(t, "word")
		}
		return in
	}), 0, 12).Draw(t, "inputs")
	slices.SortStableFunc(list, func(a, b Input) int { return int(a.Place) - int(b.Place) })
	list = slices.CompactFunc(list, func(a, b Input) bool { return a.Place == b.Place })
	slices.SortStableFunc(list, func(a, b Input) int { return int(a.Time - b.Time) })
	return list
}

// laws checks one law for every aggregation of the table.
func laws(t *testing.T, law func(*rapid.T, *Aggregation, Number, []Input)) {
	for _, a := range Table {
		for _, n := range numbers(a) {
			t.Run(fmt.Sprintf("%s/%d", a.Name, n), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) { law(t, a, n, drawInputs(t, n)) })
			})
		}
	}
}

func equal(t *rapid.T, what string, got, want *state, inputs []Input) {
	sums, mass := want.fading(inputs)
	gotSums, _ := got.fading(nil)
	for i := range sums {
		if math.Abs(sums[i]-gotSums[i]) > 1e-12*mass {
			t.Fatalf("%s: %v, want %v", what, gotSums, sums)
		}
	}
	if g, w := got.print(), want.print(); g != w {
		t.Fatalf("%s: %s, want %s", what, g, w)
	}
}

func shuffled(t *rapid.T, inputs []Input) []Input { return rapid.Permutation(inputs).Draw(t, "order") }

func TestLawOrderDoesNotMatter(t *testing.T) {
	laws(t, func(t *rapid.T, a *Aggregation, n Number, inputs []Input) {
		if a.Ordered {
			return
		}
		equal(t, "in another order", of(a, n, shuffled(t, inputs)), of(a, n, inputs), inputs)
	})
}

func TestLawEmptyIsTheIdentity(t *testing.T) {
	laws(t, func(t *rapid.T, a *Aggregation, n Number, inputs []Input) {
		equal(t, "state + empty", of(a, n, inputs).merge(empty(a, n)), of(a, n, inputs), inputs)
		equal(t, "empty + state", empty(a, n).merge(of(a, n, inputs)), of(a, n, inputs), inputs)
	})
}

func TestLawMergeIsAssociativeAndCommutative(t *testing.T) {
	laws(t, func(t *rapid.T, a *Aggregation, n Number, inputs []Input) {
		i := rapid.IntRange(0, len(inputs)).Draw(t, "i")
		j := rapid.IntRange(i, len(inputs)).Draw(t, "j")
		x := func() *state { return of(a, n, inputs[:i]) }
		y := func() *state { return of(a, n, inputs[i:j]) }
		z := func() *state { return of(a, n, inputs[j:]) }
		all := of(a, n, inputs)
		equal(t, "(x + y) + z", x().merge(y()).merge(z()), all, inputs)
		equal(t, "x + (y + z)", x().merge(y().merge(z())), all, inputs)
		equal(t, "z + (y + x)", z().merge(y().merge(x())), all, inputs)
	})
}

func TestLawUpdateIsMergeWithOne(t *testing.T) {
	laws(t, func(t *rapid.T, a *Aggregation, n Number, inputs []Input) {
		if len(inputs) == 0 {
			return
		}
		one, rest := inputs[0], inputs[1:]
		equal(t, "update", of(a, n, rest).add(one), of(a, n, rest).merge(empty(a, n).add(one)), inputs)
	})
}

func TestLawRemoveUndoesAdd(t *testing.T) {
	laws(t, func(t *rapid.T, a *Aggregation, n Number, inputs []Input) {
		for _, p := range a.Parts(n) {
			if !p.Retractable() {
				return
			}
		}
		k := rapid.IntRange(0, len(inputs)).Draw(t, "k")
		s := of(a, n, inputs)
		for _, in := range shuffled(t, inputs[k:]) {
			s.remove(in)
		}
		equal(t, "after removing", s, of(a, n, inputs[:k]), inputs)
	})
}

// A retractable aggregation is one whose parts all are, and says so.
func TestRetractableIsWhatTheTableSays(t *testing.T) {
	for _, a := range Table {
		for _, n := range numbers(a) {
			all := true
			for _, p := range a.Parts(n) {
				all = all && p.Retractable()
			}
			if all != a.Retractable && !a.Past && !a.Sketch {
				t.Errorf("%s: retractable is %v, its parts say %v", a.Name, a.Retractable, all)
			}
		}
	}
}

// The reference page is made from the table: every entry says everything.
func TestTableIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Table {
		if a.Name == "" || a.Formula == "" || a.Memory == "" || a.Exact == "" || a.Cost == "" || a.Empty == "" || a.Result == "" {
			t.Errorf("%q leaves something unsaid", a.Name)
		}
		if a.Parts == nil || a.Finish == nil || seen[a.Name] || Find(a.Name) != a {
			t.Errorf("%q cannot be used", a.Name)
		}
		for _, n := range numbers(a) {
			if len(a.Parts(n)) > 3 {
				t.Errorf("%q has more than three parts", a.Name)
			}
		}
		seen[a.Name] = true
	}
	if Find("foresight") != nil {
		t.Error("found an aggregation that is not there")
	}
}
