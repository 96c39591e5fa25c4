package spec

import (
	"fmt"
	"strings"
)

// maxEdits is how far a word may be from a known one to be taken for it.
const maxEdits = 3

// maxCandidates bounds the words that one is compared with.
const maxCandidates = 2000

// didYouMean is the suggestion for a word that is near a known one, or "".
func didYouMean(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return fmt.Sprintf("did you mean `%s`?", best)
	}
	return ""
}

func nearest(word string, known []string) string {
	if len(word) > 128 {
		return ""
	}
	best, bestEdits := "", min(maxEdits, (len(word)+2)/3)+1
	for _, k := range known[:min(len(known), maxCandidates)] {
		if strings.EqualFold(word, k) {
			return k
		}
		if d := edits(word, k, bestEdits); d < bestEdits {
			best, bestEdits = k, d
		}
	}
	return best
}

// edits is the number of single characters to insert, delete, replace or swap
// with their neighbour that lead from a to b; it gives up at limit.
func edits(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
