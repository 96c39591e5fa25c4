package features

import (
	"encoding/binary"
	"slices"
)

// recent is a set of hashes that are forgotten in the order in which they came:
// each is stamped with an event time that never goes back. They lie in blocks
// that never move, so that there may be millions: none is copied for more to come,
// and a snapshot takes the blocks as they are.
type recent struct {
	stamps map[uint64]int64
	blocks []*recentBlock // oldest first
	head   int            // of the first block: what is before it is forgotten
	end    int            // of the last block: what is behind it is free
	lent   int            // how many of the first blocks a snapshot may still read
	spare  *recentBlock
}

type recentBlock [recentPerBlock]stamped

const recentPerBlock = 1 << 10

type stamped struct {
	hash  uint64
	stamp int64
}

func (r *recent) has(hash uint64) bool {
	_, ok := r.stamps[hash]
	return ok
}

// add remembers a hash. The stamp is at or after all before it.
func (r *recent) add(hash uint64, stamp int64) {
	if r.stamps == nil {
		r.stamps = map[uint64]int64{}
	}
	r.stamps[hash] = stamp
	if len(r.blocks) == 0 || r.end == recentPerBlock {
		if r.spare == nil {
			r.spare = new(recentBlock)
		}
		r.blocks, r.end, r.spare = append(r.blocks, r.spare), 0, nil
	}
	r.blocks[len(r.blocks)-1][r.end] = stamped{hash, stamp}
	r.end++
}

// expire forgets the hashes with a stamp before t.
func (r *recent) expire(t int64) {
	for len(r.blocks) > 0 {
		first, end := r.blocks[0], recentPerBlock
		if len(r.blocks) == 1 {
			end = r.end
		}
		for ; r.head < end; r.head++ {
			old := &first[r.head]
			if old.stamp >= t {
				return
			}
			if r.stamps[old.hash] == old.stamp {
				delete(r.stamps, old.hash)
			}
		}
		if end < recentPerBlock {
			return
		}
		r.drop()
	}
}

// drop lets go of the first block. One that a snapshot may still read is not
// filled again.
func (r *recent) drop() {
	first := r.blocks[0]
	n := copy(r.blocks, r.blocks[1:])
	r.blocks[n] = nil
	r.blocks, r.head = r.blocks[:n], 0
	if r.lent > 0 {
		r.lent--
		return
	}
	r.spare = first
}

// lend gives what is not forgotten, as it is now.
func (r *recent) lend() lentHashes {
	r.lent = len(r.blocks)
	return lentHashes{slices.Clone(r.blocks), r.head, r.end}
}

// lentHashes are the hashes of a set at one moment. They do not change any more:
// whoever has them may read them beside the set.
type lentHashes struct {
	blocks    []*recentBlock
	head, end int
}

func (x lentHashes) len() int {
	if len(x.blocks) == 0 {
		return 0
	}
	return (len(x.blocks)-1)*recentPerBlock + x.end - x.head
}

// appendBlock adds the hashes of a block and their stamps to dst, in their order.
func (x lentHashes) appendBlock(dst []byte, i int) []byte {
	from, to := 0, recentPerBlock
	if i == 0 {
		from = x.head
	}
	if i == len(x.blocks)-1 {
		to = x.end
	}
	for _, h := range x.blocks[i][from:to] {
		dst = binary.LittleEndian.AppendUint64(dst, h.hash)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(h.stamp))
	}
	return dst
}
