package main

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// getTimeout bounds one read of the online store.
const getTimeout = 3 * time.Second

// getFlags are the flags of get that are no settings.
type getFlags struct {
	paths, inputs      []string
	at, event, service string
	format             string
}

func (a *app) getCommand() *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get ENTITY=KEY [feature...]",
		Short: "Read features as a scoring service would",
		Long: `  freshet get card=c1 --specs examples/quickstart --online-store redis://localhost:6379
  freshet get card=c1 card_velocity.txn_count_1m 'card_geo.*' -o json
  freshet get card=c1 --input payments=day.jsonl.gz --at 2026-01-05T12:04:31.882Z
  freshet get --input payments=day.jsonl --event attempt.json --service payment_risk -o json
  freshet get pair=u1,d%2C7            a composite key; "," and "%" inside a part as %2C and %25

Reads the row of each view of the entity from Redis, with the status and the age of each value. A row holds
the values as of the entity's last event; a note says where a window has ended since. Without a running
writer every value is STALE. Keys of personal entities are looked up by their token, which needs
entity_key_secret.

With --input it reads files instead, as run does, and computes every feature, even those that are not served,
exactly as of --at (default: the newest event), ignoring later events. --event takes one JSON object in the
format of its source and computes the values as if it had just arrived, including those that need an event;
an event that the files already contain gives the values of its own record. Several entities may be named,
each once. --service prints the values in the order of that service's vector. Values are not masked: the
files are yours.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			s, err := a.onlySpec(f.paths, settings)
			if err != nil {
				return err
			}
			if len(f.inputs) > 0 {
				return a.getFromFiles(cmd.Context(), s, given, &f)
			}
			if f.at != "" || f.event != "" {
				return usage("--at and --event read the state that files lead to: say --input SOURCE=FILE; Redis holds last rows only")
			}
			if len(given) == 0 {
				return usage("of which entity? say ENTITY=KEY, like %s=c1", s.Entities[0].Name)
			}
			return a.getFromStore(cmd.Context(), s, settings, given, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.paths, "specs", nil, "spec file or folder; may be repeated  [FRESHET_SPECS]")
	flags.StringArrayVar(&f.inputs, "input", nil, "SOURCE=PATH: answer from the events of this file instead of Redis; may be repeated")
	flags.StringVar(&f.at, "at", "", "with --input: as of this time (default: that of the newest event)")
	flags.StringVar(&f.event, "event", "", "with --input: [SOURCE=]FILE with one JSON object, - is stdin: the values as if this event had just arrived")
	flags.StringVar(&f.service, "service", "", "only the features of this feature service, in the order of its vector")
	offerOutput(cmd, &f.format, "table", "json")
	config.AddFlags(flags, "online_store")
	return cmd
}

func (a *app) getFromFiles(ctx context.Context, s *spec.Spec, given []string, f *getFlags) error {
	q, err := a.newQuestion(s, given, f, time.Now())
	if err != nil {
		return err
	}
	answer, err := q.answer(ctx)
	if err != nil {
		return err
	}
	if f.format == "json" {
		return answer.document(a)
	}
	return answer.table(a)
}

// parseEntity reads card=c1, or pair=a,b for a composite key.
func parseEntity(s *spec.Spec, text string) (*spec.Entity, string, error) {
	name, key, ok := strings.Cut(text, "=")
	if !ok || name == "" || key == "" {
		return nil, "", usage("%s: it is ENTITY=KEY, like %s=c1", text, s.Entities[0].Name)
	}
	var entity *spec.Entity
	var names []string
	for _, e := range s.Entities {
		names = append(names, e.Name)
		if e.Name == name {
			entity = e
		}
	}
	if entity == nil {
		return nil, "", usage("no entity %s: the spec has %s", name, strings.Join(names, ", "))
	}
	if len(entity.Key) == 1 {
		return entity, key, nil
	}
	parts := strings.Split(key, ",")
	if len(parts) != len(entity.Key) {
		return nil, "", usage("%s: the key of %s has %d parts (%s), separated by commas; a comma inside a part is %%2C",
			text, name, len(entity.Key), strings.Join(entity.Key, ", "))
	}
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return nil, "", usage("%s: %q is badly percent-encoded: a %% inside a part is %%25", text, part)
		}
		parts[i] = plain
	}
	return entity, features.JoinKey(parts), nil
}

// shortAge writes an age with one unit: 412ms, 3.1s, 4m, 2h.
func shortAge(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + shortAge(-max(d, -math.MaxInt64))
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
