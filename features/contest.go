package features

import (
	"math"

	"github.com/freshet-dev/freshet/features/window"
)

// Of several most frequent values the smallest is the mode. Where it becomes rarer,
// the smallest of the others is found by a contest of all values, pair by pair: a
// value that occurs once more or less only plays its own games again. It is begun
// when someone asks, of more than a few values, and ends when so many games were
// played since that all values could have been looked at; a snapshot does without it.

const (
	// leastContest is of how many values a contest is held.
	leastContest = 12
	// idleGames is how many games may be played for nobody, beyond a quarter of the
	// values.
	idleGames = 32
	// fewMoved is how many values a contest has at least for each row that is taken out
	// and put in again for one reading.
	fewMoved = 4
)

// contestPlan is the contest of a Mode part. The first handle is a block; how many
// games were played since someone asked (high half), and how many values take part. The
// second one is a table of their places, each plus one.
type contestPlan struct{ at, places int }

// contest is a block with room for some values. Word i is the place of the winner of
// game i, which those of games 2i and 2i+1 play; who holds a place has won game
// room + place without playing. Behind the games are the values: the key of each,
// and how often it occurs. A place that is free has never won.
type contest struct {
	words []uint64
	room  int
}

const (
	wordsOfRival  = 2
	wordsOfPlayer = 1 + wordsOfRival // with its share of the games
	contestGrow   = 4                // by which part of itself one grows that is full
)

// contestOf is the contest of a part, which has been begun.
func (l *entityLog) contestOf(p *partPlan, w []uint64) contest {
	words := l.slab.Words(window.Ref(w[p.contest.at]))
	return contest{words, len(words) / wordsOfPlayer}
}

// rival is the key of the value at a place, and how often it occurs.
func (c contest) rival(place uint64) []uint64 {
	at := c.room + int(place)*wordsOfRival
	return c.words[at : at+wordsOfRival]
}

// winner is the place of the winner of a game.
func (c contest) winner(game int) uint64 {
	if game >= c.room {
		return uint64(game - c.room)
	}
	return c.words[game]
}

// play plays a game, and returns who has won.
func (l *entityLog) play(p *partPlan, c contest, game int) uint64 {
	l.steps++
	first, second := c.winner(2*game), c.winner(2*game+1)
	a, b := c.rival(first), c.rival(second)
	if b[1] > a[1] || b[1] == a[1] && b[1] > 0 && l.counting.smaller(l.plan, p, b[0], a[0]) {
		return second
	}
	return first
}

// playFrom plays the games of a place again, up to one whose winner is another one,
// and the same as it was.
func (l *entityLog) playFrom(p *partPlan, w []uint64, c contest, place uint64) {
	for game := (c.room + int(place)) / 2; game > 0; game /= 2 {
		w[p.contest.at+1] += 1 << 32
		was := c.words[game]
		won := l.play(p, c, game)
		if c.words[game] = won; won == was && won != place {
			return
		}
	}
}

// compete notes in the contest of a part that what is counted as key occurs n times.
func (l *entityLog) compete(p *partPlan, w []uint64, key, n uint64) {
	c, used := l.contestOf(p, w), w[p.contest.at+1]&math.MaxUint32
	if w[p.contest.at+1]>>32 > used/4+idleGames {
		l.endContest(p, w)
		return
	}
	if at := uint64(l.tables.Get(w[p.contest.places:], key)); at > 0 {
		c.rival(at - 1)[1] = n
		l.playFrom(p, w, c, at-1)
		if n == 0 {
			l.retire(p, w, at-1, used-1)
		}
		return
	}
	if int(used) == c.room {
		c = l.contestRoom(p, w, c)
	}
	w[p.contest.at+1]++
	l.enlist(p, w, c, used, key, n)
	l.playFrom(p, w, c, used)
}

// enlist gives a value a place.
func (l *entityLog) enlist(p *partPlan, w []uint64, c contest, place, key, n uint64) {
	copy(c.rival(place), []uint64{key, n})
	l.tables.Put(w[p.contest.places:], key, window.Note(place+1))
}

// retire takes the value of a place, which does not occur any more, out of a contest:
// the last one takes its place. One that has become mostly empty ends.
func (l *entityLog) retire(p *partPlan, w []uint64, place, last uint64) {
	c := l.contestOf(p, w)
	if int(last)*8 < c.room {
		l.endContest(p, w)
		return
	}
	moved := c.rival(last)
	l.tables.Delete(w[p.contest.places:], c.rival(place)[0])
	if place != last {
		l.enlist(p, w, c, place, moved[0], moved[1])
		moved[1] = 0
		l.playFrom(p, w, c, last)
		l.playFrom(p, w, c, place)
	}
	w[p.contest.at+1]--
}

// contestRoom makes a contest that is full larger.
func (l *entityLog) contestRoom(p *partPlan, w []uint64, c contest) contest {
	ref := window.Ref(w[p.contest.at])
	to := l.newContest(p, w, c.room)
	copy(to.words[to.room:], c.words[c.room:c.room*wordsOfPlayer])
	l.slab.Free(ref)
	l.playAll(p, to)
	return to
}

// newContest gives a contest a block with room for more than n values, who all are
// still to come.
func (l *entityLog) newContest(p *partPlan, w []uint64, n int) contest {
	w[p.contest.at] = uint64(l.slab.Alloc((n + 1 + n/contestGrow) * wordsOfPlayer))
	c := l.contestOf(p, w)
	clear(c.words)
	return c
}

// playAll plays all games.
func (l *entityLog) playAll(p *partPlan, c contest) {
	for game := c.room - 1; game > 0; game-- {
		c.words[game] = l.play(p, c, game)
	}
}

// champion is the most frequent value of a part, of several the smallest: its key, and
// how often it occurs. The contest is begun if it was not.
func (l *entityLog) champion(p *partPlan, w []uint64) (key, n uint64) {
	if w[p.contest.at] == 0 {
		l.beginContest(p, w)
	}
	c := l.contestOf(p, w)
	w[p.contest.at+1] &= math.MaxUint32
	first := c.rival(c.winner(1))
	return first[0], first[1]
}

// beginContest makes the contest of a part from what is counted.
func (l *entityLog) beginContest(p *partPlan, w []uint64) {
	times := w[p.counts[0].at:]
	c, used := l.newContest(p, w, l.tables.Len(times)), uint64(0)
	l.tables.Each(times, func(key uint64, n window.Note) {
		l.enlist(p, w, c, used, key, uint64(n))
		used++
	})
	w[p.contest.at+1] = used
	l.steps += int64(used)
	l.playAll(p, c)
}

// endContest forgets the contest of a part.
func (l *entityLog) endContest(p *partPlan, w []uint64) {
	l.slab.FreeHandle(w[p.contest.at:])
	l.slab.FreeHandle(w[p.contest.places:])
}
