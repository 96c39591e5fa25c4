package main

import (
	"hash/maphash"
	"math"

	"github.com/freshet-dev/freshet/features/event"
)

// The floor of the engine: the same 120 values by a kernel that does nothing
// else. Events in order, every amount there, nothing late, nothing twice, no
// status, no row, sums in one word: what the arithmetic and the memory cost by
// themselves. Staged in batches of sixteen, like the engine.

const (
	floorEntities = 5
	floorBatch    = 16
)

var floorWindows = [...]int64{60e3, 600e3, 3600e3, 6 * 3600e3, 86400e3, 7 * 86400e3}

type floorRow struct{ time, amount int64 }

type floorWindow struct {
	tail   uint32
	sum    int64
	square uint64
}

type floorEntity struct {
	hash       uint64
	at, n, cap uint32 // rows in the arena
	windows    [len(floorWindows)]floorWindow
}

// floor is the kernel of one entity.
type floor struct {
	index    []uint32 // slot + 1
	entities []floorEntity
	arena    []floorRow
	free     [33][]uint32 // by log2 of the size
}

func newFloor() *floor { return &floor{index: make([]uint32, 1<<21)} }

func (f *floor) find(hash uint64) uint32 {
	for i := hash & uint64(len(f.index)-1); ; i = (i + 1) & uint64(len(f.index)-1) {
		switch n := f.index[i]; {
		case n == 0:
			f.entities = append(f.entities, floorEntity{hash: hash})
			f.index[i] = uint32(len(f.entities))
			return uint32(len(f.entities) - 1)
		case f.entities[n-1].hash == hash:
			return n - 1
		}
	}
}

func (f *floor) apply(e *floorEntity, t, amount int64, out []float64) {
	if e.n == e.cap {
		f.grow(e)
	}
	f.arena[e.at+e.n] = floorRow{t, amount}
	e.n++
	rows := f.arena[e.at : e.at+e.n]
	for i := range e.windows {
		w := &e.windows[i]
		for from := t - floorWindows[i]; rows[w.tail].time <= from; w.tail++ {
			x := rows[w.tail].amount
			w.sum -= x
			w.square -= uint64(x * x)
		}
		w.sum += amount
		w.square += uint64(amount * amount)
		n := float64(e.n - w.tail)
		sum := float64(w.sum) / 100
		o := out[4*i : 4*i+4]
		o[0], o[1], o[2], o[3] = n, sum, sum/n, 0
		if n > 1 {
			o[3] = math.Sqrt((float64(w.square)/1e4 - sum*sum/n) / (n - 1))
		}
	}
}

// grow drops what has left the longest window, or doubles the room.
func (f *floor) grow(e *floorEntity) {
	drop := e.windows[len(e.windows)-1].tail
	rows := f.arena[e.at : e.at+e.n]
	if e.cap == 0 || drop < e.n/2 {
		size, class := uint32(2), 1
		for ; size <= e.n; size *= 2 {
			class++
		}
		at := uint32(len(f.arena))
		if list := f.free[class]; len(list) > 0 {
			at, f.free[class] = list[len(list)-1], list[:len(list)-1]
		} else {
			f.arena = append(f.arena, make([]floorRow, size)...)
		}
		if e.cap > 0 {
			f.free[class-1] = append(f.free[class-1], e.at)
		}
		e.at, e.cap = at, size
	}
	copy(f.arena[e.at:], rows[drop:])
	e.n -= drop
	for i := range e.windows {
		e.windows[i].tail -= drop
	}
}

// floorKernels are the kernels of all entities of plainSpec.
type floorKernels struct {
	seed   maphash.Seed
	each   [floorEntities]*floor
	keys   [floorEntities]int // fields
	amount int
	out    [24 * floorEntities]float64
	kept   float64 // what keeps values from being optimised away
}

func newFloorKernels(fields map[string]int) *floorKernels {
	k := &floorKernels{seed: maphash.MakeSeed(), amount: fields["amount"]}
	for i, name := range [floorEntities]string{"card_id", "user_id", "device_id", "ip", "merchant_id"} {
		k.each[i], k.keys[i] = newFloor(), fields[name]
	}
	return k
}

// run puts decoded events through the kernels.
func (k *floorKernels) run(events []event.Event) {
	var found [floorBatch * floorEntities]uint32
	for len(events) > 0 {
		batch := events[:min(floorBatch, len(events))]
		events = events[len(batch):]
		touched := uint64(0)
		for i := range batch {
			for j, f := range k.each {
				found[i*floorEntities+j] = f.find(maphash.String(k.seed, batch[i].Values[k.keys[j]].Str()))
			}
		}
		for i := range batch {
			for j, f := range k.each {
				if e := &f.entities[found[i*floorEntities+j]]; e.n > 0 {
					touched += uint64(f.arena[e.at+e.n-1].time)
				}
			}
		}
		for i := range batch {
			for j, f := range k.each {
				f.apply(&f.entities[found[i*floorEntities+j]], batch[i].Time, batch[i].Values[k.amount].Int(), k.out[24*j:24*j+24])
			}
			k.kept += k.out[0] + k.out[119]
		}
		k.kept += float64(touched & 1)
	}
}
