package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sources/tailreader"
)

// tailFlags are the flags of tail, as given.
type tailFlags struct {
	specs                        []string
	filter                       string
	bands, reasons               []string
	minScore                     float64
	model                        string
	sources                      []string
	fields, hide                 []string
	wide                         bool
	since, until, from, offset   string
	limit                        int
	noFollow                     bool
	maxRate                      int
	isolation, format            string
	minScoreSet, maxRateSetByAsk bool
}

func (a *app) tailCommand() *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follow the enriched, scored events",
		Long: `  freshet tail --band block,review
  freshet tail -f 'score > 0.7 && event.amount > 500' --since 15m
  freshet tail --source payments --offset start --no-follow -o ndjson | jq -c '{event_id, scores}'

Prints the committed records of the output topics of the specs' sources, starting now. It joins no consumer
group and commits nothing, so it cannot disturb the pipeline. Personal fields stay masked. A terminal gets at
most 50 lines per second; the rate line (stderr) counts what was skipped.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.minScoreSet = cmd.Flags().Changed("min-score")
			f.maxRateSetByAsk = cmd.Flags().Changed("max-rate")
			t, err := a.newTail(cmd, f)
			if err != nil {
				return err
			}
			return t.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.specs, "specs", nil, "spec file or folder; may be repeated  [FRESHET_SPECS]")
	flags.StringVarP(&f.filter, "filter", "f", "", "only records for which this expression is true (freshet help filters)")
	flags.StringSliceVar(&f.bands, "band", nil, "only these bands")
	flags.Float64Var(&f.minScore, "min-score", 0, "only scores of at least this")
	flags.StringSliceVar(&f.reasons, "reason", nil, "only records with one of these reason codes")
	flags.StringVar(&f.model, "model", "", "show score, band and reasons of this model (default: the first)")
	flags.StringSliceVar(&f.sources, "source", nil, "only of these sources (default: all)")
	flags.StringSliceVar(&f.fields, "fields", nil, "fields to show: amount, event.amount, features.card_velocity.txn_count_1m")
	flags.StringSliceVar(&f.hide, "hide", nil, "columns to hide: "+strings.Join(tailColumnNames, ", ")+", or a field")
	flags.BoolVar(&f.wide, "wide", false, "show every field and feature")
	flags.StringVar(&f.since, "since", "", "begin at this time: 15m, 12:04, RFC 3339, today, yesterday")
	flags.StringVar(&f.until, "until", "", "end at this time")
	flags.StringVar(&f.from, "from", "", "begin at PARTITION:OFFSET, and read that partition only")
	flags.StringVar(&f.offset, "offset", "", "begin at start, end, or -N: N records before the end of each partition")
	flags.IntVar(&f.limit, "limit", 0, "end after this many lines")
	flags.BoolVar(&f.noFollow, "no-follow", false, "end at the present end of the topic; begins at its start unless told otherwise")
	flags.IntVar(&f.maxRate, "max-rate", 0, "lines per second; 0: no limit (default 50 on a terminal)")
	flags.StringVar(&f.isolation, "isolation", "read_committed", "read_committed or read_uncommitted")
	offerOutput(cmd, &f.format, "table", "ndjson")
	config.AddFlags(flags, "kafka.brokers")
	return cmd
}

// defaultMaxRate is how many lines a second a person can still see.
const defaultMaxRate = 50

// newTail checks every flag before anything is read.
func (a *app) newTail(cmd *cobra.Command, f tailFlags) (*tail, error) {
	settings, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	s, err := a.onlySpec(f.specs, settings)
	if err != nil {
		return nil, err
	}
	if f.limit < 0 || f.maxRate < 0 {
		return nil, usage("--limit %d, --max-rate %d: each is 0 (no limit) or more", f.limit, f.maxRate)
	}
	t := &tail{app: a, spec: s, flags: f, ink: a.ink(a.out), maxRate: f.maxRate}
	if t.sources, err = tailedSources(s, f.sources); err != nil {
		return nil, err
	}
	if t.start, err = tailStart(f, time.Now()); err != nil {
		return nil, err
	}
	if f.from != "" && len(t.sources) > 1 {
		return nil, usage("--from %s is a place on one topic: say --source %s as well", f.from, t.sources[0].Name)
	}
	if t.filter, err = newTailFilter(s, t.sources, f); err != nil {
		return nil, err
	}
	// Nothing is to come of a time that has passed.
	t.noFollow = f.noFollow || !t.filter.until.IsZero() && t.filter.until.Before(time.Now())
	if t.columns, err = newTailColumns(s, t.sources, f); err != nil {
		return nil, err
	}
	if f.isolation != "read_committed" && f.isolation != "read_uncommitted" {
		return nil, usage("--isolation %s: it is read_committed or read_uncommitted", f.isolation)
	}
	t.columns.narrow = isNarrow(width(a.out))
	if !f.maxRateSetByAsk && isTerminal(a.out) && f.format == "table" {
		t.maxRate = defaultMaxRate
	}
	if t.kafka, err = kafkaClient(settings.Kafka); err != nil {
		return nil, err
	}
	if t.veil, err = newVeil(s, settings); err != nil {
		return nil, err
	}
	return t, nil
}

func tailedSources(s *spec.Spec, names []string) ([]*spec.Source, error) {
	if len(names) == 0 {
		return s.Sources, nil
	}
	var out []*spec.Source
	for _, name := range names {
		source, known := s.Source(name)
		if !known {
			var all []string
			for _, other := range s.Sources {
				all = append(all, other.Name)
			}
			return nil, usage("--source %s: the spec has %s", name, strings.Join(all, ", "))
		}
		out = append(out, source)
	}
	return out, nil
}

// tailStart is where a tail begins.
func tailStart(f tailFlags, now time.Time) (from tailreader.From, err error) {
	given := 0
	for _, text := range []string{f.since, f.from, f.offset} {
		if text != "" {
			given++
		}
	}
	if given > 1 {
		return from, usage("--since, --from and --offset each say where to begin: give one of them")
	}
	switch {
	case f.since != "":
		from.Where = tailreader.Since
		from.Time, err = parseWhen("since", f.since, now)
		return from, err
	case f.from != "":
		partition, offset, ok := parsePlace(f.from)
		if !ok {
			return from, usage("--from %s: it is PARTITION:OFFSET, like 3:118273", f.from)
		}
		return tailreader.From{Where: tailreader.Exact, Partition: partition, Offset: offset}, nil
	case f.offset == "start", f.offset == "" && f.noFollow:
		from.Where = tailreader.Start
	case f.offset == "" || f.offset == "end":
	default:
		n, err := strconv.ParseInt(f.offset, 10, 64)
		if err != nil || n >= 0 {
			return from, usage("--offset %s: it is start, end, or -N", f.offset)
		}
		from = tailreader.From{Where: tailreader.Last, Count: -n}
	}
	return from, nil
}

// parsePlace reads PARTITION:OFFSET.
func parsePlace(text string) (partition int, offset int64, ok bool) {
	left, right, found := strings.Cut(text, ":")
	p, err1 := strconv.ParseUint(left, 10, 31)
	o, err2 := strconv.ParseUint(right, 10, 63)
	return int(p), int64(o), found && err1 == nil && err2 == nil
}

func newTailFilter(s *spec.Spec, sources []*spec.Source, f tailFlags) (*tailFilter, error) {
	filter := &tailFilter{model: f.model, minScore: f.minScore, hasMin: f.minScoreSet}
	var err error
	if filter.expr, err = newFilterExpr(f.filter, s, sources); err != nil {
		return nil, err
	}
	if filter.until, err = parseWhen("until", f.until, time.Now()); err != nil {
		return nil, err
	}
	var models, bands, codes []string
	for _, m := range s.Models {
		models = append(models, m.Name)
		for _, band := range m.Bands {
			bands = append(bands, band.Name)
		}
		for _, rule := range m.Rules {
			codes = append(codes, rule.Code)
		}
	}
	if f.model != "" && !has(models, f.model) {
		return nil, usage("--model %s: the spec has %s", f.model, namesOrNone(models))
	}
	if filter.bands, err = choices("band", f.bands, bands); err != nil {
		return nil, err
	}
	filter.reasons, err = choices("reason", f.reasons, codes)
	return filter, err
}

// choices checks names against what the spec knows: a typo must not look like
// "nothing happens".
func choices(flag string, given, known []string) (map[string]bool, error) {
	chosen := make(map[string]bool)
	for _, name := range given {
		if !has(known, name) {
			return nil, usage("--%s %s: the spec has %s", flag, name, namesOrNone(unique(known)))
		}
		chosen[name] = true
	}
	return chosen, nil
}

func newTailColumns(s *spec.Spec, sources []*spec.Source, f tailFlags) (*tailColumns, error) {
	c := &tailColumns{spec: s, model: f.model, fields: f.fields, wide: f.wide, hide: make(map[string]bool)}
	known := append([]string(nil), tailColumnNames...)
	for _, source := range sources {
		for _, field := range source.Fields {
			known = append(known, field.Name, "event."+field.Name)
		}
	}
	for _, view := range s.Views {
		for _, feature := range view.Features {
			known = append(known, "features."+feature.Full())
		}
	}
	for _, service := range s.Services {
		for _, d := range service.Derived {
			known = append(known, "features."+service.Name+"."+d.Name)
		}
	}
	for _, list := range []struct {
		flag  string
		names []string
	}{{"fields", f.fields}, {"hide", f.hide}} {
		for _, name := range list.names {
			if !has(known, name) {
				hint := ""
				if near := config.Nearest(name, known); near != "" {
					hint = " (did you mean " + near + "?)"
				}
				return nil, usage("--%s %s: nothing is called so%s", list.flag, name, hint)
			}
		}
	}
	for _, name := range f.hide {
		c.hide[strings.TrimPrefix(name, "event.")] = true
	}
	return c, nil
}

func has(items []string, item string) bool {
	for _, other := range items {
		if other == item {
			return true
		}
	}
	return false
}

func unique(items []string) []string {
	var out []string
	for _, item := range items {
		if !has(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// run follows until the limit, the end or the first signal. Ctrl-C is how a tail
// without an end of its own ends; one that has an end was cut short.
func (t *tail) run(ctx context.Context) error {
	err := t.follow(ctx)
	t.rate.end()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		if f := t.flags; !f.noFollow && f.limit == 0 && f.until == "" {
			return nil
		}
		return &problem{code: exitInterrupted, err: errors.New("interrupted"), done: true}
	}
	if err != nil {
		return missingTopic(fmt.Errorf("tail: %w", err))
	}
	return nil
}

// missingTopic gives the error of a reader whose topic is not there a next step.
func missingTopic(err error) error {
	if !errors.Is(err, kafka.UnknownTopicOrPartition) {
		return err
	}
	return failed(err, "freshet run makes it when it starts; of another cluster say --brokers HOST:PORT, of one source --source NAME")
}
