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

// expected is the load that validate sizes specs for: --rate, --keys, --values and
// --skew.
type expected struct {
	rate   float64
	budget float64            // bytes; 0: any
	keys   map[string]float64 // by entity; "" is that of the others
	values map[string]float64 // the same; 0: each event has its own
	skew   map[string]float64 // the same; 0: all keys are equally busy
}

const (
	defaultKeys = 1_000_000
	sizedFor    = 24 * 3600 // seconds that such events have come for
	mostSkew    = 5         // 96 % of the events are those of one key
)

// expectedFlags are the flags of a load, as they are given.
type expectedFlags struct {
	rate               float64
	keys, values, skew []string
	budget             string
}

// load reads --rate 1000, --keys card=1000000,user=200000, --values card=50 and
// --skew card=1.1.
func (f *expectedFlags) load() (x expected, err error) {
	rate, budget := f.rate, f.budget
	x = expected{rate: rate, keys: map[string]float64{"": defaultKeys}, values: map[string]float64{}, skew: map[string]float64{}}
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
	if err = byEntity(x.keys, "--keys", "1000000", f.keys, rate, 1, math.MaxFloat64); err != nil {
		return x, err
	}
	if err = byEntity(x.values, "--values", "50", f.values, rate, 1, math.MaxFloat64); err != nil {
		return x, err
	}
	return x, byEntity(x.skew, "--skew", "1.1", f.skew, rate, 0, mostSkew)
}

// byEntity reads the numbers of a flag that goes with --rate.
func byEntity(numbers map[string]float64, flag, such string, given []string, rate, least, most float64) error {
	if len(given) > 0 && rate == 0 {
		return usage("%s needs --rate: how many events per second of each source", flag)
	}
	for _, text := range given {
		entity, number, ok := strings.Cut(text, "=")
		if !ok {
			entity, number = "", text
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= least && n <= most) {
			bound := ""
			if n > most {
				bound = fmt.Sprintf("; at most %g", most)
			}
			return usage("%s %s: write card=%s, or %s for all entities%s", flag, text, such, such, bound)
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
	// Busiest is the part of the events that the busiest hundredth of the keys have,
	// with --skew.
	Busiest float64 `json:"busiest_1_percent,omitempty"`
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
	for _, z := range plan.Size(func(source *spec.Source, entity *spec.Entity) features.Load {
		return x.of(s, source, entity)
	}) {
		m := logMemory{Entity: z.Entity.Name, Source: z.Source.Name, Keys: math.Round(z.Keys), Events: z.Events, Bytes: math.Ceil(z.Total), Busiest: z.Busiest}
		m.PerKey = math.Ceil(z.Total / z.Keys)
		for _, v := range z.Views {
			m.Views = append(m.Views, v.Ref())
		}
		logs, total = append(logs, m), total+m.Bytes
	}
	return logs, total, nil
}

// of is the load of an entity over a source. Where keys are unevenly busy, the least
// busy ones have come for as long as they are known.
func (x expected) of(s *spec.Spec, source *spec.Source, entity *spec.Entity) features.Load {
	load := features.Load{Rate: x.rate, Keys: of(x.keys, entity.Name), KeyBytes: 16, Values: of(x.values, entity.Name), Skew: of(x.skew, entity.Name), Seconds: sizedFor}
	for _, v := range s.Views {
		if load.Skew > 0 && v.Source == source && v.Entity == entity {
			load.Seconds = max(load.Seconds, (v.TTL + source.AllowedLateness).Seconds())
		}
	}
	return load
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
	const row = "  %-28s %10s %11s %11s %11s\n"
	fmt.Fprintf(out, "%s: memory for %g events/s of each source (docs/sizing.md)\n", s.Namespace, x.rate)
	fmt.Fprintf(out, row, "entity over source", "keys", "events/key", "bytes/key", "MiB")
	even := false
	for _, m := range logs {
		fmt.Fprintf(out, row, m.Entity+" over "+m.Source, fmt.Sprintf("%.0f", m.Keys), fmt.Sprintf("%.1f", m.Events), fmt.Sprintf("%.0f", m.PerKey), fmt.Sprintf("%.0f", m.Bytes/(1<<20)))
		fmt.Fprintf(out, "    %s\n", strings.Join(m.Views, " "))
		if even = even || m.Busiest == 0; m.Busiest > 0 {
			fmt.Fprintf(out, "    the busiest 1 %% of the keys have %.0f %% of the events\n", 100*m.Busiest)
		}
		if asked := of(x.keys, m.Entity); m.Keys < math.Round(0.99*asked) {
			fmt.Fprintf(out, "    no more of %.0f keys can be known at once with this rate and skew\n", asked)
		}
	}
	fmt.Fprintf(out, row, "in all", "", "", "", fmt.Sprintf("%.0f", total/(1<<20)))
	if even {
		fmt.Fprintln(out, "  assumes equally busy keys; for others: --skew 1.1, or --skew card=1.1")
	}
	return nil
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
