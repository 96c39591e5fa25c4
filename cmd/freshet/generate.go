package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/sources/generate"
)

// generateFlags are the flags of generate.
type generateFlags struct {
	options   generate.Options
	count     int64
	rate      float64 // records per second of the wall clock, 0: unpaced
	eventRate float64
	start     string
	realtime  bool
	fraud     []string
	writers   int

	partitions int
	topics     map[string]string // by source
	outputDir  string
	stdout     bool
}

// defaultFraud is one episode in 500 records.
const defaultFraud = 0.002

func (a *app) generateCommand() *cobra.Command {
	flags := generateFlags{topics: map[string]string{}}
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Generate synthetic traffic with injected fraud",
		Long: `  freshet generate --brokers localhost:9092 --rate 200 --count 0     200 records per second until Ctrl-C
  freshet generate --output-dir /tmp/traffic --count 100000 --seed 7  payments.jsonl and activity.jsonl
  freshet generate --stdout --count 5 | jq .

Generates the two streams of examples/quickstart: payments, and the activity of the same users. A few cards
and users cause most of the traffic, and episodes of fraud are injected (--fraud).

The same seed, start and flags give the same records. Without --rate, event times of records to Kafka end at
the present, so that none is in the future; files begin at ` + generate.DefaultStart.Format(time.RFC3339) + `. Fraud and duplicates come
on top of the rate.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.generate(cmd, flags) },
	}
	f := cmd.Flags()
	f.Int64Var(&flags.count, "count", 10_000, "number of records, of both streams together; 0: until interrupted")
	f.Float64Var(&flags.rate, "rate", 0, "records per second; 0: as fast as possible")
	f.Float64Var(&flags.eventRate, "event-rate", 0, "records per second of event time (default: the rate, or 100)")
	f.Uint64Var(&flags.options.Seed, "seed", 1, "seed; the same seed gives the same records")
	f.StringVar(&flags.start, "start", "", "event time of the first record, RFC 3339")
	f.BoolVar(&flags.realtime, "realtime", false, "event time is the present time: starts now and follows the event rate")
	f.IntVar(&flags.options.Cards, "cards", generate.DefaultCards, "number of cards")
	f.IntVar(&flags.options.Users, "users", generate.DefaultUsers, "number of users that own them")
	f.Float64Var(&flags.options.OutOfOrder, "out-of-order", 0.05, "share of records that arrive up to 20s after younger ones")
	f.Float64Var(&flags.options.Duplicates, "duplicates", 0.01, "share of records that arrive twice")
	f.Float64Var(&flags.options.Late, "late", 0, "share of records that are more than an hour late")
	f.Float64Var(&flags.options.Bad, "bad", 0, "share of records that are broken")
	f.StringSliceVar(&flags.fraud, "fraud", []string{"all"}, "all, none, or a list of "+kindNames())
	f.Float64Var(&flags.options.Fraud, "fraud-share", defaultFraud, "fraud episodes per record")
	f.BoolVar(&flags.options.Labels, "labels", false, "put the kind of fraud into the field _label, which the spec does not declare")
	f.IntVar(&flags.writers, "writers", 4, "parallel Kafka writers; the records of a key stay with one")
	f.IntVar(&flags.partitions, "partitions", 4, "partitions of topics that have to be created")
	f.StringToStringVar(&flags.topics, "topics", nil, "SOURCE=TOPIC (default payments="+defaultTopics[generate.Payments]+
		",activity="+defaultTopics[generate.Activity]+")")
	f.Lookup("topics").DefValue = "" // said above
	f.StringVar(&flags.outputDir, "output-dir", "", "folder to write payments.jsonl and activity.jsonl to, instead of Kafka")
	f.BoolVar(&flags.stdout, "stdout", false, "write JSON lines of both streams to stdout instead of Kafka")
	config.AddFlags(f, "kafka.brokers")
	return cmd
}

// defaultTopics are those of examples/quickstart.
var defaultTopics = map[string]string{
	generate.Payments: "quickstart.payments.v1",
	generate.Activity: "quickstart.activity.v1",
}

func kindNames() string {
	var names []string
	for _, k := range generate.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// generate runs the verb.
func (a *app) generate(cmd *cobra.Command, flags generateFlags) error {
	if err := flags.settle(time.Now()); err != nil {
		return err
	}
	target, err := a.openTraffic(cmd, flags)
	if err != nil {
		return err
	}
	began := time.Now()
	sent, err := flags.send(cmd.Context(), target)
	if errors.Is(err, context.Canceled) && flags.count == 0 {
		err = nil // endless traffic is ended so
	}
	if closeErr := target.close(); err == nil {
		err = closeErr
	}
	fmt.Fprintf(a.errs, "%d payments, %d activity in %s, event time from %s; seed %d\n", sent[generate.Payments], sent[generate.Activity],
		time.Since(began).Round(time.Millisecond), flags.options.Start.Format(time.RFC3339Nano), flags.options.Seed)
	return err
}

// settle checks the flags and fills in what follows from others.
func (f *generateFlags) settle(now time.Time) error {
	switch {
	case f.stdout && f.outputDir != "":
		return usage("--stdout and --output-dir: records go to one of them")
	case f.realtime && f.start != "":
		return usage("--realtime and --start: real time starts now")
	case f.count < 0:
		return usage("--count %d: it is 0 or more", f.count)
	case f.rate < 0:
		return usage("--rate %v: it is 0 or more", f.rate)
	case f.writers < 1 || f.writers > maxWriters:
		return usage("--writers %d: it is 1 to %d", f.writers, maxWriters)
	case f.partitions < 1 || f.partitions > maxPartitions:
		return usage("--partitions %d: it is 1 to %d", f.partitions, maxPartitions)
	}
	for source := range f.topics {
		if defaultTopics[source] == "" {
			return usage("--topics %s=%s: the sources are %s and %s", source, f.topics[source], generate.Payments, generate.Activity)
		}
	}
	if f.eventRate == 0 {
		f.eventRate = f.rate
	}
	if f.eventRate == 0 {
		f.eventRate = generate.DefaultRate
	}
	if f.realtime {
		f.rate = f.eventRate
	}
	f.options.Rate = f.eventRate
	if err := f.setFraud(); err != nil {
		return err
	}
	if err := f.setStart(now); err != nil {
		return err
	}
	if err := f.options.Validate(); err != nil {
		return usage("%w", err)
	}
	return nil
}

func (f *generateFlags) setFraud() error {
	if slices.Equal(f.fraud, []string{"none"}) {
		f.options.Fraud = 0
		return nil
	}
	if slices.Equal(f.fraud, []string{"all"}) {
		return nil
	}
	for _, name := range f.fraud {
		kind := generate.Kind(name)
		if !slices.Contains(generate.Kinds(), kind) {
			return usage("--fraud %s: it is all, none, or a list of %s", name, kindNames())
		}
		f.options.FraudKinds = append(f.options.FraudKinds, kind)
	}
	return nil
}

func (f *generateFlags) setStart(now time.Time) error {
	toKafka := f.outputDir == "" && !f.stdout
	switch {
	case f.start != "":
		at, err := time.Parse(time.RFC3339, f.start)
		if err != nil {
			return usage("--start %s: it is a time like 2026-01-05T12:00:00Z", f.start)
		}
		f.options.Start = at
	case f.rate > 0 || toKafka && f.count == 0:
		f.options.Start = now.Truncate(time.Millisecond)
	case toKafka:
		whole := time.Duration(float64(f.count) / f.eventRate * float64(time.Second))
		f.options.Start = now.Add(-whole).Truncate(time.Millisecond)
	default:
		f.options.Start = generate.DefaultStart
	}
	return nil
}

// earlyBy is how much before its time a record may be sent: shorter waits than
// this cost more than they are worth.
const earlyBy = 2 * time.Millisecond

// send makes the records and hands them to the target, at the asked pace. It
// counts what was sent, by source.
func (f *generateFlags) send(ctx context.Context, target traffic) (sent map[string]int64, err error) {
	g := generate.New(f.options)
	sent = map[string]int64{}
	began := time.Now()
	for n := int64(0); n < f.count || f.count == 0; n++ {
		e := g.Next()
		if f.rate > 0 {
			offset := float64(e.Time.Sub(f.options.Start)) * f.eventRate / f.rate
			if err := waitUntil(ctx, began.Add(time.Duration(offset)), target); err != nil {
				return sent, err
			}
		}
		if err := ctx.Err(); err != nil {
			return sent, err
		}
		if err := target.write(ctx, e); err != nil {
			return sent, err
		}
		sent[e.Source]++
	}
	return sent, nil
}

// waitUntil waits for a time, with everything sent that was handed over.
func waitUntil(ctx context.Context, due time.Time, target traffic) error {
	wait := time.Until(due)
	if wait <= earlyBy {
		return nil
	}
	if err := target.flush(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
