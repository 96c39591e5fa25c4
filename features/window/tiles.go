package window

// Tiles is the geometry of what an entity has folded away: some lists of tiles,
// one for each window. A tile is its number on the window's grid of event time,
// and the window's parts over the events that it holds; only tiles that hold
// something are there, in the order of their numbers. All lists of an entity
// are one block, named by a handle of its owner: where each list ends, then
// the lists.
type Tiles struct {
	slab   *Slab
	widths []int // by list: words of a tile, the number included
}

// NewTiles is the geometry of tiles in a slab.
func NewTiles(slab *Slab, widths []int) Tiles { return Tiles{slab, widths} }

// span is where in a block a list begins and ends.
func (t *Tiles) span(block []uint64, list int) (from, to int) {
	from = len(t.widths)
	if list > 0 {
		from = int(block[list-1])
	}
	return from, int(block[list])
}

// All are the words of a list's tiles, oldest first. They move with the next
// Put.
func (t *Tiles) All(h []uint64, list int) []uint64 {
	if h[0] == 0 {
		return nil
	}
	block := t.slab.Words(Ref(h[0]))
	from, to := t.span(block, list)
	return block[from:to:to]
}

// Find is a tile's words, its number among them; nil: it is not there.
func (t *Tiles) Find(h []uint64, list int, number int64) []uint64 {
	tiles, width := t.All(h, list), t.widths[list]
	if at := t.first(tiles, list, number); at < len(tiles) && int64(tiles[at]) == number {
		return tiles[at : at+width : at+width]
	}
	return nil
}

// first is the offset of the first tile with at least a number. Most events
// that are folded belong to the newest tile.
func (t *Tiles) first(tiles []uint64, list int, number int64) int {
	width := t.widths[list]
	at := len(tiles)
	for at > 0 && int64(tiles[at-width]) >= number {
		at -= width
	}
	return at
}

// Put is a tile's words, which are zero but for the number where it is new.
func (t *Tiles) Put(h []uint64, list int, number int64) []uint64 {
	if h[0] == 0 {
		t.begin(h)
	}
	width := t.widths[list]
	block := t.slab.Words(Ref(h[0]))
	from, to := t.span(block, list)
	at := from + t.first(block[from:to], list, number)
	if at < to && int64(block[at]) == number {
		return block[at : at+width : at+width]
	}
	block = t.grow(h, width)
	used := int(block[len(t.widths)-1])
	copy(block[at+width:], block[at:used])
	clear(block[at : at+width])
	block[at] = uint64(number)
	for i := list; i < len(t.widths); i++ {
		block[i] += uint64(width)
	}
	return block[at : at+width : at+width]
}

func (t *Tiles) begin(h []uint64) {
	h[0] = uint64(t.slab.Alloc(4 * len(t.widths)))
	block := t.slab.Words(Ref(h[0]))
	for i := range t.widths {
		block[i] = uint64(len(t.widths))
	}
}

// grow makes room for some more words.
func (t *Tiles) grow(h []uint64, words int) []uint64 {
	block := t.slab.Words(Ref(h[0]))
	used := int(block[len(t.widths)-1])
	if used+words <= len(block) {
		return block
	}
	ref := t.slab.Alloc(used + words + used/4)
	larger := t.slab.Words(ref)
	copy(larger, block[:used])
	t.slab.Free(Ref(h[0]))
	h[0] = uint64(ref)
	return larger
}

// DropFront forgets the first words of a list: whole tiles.
func (t *Tiles) DropFront(h []uint64, list, words int) {
	block := t.slab.Words(Ref(h[0]))
	from, _ := t.span(block, list)
	used := int(block[len(t.widths)-1])
	copy(block[from:], block[from+words:used])
	for i := list; i < len(t.widths); i++ {
		block[i] -= uint64(words)
	}
}
