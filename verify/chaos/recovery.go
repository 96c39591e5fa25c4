package main

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"time"
)

// recoveries are the times from the start of a process that follows a kill -9 to
// its first commit, and what of each was the load of the state.
type recoveries struct {
	rest, state []time.Duration // rest: without the load
}

// recovers waits until a process that began then commits, and notes how long
// that took. The process itself says when: the end of a transaction that the one
// before it has asked for may show in the offsets later than the kill.
func (t *trials) recovers(h *history, p *instance, began time.Time) error {
	before, err := h.kafka.committed(t.ctx, h.group())
	if err != nil {
		return err
	}
	for _, committed := range []func() (bool, error){
		func() (bool, error) { // asks nothing of the process
			now, err := h.kafka.committed(t.ctx, h.group())
			return now > before, err
		},
		func() (bool, error) {
			return p.metric(t.ctx, `freshet_takeover_duration_seconds{phase="commit"}`) > 0, nil
		},
	} {
		if err := until(t.ctx, time.Minute, "it commits", committed, p.process); err != nil {
			return err
		}
	}
	all := time.Since(began)
	state := time.Duration(p.metric(t.ctx, `freshet_takeover_duration_seconds{phase="state"}`) * float64(time.Second))
	t.recovery.rest = append(t.recovery.rest, all-state)
	t.recovery.state = append(t.recovery.state, state)
	return nil
}

func (r *recoveries) add(other recoveries) {
	r.rest = append(r.rest, other.rest...)
	r.state = append(r.state, other.state...)
}

// publish says how long it took, and how busy the machine was: where others wait
// for the processor as well (reliability.md 6: above 10 %) it says little.
func (r *recoveries) publish(counts map[string]int64) {
	if len(r.rest) == 0 {
		return
	}
	for name, of := range map[string][]time.Duration{"first_commit": r.rest, "load": r.state} {
		slices.Sort(of)
		counts[name+"_p50_ms"] = of[len(of)/2].Milliseconds()
		counts[name+"_p99_ms"] = of[(len(of)*99-1)/100].Milliseconds()
		counts[name+"_max_ms"] = of[len(of)-1].Milliseconds()
	}
	counts["recoveries"] = int64(len(r.rest))
	counts["cpu_pressure_percent"] = int64(pressure())
}

// pressure is for how much of the last minute something waited for a processor,
// in percent; 0 where the system does not say.
func pressure() float64 {
	raw, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(raw, []byte("avg60="))
	text, _, _ := bytes.Cut(rest, []byte(" "))
	percent, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0
	}
	return percent
}
