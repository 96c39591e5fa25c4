package features

import (
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// What an entity has beyond its event budget is folded into tiles (S26): of
// each sliding window, the parts over the folded events of one stretch of a
// fixed grid of event time. A window whose tail is among them begins where the
// tail's tile does, and is exact from there on.

// tilesPerWindow is how many tiles a window has by default.
const tilesPerWindow = 60

// gridOf is the width in ms of the tiles of a window that reaches so far back,
// in a view that asks for a granularity (0: the default).
func gridOf(reach, granularity int64) int64 {
	if granularity > 0 {
		return granularity
	}
	return max(1, reach/tilesPerWindow)
}

// tileOf is the number of the tile that a time is in.
func (k *cursorPlan) tileOf(t int64) int64 { return max(0, t) / k.grid }

// slides reports whether a window is cut by time.
func (k *cursorPlan) slides() bool { return k.life == nil && k.last == 0 }

// everything is longer than any log goes back, in ms.
const everything = 1 << 62

// reach is how far behind a reader a window goes back, in ms, with the tile that
// it may begin with.
func (k *cursorPlan) reach() int64 {
	if !k.slides() {
		return everything
	}
	return k.delay + k.length + k.grid
}

// folds reports whether a part over folded events is kept in tiles.
func (p *partPlan) folds(k *cursorPlan) bool {
	return p.part == 0 || (p.part.Tiles() && (p.part != aggregate.Distinct || k.keeps() && !k.stripped && k.delay == 0))
}

// layTiles lays out the tiles of a log's sliding windows.
func (l *logPlan) layTiles() {
	for _, k := range l.cursors {
		if !k.slides() || len(k.parts) == 0 {
			continue
		}
		k.list = len(l.tileWidths)
		l.coarsest = max(l.coarsest, k.grid)
		at := 1
		for _, p := range k.parts {
			if p.folds(k) {
				p.tile = at
				at += p.size()
				k.tiled = append(k.tiled, p)
			}
		}
		l.tiling = append(l.tiling, k)
		l.tileWidths = append(l.tileWidths, at)
	}
}

// forgetting finds for every table of sliding windows the window that forgets
// what leaves it: the longest that counts its values, and a tile more, since a
// window whose tail is among folded events begins with their tile.
func (l *logPlan) forgetting() {
	for _, x := range l.tables {
		if x.life != nil {
			continue
		}
		for _, c := range x.counts {
			x.keep = max(x.keep, c.cursor.length+c.cursor.grid)
		}
		l.span = max(l.span, x.delay+x.keep)
		k := &cursorPlan{delay: x.delay, length: x.keep}
		for _, other := range l.cursors {
			if other.slides() && !other.scanned && other.delay == x.delay && other.length == x.keep {
				k = other
			}
		}
		if k.longest == nil && len(k.parts) == 0 {
			l.cursors = append(l.cursors, k)
		}
		k.longest = append(k.longest, x)
	}
}

// foldedAt is the time of the newest event that an entity has folded; 0: none.
func (l *entityLog) foldedAt(w []uint64) int64 { return int64(w[l.plan.atFolded]) }

// foldOldest takes the oldest row out of the log, into the tiles of every
// sliding window and the bases of the lives.
func (l *entityLog) foldOldest(e *Engine, w []uint64) {
	rows := l.rows.All(w[atRows:])
	row := l.plan.row(rows, 0)
	t := l.plan.time(row)
	l.departAll(rows, w)
	if l.plan.retracts && l.plan.has(row, l.plan.taking) && !l.plan.has(row, l.plan.found) {
		l.pend(w, row)
	}
	w[l.plan.atFolded] = max(w[l.plan.atFolded], uint64(t))
	w[l.plan.atTurn]++
	l.folds++
	for _, k := range l.plan.tiling {
		l.intoTile(e, k, w, row, t)
	}
	for _, v := range l.plan.views {
		if l.plan.has(row, v.entered) {
			l.fold(e, v, w, row)
		}
	}
	for _, x := range l.plan.stacks { // the tiles have them
		l.stacks.Expire(w[x.at:], l.foldedAt(w)-1)
	}
	l.releaseTexts(e, row)
	l.dropRows(w, 1)
}

// departAll takes the oldest row out of the running parts of the windows that it
// has not left, and moves the cursors as it leaves the log.
func (l *entityLog) departAll(rows, w []uint64) {
	row := l.plan.row(rows, 0)
	for i := range l.plan.spans {
		x := &l.plan.spans[i]
		if x.cursor.tail(w) > 0 {
			w[x.at]--
			continue
		}
		for j := range x.ops {
			if o := &x.ops[j]; o.certain || row[o.flags]>>o.shift&1 != 0 {
				l.leavePart(o, row, w)
			}
		}
		l.leaveBeside(x.cursor, rows, 0, w)
	}
	for _, k := range l.plan.delayed {
		switch tail, head := uint32(w[k.at]), w[k.at]>>32; {
		case tail > 0:
			w[k.at]--
		case head > 0:
			l.plan.remove(k, row, w)
			l.leaveBeside(k, l.plan.upTo(rows, int(head)), 0, w)
		}
		if w[k.at]>>32 > 0 {
			w[k.at] -= 1 << 32
		}
	}
}

// intoTile puts a row into its tile of a window, and forgets the tiles that no
// reader can need: one at or after the newest folded event.
func (l *entityLog) intoTile(e *Engine, k *cursorPlan, w, row []uint64, t int64) {
	oldest := k.tileOf(l.foldedAt(w) - k.delay - k.length + 1)
	l.dropTiles(e, k, w, oldest)
	if k.tileOf(t) < oldest {
		return
	}
	tile := l.tiles.Put(w[l.plan.atTiles:], k.list, k.tileOf(t))
	for _, p := range k.tiled {
		if !l.plan.has(row, p.unique) {
			continue
		}
		words := tile[p.tile : p.tile+p.size()]
		switch p.part {
		case 0, aggregate.Matches, aggregate.Distinct:
			words[0]++
		case aggregate.Newest, aggregate.Oldest:
			l.addKeeping(e, p, words, row)
		default:
			p.part.Add(words, l.plan.input(row, p), p.number)
		}
	}
}

// addKeeping puts a row into a Newest or Oldest part that outlives the row: it
// holds its text.
func (l *entityLog) addKeeping(e *Engine, p *partPlan, words, row []uint64) {
	old := [3]uint64{words[0], words[1], words[2]}
	p.part.Add(words, l.plan.input(row, p), p.number)
	if l.plan.isText(p.lane) && (words[0] != old[0] || words[1] != old[1]) {
		e.texts.again(words[2])
		if old[0] != 0 {
			e.texts.release(old[2])
		}
	}
}

// dropTiles forgets the tiles of a window before a number.
func (l *entityLog) dropTiles(e *Engine, k *cursorPlan, w []uint64, number int64) {
	tiles, width, n := l.tiles.All(w[l.plan.atTiles:], k.list), l.plan.tileWidths[k.list], 0
	for n < len(tiles) && int64(tiles[n]) < number {
		l.releaseTile(e, k, tiles[n:n+width])
		n += width
	}
	if n > 0 {
		l.tiles.DropFront(w[l.plan.atTiles:], k.list, n)
	}
}

// releaseTile lets go of the texts that a tile holds.
func (l *entityLog) releaseTile(e *Engine, k *cursorPlan, tile []uint64) {
	for _, p := range k.tiled {
		if (p.part == aggregate.Newest || p.part == aggregate.Oldest) && l.plan.isText(p.lane) && tile[p.tile] != 0 {
			e.texts.release(tile[p.tile+2])
		}
	}
}

// releaseTiles lets go of the texts that all tiles of an entity hold.
func (l *entityLog) releaseTiles(e *Engine, w []uint64) {
	for _, k := range l.plan.tiling {
		tiles, width := l.tiles.All(w[l.plan.atTiles:], k.list), l.plan.tileWidths[k.list]
		for i := 0; i < len(tiles); i += width {
			l.releaseTile(e, k, tiles[i:i+width])
		}
	}
}

// recur notes that a value whose newest occurrence, at t, was folded occurs
// again: its tile does not count it any more.
func (l *entityLog) recur(x *tablePlan, w []uint64, t int64) {
	for _, c := range x.counts {
		k := c.cursor
		if k.stripped || k.delay > 0 {
			continue
		}
		if tile := l.tiles.Find(w[l.plan.atTiles:], k.list, k.tileOf(t)); tile != nil {
			tile[c.part.tile]--
		}
	}
}

// left is the time of the newest event that has left an entity's log.
func (l *entityLog) left(w []uint64) int64 { return max(int64(w[atDropped]), l.foldedAt(w)) }

// folded reports whether a sliding window's tail is among the folded events.
func (m *moment) folded(k *cursorPlan) bool {
	folded := m.log.foldedAt(m.state)
	return folded != 0 && k.slides() && m.t-k.delay-k.length < folded
}

// from is the time behind which a sliding window begins: where the tail is
// among the folded events, with its tile.
func (m *moment) from(k *cursorPlan) int64 {
	from := m.t - k.delay - k.length
	if m.folded(k) {
		return k.tileOf(from+1)*k.grid - 1
	}
	return from
}

// finishAll turns the parts in words into the values of columns of one window.
// Where its tail is among the folded events, words are of its rows alone.
func (e *Engine) finishAll(cells []cellOut, k *cursorPlan, m *moment, words []uint64, f frame, status Status) {
	if !m.folded(k) || m.gone {
		for i := range cells {
			e.finish(&cells[i], m, words, f, status)
		}
		return
	}
	wide := e.widen(k, m, words)
	for i := range cells {
		x := &cells[i]
		if m.whole = x.tiled && !(x.distinct && m.standing == behind); m.whole {
			e.finish(x, m, wide, f, status)
		} else {
			e.finish(x, m, words, f, status)
		}
	}
	m.whole = false
}

// widen makes the parts of a window whose tail is among the folded events, from
// those over its rows in words and from its tiles. Where the window ends among
// the folded events too (a delay), it ends with the tile before.
func (e *Engine) widen(k *cursorPlan, m *moment, words []uint64) []uint64 {
	l := m.log
	for _, p := range k.tiled {
		to := e.wide[p.at : p.at+p.size()]
		if m.scans(k) || p.runs(k) {
			copy(to, words[p.at:])
		} else {
			e.ofRows(k, p, m, to)
		}
	}
	tiles, width := l.tiles.All(m.state[l.plan.atTiles:], k.list), l.plan.tileWidths[k.list]
	first, end := k.tileOf(m.t-k.delay-k.length+1), int64(never)
	if m.t-k.delay < l.foldedAt(m.state) {
		end = k.tileOf(m.t - k.delay + 1)
	}
	for i := 0; i < len(tiles); i += width {
		l.steps++
		if number := int64(tiles[i]); number < first || number >= end {
			continue
		}
		for _, p := range k.tiled {
			to, from := e.wide[p.at:p.at+p.size()], tiles[i+p.tile:i+p.tile+p.size()]
			if p.part == 0 {
				to[0] += from[0]
			} else {
				p.part.Merge(to, from)
			}
		}
	}
	return e.wide
}

// ofRows is a part that does not run, over the rows of a window that holds all
// of them.
func (e *Engine) ofRows(k *cursorPlan, p *partPlan, m *moment, to []uint64) {
	clear(to)
	switch {
	case p.newest != nil:
		copy(to, m.state[p.newest.at:p.newest.at+3])
	case p.stack != nil && m.log.takenAt(m.state) > m.t-k.length:
		copy(to, e.ownExtreme(m.log, k, p, m.state, m.t))
	case p.stack != nil:
		if code, ok := m.log.stacks.Best(m.state[p.stack.at:], m.t-k.length); ok {
			to[0], to[1] = 1, code
		}
	default:
		if oldest, ok := e.firstOf(k, p, m); ok {
			copy(to, oldest)
		}
	}
}

// purge forgets what the tables of sliding windows know of occurrences that
// have left every window, a few slots for each event that is folded.
func (l *entityLog) purge(w []uint64) {
	for _, x := range l.plan.tables {
		if x.life == nil {
			l.tables.Expire(w[x.at:], int(w[l.plan.atTurn]), purgeSlots, l.foldedAt(w)-x.delay-x.keep)
		}
	}
	if l.plan.retracts {
		l.unpend(w)
	}
}

const purgeSlots = 4

// unfold forgets the tiles once no reader can need them any more.
func (l *entityLog) unfold(e *Engine, w []uint64, oldest int64) {
	folded := l.foldedAt(w)
	if folded == 0 || folded > oldest {
		return
	}
	l.releaseTiles(e, w)
	l.slab.FreeHandle(w[l.plan.atTiles:])
	for _, x := range l.plan.tables {
		if x.life == nil {
			l.tables.Revise(w[x.at:], func(_ uint64, n window.Note) window.Note {
				if n.Time() <= folded {
					return 0
				}
				return n
			})
		}
	}
	w[l.plan.atFolded] = 0
	w[atDropped] = max(w[atDropped], uint64(folded))
}
