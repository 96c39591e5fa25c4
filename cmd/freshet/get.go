package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/redis"
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

func (a *app) getFromStore(ctx context.Context, s *spec.Spec, settings *config.Settings, given []string, f *getFlags) error {
	g, err := newGetting(s, settings, given, f.service)
	if err != nil {
		return err
	}
	if err := g.read(ctx, settings); err != nil {
		return err
	}
	if f.format == "json" {
		return writeJSON(a.out, g.document())
	}
	return g.table(a)
}

// getting is one read of one entity's rows.
type getting struct {
	spec    *spec.Spec
	entity  *spec.Entity
	key     string
	layouts []*features.RowLayout
	only    map[*spec.Feature]bool // nil: all
	service *spec.Service          // nil: in the order of the views

	rows   []redis.StoredRow
	alive  bool
	stream int64 // ms, of alive
	now    time.Time
}

func newGetting(s *spec.Spec, settings *config.Settings, given []string, service string) (*getting, error) {
	g := &getting{spec: s, now: time.Now()}
	var err error
	if g.entity, g.key, err = parseEntity(s, given[0]); err != nil {
		return nil, err
	}
	plan, err := features.Compile(s, features.Served)
	if err != nil {
		return nil, err
	}
	for _, name := range given[1:] {
		if strings.Contains(name, "=") {
			return nil, usage("%s: the online store is read of one ENTITY=KEY at a time; ask again for the other", name)
		}
		if err := g.want(name); err != nil {
			return nil, err
		}
	}
	if g.service, err = serviceNamed(s, service); err != nil {
		return nil, err
	}
	for _, layout := range plan.Rows() {
		if layout.View.Entity == g.entity && g.wants(layout) {
			g.layouts = append(g.layouts, layout)
		}
	}
	if len(g.layouts) == 0 {
		return nil, failed(fmt.Errorf("no served feature of entity %s", g.entity.Name), "freshet features -o wide")
	}
	return g, nil
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

// want adds a feature by full or short name, or by pattern.
func (g *getting) want(name string) error {
	if g.only == nil {
		g.only = make(map[*spec.Feature]bool)
	}
	var known []string
	found := false
	for _, view := range g.spec.Views {
		if view.Entity != g.entity {
			continue
		}
		for _, f := range view.Features {
			known = append(known, f.Full(), f.Short)
			if f.Full() == name || f.Short == name || strings.ContainsAny(name, "*?[") && matches(name, f.Full()) {
				g.only[f] = true
				found = true
			}
		}
	}
	if found {
		return nil
	}
	if near := config.Nearest(name, known); near != "" {
		return usage("no feature %s of entity %s (did you mean %s?)", name, g.entity.Name, near)
	}
	return &problem{code: exitUsage, err: fmt.Errorf("no feature %s of entity %s", name, g.entity.Name), next: "freshet features"}
}

func (g *getting) wants(layout *features.RowLayout) bool {
	for _, column := range layout.Columns {
		if g.shows(column.Feature) {
			return true
		}
	}
	return false
}

// shows reports whether a feature is part of the answer.
func (g *getting) shows(f *spec.Feature) bool {
	return (g.only == nil || g.only[f]) && (g.service == nil || slices.Contains(g.service.Features, f))
}

func (g *getting) read(ctx context.Context, settings *config.Settings) error {
	if settings.OnlineStore == "none" {
		return usage("online_store is none: there is nothing to read; say --online-store redis://HOST:PORT")
	}
	tokens, err := tokensFor(g.spec, settings.EntityKeySecret)
	if err != nil {
		if g.entity.PII {
			return err
		}
		tokens = mask.NewTokens(nil) // which this entity's key does not become
	}
	options, err := storeOptions(settings, g.spec, tokens)
	if err != nil {
		return err
	}
	reader, err := redis.OpenReader(options)
	if err != nil {
		return &problem{code: exitUsage, err: err}
	}
	defer func() { _ = reader.Close() }()
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	if g.entity.PII {
		if err := reader.CheckSecret(ctx); err != nil {
			return storeProblem(err, "freshet config view --origin   shows where online_store comes from")
		}
	}
	if g.rows, err = reader.Get(ctx, g.layouts, g.key); err != nil {
		return storeProblem(err, "freshet config view --origin   shows where online_store comes from")
	}
	g.stream, g.alive, err = reader.Alive(ctx)
	if err != nil {
		return storeProblem(err, "")
	}
	return nil
}

// cell is one value as it is shown.
type cell struct {
	feature *spec.Feature
	value   string
	has     bool
	status  features.Status
	at      time.Time // zero: no row
	note    string
}

func (g *getting) cells() []cell {
	var cells []cell
	for _, row := range g.rows {
		for i, column := range row.Layout.Columns {
			f := column.Feature
			if !g.shows(f) {
				continue
			}
			c := cell{feature: f, value: row.Texts[i], has: row.Has[i], status: row.Statuses[i]}
			if row.Found {
				c.at = time.UnixMilli(row.At[i]).UTC()
				c.note = g.age(f, row.At[i])
				if column.Moves {
					c.note = "moves with time; this is as of then"
				}
			}
			if row.Found && g.stale(f) && features.Stale < c.status {
				c.status = features.Stale
			}
			cells = append(cells, c)
		}
	}
	if g.service != nil {
		slices.SortStableFunc(cells, func(a, b cell) int {
			return slices.Index(g.service.Features, a.feature) - slices.Index(g.service.Features, b.feature)
		})
	}
	return cells
}

// stale is no living writer, or a stream older than a service of the feature
// tolerates.
func (g *getting) stale(f *spec.Feature) bool {
	if !g.alive {
		return true
	}
	age := g.now.Sub(time.UnixMilli(g.stream))
	for _, service := range g.spec.Services {
		for _, listed := range service.Features {
			if listed == f && service.MaxStaleness > 0 && age > service.MaxStaleness {
				return true
			}
		}
	}
	return false
}

// age says where a row is older than the window that a value is for.
func (g *getting) age(f *spec.Feature, at int64) string {
	if !g.alive || f.Def == nil || f.Window.Kind != spec.Sliding {
		return ""
	}
	since := time.Duration(g.stream-at) * time.Millisecond
	if since >= f.Window.Length+f.Def.Delay {
		return "its window has passed since"
	}
	return ""
}

func (g *getting) table(a *app) error {
	ink := a.ink(a.out)
	words := []string{ink.bold(g.entity.Name + "=" + g.key)}
	if g.alive {
		words = append(words, "stream at "+time.UnixMilli(g.stream).UTC().Format(time.RFC3339),
			"staleness "+shortAge(g.now.Sub(time.UnixMilli(g.stream))))
	} else {
		words = append(words, ink.bad("no living writer: nothing below is to be trusted"))
	}
	if _, err := fmt.Fprintln(a.out, strings.Join(words, "  ")); err != nil {
		return err
	}
	t := table{right: map[int]bool{1: true}}
	t.add("FEATURE", "VALUE", "STATUS", "AS OF", "NOTE")
	for _, c := range g.cells() {
		status := c.status.String()
		if c.status == features.Present {
			status = ink.good(status)
		} else {
			status = ink.warn(status)
		}
		value, at := c.value, ""
		if !c.has {
			value = "-"
		}
		if !c.at.IsZero() {
			at = c.at.Format("15:04:05.000")
			if g.now.Sub(c.at) > 24*time.Hour {
				at = c.at.Format(time.RFC3339)
			}
		}
		t.add(ink.key(c.feature.Full()), value, status, at, c.note)
	}
	return t.write(a.out, ink)
}

// document is the JSON form, in the words of the feature API.
func (g *getting) document() any {
	type doc struct {
		Entity      map[string]string `json:"entity"`
		Features    map[string]any    `json:"features"`
		Statuses    map[string]string `json:"statuses"` // those that are not PRESENT
		AsOf        map[string]string `json:"as_of"`
		Consistency string            `json:"consistency"`
		Alive       bool              `json:"alive"`
		StreamTime  string            `json:"stream_time,omitempty"`
		StalenessMS *int64            `json:"staleness_ms"`
	}
	d := doc{Entity: map[string]string{g.entity.Name: g.key}, Features: map[string]any{}, Statuses: map[string]string{},
		AsOf: map[string]string{}, Consistency: "last", Alive: g.alive}
	if g.alive {
		at := time.UnixMilli(g.stream)
		d.StreamTime = at.UTC().Format("2006-01-02T15:04:05.000Z")
		ms := g.now.Sub(at).Milliseconds()
		d.StalenessMS = &ms
	}
	for _, c := range g.cells() {
		name := c.feature.Full()
		d.Features[name] = nil
		if c.has {
			d.Features[name] = storedValue(c.feature, c.value)
		}
		if c.status != features.Present {
			d.Statuses[name] = c.status.String()
		}
		if !c.at.IsZero() {
			d.AsOf[name] = c.at.Format("2006-01-02T15:04:05.000Z")
		}
	}
	return d
}

// storedValue is the JSON value of a stored text.
func storedValue(f *spec.Feature, text string) any {
	switch f.Type {
	case spec.String, spec.Timestamp:
		return text
	case spec.Bool:
		return text == "true"
	case spec.List, spec.Map:
		return json.RawMessage(text)
	}
	return json.Number(text)
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
