package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// recoveryPhases are those that the process says itself, in their order. What is
// left of a recovery is the start of the process, up to where it asks for its
// partitions.
var recoveryPhases = []string{"group", "store", "state", "commit"}

// comeback is one recovery: from the start of a process that follows a kill -9 to
// its first commit.
type comeback struct {
	all    time.Duration
	phases map[string]time.Duration
	said   string // by the process
}

// rest is without the load of the state.
func (c comeback) rest() time.Duration { return c.all - c.phases["state"] }

func (c comeback) String() string {
	var b strings.Builder
	start := c.all
	for _, name := range recoveryPhases {
		start -= c.phases[name]
		fmt.Fprintf(&b, ", %s %d", name, c.phases[name].Milliseconds())
	}
	return fmt.Sprintf("%d ms: start %d%s", c.all.Milliseconds(), start.Milliseconds(), b.String())
}

// recoveries are all of a row.
type recoveries []comeback

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
	c := comeback{all: time.Since(began), phases: map[string]time.Duration{}, said: p.log.String()}
	for _, name := range recoveryPhases {
		c.phases[name] = time.Duration(p.metric(t.ctx, `freshet_takeover_duration_seconds{phase="`+name+`"}`) * float64(time.Second))
	}
	t.recovery = append(t.recovery, c)
	return nil
}

// publish says how long it took, of the slowest what it waited for, and how busy
// the machine was: where others wait for the processor as well (reliability.md 6:
// above 10 %) it says little.
func (t *trials) publishRecoveries() {
	if len(t.recovery) == 0 {
		return
	}
	all := t.recovery
	for name, of := range map[string]func(comeback) time.Duration{"first_commit": comeback.rest, "load": func(c comeback) time.Duration { return c.phases["state"] }} {
		slices.SortFunc(all, func(a, b comeback) int { return cmp.Compare(of(a), of(b)) })
		t.counts[name+"_p50_ms"] = of(all[len(all)/2]).Milliseconds()
		t.counts[name+"_p99_ms"] = of(all[(len(all)*99-1)/100]).Milliseconds()
		t.counts[name+"_max_ms"] = of(all[len(all)-1]).Milliseconds()
	}
	slices.SortFunc(all, func(a, b comeback) int { return cmp.Compare(b.rest(), a.rest()) })
	t.say("first commits behind a kill, the slowest of %d: %v", len(all), all[:min(len(all), slowestTold)])
	if all[0].rest() > time.Second {
		t.say("the slowest of them said:\n%s", all[0].said)
	}
	t.counts["recoveries"] = int64(len(all))
	t.counts["cpu_pressure_percent"] = int64(pressure())
}

// slowestTold is of how many recoveries the phases are told.
const slowestTold = 3

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
