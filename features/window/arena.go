package window

// hugeFrom is the number of words from which on memory is asked for in huge
// pages: 4 MiB, of which one or two huge pages of 2 MiB are whole.
const hugeFrom = 4 << 20 / 8

// Arena makes n words. Large ones are put on huge pages where the system has
// them: what an event needs is all over memory, and most of a miss is the walk
// of the page tables.
func Arena(n int) []uint64 {
	words := make([]uint64, n)
	if n >= hugeFrom {
		adviseHuge(words)
	}
	return words
}

// ArenaSize is how many pieces of some words an arena has that joins others of
// so many pieces: few at first, a sixteenth of what there is, no more than
// huge pages need.
func ArenaSize(pieces, words int) int {
	most := (hugeFrom + words - 1) / words
	return min(max(pieces/16, 1), most)
}
