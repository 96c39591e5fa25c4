package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// expected is the load that validate sizes specs for: --rate, --keys and --values.
type expected struct {
	rate   float64
	budget float64            // bytes; 0: any
	keys   map[string]float64 // by entity; "" is that of the others
	values map[string]float64 // the same; 0: each event has its own
}

const (
	defaultKeys = 1_000_000
	sizedFor    = 24 * 3600 // seconds that such events have come for
)

// expectedLoad reads --rate 1000, --keys card=1000000,user=200000 and --values card=50.
func expectedLoad(rate float64, keys, values []string, budget string) (x expected, err error) {
	x = expected{rate: rate, keys: map[string]float64{"": defaultKeys}, values: map[string]float64{}}
	if rate < 0 {
		return x, usage("--rate %v: events per second of a source", rate)
	}
	if budget != "" {
		if x.budget, err = bytesOf(budget); err != nil {
			return x, err
		}
		if rate == 0 {
			return x, usage("--memory-budget needs --rate: how many events per second of each source")
		}
	}
	if err = byEntity(x.keys, "--keys", "1000000", keys, rate); err != nil {
		return x, err
	}
	return x, byEntity(x.values, "--values", "50", values, rate)
}

// byEntity reads the numbers of a flag that goes with --rate.
func byEntity(numbers map[string]float64, flag, such string, given []string, rate float64) error {
	if len(given) > 0 && rate == 0 {
		return usage("%s needs --rate: how many events per second of each source", flag)
	}
	for _, text := range given {
		entity, number, ok := strings.Cut(text, "=")
		if !ok {
			entity, number = "", text
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 1 {
			return usage("%s %s: write card=%s, or %s for all entities", flag, text, such, such)
		}
		numbers[entity] = n
	}
	return nil
}

// of is the number of an entity.
func of(numbers map[string]float64, entity string) float64 {
	if n, ok := numbers[entity]; ok {
		return n
	}
	return numbers[""]
}

// logMemory is what one log needs.
type logMemory struct {
	Entity string   `json:"entity"`
	Source string   `json:"source"`
	Views  []string `json:"views"`
	Keys   float64  `json:"keys"`
	Events float64  `json:"events_per_key"`
	PerKey float64  `json:"bytes_per_key"`
	Bytes  float64  `json:"bytes"`
}

// memory is what a spec needs under the load, by log, and in all. Without --rate
// it is nothing.
func (x expected) memory(s *spec.Spec) (logs []logMemory, total float64, err error) {
	if x.rate == 0 {
		return nil, 0, nil
	}
	plan, err := features.Compile(s, features.Served)
	if err != nil {
		return nil, 0, err
	}
	for _, z := range plan.Size(func(_ *spec.Source, entity *spec.Entity) features.Load {
		return features.Load{Rate: x.rate, Keys: of(x.keys, entity.Name), KeyBytes: 16, Values: of(x.values, entity.Name), Seconds: sizedFor}
	}) {
		m := logMemory{Entity: z.Entity.Name, Source: z.Source.Name, Keys: of(x.keys, z.Entity.Name), Events: z.Events, Bytes: math.Ceil(z.Total)}
		m.PerKey = math.Ceil(z.Total / m.Keys)
		for _, v := range z.Views {
			m.Views = append(m.Views, v.Ref())
		}
		logs, total = append(logs, m), total+m.Bytes
	}
	return logs, total, nil
}

// beyond warns of a spec that needs more than --memory-budget.
func (x expected) beyond(s *spec.Spec) spec.Diagnostics {
	if x.budget == 0 {
		return nil
	}
	_, total, err := x.memory(s)
	if err != nil || total <= x.budget {
		return nil // what cannot be compiled has been said
	}
	return spec.Diagnostics{s.Warning(s.Views[0].Pos, "shorten windows, lower event_budget, or give the process more; docs/sizing.md says what takes how much",
		"%s needs %.0f MiB at %g events/s, more than the memory budget of %.0f MiB", s.Namespace, total/(1<<20), x.rate, x.budget/(1<<20))}
}

// write prints what a spec needs in memory under the load.
func (x expected) write(out io.Writer, s *spec.Spec) error {
	logs, total, err := x.memory(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: memory for %g events/s of each source (docs/sizing.md)\n", s.Namespace, x.rate)
	fmt.Fprintf(out, "  %-28s %12s %12s %12s %10s  %s\n", "entity over source", "keys", "events/key", "bytes/key", "MiB", "views")
	for _, m := range logs {
		fmt.Fprintf(out, "  %-28s %12.0f %12.1f %12.0f %10.0f  %s\n", m.Entity+" over "+m.Source, m.Keys, m.Events,
			m.PerKey, m.Bytes/(1<<20), strings.Join(m.Views, " "))
	}
	_, err = fmt.Fprintf(out, "  %-28s %12s %12s %12s %10.0f\n", "in all", "", "", "", total/(1<<20))
	return err
}

// bytesOf reads 8GiB, 512MiB.
func bytesOf(text string) (float64, error) {
	for unit, size := range map[string]float64{"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.ParseFloat(number, 64); err == nil && n > 0 {
				return n * size, nil
			}
		}
	}
	return 0, usage("--memory-budget %s: write 8GiB or 512MiB", text)
}
