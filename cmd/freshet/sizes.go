package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// expected is the load that validate sizes specs for: --rate and --keys.
type expected struct {
	rate float64
	keys map[string]float64 // by entity; "" is that of the others
}

const defaultKeys = 1_000_000

// expectedLoad reads --rate 1000 and --keys card=1000000,user=200000.
func expectedLoad(rate float64, given []string) (expected, error) {
	x := expected{rate: rate, keys: map[string]float64{"": defaultKeys}}
	if rate < 0 {
		return x, usage("--rate %v: events per second of a source", rate)
	}
	for _, text := range given {
		entity, number, ok := strings.Cut(text, "=")
		if !ok {
			entity, number = "", text
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 1 {
			return x, usage("--keys %s: write card=1000000, or 1000000 for all entities", text)
		}
		x.keys[entity] = n
	}
	return x, nil
}

// write prints what a spec needs in memory under the load.
func (x expected) write(out io.Writer, s *spec.Spec) error {
	plan, err := features.Compile(s, features.Served)
	if err != nil {
		return err
	}
	sizes := plan.Size(func(_ *spec.Source, entity *spec.Entity) features.Load {
		keys, ok := x.keys[entity.Name]
		if !ok {
			keys = x.keys[""]
		}
		return features.Load{Rate: x.rate, Keys: keys, KeyBytes: 16}
	})
	fmt.Fprintf(out, "%s: memory for %g events/s of each source (docs/sizing.md)\n", s.Namespace, x.rate)
	fmt.Fprintf(out, "  %-28s %12s %12s %12s %10s  %s\n", "entity over source", "keys", "events/key", "bytes/key", "MiB", "views")
	total := 0.0
	for _, z := range sizes {
		keys, ok := x.keys[z.Entity.Name]
		if !ok {
			keys = x.keys[""]
		}
		var views []string
		for _, v := range z.Views {
			views = append(views, v.Ref())
		}
		total += z.Total
		fmt.Fprintf(out, "  %-28s %12.0f %12.1f %12.0f %10.0f  %s\n", z.Entity.Name+" over "+z.Source.Name, keys, z.Events,
			z.Total/keys, z.Total/(1<<20), strings.Join(views, " "))
	}
	_, err = fmt.Fprintf(out, "  %-28s %12s %12s %12s %10.0f\n", "in all", "", "", "", total/(1<<20))
	return err
}
