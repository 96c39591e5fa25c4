package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/sources/tailreader"
)

// tail follows the output topics of some sources.
type tail struct {
	app      *app
	spec     *spec.Spec
	flags    tailFlags
	sources  []*spec.Source
	start    tailreader.From
	noFollow bool
	filter   *tailFilter
	columns  *tailColumns
	veil     *veil
	kafka    kafkaclient.Config
	ink      ink
	maxRate  int

	readers []*tailreader.Reader
	rate    *rateLine
	shown   int
	budget  int       // lines left in this second
	second  time.Time // that budget is for
}

// arrival is a record of one of the topics, or why one has ended.
type arrival struct {
	source  *spec.Source
	message tailreader.Message
	err     error
}

// follow reads all topics until the limit or the end is reached.
func (t *tail) follow(ctx context.Context) error {
	t.rate = newRateLine(t.app.errs, t.app.ink(t.app.errs), t.lag)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arrivals, done := make(chan arrival), make(chan struct{})
	defer close(done)
	for _, source := range t.sources {
		reader, err := tailreader.Open(ctx, t.readerConfig(source))
		if err != nil {
			return err
		}
		defer func() { _ = reader.Close() }()
		t.readers = append(t.readers, reader)
		t.announce(source, reader)
	}
	for i, source := range t.sources {
		go readInto(ctx, done, arrivals, source, t.readers[i])
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for running := len(t.sources); running > 0; {
		select {
		case a := <-arrivals:
			if errors.Is(a.err, io.EOF) {
				running-- // --no-follow: this topic has ended
				continue
			}
			if a.err != nil {
				return a.err
			}
			if enough, err := t.take(a); enough || err != nil {
				return err
			}
		case now := <-tick.C:
			t.rate.show(now)
		}
	}
	return nil
}

// readInto hands on what a reader brings, and last why it ended.
func readInto(ctx context.Context, done <-chan struct{}, arrivals chan<- arrival, source *spec.Source, reader *tailreader.Reader) {
	for {
		message, err := reader.Next(ctx)
		select {
		case arrivals <- arrival{source, message, err}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}

func (t *tail) readerConfig(source *spec.Source) tailreader.Config {
	return tailreader.Config{Client: t.kafka, Topic: source.Output.Topic, From: t.start, NoFollow: t.noFollow,
		Uncommitted: t.flags.isolation == "read_uncommitted"}
}

// lag says how far behind the reading is, and where an open transaction holds a
// partition back.
func (t *tail) lag() string {
	var behind int64
	var worst string
	var words []string
	for i, reader := range t.readers {
		for id, lag := range reader.Lag() {
			if n := lag.Stable - lag.Next; n > behind {
				behind, worst = n, fmt.Sprintf("%s p%d", t.sources[i].Name, id)
			}
			if lag.High > lag.Stable && lag.Next >= lag.Stable {
				words = append(words, fmt.Sprintf("%s p%d waits at %d for an open transaction", t.sources[i].Name, id, lag.Stable))
			}
		}
	}
	if behind > 0 {
		words = append(words, fmt.Sprintf("lag %d (%s)", behind, worst))
	}
	sort.Strings(words)
	return strings.Join(words, "  ")
}

// announce says on stderr what is followed.
func (t *tail) announce(source *spec.Source, reader *tailreader.Reader) {
	words := []string{source.Output.Topic, plural(len(reader.Lag()), "partition"), t.flags.isolation, t.fromText(), "PII masked"}
	fmt.Fprintln(t.app.errs, t.app.ink(t.app.errs).dim(strings.Join(words, "  ")))
}

func (t *tail) fromText() string {
	switch t.start.Where {
	case tailreader.Exact:
		return fmt.Sprintf("from %d:%d", t.start.Partition, t.start.Offset)
	case tailreader.Start:
		return "from start"
	case tailreader.Last:
		return fmt.Sprintf("from %d before the end", t.start.Count)
	case tailreader.Since:
		return "from " + t.start.Time.Format(time.RFC3339)
	}
	return "from now"
}

// take shows one record, or counts it as skipped or as not matching.
func (t *tail) take(a arrival) (done bool, err error) {
	r, err := record.Decode(a.message.Value)
	if err != nil {
		t.rate.unreadable++
		return false, nil // not ours: someone else writes to this topic too
	}
	line := &tailLine{source: a.source, topic: a.source.Output.Topic, partition: a.message.Partition, offset: a.message.Offset,
		raw: a.message.Value, record: r}
	t.rate.saw(line, t.flags.model)
	if !t.filter.matches(line) {
		return false, nil
	}
	t.rate.matched++
	if !t.allow(time.Now()) {
		t.rate.skipped++
		return false, nil
	}
	if err := t.veil.draw(line); err != nil {
		return false, fmt.Errorf("record %d:%d: %w", line.partition, line.offset, err)
	}
	if err := t.print(line); err != nil {
		return false, err
	}
	t.rate.shown++
	t.shown++
	return t.flags.limit > 0 && t.shown >= t.flags.limit, nil
}

// allow spends one line of this second's.
func (t *tail) allow(now time.Time) bool {
	if t.maxRate <= 0 {
		return true
	}
	if now.Sub(t.second) >= time.Second {
		t.second, t.budget = now, t.maxRate
	}
	t.budget--
	return t.budget >= 0
}

func (t *tail) print(l *tailLine) error {
	t.rate.clear()
	if t.flags.format == "ndjson" {
		return writeAll(t.app.out, ndjson(l))
	}
	text := t.columns.text(l, t.ink)
	if !t.flags.wide {
		text = clip(text, width(t.app.out))
	}
	defer t.rate.draw()
	return writeAll(t.app.out, text+"\n")
}

// ndjson is the record as it is, and where it lies: one object a line, its
// schema_version first.
func ndjson(l *tailLine) string {
	body := strings.TrimSuffix(strings.TrimSpace(string(l.raw)), "}")
	return fmt.Sprintf("%s,\"topic\":%q,\"partition\":%d,\"offset\":%d,\"delay_ms\":%d}\n", body, l.topic, l.partition, l.offset, l.delay().Milliseconds())
}
