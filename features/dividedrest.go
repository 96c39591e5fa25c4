package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// A value that occurs in several of the categories that are not shown counts once
// among the others: they are kept as one category more, for as long as the same ones
// are shown. Where one is shown and another one not any more, the values of both
// change over. It is begun when someone asks for it.

// rest is the record of the others, as that of a category but for its first word: how
// many categories are not among them. Behind it are their words.
func (l *entityLog) rest(x *dividedPlan, w []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[x.rest]))[:x.groups.width]
}

// shown are the words of the categories that are not among the others, and room for
// as many as there may be.
func (l *entityLog) shown(x *dividedPlan, w []uint64) []uint64 {
	return l.slab.Words(window.Ref(w[x.rest]))[x.groups.width:]
}

// What groupShown says while the categories that are shown change.
const (
	isOther = 0
	wasTop  = 1
	isTop   = 2
	isStale = 3 // of the others: what is most frequent has to be looked for
)

// restBut is the record of all categories but the top ones.
func (l *entityLog) restBut(x *dividedPlan, w []uint64, top []category) []uint64 {
	begins := w[x.rest] == 0
	if begins {
		w[x.rest] = uint64(l.slab.Alloc(x.groups.width + len(top)))
		clear(l.rest(x, w))
		l.eachGroup(x, w, func(g []uint64) { g[groupShown] = wasTop })
	}
	rest := l.rest(x, w)
	for i := range top {
		g := l.nthRecord(x.groups, w, top[i].number)
		if g[groupShown] == isOther {
			l.moveValues(x, w, g, true)
		}
		g[groupShown] = isTop
	}
	leave := func(g []uint64) {
		if g != nil && g[groupShown] == wasTop {
			l.moveValues(x, w, g, false)
			g[groupShown] = isOther
		}
	}
	shown := l.shown(x, w)
	for _, word := range shown[:rest[0]] {
		leave(l.group(x, w, word))
	}
	if begins {
		l.eachGroup(x, w, leave)
	}
	rest[0] = uint64(len(top))
	for i := range top {
		shown[i] = top[i].word
		l.nthRecord(x.groups, w, top[i].number)[groupShown] = wasTop
	}
	if rest[groupShown] == isStale {
		most := uint64(0)
		l.eachValue(x, w, rest, true, func(r []uint64) { most = max(most, r[1]) })
		aggregate.SetMost(rest[groupParts:], most)
		rest[groupShown] = isOther
	}
	return rest
}

// eachGroup calls f for the record of every category.
func (l *entityLog) eachGroup(x *dividedPlan, w []uint64, f func(g []uint64)) {
	all, stride := l.recordsOf(x.groups, w), x.groups.stride
	for at := 0; at < len(all); at += stride {
		f(all[at : at+x.groups.width])
	}
	l.steps += int64(len(all) / stride)
}

// moveValues counts the values of a category among the others, or not any more.
func (l *entityLog) moveValues(x *dividedPlan, w, g []uint64, gone bool) {
	l.moved = l.moved[:0]
	l.eachValue(x, w, g, false, func(r []uint64) {
		v := value{key: r[recordKey], n: r[1]}
		if x.values.part == aggregate.Buckets {
			v.sum, v.check = r[recordSum], r[recordCheck]
		}
		l.moved = append(l.moved, v)
	})
	rest := l.rest(x, w)
	for _, v := range l.moved {
		l.countValue(x, w, rest, v, counts{gone, true, true})
	}
}
