package main

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-dev/freshet/features"
)

// benchSnapshot measures what a checkpoint asks of the engine: its state as
// bytes, and back, beside a copy of the same bytes into memory that was not in
// use. FRESHET_BENCH_KEYS sets the number of keys.
func benchSnapshot() error {
	keys, err := benchKeys()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d keys, the velocity view of examples/payments. CPU time of one core per key, and the clock's time of all.\n\n", keys)
	fmt.Println("| events per key | bytes per key | write, ns | all | longest group | check, ns | all, 2 goroutines | attach, ns | all | load, all | copy, ns | all |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, events := range []int{1, 4, 12} {
		if keys*events > 12_000_000 {
			break
		}
		if err := snapshotRow(keys, events); err != nil {
			return err
		}
	}
	return nil
}

// snapshotRow is one line of the table.
func snapshotRow(keys, events int) error {
	m, err := newMemory(memorySpec)
	if err != nil {
		return err
	}
	for range events {
		m.round(keys)
	}
	var groups [features.NumGroups][]byte
	admission := m.engine.BeginSnapshot().Append(nil)
	size, longest := 0, time.Duration(0)
	write := clock()
	for g := range groups {
		at := time.Now()
		groups[g] = m.engine.AppendGroup(make([]byte, 0, size/max(g, 1)*9/8), g)
		longest = max(longest, time.Since(at))
		size += len(groups[g])
	}
	write.stop()
	refused := m.engine.EndSnapshot(nil)
	m.engine = nil
	runtime.GC()

	copied := clock()
	floor := make([]byte, size)
	for at, g := 0, 0; g < len(groups); g++ {
		at += copy(floor[at:], groups[g])
	}
	copied.stop()
	runtime.KeepAlive(floor)
	floor = nil
	runtime.GC()

	whole := clock()
	back := features.NewRestore(features.NewEngine(m.plan, features.Options{}), m.plan.LogIDs())
	var checked [features.NumGroups]*features.Group
	check := clock()
	if err := checkAll(back, &groups, &checked); err != nil {
		return err
	}
	check.stop()
	attach := clock()
	for g := range checked {
		back.Attach(checked[g], nil)
	}
	attach.stop()
	if err := back.Admission(bytes.NewReader(admission), refused, nil, nil); err != nil {
		return err
	}
	whole.stop()
	fmt.Printf("| %d | %.0f | %s | %s | %s | %s | %s | %s |\n", events, float64(size)/float64(keys), write.per(keys), longest.Round(10*time.Microsecond),
		check.per(keys), attach.per(keys), whole.wall.Round(time.Millisecond), copied.per(keys))
	return nil
}

// checkAll checks all groups on two goroutines.
func checkAll(back *features.Restore, groups *[features.NumGroups][]byte, checked *[features.NumGroups]*features.Group) error {
	var next atomic.Int64
	var work sync.WaitGroup
	var failed atomic.Pointer[error]
	for range 2 {
		work.Go(func() {
			for g := int(next.Add(1)) - 1; g < len(groups); g = int(next.Add(1)) - 1 {
				group, err := back.Check(g, groups[g])
				if err != nil {
					failed.Store(&err)
					return
				}
				checked[g] = group
			}
		})
	}
	work.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// span is how long something took.
type span struct {
	began     time.Time
	beganCPU  time.Duration
	wall, cpu time.Duration
}

func clock() *span { return &span{began: time.Now(), beganCPU: ownCPU()} }

func (s *span) stop() { s.wall, s.cpu = time.Since(s.began), ownCPU()-s.beganCPU }

// per is the CPU time per key, and the time of all keys.
func (s *span) per(keys int) string {
	return fmt.Sprintf("%.0f | %s", float64(s.cpu.Nanoseconds())/float64(keys), s.wall.Round(time.Millisecond))
}
