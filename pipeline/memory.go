package pipeline

import (
	goruntime "runtime/metrics"
	"time"
)

// memory is what the loop knows of the process's memory. Queues, batches and
// fetches have bounds of their own; what grows with the input is the entities.
type memory struct {
	lookedAt time.Time
	samples  []goruntime.Sample
	limited  bool
	cutAt    float64      // the part in use when the entities were last made fewer; 0: it has gone below tightFrom since
	needed   func() int64 // for tests; nil: the runtime's
}

const (
	// tightFrom is the part of the limit from which no more entities are known:
	// the collector keeps to 90 % of it, and needs room to work.
	tightFrom = 0.75
	// lessFrom is the part from which there are to be fewer, by lessKeys; and again
	// for each moreSince that it grows. The memory of those who went is not given
	// back but taken by who comes, so that it does not shrink is no sign of need.
	lessFrom  = 0.85
	lessKeys  = 15.0 / 16
	moreSince = 0.01
)

// What of the memory is in use: all that the runtime has, without what a
// collection would free or the system has back.
var memoryClasses = []string{"/memory/classes/total:bytes", "/gc/heap/live:bytes",
	"/memory/classes/heap/released:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes"}

func (m *memory) inUse() int64 {
	if m.needed != nil {
		return m.needed()
	}
	if m.samples == nil {
		for _, name := range memoryClasses {
			m.samples = append(m.samples, goruntime.Sample{Name: name})
		}
	}
	goruntime.Read(m.samples)
	n := int64(0)
	for i, s := range m.samples {
		if v := int64(s.Value.Uint64()); i < 2 {
			n += v
		} else {
			n -= v
		}
	}
	return n
}

// lookAfterMemory keeps the entities from taking more than the process may
// have: those of longest silence are forgotten, counted, and who comes after
// them is WARMING, as with engine.max_keys. It is the loop's, about once a second.
func (r *Runner) lookAfterMemory(now time.Time) {
	m := &r.memory
	if now.Sub(m.lookedAt) < tick {
		return
	}
	m.lookedAt = now
	if r.Limits.Memory <= 0 || r.engine == nil {
		return
	}
	used := float64(m.inUse()) / float64(r.Limits.Memory)
	if used < tightFrom {
		m.cutAt = 0
		return
	}
	part := 1.0
	if used > max(lessFrom, m.cutAt+moreSince) {
		part, m.cutAt = lessKeys, used
	}
	r.engine.KeepKeys(part)
	if m.limited {
		return
	}
	m.limited = true
	r.metrics.memoryLimited.Set(1)
	keys := int64(0)
	for _, l := range r.engine.Stats().Logs {
		keys += l.Keys
	}
	r.Log.Error("memory_limit is near: no more entities are known than now, new ones take the place of those silent for longest, and are WARMING; "+
		"give the process more memory, or set ttl or engine.max_keys", "err_kind", "memory", "limit_bytes", r.Limits.Memory, "used_percent", int(100*used), "entities", keys)
}
