package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The slowest events of a run come together or alone, and that says more than
// how slow they were: a stall of a third of a second is a whole per cent of half
// a minute.

const (
	slowestPart   = 0.01                   // of the probes
	sameStretch   = 100 * time.Millisecond // slow events this close have waited for the same
	mostStretches = 12                     // that are shown
)

// stretch is slow events that came together.
type stretch struct {
	from, to time.Time
	n        int
	slowest  time.Duration
}

// stretches puts the slowest probes together that were sent close to each other.
func stretches(got []seen) (all []stretch) {
	slow := slices.Clone(got)
	slices.SortFunc(slow, func(a, b seen) int { return cmp.Compare(b.stored, a.stored) })
	slow = slow[:min(len(slow), max(1, int(slowestPart*float64(len(slow)))))]
	slices.SortFunc(slow, func(a, b seen) int { return a.at.Compare(b.at) })
	for _, s := range slow {
		if n := len(all); n == 0 || s.at.Sub(all[n-1].to) > sameStretch {
			all = append(all, stretch{from: s.at})
		}
		last := &all[len(all)-1]
		last.to, last.n, last.slowest = s.at, last.n+1, max(last.slowest, s.stored)
	}
	return all
}

// printStretches shows when the slowest probes of a run were sent.
func printStretches(got []seen, began time.Time) {
	all := stretches(got)
	fmt.Printf("    slowest 1 %%: %d stretches", len(all))
	slices.SortStableFunc(all, func(a, b stretch) int { return cmp.Compare(b.n, a.n) })
	for i, s := range all[:min(len(all), mostStretches)] {
		sign := ";"
		if i == 0 {
			sign = ":"
		}
		fmt.Printf("%s %d at %.2f s for %v (up to %v)", sign, s.n, s.from.Sub(began).Seconds(),
			s.to.Sub(s.from).Round(time.Millisecond), s.slowest.Round(100*time.Microsecond))
	}
	fmt.Println()
}
