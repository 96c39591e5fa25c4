package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"time"
)

// summary says what was seen, shows one row as redis-cli would, and what to
// type next.
func (s *demoScreen) summary(d *demo) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", s.ink.bold("Summary"))
	refused := d.refused()
	fmt.Fprintf(&b, "  %s  %s in, %s scored\n", pad("events", 18), grouped(int(d.traffic.sent.Load())), grouped(s.seen()))
	fmt.Fprintf(&b, "  %s  %s\n", pad("refused", 18), refused)
	for _, m := range s.spec.Models {
		counts := s.bands[m.Name]
		if counts == nil {
			continue
		}
		var words []string
		for _, band := range m.Bands {
			words = append(words, band.Name+" "+grouped(counts[band.Name]))
		}
		fmt.Fprintf(&b, "  %s  %s\n", pad(m.Name, 18), strings.Join(words, "   "))
	}
	if len(s.reasons) > 0 {
		fmt.Fprintf(&b, "  %s  %s\n", pad("reasons", 18), s.topReasons())
	}
	if at := d.traffic.burstAt.Load(); at > 0 {
		began := time.UnixMilli(at)
		fmt.Fprintf(&b, "  the card testing began at %s", began.UTC().Format("15:04:05"))
		if s.flagged.IsZero() {
			b.WriteString("\n")
		} else {
			fmt.Fprintf(&b, " and was first flagged %s later\n", s.ink.bold(shortAge(s.flagged.Sub(began))))
		}
	}
	s.row(&b, d)
	s.next(&b, calledAs(os.Args[0]))
	return writeAll(s.out, b.String())
}

// next says what to type next, as it can be typed where demo was.
func (s *demoScreen) next(b *strings.Builder, program string) {
	fmt.Fprintf(b, "\n%s\n", s.ink.bold("Next"))
	between := "  "
	if s.columns.narrow {
		between = "\n    "
	}
	for _, step := range []struct{ what, args string }{
		{"run the tests", "test examples/quickstart"},
		{"list the features", "features --specs examples/quickstart"},
		{"run on Kafka", "run examples/quickstart --brokers HOST:9092 --online-store redis://HOST"},
	} {
		fmt.Fprintf(b, "  %s%s%s %s\n", s.ink.dim(pad(step.what, 17)), between, program, step.args)
	}
}

// calledAs is the program as the shell finds it: by its path where it was
// started by one, as make demo does.
func calledAs(arg0 string) string {
	if strings.ContainsRune(arg0, '/') {
		return arg0
	}
	return "freshet"
}

func grouped(n int) string { return thousands(fmt.Sprint(n)) }

func (s *demoScreen) topReasons() string {
	var codes []string
	for code := range s.reasons {
		codes = append(codes, code)
	}
	sort.Slice(codes, func(i, j int) bool {
		if s.reasons[codes[i]] != s.reasons[codes[j]] {
			return s.reasons[codes[i]] > s.reasons[codes[j]]
		}
		return codes[i] < codes[j]
	})
	var words []string
	for _, code := range codes {
		words = append(words, code+" "+grouped(s.reasons[code]))
	}
	return strings.Join(words, "  ")
}

// refused counts what was dropped or went to the dead letters, by the
// pipeline's own metrics.
func (d *demo) refused() string {
	gathered, err := d.registry.Gather()
	if err != nil {
		return "unknown: " + err.Error()
	}
	return counted(countsOf(gathered).refused)
}

// row shows the busiest card's row, as it lies in Redis.
func (s *demoScreen) row(b *strings.Builder, d *demo) {
	if s.hottest == "" {
		return
	}
	view, known := s.spec.View("card_velocity")
	if !known {
		return
	}
	key := "freshet:" + s.spec.Namespace + ":{card:" + s.hottest + "}:" + view.Pinned()
	fields, err := d.redis.HKeys(key)
	if err != nil {
		return
	}
	sort.Strings(fields)
	fmt.Fprintf(b, "\n%s  %s\n", s.ink.bold("One row in Redis"), s.ink.dim(s.hotKey+", the busiest card"))
	fmt.Fprintf(b, "  $ redis-cli HGETALL '%s'\n", key)
	for _, field := range fields {
		fmt.Fprintf(b, "    %s  %s\n", s.ink.key(pad(field, 18)), d.redis.HGet(key, field))
	}
}
