package window

import "sort"

// Rows is the geometry of an entity's event log: rows of Width words that begin
// with a stamp, event time and place, and are ordered by both. A log is two
// words of its owner (the handle): the block, and where in it the live rows
// begin and how many they are. Rows at the front are dropped by moving the
// beginning; the space is taken back when the block is full.
type Rows struct {
	Width int
	slab  *Slab
}

// HandleWords is the size of a handle.
const HandleWords = 2

// NewRows is the geometry of logs in a slab.
func NewRows(slab *Slab, width int) Rows { return Rows{Width: width, slab: slab} }

// Len is the number of live rows.
func (r *Rows) Len(h []uint64) int { return int(uint32(h[1])) }

// All are the words of all live rows. They move with the next Insert.
func (r *Rows) All(h []uint64) []uint64 {
	start, n := int(h[1]>>32), int(uint32(h[1]))
	if n == 0 {
		return nil
	}
	return r.slab.Words(Ref(h[0]))[start*r.Width : (start+n)*r.Width]
}

// Full reports whether the next Insert needs another block or moves the rows.
func (r *Rows) Full(h []uint64) bool {
	start, n := int(h[1]>>32), int(uint32(h[1]))
	return (start+n+1)*r.Width > len(r.slab.Words(Ref(h[0])))
}

// OwnBits is how many of the low bits of a row's first word are its owner's:
// event times before 2100 in ms need 42 bits.
const OwnBits = 22

// Stamp sets a row's event time in ms and its place, and clears the owner's bits.
func Stamp(row []uint64, t int64, place uint64) { row[0], row[1] = uint64(t)<<OwnBits, place }

// Time is a row's event time in ms.
func Time(row []uint64) int64 { return int64(row[0] >> OwnBits) }

// Place is a row's place among those of equal time.
func Place(row []uint64) uint64 { return row[1] }

// Behind hands out the words of a row behind all others, where their block has
// room for it; nil: Insert makes some. The caller fills them.
func (r *Rows) Behind(h []uint64) []uint64 {
	block := r.slab.Words(Ref(h[0]))
	to := (int(h[1]>>32) + int(uint32(h[1])) + 1) * r.Width
	if to > len(block) {
		return nil
	}
	h[1]++
	return block[to-r.Width : to : to]
}

// More is all live rows and the words of one more behind them, where their block
// has room for it; nil: Insert makes some. The caller fills them.
func (r *Rows) More(h []uint64) []uint64 {
	block := r.slab.Words(Ref(h[0]))
	start := int(h[1]>>32) * r.Width
	to := start + (int(uint32(h[1]))+1)*r.Width
	if to > len(block) {
		return nil
	}
	h[1]++
	return block[start:to]
}

// Insert makes room for a row before row i and hands out its words, which the
// caller fills.
func (r *Rows) Insert(h []uint64, i int) []uint64 {
	start, n := int(h[1]>>32), int(uint32(h[1]))
	block := r.slab.Words(Ref(h[0]))
	w := r.Width
	if i == n && (start+n+1)*w <= len(block) {
		return r.Behind(h)
	}
	if start > 0 && i < n/2 { // the shorter way
		start--
		live := block[start*w : (start+n+1)*w]
		copy(live[:i*w], live[w:(i+1)*w])
		h[1] = uint64(start)<<32 | uint64(n+1)
		return live[i*w : (i+1)*w]
	}
	if (start+n+1)*w > len(block) {
		block, start = r.makeRoom(h, start, n)
	}
	live := block[start*w : (start+n+1)*w]
	copy(live[(i+1)*w:], live[i*w:n*w])
	h[1] = uint64(start)<<32 | uint64(n+1)
	return live[i*w : (i+1)*w]
}

// makeRoom moves the live rows to the front of their block where enough of it is
// dead, and else to a larger one: by one row while they are few, as most logs
// are, and then by an eighth, which moves eight rows for each that comes.
func (r *Rows) makeRoom(h []uint64, start, n int) ([]uint64, int) {
	old := r.slab.Words(Ref(h[0]))
	live := old[start*r.Width : (start+n)*r.Width]
	if start > 0 && start >= n/8 {
		copy(old, live)
		return old, 0
	}
	ref := r.slab.Alloc((n + 1 + n/8) * r.Width)
	block := r.slab.Words(ref)
	copy(block, live)
	r.slab.Free(Ref(h[0]))
	h[0] = uint64(ref)
	return block, 0
}

// Show sets how many of the log's rows, from the first on, are live. Those
// behind stay as they are until the next Insert.
func (r *Rows) Show(h []uint64, n int) { h[1] = h[1]>>32<<32 | uint64(n) }

// DropFront forgets the first k rows.
func (r *Rows) DropFront(h []uint64, k int) {
	start, n := h[1]>>32, uint64(uint32(h[1]))
	h[1] = (start+uint64(k))<<32 | (n - uint64(k))
}

// FirstAfter is the index of the first row later than t: how many rows have
// time <= t.
func (r *Rows) FirstAfter(rows []uint64, t int64) int {
	n := len(rows) / r.Width
	if n == 0 || Time(rows[(n-1)*r.Width:]) <= t {
		return n
	}
	return sort.Search(n, func(i int) bool { return Time(rows[i*r.Width:]) > t })
}

// FirstBehind is the index of the first row that is behind (t, place).
func (r *Rows) FirstBehind(rows []uint64, t int64, place uint64) int {
	n := len(rows) / r.Width
	if n == 0 || !behind(rows[(n-1)*r.Width:], t, place) {
		return n
	}
	return sort.Search(n, func(i int) bool { return behind(rows[i*r.Width:], t, place) })
}

func behind(row []uint64, t int64, place uint64) bool {
	at := Time(row)
	return at > t || (at == t && row[1] > place)
}
