package features

// recent is a set of hashes that are forgotten in the order in which they came:
// each is stamped with an event time that never goes back.
type recent struct {
	stamps map[uint64]int64
	queue  []stamped // oldest at head
	head   int
}

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
	if r.head > 0 && len(r.queue) == cap(r.queue) {
		r.queue = r.queue[:copy(r.queue, r.queue[r.head:])]
		r.head = 0
	}
	r.queue = append(r.queue, stamped{hash, stamp})
}

// expire forgets the hashes with a stamp before t.
func (r *recent) expire(t int64) {
	for r.head < len(r.queue) && r.queue[r.head].stamp < t {
		old := r.queue[r.head]
		if r.stamps[old.hash] == old.stamp {
			delete(r.stamps, old.hash)
		}
		r.head++
	}
}
