package aggregate

// A Tail part holds the newest inputs, a TailDistinct part the newest
// occurrences of different words: how many they are, and of each its time,
// place and word, the oldest first. As many as there is room for: see Size.
const (
	tailTime  = 0
	tailPlace = 1
	tailWord  = 2
	tailWords = 3
)

// TailLen is how many inputs a Tail or TailDistinct part holds.
func TailLen(w []uint64) int { return int(w[0]) }

// TailRoom is for how many inputs it has room.
func TailRoom(w []uint64) int { return (len(w) - 1) / tailWords }

// TailWord is the word of one of its inputs, the oldest first.
func TailWord(w []uint64, i int) uint64 { return entryOf(w, i)[tailWord] }

func entryOf(w []uint64, i int) []uint64 { return w[1+i*tailWords : 1+(i+1)*tailWords] }

// AppendTail puts an input behind all others. There is room for it.
func AppendTail(w []uint64, in Input) {
	x := entryOf(w, int(w[0]))
	x[tailTime], x[tailPlace], x[tailWord] = uint64(in.Time), in.Place, in.Word
	w[0]++
}

// ReverseTail turns round a part that was filled from the newest input on.
func ReverseTail(w []uint64) {
	for i, j := 0, int(w[0])-1; i < j; i, j = i+1, j-1 {
		a, b := entryOf(w, i), entryOf(w, j)
		for k := range a {
			a[k], b[k] = b[k], a[k]
		}
	}
}

// Keep puts an input into a Tail or TailDistinct part where it belongs. It
// reports whether it was kept, and the word that had to go for it.
func (p Part) Keep(w []uint64, in Input) (kept bool, gone uint64, lost bool) {
	n := int(w[0])
	if p == TailDistinct {
		for i := range n {
			x := entryOf(w, i)
			if x[tailWord] != in.Word {
				continue
			}
			if behindEntry(x, in) {
				return false, 0, false
			}
			copy(w[1+i*tailWords:], w[1+(i+1)*tailWords:1+n*tailWords])
			insertTail(w, n-1, in)
			return true, in.Word, true
		}
	}
	if n < TailRoom(w) {
		insertTail(w, n, in)
		w[0]++
		return true, 0, false
	}
	oldest := entryOf(w, 0)
	if behindEntry(oldest, in) {
		return false, 0, false
	}
	gone = oldest[tailWord]
	copy(w[1:], w[1+tailWords:1+n*tailWords])
	insertTail(w, n-1, in)
	return true, gone, true
}

// behindEntry reports whether an entry is later than an input.
func behindEntry(x []uint64, in Input) bool {
	return x[tailTime] > uint64(in.Time) || (x[tailTime] == uint64(in.Time) && x[tailPlace] > in.Place)
}

// insertTail puts an input where it belongs among the first n entries; the room
// of one more is free.
func insertTail(w []uint64, n int, in Input) {
	i := n
	for i > 0 && behindEntry(entryOf(w, i-1), in) {
		i--
	}
	copy(w[1+(i+1)*tailWords:1+(n+1)*tailWords], w[1+i*tailWords:1+n*tailWords])
	x := entryOf(w, i)
	x[tailTime], x[tailPlace], x[tailWord] = uint64(in.Time), in.Place, in.Word
}

// mergeTail puts the inputs of from into w, as far as they are new enough.
func (p Part) mergeTail(w, from []uint64) {
	for i := int(from[0]) - 1; i >= 0; i-- {
		x := entryOf(from, i)
		in := Input{Time: int64(x[tailTime]), Place: x[tailPlace], Word: x[tailWord]}
		if int(w[0]) == TailRoom(w) && behindEntry(entryOf(w, 0), in) {
			return // all that follow are older still
		}
		p.Keep(w, in)
	}
}

// TailWordAt is where in the words of the part the word of one of its inputs is.
func TailWordAt(i int) int { return 1 + i*tailWords + tailWord }

// TailFits reports whether words from outside are such a part: as many inputs as
// it says it holds, and room for no part of one.
func TailFits(held uint64, words int) bool {
	return words > 0 && (words-1)%tailWords == 0 && held <= uint64((words-1)/tailWords)
}
