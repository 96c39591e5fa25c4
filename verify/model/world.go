package model

import "math/rand/v2"

const (
	partitions = 2
	entities   = 3
	depth      = 10 // records of a partition
)

// record touches one or two entities: its own, and sometimes one that records
// of the other partition touch too.
type record struct {
	bit     uint64 // its own in the sets of records
	touches []int
}

// version is all that any of the rules looks at.
type version struct {
	incarnation, batch, owner, seq, asOf int
	contributions                        int // events that the writer's state of the entity held
	wall                                 int // the writer's own clock
}

// row is what a store holds of an entity: its version, and which records its
// values were made of.
type row struct {
	version
	records uint64
}

// write is a row on its way.
type write struct {
	entity int
	row    row
}

// committed is what the log of offsets holds: everything in one transaction.
type committed struct {
	next                      [partitions]int
	batch, owner, incarnation int
	any                       bool
}

// instance is the live owner. What it applied beyond what is committed dies
// with it.
type instance struct {
	next                      [partitions]int
	state                     [entities]uint64
	contributions             [entities]int
	batch, owner, incarnation int
	wall                      int // how far its clock is off
	open                      []write
	latest                    [entities]row // of the open batch
	touched                   [entities]bool
	opened                    bool
}

// world is one history.
type world struct {
	rng       *rand.Rand
	rule      Rule
	log       [partitions][]record
	committed committed
	owners    int // drawn so far
	runs      int // incarnations drawn so far
	store     [entities]*row
	flying    []write // of instances that are dead
	live      *instance
	truth     [entities]*row // the row of the last committed batch that touched it
	clock     int
}

func newWorld(seed uint64, rule Rule) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 17)), rule: rule}
	for p := range w.log {
		for i := range depth {
			r := record{bit: 1 << (p*depth + i), touches: []int{w.rng.IntN(entities)}}
			if other := w.rng.IntN(entities); other != r.touches[0] {
				r.touches = append(r.touches, other)
			}
			w.log[p] = append(w.log[p], r)
		}
	}
	return w
}

// deliver lets a write reach the store, which keeps the newer row.
func (w *world) deliver(x write) {
	if old := w.store[x.entity]; old == nil || w.rule.Accepts(old.version, x.row.version) {
		w.store[x.entity] = &x.row
	}
}

// start makes a new owner: it draws its number, and has what was committed in
// its state, put there without a write.
func (w *world) start() {
	w.owners = max(w.owners, w.committed.owner) + 1
	if !w.committed.any {
		w.runs++
	}
	n := &instance{owner: w.owners, incarnation: w.runs, batch: w.committed.batch, next: w.committed.next, wall: w.rng.IntN(41) - 20}
	for p := range w.log {
		for _, r := range w.log[p][:n.next[p]] {
			n.absorb(r)
		}
	}
	w.live = n
}

func (n *instance) absorb(r record) {
	for _, e := range r.touches {
		n.state[e] |= r.bit
		n.contributions[e]++
	}
}

// crash ends the owner. What it has sent may still arrive, whenever.
func (w *world) crash() {
	w.flying = append(w.flying, w.live.open...)
	w.live = nil
}

// poll opens a batch: some of the next records of each partition, interleaved
// as it happens.
func (w *world) poll() {
	n := w.live
	n.opened, n.touched = true, [entities]bool{}
	seq := 0
	for range 1 + w.rng.IntN(5) {
		p := w.rng.IntN(partitions)
		if n.next[p] == depth {
			continue
		}
		r := w.log[p][n.next[p]]
		n.next[p]++
		n.absorb(r)
		for _, e := range r.touches {
			n.touched[e] = true
			n.latest[e] = row{w.versionOf(e, n.batch+1, seq), n.state[e]}
		}
		seq++
	}
	for e := range entities {
		if n.touched[e] {
			n.open = append(n.open, write{e, n.latest[e]})
		}
	}
}

func (w *world) versionOf(entity, batch, seq int) version {
	n := w.live
	w.clock++
	return version{incarnation: n.incarnation, batch: batch, owner: n.owner, seq: seq, asOf: w.clock,
		contributions: n.contributions[entity], wall: w.clock + n.wall}
}

// send lets one write of the open batch arrive.
func (w *world) send() {
	i := w.rng.IntN(len(w.live.open))
	w.deliver(w.live.open[i])
	w.live.open = append(w.live.open[:i], w.live.open[i+1:]...)
}

// commit ends the batch, all of whose rows are acknowledged.
func (w *world) commit() {
	n := w.live
	n.batch++
	n.opened = false
	w.committed = committed{next: n.next, batch: n.batch, owner: n.owner, incarnation: n.incarnation, any: true}
	for e := range entities {
		if n.touched[e] {
			r := n.latest[e]
			w.truth[e] = &r
		}
	}
}

// lastSeq is a refresh's: behind every event of the batch whose number it
// carries.
const lastSeq = 1 << 20

// refresh writes a row again, without an event: a window of it has emptied.
func (w *world) refresh(raiseBatch bool) {
	n, e := w.live, w.rng.IntN(entities)
	if n.state[e] == 0 || w.truth[e] == nil {
		return
	}
	if raiseBatch {
		n.batch++
	}
	r := row{w.versionOf(e, n.batch, lastSeq), n.state[e]}
	w.truth[e] = &r
	if x := (write{e, r}); w.rng.IntN(4) == 0 {
		w.flying = append(w.flying, x) // and its sender is thought dead before it arrives
		w.crash()
	} else {
		w.deliver(x)
	}
}

// forget drops an entity from the state, as a cap on keys does.
func (w *world) forget() {
	e := w.rng.IntN(entities)
	w.live.state[e], w.live.contributions[e] = 0, 0
}

// reset loses the committed offsets: the next run begins anew.
func (w *world) reset() { w.committed = committed{owner: w.committed.owner} }
