package verify

import (
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// reversals is what the historian of a crowd knows of what is taken back there.
type reversals struct {
	rate     int           // one record in so many takes another one back
	meant    []sentRecord  // the originals so far, oldest first
	at       int64         // the time that the record at hand has for that; 0: the one it was given
	promised map[int]int64 // the times of records to come, which were named already
}

// often is how often a record takes another one back: of a crowd as the history
// says, from few to many.
func (h *historian) often() int {
	if h.spec.pace == 0 {
		return 4
	}
	if h.rate == 0 {
		h.rate = pick(h.t, "rate of reversals", 3, 4, 8, 16)
	}
	return h.rate
}

// original is the record that one of a crowd takes back: what an engine keeps of a
// window changes most with an extreme, with the only or newest one of a value, with
// neighbours, and with what was taken back before. None: it is still to come, or
// never does.
func (h *historian) original() sentRecord {
	t := h.t
	n := len(h.sent)
	if n == 0 || chance(t, "unknown", 8) {
		return sentRecord{}
	}
	recent := h.sent[max(0, n-rapid.IntRange(1, 150).Draw(t, "recent")):]
	switch pick(t, "original", "any", "any", "newest", "far", "extreme", "extreme", "value", "value", "again", "neighbour") {
	case "newest":
		return h.sent[n-1]
	case "far":
		return h.sent[rapid.IntRange(0, n/2).Draw(t, "far back")]
	case "extreme":
		return extremeOf(recent, pick(t, "of", "item", "amt", "x"), chance(t, "smallest", 2))
	case "value":
		return newestOf(recent, pick(t, "of value", "item", "shop", "user"), rapid.IntRange(0, len(recent)-1).Draw(t, "same as"))
	case "again":
		if len(h.meant) > 0 {
			return h.meant[rapid.IntRange(0, len(h.meant)-1).Draw(t, "meant")]
		}
	case "neighbour":
		if len(h.meant) > 0 {
			return h.neighbour(h.meant[len(h.meant)-1])
		}
	}
	return h.sent[rapid.IntRange(0, n-1).Draw(t, "what")]
}

// neighbour is the record that was sent behind another one: runs of many are taken
// back one after the other.
func (h *historian) neighbour(of sentRecord) sentRecord {
	id := member(of.fields, "id")
	for i := len(h.sent) - 2; i >= 0; i-- {
		if member(h.sent[i].fields, "id") == id {
			return h.sent[i+1]
		}
	}
	return of
}

// extremeOf is the record with the largest or smallest number in a field.
func extremeOf(records []sentRecord, field string, smallest bool) sentRecord {
	best, most := records[0], 0.0
	for i, r := range records {
		x, err := strconv.ParseFloat(strings.Trim(member(r.fields, field), `"`), 64)
		if err != nil {
			continue
		}
		if smallest {
			x = -x
		}
		if i == 0 || x > most {
			best, most = r, x
		}
	}
	return best
}

// newestOf is the newest record with the value that one of them has in a field.
func newestOf(records []sentRecord, field string, like int) sentRecord {
	value, newest := member(records[like].fields, field), records[like]
	for _, r := range records {
		if member(r.fields, field) == value && r.time >= newest.time {
			newest = r
		}
	}
	return newest
}

// aim gives the record at hand a time near its original's: just there, a little
// behind it, or before it, as far as that is not late.
func (h *historian) aim(s genSource, said sentRecord) {
	t := h.t
	h.meant = append(h.meant, said)
	switch pick(t, "aim", "as it is", "as it is", "as it is", "same", "behind", "before") {
	case "same":
		h.at = said.time
	case "behind":
		h.at = said.time + int64(rapid.IntRange(1, 3*int(h.spec.pace.Milliseconds())).Draw(t, "behind"))
	case "before":
		h.at = said.time - int64(rapid.IntRange(1, int(s.lateness.Milliseconds())+1).Draw(t, "before"))
	}
}

// promise names a record of a crowd that is still to come, and the time that it will
// have, which is a little before or behind all that there are.
func (h *historian) promise(s genSource) (id string, said sentRecord) {
	t := h.t
	nth := len(h.sent) + 1 + pick(t, "in how many", 1, 1, 2, 5, 20)
	if len(h.times) > 0 && chance(t, "time promised", 2) {
		said.time = h.times[len(h.times)-1] + int64(rapid.IntRange(-int(s.lateness.Milliseconds())/2, 2*int(h.spec.pace.Milliseconds())).Draw(t, "promised"))
		if h.promised == nil {
			h.promised = map[int]int64{}
		}
		h.promised[nth] = said.time
	}
	return fmt.Sprintf("%q", "i"+strconv.Itoa(nth)), said
}

// keptPromise is the time that the next record of a crowd was promised to have.
func (h *historian) keptPromise() (int64, bool) {
	at, is := h.promised[len(h.sent)+1]
	return at, is
}
