package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/record"
)

const (
	demoLines      = 5  // ordinary lines a second: more cannot be read
	demoAlertLines = 12 // lines a second of records that are not in the lowest band
	demoChanges    = 4  // steps of a feature that a watch line shows
	demoPoll       = 100 * time.Millisecond
	watchFrom      = 3 // payments of one card within a minute make it worth watching
	watched        = "card_velocity.txn_count_1m"
	watchedSum     = "card_velocity.amount_sum_1h"
)

// demoScreen shows the scored stream and features that change, and counts.
type demoScreen struct {
	app     *app
	spec    *spec.Spec
	out     io.Writer
	ink     ink
	columns *tailColumns
	rate    *rateLine

	last   time.Time // an ordinary line was shown
	second time.Time
	alerts int // shown in this second

	history map[string][]change // card token -> how the watched feature changed
	hottest string              // the card that was used most within a minute
	highest float64
	hotKey  string // as it is shown

	scored  atomic.Int64
	bands   map[string]map[string]int // model -> band -> records
	reasons map[string]int
	flagged time.Time // first record of the burst's kind that was not let through
}

// change is one step of the watched features.
type change struct{ count, sum float64 }

// seen is how many scored records have come.
func (s *demoScreen) seen() int { return int(s.scored.Load()) }

func newDemoScreen(a *app, s *spec.Spec) *demoScreen {
	return &demoScreen{app: a, spec: s, out: a.out, ink: a.ink(a.out), columns: &tailColumns{spec: s, narrow: isNarrow(width(a.out))},
		history: make(map[string][]change), bands: make(map[string]map[string]int), reasons: make(map[string]int)}
}

func (s *demoScreen) header(d *demo, flags demoFlags) {
	served := sizesOf(s.spec)
	var models []string
	for _, m := range s.spec.Models {
		models = append(models, m.Name)
	}
	end := "until Ctrl-C"
	if flags.duration > 0 {
		end = "for " + spec.FormatDuration(flags.duration) + ", or until Ctrl-C"
	}
	metrics := ""
	if d.listener != nil {
		metrics = "   metrics http://" + d.listener.address + "/metrics"
	}
	fmt.Fprintf(s.out, "%s  everything runs in this process; nothing is installed or left behind\n", s.ink.bold("freshet demo"))
	fmt.Fprintf(s.out, "  %s %s   %s %s%s\n", s.ink.dim("Kafka"), strings.Join(d.cluster.ListenAddrs(), ","), s.ink.dim("Redis"), d.redis.Addr(), metrics)
	fmt.Fprintf(s.out, "  %s %s %s %s (%d served) %s %s\n", strings.Join(sourceNames(s.spec), " + "), s.ink.dim("→"),
		plural(served.Views, "view"), plural(served.Features, "feature"), served.Served, s.ink.dim("→"), strings.Join(models, ", "))
	fmt.Fprintf(s.out, "  %.0f events/s %s; after %s an attack begins that tests stolen cards\n\n", flags.rate, end, spec.FormatDuration(demoBurstAfter))
}

func sourceNames(s *spec.Spec) []string {
	var names []string
	for _, source := range s.Sources {
		names = append(names, source.Name)
	}
	return names
}

// follow reads what the pipeline wrote, as committed records without a group,
// and shows some of it.
func (s *demoScreen) follow(ctx context.Context, d *demo) error {
	s.rate = newRateLine(s.app.errs, s.app.ink(s.app.errs), nil)
	s.rate.quiet = !isTerminal(s.app.errs)
	defer s.rate.end()
	reader, err := d.openScored(ctx)
	if err != nil {
		return err
	}
	defer reader.Close()
	for ctx.Err() == nil {
		polling, cancel := context.WithTimeout(ctx, demoPoll)
		fetches := reader.PollFetches(polling)
		cancel()
		if err := fetches.Err0(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("read the scored topics: %w", err)
		}
		now := time.Now()
		for r := fetches.RecordIter(); !r.Done(); {
			if err := s.take(r.Next(), now); err != nil {
				return err
			}
		}
		s.rate.show(now)
	}
	return nil
}

// take counts one record, and shows it where there is room for it.
func (s *demoScreen) take(message *kgo.Record, now time.Time) error {
	r, err := record.Decode(message.Value)
	if err != nil {
		return err
	}
	source, known := s.spec.Source(r.Source)
	if !known {
		return fmt.Errorf("a record of source %s on topic %s", r.Source, message.Topic)
	}
	line := &tailLine{source: source, topic: message.Topic, partition: int(message.Partition), offset: message.Offset, record: r}
	s.scored.Add(1)
	s.rate.saw(line, "")
	s.rate.matched++
	score := line.scoreOf("")
	alert := false
	if score != nil {
		s.count(score)
		alert = s.columns.level(score) != bottom
	}
	if alert && s.flagged.IsZero() && strings.HasPrefix(r.EventID, "burst-") {
		s.flagged = r.ProcessedAt
	}
	changed := s.watch(line)
	if !s.room(alert, now) {
		s.rate.skipped++
		return nil
	}
	s.rate.clear()
	s.rate.shown++
	wide := width(s.out)
	text := clip(s.columns.text(line, s.ink), wide) + "\n"
	if changed != "" {
		text += clip(changed, wide) + "\n"
	}
	defer s.rate.draw()
	return writeAll(s.out, text)
}

func (s *demoScreen) count(score *record.ModelScore) {
	model, _, _ := strings.Cut(score.Model, "@")
	if s.bands[model] == nil {
		s.bands[model] = make(map[string]int)
	}
	s.bands[model][score.Band]++
	for _, code := range reasonCodes(score) {
		s.reasons[code]++
	}
}

// room spends one line of this second's: alerts have their own, so that they
// are not lost among ordinary payments, which come evenly.
func (s *demoScreen) room(alert bool, now time.Time) bool {
	if alert {
		if now.Sub(s.second) >= time.Second {
			s.second, s.alerts = now, 0
		}
		s.alerts++
		return s.alerts <= demoAlertLines
	}
	if now.Sub(s.last) < time.Second/demoLines {
		return false
	}
	s.last = now
	return true
}

// watch follows the feature of each card, and gives the line that shows its
// steps once the card is busy.
func (s *demoScreen) watch(l *tailLine) string {
	count, ok := l.record.Features[watched].(float64)
	if !ok {
		return ""
	}
	sum, _ := l.record.Features[watchedSum].(float64)
	token := l.record.Entities["card"]
	steps := s.history[token]
	if len(steps) > 0 && count <= 1 {
		steps = nil // the minute has passed: it begins anew
	}
	steps = append(steps, change{count, sum})
	if len(steps) > demoChanges {
		steps = steps[1:]
	}
	s.history[token] = steps
	if count > s.highest {
		s.highest, s.hottest, s.hotKey = count, token, s.columns.entity(l)
	}
	if count < watchFrom || len(steps) < 2 {
		return ""
	}
	indent := 14
	var counts, sums []string
	for _, step := range steps {
		counts = append(counts, strconv.FormatFloat(step.count, 'f', -1, 64))
		sums = append(sums, thousands(strconv.FormatFloat(step.sum, 'f', 2, 64)))
	}
	if s.columns.narrow {
		indent, sums = 2, sums[len(sums)-2:]
	}
	return strings.Repeat(" ", indent) + s.ink.key("↳ "+s.columns.entity(l)) + "  txn_count_1m " + s.ink.bold(strings.Join(counts, "→")) +
		"  amount_sum_1h " + s.ink.bold(strings.Join(sums, "→"))
}
