package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/sources/tailreader"
)

func (a *app) dlqCommand() *cobra.Command {
	parent := &cobra.Command{Use: "dlq", Short: "List and show dead letters", Args: args(cobra.NoArgs),
		Long: `  freshet dlq ls
  freshet dlq ls --since 1h --source payments -o json
  freshet dlq show 3:118273

A dead letter is a record that was refused because it cannot be decoded, violates the schema, is late, is
from the future, is too large, or made the engine panic twice. Its headers say why and where it came from;
its payload is masked.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	parent.AddCommand(a.dlqListCommand(), a.dlqShowCommand())
	return parent
}

// dlqFlags choose dead letters.
type dlqFlags struct {
	specs   []string
	sources []string
	reason  string
	since   string
	limit   int
	format  string
}

func (f *dlqFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.specs, "specs", nil, "spec file or folder; may be repeated  [FRESHET_SPECS]")
	flags.StringSliceVar(&f.sources, "source", nil, "only of these sources (default: all)")
	flags.StringVar(&f.reason, "reason", "", "only with this reason: "+strings.Join(deadReasons(), ", "))
	flags.StringVar(&f.since, "since", "", "only refused since: 15m, 12:04, RFC 3339, today, yesterday")
	config.AddFlags(flags, "kafka.brokers")
}

func (a *app) dlqListCommand() *cobra.Command {
	var f dlqFlags
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "Count dead letters by source and reason",
		Long: `  freshet dlq ls
  freshet dlq ls --since today
  freshet dlq ls -o json | jq '.[] | select(.count > 100)'

Reads the dead-letter topics of the specs' sources, without a consumer group, and counts them by source
and reason.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			groups := make(map[[2]string]*deadGroup)
			err := a.eachDead(cmd, f, func(d *dead) (bool, error) {
				key := [2]string{d.Source, d.Reason}
				if groups[key] == nil {
					groups[key] = &deadGroup{Source: d.Source, Reason: d.Reason, First: d.refusedAt}
				}
				groups[key].add(d)
				return false, nil
			})
			if err != nil {
				return err
			}
			return a.writeGroups(groups, f.format)
		},
	}
	f.add(cmd)
	offerOutput(cmd, &f.format, "table", "json")
	return cmd
}

// deadReasons are those that a dead letter may have.
func deadReasons() []string {
	var reasons []string
	for reason := event.Decode; int(reason) < event.NumReasons; reason++ {
		if reason.DeadLetter() {
			reasons = append(reasons, reason.String())
		}
	}
	return append(reasons, record.ReasonTooLarge, record.ReasonPanic)
}

// deadGroup is the dead letters of one source and reason.
type deadGroup struct {
	Source    string    `json:"source"`
	Reason    string    `json:"reason"`
	Count     int       `json:"count"`
	First     time.Time `json:"first_seen"`
	Last      time.Time `json:"last_seen"`
	Place     string    `json:"last_place"` // partition:offset of the source
	LastError string    `json:"last_error"`
}

func (g *deadGroup) add(d *dead) {
	g.Count++
	if d.refusedAt.Before(g.First) {
		g.First = d.refusedAt
	}
	if !d.refusedAt.Before(g.Last) {
		g.Last, g.Place, g.LastError = d.refusedAt, fmt.Sprintf("%d:%d", d.Partition, d.Offset), d.Error
	}
}

func (a *app) writeGroups(groups map[[2]string]*deadGroup, format string) error {
	list := []*deadGroup{}
	for _, g := range groups {
		list = append(list, g)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Count != list[j].Count {
			return list[i].Count > list[j].Count
		}
		return list[i].Source+list[i].Reason < list[j].Source+list[j].Reason
	})
	if format == "json" {
		return writeJSON(a.out, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(a.errs, "no dead letters")
		return nil
	}
	ink := a.ink(a.out)
	t := table{right: map[int]bool{2: true}}
	t.add("SOURCE", "REASON", "COUNT", "FIRST SEEN", "LAST SEEN", "LAST PLACE", "LAST ERROR")
	for _, g := range list {
		t.add(ink.key(g.Source), g.Reason, grouped(g.Count), g.First.UTC().Format(time.RFC3339), g.Last.UTC().Format(time.RFC3339),
			g.Place, clean(g.LastError))
	}
	return t.write(a.out, ink)
}

func (a *app) dlqShowCommand() *cobra.Command {
	var f dlqFlags
	cmd := &cobra.Command{
		Use:   "show [PARTITION:OFFSET]",
		Short: "Show dead letters, masked, and what was wrong",
		Long: `  freshet dlq show 3:118273
  freshet dlq show --reason schema --since 1h
  freshet dlq show --limit 100 -o ndjson | jq -r .error | sort | uniq -c

PARTITION:OFFSET is the place of the refused record in the topic of its source, as dlq ls prints it.`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			partition, offset, byPlace := 0, int64(0), len(given) == 1
			if byPlace {
				var ok bool
				if partition, offset, ok = parsePlace(given[0]); !ok {
					return usage("%s: it is PARTITION:OFFSET, like 3:118273", given[0])
				}
			}
			if f.limit < 1 {
				return usage("--limit %d: it is 1 or more", f.limit)
			}
			shown := 0
			err := a.eachDead(cmd, f, func(d *dead) (bool, error) {
				if byPlace && (int(d.Partition) != partition || d.Offset != offset) {
					return false, nil
				}
				shown++
				return shown >= f.limit, a.showDead(d, f.format)
			})
			if err == nil && shown == 0 {
				return failed(errors.New("no such dead letter"), "freshet dlq ls")
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&f.limit, "limit", 10, "show at most this many")
	offerOutput(cmd, &f.format, "table", "ndjson")
	return cmd
}

// dead is one dead letter, and when it was refused.
type dead struct {
	record.DeadLetter
	refusedAt time.Time
}

// eachDead visits the dead letters that the flags choose, oldest first within
// each partition, until visit says that it is enough.
func (a *app) eachDead(cmd *cobra.Command, f dlqFlags, visit func(*dead) (enough bool, err error)) error {
	settings, err := a.settings(cmd)
	if err != nil {
		return err
	}
	s, err := a.onlySpec(f.specs, settings)
	if err != nil {
		return err
	}
	chosen, err := tailedSources(s, f.sources)
	if err != nil {
		return err
	}
	since, err := parseWhen("since", f.since, time.Now())
	if err != nil {
		return err
	}
	if reasons := deadReasons(); f.reason != "" && !slices.Contains(reasons, f.reason) {
		return usage("--reason %s: it is one of %s", f.reason, strings.Join(reasons, ", "))
	}
	client, err := kafkaClient(settings.Kafka)
	if err != nil {
		return err
	}
	for _, source := range chosen {
		enough, err := readDead(cmd.Context(), client, record.DeadLetterTopic(s, source), since, func(d *dead) (bool, error) {
			if f.reason != "" && d.Reason != f.reason {
				return false, nil
			}
			return visit(d)
		})
		if err != nil || enough {
			return err
		}
	}
	return nil
}

func readDead(ctx context.Context, client kafkaclient.Config, topic string, since time.Time, visit func(*dead) (bool, error)) (enough bool, err error) {
	from := tailreader.From{Where: tailreader.Start}
	if !since.IsZero() {
		from = tailreader.From{Where: tailreader.Since, Time: since}
	}
	reader, err := tailreader.Open(ctx, tailreader.Config{Client: client, Topic: topic, From: from, NoFollow: true})
	if err != nil {
		return false, missingTopic(err)
	}
	defer func() { _ = reader.Close() }()
	for {
		message, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		letter, ok := record.ReadDeadLetter(func(name string) string {
			for _, header := range message.Headers {
				if header.Key == name {
					return string(header.Value)
				}
			}
			return ""
		}, message.Value)
		if !ok {
			continue // someone else's record on this topic
		}
		if enough, err = visit(&dead{letter, message.Time}); err != nil || enough {
			return enough, err
		}
	}
}

func (a *app) showDead(d *dead, format string) error {
	if format == "ndjson" {
		line := struct {
			record.DeadLetter
			Refused time.Time       `json:"refused_at"`
			Payload json.RawMessage `json:"payload"`
		}{d.DeadLetter, d.refusedAt.UTC(), json.RawMessage(d.Payload)}
		if !json.Valid(d.Payload) {
			line.Payload, _ = json.Marshal(string(d.Payload))
		}
		return writeLine(a.out, line)
	}
	ink := a.ink(a.out)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d:%d  %s  refused %s  attempts %d  spec %s\n", ink.key(d.Source), d.Partition, d.Offset, ink.bad(d.Reason),
		d.refusedAt.UTC().Format(time.RFC3339), d.Attempts, d.Spec)
	fmt.Fprintf(&b, "  %s\n", clean(d.Error))
	b.WriteString(payloadWithCaret(d.Payload, d.Error, ink))
	b.WriteString("\n")
	return writeAll(a.out, b.String())
}

// payloadWithCaret lays the payload out, with a mark under the field that the
// error names.
func payloadWithCaret(payload []byte, text string, ink ink) string {
	var pretty bytes.Buffer
	if json.Indent(&pretty, payload, "    ", "  ") != nil {
		return "    " + clean(string(payload)) + "\n"
	}
	field, what, named := strings.Cut(text, ":")
	var b strings.Builder
	for i, line := range strings.Split(pretty.String(), "\n") {
		if i == 0 {
			line = "    " + line
		}
		b.WriteString(clean(line) + "\n")
		if at := strings.Index(line, `"`+field+`": `); named && at >= 0 {
			b.WriteString(strings.Repeat(" ", at+len(field)+4) + ink.bad("^"+what) + "\n")
			named = false
		}
	}
	return b.String()
}
